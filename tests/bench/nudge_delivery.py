"""Nudges to 500 enrolled people, beside raw PUTs of the same size, 32 at once, into the same rooms.

The bot's real services deliver, in this process: rows claimed and checked again, keys shared, encrypted, sent, settled.
The pace of ``[delivery]`` is lifted here: what is measured is what the bot costs, not how long it holds back.
Each run is two lives of the bot, and each delivery stands between two measurements of raw PUTs: the ratio is their mean
time to the delivery's. *Cold*: no Olm session with anybody, so that one-time keys are claimed and every device gets a
first key. *After a restart*: Olm sessions are on the disk, Megolm sessions are not.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import aiohttp

from bot.app import CRYPTO_STORE, Installation
from bot.channels.matrix.channel import MatrixChannel
from bot.domain.records import OutboxState
from bot.domain.values import RoomId
from bot.homeserver.embedded import EmbeddedHomeserver
from bot.services.deliver import Deliver
from tests.bench.booked import Booked, book, plan
from tests.bench.figures import Figure, Result
from tests.bench.phones import Phone, call, new_phones
from tests.bench.raw import puts
from tests.bench.rig import homeserver_and_practice
from tests.channels.bot_rig import Ears

PEOPLE = 500
WARM = 3  # deliveries a run


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
        rules=replace(home.settings.nudge_rules(), daily_cap=50),
    )
    await channel.start(Ears().listener())
    try:
        await channel.wait_ready()
        yield channel, deliver
    finally:
        await channel.stop()


@dataclass(frozen=True, kw_only=True, slots=True)
class _Life:
    """Seconds for everybody, and the ratios of the raw PUTs around a delivery to it."""

    cold: bool
    raw: Sequence[float]
    warm: Sequence[float]
    first_ratio: float
    warm_ratios: Sequence[float]


class _Trial:
    """Five hundred people in their rooms, and as many nudges to them as are wanted."""

    def __init__(self, home: Installation, http: aiohttp.ClientSession, url: str) -> None:
        self._home, self._http, self._url = home, http, url
        self._token = home.session().token.reveal()
        self._rooms: list[RoomId] = []
        self._booked: list[Booked] = []
        self._slot = home.clock.now() - timedelta(days=1)

    async def settle_in(self, phones: Sequence[Phone]) -> None:
        """Rooms opened by the bot, joined by the phones; people enrolled, each with an appointment."""
        async with _alive(self._home) as (channel, _):
            for phone in phones:
                room = await channel.open_room(phone.user)
                join = f"{self._url}/_matrix/client/v3/join/{quote(room, safe='')}"
                await call(self._http, "POST", join, phone.token, {})
                self._rooms.append(room)
                self._booked.append(book(self._home, phone.user, phone.pin, room))

    def _plan(self) -> None:
        """One nudge to everybody, due now, in a slot of its own."""
        self._slot += timedelta(minutes=1)
        plan(self._home, self._booked, self._slot)

    async def deliver(self, deliver: Deliver) -> float:
        """Seconds until every one of the nudges is settled as sent."""
        self._plan()
        before = deliver.counts().get(OutboxState.SENT.value, 0)
        began = time.perf_counter()
        while await deliver.nudges_due():
            pass
        took = time.perf_counter() - began
        sent = deliver.counts()[OutboxState.SENT.value] - before
        assert sent == len(self._booked), f"{sent} sent"
        return took

    async def raw(self) -> float:
        return await puts(self._http, self._url, self._token, self._rooms)

    def forget_sessions(self) -> None:
        """As if the bot had never spoken with anybody."""
        store = self._home.bot_dir / CRYPTO_STORE / "olm.db"
        with contextlib.closing(sqlite3.connect(store)) as connection, connection:
            connection.execute("DELETE FROM olmsessions")

    async def life(self, *, cold: bool) -> _Life:
        """One life of the bot: every delivery stands between two measurements of what the homeserver can do."""
        if cold:
            self.forget_sessions()
        raw, took = [await self.raw()], []
        async with _alive(self._home) as (_, deliver):
            for _ in range(1 + WARM):
                took.append(await self.deliver(deliver))
                raw.append(await self.raw())
        ratios = [(raw[i] + raw[i + 1]) / 2 / seconds for i, seconds in enumerate(took)]
        return _Life(cold=cold, raw=raw, warm=took[1:], first_ratio=ratios[0], warm_ratios=ratios[1:])


def bench(folder: Path, runs: int) -> Result:
    """See the module."""
    with homeserver_and_practice(folder) as (homeserver, practice):
        lives = asyncio.run(_measure(homeserver.embedded, practice.home, runs))
    raw = tuple(PEOPLE / seconds for life in lives for seconds in life.raw)
    warm = tuple(PEOPLE / seconds for life in lives for seconds in life.warm)
    ratios = {
        "warm, to raw PUTs": (tuple(r for life in lives for r in life.warm_ratios), "goal: 0.95"),
        "cold, to raw PUTs": (
            tuple(life.first_ratio for life in lives if life.cold),
            "goal: 0.90; plain nio loop: 0.65",
        ),
        "after a restart, to raw PUTs": (tuple(life.first_ratio for life in lives if not life.cold), ""),
    }
    return Result(
        name="nudges",
        what=f"{PEOPLE} people, one device each, raw PUTs 32 at once = 1",
        figures=(
            Figure(name="raw PUTs", unit="events/s", runs=raw),
            Figure(name="nudges, warm", unit="nudges/s", runs=warm),
            *(Figure(name=n, unit="ratio", runs=found, goal=goal) for n, (found, goal) in ratios.items()),
        ),
    )


async def _measure(homeserver: EmbeddedHomeserver, home: Installation, runs: int) -> list[_Life]:
    async with aiohttp.ClientSession() as http:
        trial = _Trial(home, http, homeserver.url)
        await trial.settle_in(await new_phones(homeserver, http, PEOPLE))
        await trial.raw()  # the homeserver's own caches
        return [await trial.life(cold=cold) for _ in range(runs) for cold in (True, False)]
