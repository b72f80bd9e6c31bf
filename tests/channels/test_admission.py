"""Rules 2 to 4 of ``admission``, where the homeserver says nothing about anybody's devices."""

from __future__ import annotations

import pytest

from bot.channels.matrix.admission import MAX_FROM_ONE, MAX_WAITING_FROM_ONE, Admission
from bot.channels.matrix.directory import Directory
from bot.channels.matrix.http import Http
from bot.channels.matrix.olm import OLM
from bot.channels.matrix.safejson import JsonObject
from bot.errors import ChannelError
from tests.channels.conftest import NewHand
from tests.channels.hand import Hand
from tests.services.kit import HandClock


def olm(hand: Hand, *, sender_key: str = "") -> JsonObject:
    content = {"algorithm": OLM, "sender_key": sender_key or hand.machine.curve25519, "ciphertext": {}}
    return {"type": "m.room.encrypted", "sender": hand.user, "content": content}


async def test_rules_3_and_4_read_again_three_times_then_waiting_until_it_is_listed(
    new_hand: NewHand,
) -> None:
    hand = await new_hand()
    nowhere, clock = Http("http://127.0.0.1:9"), HandClock()
    directory = Directory(nowhere, hand.machine, own_master_key=None)
    admission = Admission(directory, monotonic=clock.monotonic)
    people = frozenset({hand.user})
    for _ in range(2):
        with pytest.raises(ChannelError) as failed:
            await admission.admitted([olm(hand)], people=people)
        assert not failed.value.permanent
    many = [olm(hand), *(olm(hand, sender_key=f"made up {n}") for n in range(2 * MAX_FROM_ONE))]
    assert await admission.admitted(many, people=people) == []
    assert await admission.admitted([olm(hand)], people=people) == []
    (waiting,) = admission._waiting.values()
    assert len(waiting) == MAX_WAITING_FROM_ONE
    directory._http = hand.http  # the homeserver is there again
    clock.forward(seconds=61)
    assert await admission.admitted([], people=people) == [olm(hand)]
    assert await admission.admitted([], people=people) == [], "it is looked at once"
    assert await admission.admitted([], people=frozenset()) == []
    assert not admission._waiting, "who is gone is not waited for"
    await nowhere.close()
