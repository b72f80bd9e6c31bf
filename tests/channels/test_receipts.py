"""Read receipts: what is taken of them, from malformed ones to those of a real homeserver."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from bot.channels.matrix.http import CLIENT, segment
from bot.channels.matrix.reading import read_receipts
from bot.domain.messages import Nudge
from bot.domain.values import Language
from tests.channels.bot_rig import Bot, address, new_txn
from tests.channels.conftest import NewHand
from tests.rig.waiting import until


def receipt(user: str, ts: object, *, event: str = "$e", kind: str = "m.read") -> dict[str, object]:
    return {"type": "m.receipt", "content": {event: {kind: {user: {"ts": ts}}}}}


def test_the_latest_of_each_counts() -> None:
    found = read_receipts(
        [receipt("@p:x", 2000), receipt("@p:x", 3000, event="$f"), receipt("@q:x", 1000), receipt("@p:x", 1)]
    )
    assert found == {
        "@p:x": datetime.fromtimestamp(3, UTC),
        "@q:x": datetime.fromtimestamp(1, UTC),
    }


@pytest.mark.parametrize(
    "event",
    [
        None,
        [],
        "m.receipt",
        {"type": "m.typing", "content": {"user_ids": ["@p:x"]}},
        {"type": "m.receipt"},
        {"type": "m.receipt", "content": []},
        {"type": "m.receipt", "content": {"$e": {"m.read": ["@p:x"]}}},
        receipt("@p:x", 1000, kind="m.read.private"),
        receipt("@p:x", "soon"),
        receipt("@p:x", None),
        receipt("@p:x", True),
        receipt("@p:x", -5),
        receipt("", 1000),
    ],
)
def test_what_is_malformed_says_nothing(event: object) -> None:
    assert read_receipts([event]) == {}


def test_a_stamp_beyond_all_time_is_the_last_moment() -> None:
    assert [at.year for at in read_receipts([receipt("@p:x", 10**30)]).values()] == [9999]


async def test_a_patients_client_says_that_it_showed_a_nudge(bot: Bot, new_hand: NewHand) -> None:
    hand = await new_hand()
    async with bot.running() as (channel, ears):
        room = await channel.open_room(hand.user)
        await hand.join(room)
        await ears.wait_joined(room)
        event = await channel.nudge(address(room, hand.user), Nudge(language=Language.FR), new_txn())
        path = f"{CLIENT}/rooms/{segment(room)}/receipt/m.read/{segment(event)}"
        await hand.http.call("POST", path, {})

        async def told() -> datetime | None:
            return next((at for place, user, at in ears.read if (place, user) == (room, hand.user)), None)

        at = await until(told, "the receipt")
        assert abs(datetime.now(UTC) - at) < timedelta(minutes=5)
        assert {user for _, user, _ in ears.read} == {hand.user}
