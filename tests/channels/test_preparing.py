"""Olm sessions ahead of their use: rule 6 of :mod:`bot.channels.matrix.upkeep`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from bot.domain.messages import Nudge
from bot.domain.trust import Address
from bot.domain.values import Language
from tests.channels.bot_rig import Bot, address, new_txn
from tests.channels.conftest import NewHand
from tests.channels.hand import Hand
from tests.channels.proxy import Json, Proxy
from tests.channels.test_hearing import room_with
from tests.rig.homeserver import RigHomeserver
from tests.rig.waiting import until

FR = Nudge(language=Language.FR)
ASKED = ("/keys/query", "/keys/claim", "/sendToDevice")


def asked(proxy: Proxy, hands: Sequence[Hand]) -> list[int]:
    """How many of each about any of them since the last call; the bot looks at its own account as well."""
    bodies = [(path, str(body)) for path, body in proxy.bodies]
    proxy.bodies.clear()
    return [
        sum(part in path and any(hand.user in body for hand in hands) for path, body in bodies)
        for part in ASKED
    ]


def named(proxy: Proxy, part: str) -> str:
    """Everybody who was asked about."""
    return str([body for path, body in proxy.bodies if part in path])


async def keys_of(hand: Hand) -> int:
    await hand.take_keys()
    return len(hand.machine.take_new_keys())


async def test_after_preparing_a_slot_asks_for_no_keys(bot: Bot, new_hand: NewHand, proxy: Proxy) -> None:
    hands = [await new_hand() for _ in range(4)]
    async with bot.running(through=proxy.url) as (channel, ears):
        to = [address(await room_with(channel, ears, hand), hand.user) for hand in hands]
        asked(proxy, hands)
        await channel.prepare(to)
        assert asked(proxy, hands) == [1, 1, 1]
        await channel.prepare(to)
        assert asked(proxy, hands) == [0, 0, 0], "whoever needs nothing costs nothing"
        assert [await keys_of(hand) for hand in hands] == [0] * 4, (
            "no key of anything that was or will be said"
        )
        for hand in hands:
            (own,) = (await hand.directory.current(bot.session.user)).devices
            assert hand.machine.has_session(own), "used at once"

        await channel.warm(to)
        assert asked(proxy, hands) == [0, 0, 1]
        await asyncio.gather(*(channel.nudge(one, FR, new_txn()) for one in to))
        assert asked(proxy, hands) == [0, 0, 0]
        assert [await keys_of(hand) for hand in hands] == [1] * 4

    async with bot.running(through=proxy.url) as (channel, _):
        asked(proxy, hands)
        await channel.prepare(to)
        assert asked(proxy, hands) == [1, 0, 0], "sessions outlive a restart"
        await channel.warm(to)
        assert asked(proxy, hands) == [0, 0, 1]


async def test_a_device_that_appears_is_prepared(
    bot: Bot, homeserver: RigHomeserver, proxy: Proxy, tmp_path: Path
) -> None:
    user, password = await homeserver.new_user()
    first = await Hand.start(homeserver, tmp_path / "first", user=user, password=password)
    async with bot.running(through=proxy.url) as (channel, ears):
        to = [address(await room_with(channel, ears, first), first.user)]
        await channel.prepare(to)
        second = await Hand.start(homeserver, tmp_path / "second", user=user, password=password, sign=False)
        hands = (first, second)
        asked(proxy, hands)

        async def prepared() -> bool:
            await channel.prepare(to)
            return second.machine.device_id in named(proxy, "/keys/claim")

        await until(prepared, "the new device to be prepared")
        asked(proxy, hands)
        await channel.warm(to)
        assert asked(proxy, hands)[1] == 0
        assert [await keys_of(hand) for hand in hands] == [1, 1]
        await first.close()
        await second.close()


async def test_nothing_is_asked_about_whoever_is_not_there(bot: Bot, new_hand: NewHand, proxy: Proxy) -> None:
    here, away, gone = await new_hand(), await new_hand(), await new_hand()
    async with bot.running(through=proxy.url) as (channel, ears):
        left = await room_with(channel, ears, gone)
        to = [
            address(await room_with(channel, ears, here), here.user),
            address(await channel.open_room(away.user), away.user),
            address(left, gone.user),
        ]
        await channel.leave_room(left)

        async def over() -> bool:
            return not channel._running().is_with(to[2])

        await until(over, "the room to be left")
        proxy.bodies.clear()
        await channel.prepare(to)
        for part in ("/keys/query", "/keys/claim", "/sendToDevice"):
            about = named(proxy, part)
            assert here.user in about
            assert away.user not in about
            assert gone.user not in about


@pytest.mark.parametrize("entry", [{}, [], 7, {"signed_curve25519:A": {"key": "A" * 43, "signatures": {}}}])
async def test_malformed_answers_stop_nobody(
    bot: Bot, new_hand: NewHand, proxy: Proxy, entry: object
) -> None:
    hands = good, bad = await new_hand(), await new_hand()

    def spoil(answer: Any) -> Json:
        for device in answer.get("one_time_keys", {}).get(bad.user, {}):
            answer["one_time_keys"][bad.user][device] = entry
        return dict(answer)

    async with bot.running(through=proxy.url) as (channel, ears):
        to: list[Address] = [address(await room_with(channel, ears, hand), hand.user) for hand in hands]
        proxy.failures["/keys/claim"] = [(500, {})]
        await channel.prepare(to)
        proxy.changes["/keys/claim"] = spoil
        asked(proxy, hands)
        await channel.prepare(to)
        told = named(proxy, "/sendToDevice")
        assert asked(proxy, hands) == [0, 1, 1], "tried again after a failure"
        assert good.user in told
        assert bad.user not in told
        await channel.prepare(to)
        assert asked(proxy, hands) == [0, 0, 0], "whoever gave no fit key is left alone for a while"
        proxy.changes.clear()
        for one in to:
            await channel.nudge(one, FR, new_txn())
        assert [await keys_of(hand) for hand in hands] == [1, 1], "made good by the nudge"


async def test_an_answer_about_devices_that_is_none_stops_nobody(
    bot: Bot, new_hand: NewHand, proxy: Proxy
) -> None:
    hands = good, bad = await new_hand(), await new_hand()

    def spoil(answer: Any) -> Json:
        answer["device_keys"][bad.user] = [None]
        return dict(answer)

    async with bot.running(through=proxy.url) as (channel, ears):
        to = [address(await room_with(channel, ears, hand), hand.user) for hand in hands]
        proxy.changes["/keys/query"] = spoil
        asked(proxy, hands)
        await channel.prepare(to)
        claimed = named(proxy, "/keys/claim")
        assert asked(proxy, hands) == [1, 1, 1]
        assert good.user in claimed
        assert bad.user not in claimed
