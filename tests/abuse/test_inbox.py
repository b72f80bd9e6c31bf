"""Rule 6 of ``bot.channels.matrix.inbox``."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from bot.channels.matrix.inbox import FEW_WAITING, MANY_WAITING, MAX_WAITING, Inbox
from tests.rig.waiting import until


@dataclass
class Tokens:
    """A sync token in memory."""

    saved: list[str] = field(default_factory=list)

    async def load(self) -> str | None:
        return None

    async def save(self, token: str) -> None:
        self.saved.append(token)


async def test_rule_6_a_crowd_of_noisy_rooms_keeps_no_quiet_one_out() -> None:
    go, handled, tokens = asyncio.Event(), [], Tokens()
    inbox = Inbox(tokens, storing=lambda: None, stored=lambda: None)

    async def stuck() -> None:
        await go.wait()

    async def quiet() -> None:
        handled.append("quiet")

    noisy = [f"noisy {n}" for n in range(50)]
    for token in range(4):
        await inbox.add(str(token), [(room, stuck) for room in noisy for _ in range(MAX_WAITING)])
    assert inbox.waiting <= MANY_WAITING + len(noisy) * (FEW_WAITING + 1), "memory is bounded"
    await inbox.add("last", [("quiet", quiet)])

    async def answered() -> bool:
        return handled == ["quiet"]

    await until(answered, "the quiet room to be handled")
    go.set()

    async def done() -> bool:
        return inbox.waiting == 0

    await until(done, "everything to be handled")
    assert tokens.saved[-1] == "last"
    await inbox.add("after", [("noisy 0", quiet)] * (FEW_WAITING + 5))

    async def again() -> bool:
        return len(handled) == FEW_WAITING + 6

    await until(again, "a room that was noisy to be heard again")
