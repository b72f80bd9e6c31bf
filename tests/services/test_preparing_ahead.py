"""Everybody is prepared ahead; rules by number are those of :mod:`bot.services.prepare_nudges`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pytest

from bot.domain.records import RecipientState
from bot.domain.trust import Address
from bot.domain.values import UserId
from bot.errors import ChannelError
from bot.services.prepare_nudges import PART, PrepareNudges
from tests.services.channel import FakeChannel
from tests.services.crowd import crowd
from tests.services.kit import Practice, at, entry

PEOPLE = 2 * PART + 3


@pytest.fixture
def ahead(practice: Practice) -> PrepareNudges:
    return PrepareNudges(practice.home.uow, practice.channel)


async def a_round(ahead: PrepareNudges) -> None:
    while await ahead.turn():
        pass


def prepared(practice: Practice) -> Counter[UserId]:
    return Counter(address.user for part in practice.channel.prepared for address in part)


def is_gone(practice: Practice, user: UserId) -> None:
    """As when ``user`` leaves the room."""
    with practice.home.uow() as uow:
        room = uow.rooms.by_user(user)
        assert room is not None
        uow.rooms.save(replace(room, left=True))
        uow.commit()


async def test_rule_1_everybody_alike_whether_a_nudge_waits_or_not(
    practice: Practice, ahead: PrepareNudges
) -> None:
    users = crowd(practice, PEOPLE)
    practice.take(entry("u-1", "2026-09-10 15:00", patient="C-1"))
    practice.clock.moment = at("2026-09-09 18:00")
    await a_round(ahead)
    assert prepared(practice) == Counter(users)
    assert [len(part) for part in practice.channel.prepared] == [PART, PART, 3]
    with practice.home.uow() as uow:
        ids = [(r.id, room.user) for r in uow.recipients.all() if (room := uow.rooms.by_recipient(r.id))]
    order = [address.user for part in practice.channel.prepared for address in part]
    assert order == [user for _, user in sorted(ids)], "in the order of ids that say nothing"


async def test_rule_2_a_round_begins_after_a_round(practice: Practice, ahead: PrepareNudges) -> None:
    assert not await ahead.turn()
    users = crowd(practice, PART)
    for rounds in (1, 2):
        assert await ahead.turn()
        assert not await ahead.turn()
        assert prepared(practice) == Counter(users * rounds)


async def test_rule_3_whoever_left_is_passed_over_also_in_the_round_under_way(
    practice: Practice, ahead: PrepareNudges
) -> None:
    users = crowd(practice, PART + 2)
    await ahead.turn()
    late = sorted(set(users) - prepared(practice).keys())
    is_gone(practice, late[0])
    with practice.home.uow() as uow:
        room = uow.rooms.by_user(late[1])
        assert room is not None
        assert room.recipient is not None
        recipient = uow.recipients.get(room.recipient)
        assert recipient is not None
        uow.recipients.save(replace(recipient, state=RecipientState.LEFT))
        uow.commit()
    await a_round(ahead)
    await a_round(ahead)
    assert late[0] not in prepared(practice)
    assert late[1] not in prepared(practice)


async def test_rule_4_what_fails_stops_nobody(
    practice: Practice, ahead: PrepareNudges, caplog: pytest.LogCaptureFixture
) -> None:
    users = crowd(practice, PEOPLE)

    async def fails_once(to: Sequence[Address]) -> None:
        await FakeChannel.prepare(practice.channel, to)
        if len(practice.channel.prepared) == 1:
            raise ChannelError(f"about {to[0].user}", permanent=True)

    practice.channel.prepare = fails_once  # type: ignore[method-assign]  # this one channel's
    await a_round(ahead)
    assert prepared(practice) == Counter(users)
    assert [record.message for record in caplog.records] == ["some could not be prepared"]
    assert not any(user in caplog.text for user in users)
