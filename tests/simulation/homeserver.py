"""A scripted homeserver behind the two channel ports: late, deaf, throttling, forgetful after a day; never wrong.

It has a clock of its own. A transaction id is remembered for 24 hours, and within them a repeated one is answered with
the first event.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from bot.domain.messages import Nudge, OpenSentence, PrivateText
from bot.domain.trust import Address
from bot.domain.values import EventId, Language, RoomId, TransactionId, UserId
from bot.errors import ChannelError, Untrusted
from tests.simulation.fate import Fate
from tests.simulation.moments import Time

MEMORY = timedelta(hours=24)
MOST_SECONDS = 30.0  # that one call may take, until the client gives up


class Weather(StrEnum):
    """What a call meets. ``rough`` draws anew for each."""

    FINE = "fine"
    ROUGH = "rough"
    AWAY = "away"


@dataclass(frozen=True, kw_only=True, slots=True)
class Accepted:
    """An event that patients see. ``true`` by the homeserver's clock, ``at`` by the bot's."""

    kind: str
    user: UserId
    txn: str
    true: datetime
    at: datetime


@dataclass
class Homeserver:
    """What outlives the bot's processes. ``on_nudge`` is told of each new event before anybody else knows of it."""

    time: Time
    draw: random.Random
    on_nudge: Callable[[Accepted], None]
    weather: Weather = Weather.FINE
    blocked: set[UserId] = field(default_factory=set)
    doubted: set[UserId] = field(default_factory=set)
    meanwhile: Callable[[], None] | None = None
    accepted: int = 0
    _memory: dict[str, tuple[EventId, datetime]] = field(default_factory=dict)

    def accept(self, kind: str, user: UserId, txn: str) -> EventId:
        now = self.time.true
        known = self._memory.get(txn)
        if known is not None and now - known[1] < MEMORY:
            return known[0]
        self.accepted += 1
        event = EventId(f"$e{self.accepted}")
        self._memory[txn] = (event, now)
        if len(self._memory) > 5000:
            self._memory = {t: m for t, m in self._memory.items() if now - m[1] < MEMORY}
        if kind == "nudge":
            self.on_nudge(Accepted(kind=kind, user=user, txn=txn, true=now, at=self.time.now()))
        return event

    def interrupt(self) -> None:
        """Something happens elsewhere while a call is under way, once."""
        if self.meanwhile is not None:
            act, self.meanwhile = self.meanwhile, None
            act()


class Line:
    """One process's connection: the adapter of both ports."""

    def __init__(self, server: Homeserver, fate: Fate) -> None:
        self._server, self._fate = server, fate

    async def _call(self, kind: str, to: Address, txn: str) -> EventId:
        server, draw, fate = self._server, self._server.draw, self._fate
        fate.passes(f"before a {kind} leaves")
        await asyncio.sleep(draw.uniform(0.05, 2.0))
        server.interrupt()
        if server.weather is Weather.AWAY:
            await asyncio.sleep(draw.uniform(0.0, MOST_SECONDS / 2))
            raise ChannelError("no connection", permanent=False)
        trouble = draw.random() if server.weather is Weather.ROUGH else 1.0
        if trouble < 0.15:
            raise ChannelError("too many requests", permanent=False, retry_after=draw.uniform(1, 900))
        if trouble < 0.3:
            raise ChannelError("server error", permanent=False)
        if to.user in server.doubted:
            raise Untrusted("membership")
        if to.user in server.blocked:
            raise ChannelError("forbidden", permanent=True)
        event = server.accept(kind, to.user, txn)
        fate.passes(f"after a {kind} was accepted")
        if trouble < 0.5:
            await asyncio.sleep(MOST_SECONDS / 2)
            raise ChannelError("no answer in time", permanent=False)
        await asyncio.sleep(draw.uniform(0.01, 0.5))
        fate.passes(f"after the answer to a {kind}")
        return event

    async def prepare(self, to: Sequence[Address]) -> None:
        del to
        self._fate.passes("before people are prepared")

    async def warm(self, to: Sequence[Address]) -> None:
        self._fate.passes("before rooms are warmed")
        await asyncio.sleep(self._server.draw.uniform(0.0, 0.02 * len(to)))
        self._server.interrupt()

    async def nudge(self, to: Address, nudge: Nudge, txn: TransactionId) -> EventId:
        del nudge  # what is said is nobody's business here, and below
        return await self._call("nudge", to, txn)

    async def say_open(
        self, to: Address, sentence: OpenSentence, language: Language, txn: TransactionId
    ) -> EventId:
        del sentence, language
        return await self._call("open", to, txn)

    async def say(self, to: Address, text: PrivateText, txn: TransactionId, *, rotate: bool) -> EventId:
        del text, rotate
        return await self._call("private", to, txn)

    async def redact(self, to: Address, event: EventId, txn: TransactionId) -> None:
        del event
        await self._call("redact", to, txn)

    async def open_room(self, user: UserId) -> RoomId:
        return RoomId(f"!{user[1:]}")

    async def leave_room(self, room: RoomId) -> None:
        self._fate.passes(f"before {room.split(':')[0]} is left")
