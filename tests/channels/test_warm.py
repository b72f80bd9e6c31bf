"""Many rooms at once: few requests, and the same care. Rules: ``send``."""

from __future__ import annotations

import asyncio

from bot.channels.matrix.wire import WIRE_CHARACTERS
from bot.domain.messages import Nudge
from bot.domain.values import EventId, Language, RoomId
from bot.errors import Untrusted
from tests.channels.bot_rig import Bot, address, new_txn
from tests.channels.conftest import NewHand
from tests.channels.proxy import Proxy
from tests.channels.test_hearing import room_with

FR = Nudge(language=Language.FR)


async def test_warming_merges_claims_and_key_messages(bot: Bot, new_hand: NewHand, proxy: Proxy) -> None:
    hands = [await new_hand() for _ in range(5)]
    async with bot.running(through=proxy.url) as (channel, ears):
        rooms = [await room_with(channel, ears, hand) for hand in hands]
        twice = await room_with(channel, ears, hands[0])  # one device in two rooms needs two requests
        to = [address(room, hand.user) for room, hand in zip(rooms, hands, strict=True)]
        to.append(address(twice, hands[0].user))
        proxy.requests.clear()
        await channel.warm(to)
        counts = {part: proxy.count(part) for part in ("/keys/query", "/keys/claim", "/sendToDevice")}
        assert counts == {"/keys/query": 1, "/keys/claim": 1, "/sendToDevice": 2}

        proxy.requests.clear()
        await asyncio.gather(*(channel.nudge(address, FR, new_txn()) for address in to))
        sent = [path for _, path in proxy.requests if "/sync" not in path]
        assert len(sent) == len(to)
        assert all("/send/m.room.encrypted/" in path for path in sent)
        sizes = {len(body["ciphertext"]) for path, body in proxy.bodies if "/send/m.room.encrypted/" in path}
        assert sizes == {WIRE_CHARACTERS}

        for hand in hands:
            await hand.take_keys()
            assert len(hand.machine.take_new_keys()) == (2 if hand is hands[0] else 1)


async def test_parts_that_are_warmed_at_once_do_not_mix(bot: Bot, new_hand: NewHand, proxy: Proxy) -> None:
    """Also where one device is in two parts: it gets each room's key, and each only once."""
    hands = [await new_hand() for _ in range(4)]
    async with bot.running(through=proxy.url) as (channel, ears):
        to = [address(await room_with(channel, ears, hand), hand.user) for hand in hands]
        to.append(address(await room_with(channel, ears, hands[0]), hands[0].user))
        proxy.requests.clear()
        await asyncio.gather(*(channel.warm(part) for part in (to[:2], to[2:4], to[4:])))
        assert proxy.count("/sendToDevice") == 3
        proxy.requests.clear()
        await asyncio.gather(*(channel.nudge(address, FR, new_txn()) for address in to))
        sent = [path for _, path in proxy.requests if "/sync" not in path]
        assert len(sent) == len(to)
        assert all("/send/m.room.encrypted/" in path for path in sent)
        for hand in hands:
            await hand.take_keys()
            keys = hand.machine.take_new_keys()
            assert {room for room, _ in keys} == {a.room for a in to if a.user == hand.user}
            assert len(keys) == (2 if hand is hands[0] else 1)


async def test_one_bad_address_costs_the_others_nothing(bot: Bot, new_hand: NewHand) -> None:
    """Failure 06."""
    hand, away = await new_hand(), await new_hand()
    async with bot.running() as (channel, ears):
        room = await room_with(channel, ears, hand)
        unentered = await channel.open_room(away.user)
        good = address(room, hand.user)
        bad = [address(unentered, away.user), address(RoomId("!nowhere:x"), away.user)]
        await channel.warm([*bad, good])
        results = await asyncio.gather(
            *(channel.nudge(address, FR, new_txn()) for address in [good, *bad]), return_exceptions=True
        )
        assert isinstance(results[0], str)
        assert isinstance(results[1], Untrusted)
        assert isinstance(results[2], Exception)


async def test_warming_that_fails_is_made_good_by_the_nudge(
    bot: Bot, new_hand: NewHand, proxy: Proxy
) -> None:
    hand = await new_hand()
    async with bot.running(through=proxy.url) as (channel, ears):
        to = address(await room_with(channel, ears, hand), hand.user)
        proxy.failures["/sendToDevice"] = [(500, {})]
        await channel.warm([to])
        await channel.nudge(to, FR, new_txn())
        await hand.take_keys()
        assert len(hand.machine.take_new_keys()) == 1


async def test_sends_to_one_room_at_once_keep_one_session(bot: Bot, new_hand: NewHand) -> None:
    hand = await new_hand()
    async with bot.running() as (channel, ears):
        to = address(await room_with(channel, ears, hand), hand.user)
        events: list[EventId] = await asyncio.gather(*(channel.nudge(to, FR, new_txn()) for _ in range(10)))
        assert len(set(events)) == 10
        assert await hand.take_keys() == 1
