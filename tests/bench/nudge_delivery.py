"""Nudges to 500 enrolled people, beside raw PUTs of the same size, 32 at once, into the same rooms.

The bot's real services deliver, in this process: rows claimed and checked again, keys shared, encrypted, sent, settled.
The pace of ``[delivery]`` is lifted here: what is measured is what the bot costs, not how long it holds back.
Raw PUTs and deliveries take turns, a second or a few of each, now one first and now the other: whoever else works on
the machine slows both, and the ratio of two neighbours says what their times alone do not. Beside it stands processor
time. The bot listens meanwhile, to both; what that costs the homeserver is seen in the raw PUTs while there is no bot.

Each run is twice two lives of the bot, each begun without any Olm session.

In the first nothing is prepared. *First contact*, in parts of 250: a practice's very first slot, right after the start,
as if nobody had ever spoken with the bot. One-time keys are claimed while nudges leave.

In the second everybody is prepared before, as the bot does in the background: a round of
:class:`bot.services.prepare_nudges.PrepareNudges`, whose pauses are lifted, and whose cost stands beside. *Cold*, in
parts of 250: a bot that was just started and prepared. It has no Megolm session, so that every device gets a first key.
*Warm*, in parts of 100: everything is there.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import aiohttp

from bot.app import CRYPTO_STORE, Installation
from bot.channels.matrix.channel import MatrixChannel
from bot.domain.records import OutboxState
from bot.domain.values import RoomId
from bot.services.deliver import Deliver
from bot.services.prepare_nudges import PrepareNudges
from tests.bench.booked import Booked, book, plan
from tests.bench.figures import Figure, Result
from tests.bench.phones import Phone, call, new_phones
from tests.bench.processor import Cost, cost
from tests.bench.raw import puts
from tests.bench.rig import homeserver_and_practice
from tests.channels.bot_rig import Ears
from tests.rig.homeserver import RigHomeserver

PEOPLE = 500
UNHEARD = 100  # raw PUTs before each life
PAIRS = 2  # of lives a run
FIRST, COLD, WARM = "first contact", "cold", "warm"
UNPREPARED = ((FIRST, 250),)
PREPARED = ((COLD, 250), (WARM, 100))
GOALS = {WARM: "goal: 0.95", COLD: "goal: 0.90", FIRST: "plain nio loop: 0.65"}


@asynccontextmanager
async def _alive(home: Installation) -> AsyncIterator[tuple[MatrixChannel, Deliver]]:
    channel = home.channel()
    deliver = Deliver(
        home.uow,
        nudges=channel,
        private=channel,
        words=home.words,
        clock=home.clock,
        device=home.session().device_id,
        rules=replace(home.settings.nudge_rules(), daily_cap=1000),
    )
    await channel.start(Ears().listener())
    try:
        await channel.wait_ready()
        yield channel, deliver
    finally:
        await channel.stop()


@dataclass(frozen=True, kw_only=True, slots=True)
class _Turn:
    """A delivery to ``count`` people and as many raw PUTs beside it, and the load of the machine then."""

    kind: str
    count: int
    raw: Cost
    ours: Cost
    load: float

    def ratio(self, of: Callable[[Cost], float]) -> float:
        """Raw PUTs to ours: below one is slower than they are."""
        return of(self.raw) / of(self.ours)


class _Trial:
    """Five hundred people in their rooms, and as many nudges to them as are wanted."""

    def __init__(self, home: Installation, http: aiohttp.ClientSession, homeserver: RigHomeserver) -> None:
        self._home, self._http, self._server = home, http, homeserver
        self._token = home.session().token.reveal()
        self._people: list[tuple[RoomId, Booked]] = []
        self._slot = home.clock.now() - timedelta(days=1)
        self.turns: list[_Turn] = []
        self.unheard: list[Cost] = []
        self.prepared: list[Cost] = []

    async def settle_in(self, phones: Sequence[Phone]) -> None:
        """Rooms opened by the bot, joined by the phones; people enrolled, each with an appointment."""
        async with _alive(self._home) as (channel, _):
            for phone in phones:
                room = await channel.open_room(phone.user)
                join = f"{self._server.url}/_matrix/client/v3/join/{quote(room, safe='')}"
                await call(self._http, "POST", join, phone.token, {})
                self._people.append((room, book(self._home, phone.user, phone.pin, room)))

    async def live(self, pairs: int) -> None:
        await self._raw(self._people)  # the homeserver's own caches
        for _ in range(pairs):
            self.unheard.append(await self._raw(self._people[:UNHEARD]))
            self._forget_sessions()
            async with _alive(self._home) as (_, deliver):
                await self._turns(deliver, UNPREPARED)
            self._forget_sessions()
            async with _alive(self._home) as (channel, deliver):
                await self._prepare(channel)
                await self._turns(deliver, PREPARED)

    async def _turns(self, deliver: Deliver, parts: Sequence[tuple[str, int]]) -> None:
        for kind, size in parts:
            for start in range(0, PEOPLE, size):
                await self._turn(kind, deliver, self._people[start : start + size])

    async def _prepare(self, channel: MatrixChannel) -> None:
        ahead = PrepareNudges(self._home.uow, channel)

        async def a_round() -> None:
            while await ahead.turn():
                pass

        self.prepared.append(await cost(a_round, server=self._server.pid))
        with self._sessions() as connection:
            (number,) = connection.execute("SELECT count(DISTINCT sender_key) FROM olmsessions").fetchone()
        assert number == PEOPLE, f"{number} prepared"

    async def _turn(self, kind: str, deliver: Deliver, to: Sequence[tuple[RoomId, Booked]]) -> None:
        raw_first = len(self.turns) % 2 == 0
        before = await self._raw(to) if raw_first else None
        ours = await self._deliver(deliver, [booked for _, booked in to])
        raw = before or await self._raw(to)
        load = os.getloadavg()[0]
        self.turns.append(_Turn(kind=kind, count=len(to), raw=raw, ours=ours, load=load))

    async def _deliver(self, deliver: Deliver, to: Sequence[Booked]) -> Cost:
        """Until every one of the nudges, one to each, due now, is settled as sent."""
        self._slot += timedelta(minutes=1)
        plan(self._home, to, self._slot)
        before = deliver.counts().get(OutboxState.SENT.value, 0)

        async def all_due() -> None:
            while await deliver.nudges_due():
                pass

        took = await cost(all_due, server=self._server.pid)
        sent = deliver.counts().get(OutboxState.SENT.value, 0) - before
        assert sent == len(to), f"{sent} sent"
        return took

    async def _raw(self, to: Sequence[tuple[RoomId, Booked]]) -> Cost:
        rooms = [room for room, _ in to]
        return await cost(
            lambda: puts(self._http, self._server.url, self._token, rooms), server=self._server.pid
        )

    def _forget_sessions(self) -> None:
        """As if the bot had never spoken with anybody."""
        with self._sessions() as connection:
            connection.execute("DELETE FROM olmsessions")

    @contextmanager
    def _sessions(self) -> Iterator[sqlite3.Connection]:
        store = self._home.bot_dir / CRYPTO_STORE / "olm.db"
        with contextlib.closing(sqlite3.connect(store)) as connection, connection:
            yield connection


def bench(folder: Path, runs: int) -> Result:
    """See the module."""
    with homeserver_and_practice(folder) as (homeserver, practice):
        trial = asyncio.run(_measure(homeserver, practice.home, runs))
    turns = trial.turns
    figures = [
        Figure(name="load of the machine", unit="processes", runs=tuple(turn.load for turn in turns)),
        *_figures("raw PUTs", [(turn.count, turn.raw) for turn in turns]),
        *_figures("raw PUTs, no bot", [(UNHEARD, raw) for raw in trial.unheard]),
    ]
    for kind in (WARM, COLD, FIRST):
        found = [turn for turn in turns if turn.kind == kind]
        walls = tuple(turn.ratio(lambda c: c.wall) for turn in found)
        servers = tuple(turn.ratio(lambda c: c.server) for turn in found)
        figures += [
            Figure(name=f"{kind}, to raw PUTs", unit="ratio", runs=walls, goal=GOALS[kind]),
            Figure(name=f"{kind}, by the homeserver's processor", unit="ratio", runs=servers),
            *_figures(kind, [(turn.count, turn.ours) for turn in found]),
        ]
    figures += _figures("preparing", [(PEOPLE, spent) for spent in trial.prepared], of="people")
    return Result(
        name="nudges",
        what=f"{PEOPLE} people, one device each, raw PUTs 32 at once = 1",
        figures=tuple(figures),
    )


def _figures(name: str, costs: Sequence[tuple[int, Cost]], *, of: str = "events") -> list[Figure]:
    return [
        Figure(name=f"{name}: rate", unit=f"{of}/s", runs=tuple(n / c.wall for n, c in costs)),
        Figure(name=f"{name}: homeserver", unit="ms each", runs=tuple(1000 * c.server / n for n, c in costs)),
        Figure(name=f"{name}: own", unit="ms each", runs=tuple(1000 * c.own / n for n, c in costs)),
    ]


async def _measure(homeserver: RigHomeserver, home: Installation, runs: int) -> _Trial:
    async with aiohttp.ClientSession() as http:
        trial = _Trial(home, http, homeserver)
        await trial.settle_in(await new_phones(homeserver.embedded, http, PEOPLE))
        await trial.live(PAIRS * runs)
        return trial
