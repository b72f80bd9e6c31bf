"""What is prepared together before nudges leave: see :meth:`bot.services.deliver.Deliver._send_all`."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence

from bot.domain.trust import Address
from bot.domain.values import UserId
from bot.errors import ChannelError
from bot.services.deliver import PART, PARTS_AT_ONCE
from tests.services.channel import FakeChannel
from tests.services.crowd import crowd
from tests.services.kit import Practice, at, entry

PARTS = PARTS_AT_ONCE + 1


async def planned(practice: Practice) -> list[UserId]:
    """More people than are prepared at once, each with a visit on the tenth, and it is the moment of their nudges."""
    people = PART * PARTS - 1
    users = crowd(practice, people)
    practice.take(*(entry(f"u-{n}", "2026-09-10 15:00", patient=f"C-{n}") for n in range(people)))
    practice.clock.moment = at("2026-09-09 18:00")
    return users


def nudged(practice: Practice) -> Counter[UserId]:
    return Counter(sent.to.user for sent in practice.channel.of("nudge"))


async def test_everybody_is_prepared_once_and_in_few_parts(practice: Practice) -> None:
    users = await planned(practice)
    assert await practice.send_nudges() == len(users)
    parts = practice.channel.warmed
    assert len(parts) == PARTS
    assert Counter(address.user for part in parts for address in part) == Counter(users)
    assert nudged(practice) == Counter(users)


async def test_a_part_that_is_slow_to_prepare_holds_no_other_up(practice: Practice) -> None:
    """The first waits for all others to have left: where they wait for it as well, nothing leaves at all."""
    users = await planned(practice)
    held: set[UserId] = set()
    tried: list[UserId] = []
    others_left = asyncio.Event()

    def leaves(_kind: str, to: Address) -> None:
        tried.append(to.user)
        if len(tried) == len(users) - len(held):
            others_left.set()

    async def warm(to: Sequence[Address]) -> None:
        if not held:
            held.update(address.user for address in to)
            await others_left.wait()

    practice.channel.fault = leaves
    practice.channel.warm = warm  # type: ignore[method-assign]  # this one channel's
    async with asyncio.timeout(60):  # only a defect takes so long
        await practice.send_nudges()
    assert set(tried[: -len(held)]) == set(users) - held, "none leaves before it is prepared"
    assert nudged(practice) == Counter(users)


async def test_no_more_parts_are_prepared_at_once_than_a_few(practice: Practice) -> None:
    await planned(practice)
    preparing, most = 0, 0

    async def warm(to: Sequence[Address]) -> None:
        nonlocal preparing, most
        preparing += 1
        most = max(most, preparing)
        for _ in range(10):
            await asyncio.sleep(0)
        preparing -= 1
        await FakeChannel.warm(practice.channel, to)

    practice.channel.warm = warm  # type: ignore[method-assign]  # this one channel's
    await practice.send_nudges()
    assert most == PARTS_AT_ONCE


async def test_rule_6_a_part_that_cannot_be_prepared_leaves_all_the_same(practice: Practice) -> None:
    users = await planned(practice)

    async def warm(to: Sequence[Address]) -> None:
        await FakeChannel.warm(practice.channel, to)
        if len(practice.channel.warmed) == 2:
            raise ChannelError("no answer", permanent=False)

    practice.channel.warm = warm  # type: ignore[method-assign]  # this one channel's
    await practice.send_nudges()
    assert len(practice.channel.warmed) == PARTS
    assert nudged(practice) == Counter(users)
