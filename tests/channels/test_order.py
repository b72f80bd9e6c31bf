"""Rules 1 and 2 of ``order``: what comes out of the order in which its device spoke."""

from __future__ import annotations

from typing import Any

from bot.channels.matrix.order import Order
from bot.domain.messages import Oddity
from bot.domain.values import RoomId
from tests.channels.bot_rig import Bot
from tests.channels.conftest import NewHand
from tests.channels.test_hearing import room_with, text

ROOM, OTHER = RoomId("!a:x"), RoomId("!b:x")


def read(order: Order, session_id: str, index: int, **where: Any) -> bool:
    return order.read(
        where.get("room", ROOM), curve25519=where.get("device", "d"), session_id=session_id, index=index
    )


def test_rule_1_a_lower_index_comes_too_late_and_the_same_one_again_does_not() -> None:
    order = Order()
    assert [read(order, "s", index) for index in (3, 4, 4, 2, 9, 8, 10)] == [
        True,
        True,
        True,
        False,
        True,
        False,
        True,
    ]


def test_rule_2_a_session_is_over_once_one_whose_key_came_later_was_read() -> None:
    order = Order()
    for session_id in ("first", "second", "third"):
        order.key_came(ROOM, session_id)
    assert read(order, "first", 0)
    assert read(order, "first", 1), "a key alone ends nothing"
    assert read(order, "third", 0)
    assert not read(order, "first", 5)
    assert not read(order, "second", 0), "it was never read, and is older all the same"
    assert read(order, "third", 1)


def test_rule_2_sessions_from_before_the_start() -> None:
    order = Order()
    assert read(order, "x", 0)
    assert read(order, "y", 0), "which of the two is older cannot be told"
    assert not read(order, "x", 1)
    order.key_came(ROOM, "new")
    assert read(order, "new", 0)
    assert not read(order, "y", 7)
    assert not read(order, "z", 0)


def test_devices_and_rooms_have_each_an_order_of_their_own() -> None:
    order = Order()
    for room, session_id in ((ROOM, "s"), (ROOM, "t"), (OTHER, "u")):
        order.key_came(room, session_id)
    assert read(order, "t", 9)
    assert read(order, "s", 0, device="e")
    assert read(order, "u", 0, room=OTHER)
    assert not read(order, "t", 8)


def test_what_is_remembered_is_bounded_and_forgotten_sessions_count_as_old() -> None:
    order = Order()
    order.key_came(ROOM, "old")
    for number in range(5000):
        order.key_came(ROOM, f"s{number}")
    assert len(order._arrived) <= 4096
    assert read(order, "s4999", 0)
    assert not read(order, "old", 0)


async def test_what_was_kept_back_is_unreadable_with_its_words(bot: Bot, new_hand: NewHand) -> None:
    """Rule 5 of ``hearing``: the words go along so that a PIN among them can be redacted."""
    hand = await new_hand()
    async with bot.running() as (channel, ears):
        room = await room_with(channel, ears, hand)
        await hand.share(room, bot.session.user)
        early = hand.encrypt(room, text("1234"))
        await hand.say(room, "later")
        await ears.wait_text("later")
        await hand.put(room, early)
        kept_back = await ears.wait_text("1234")
        old = hand.sessions.pop(room)
        await hand.share(room, bot.session.user)
        await hand.say(room, "in a new session")
        await ears.wait_text("in a new session")
        hand.sessions[room] = old
        await hand.say(room, "in the old one")
        over = await ears.wait_text("in the old one")
    for late in (kept_back, over):
        assert (late.oddity, late.device) == (Oddity.UNDECRYPTABLE, None)
        assert late.replay_key is not None
