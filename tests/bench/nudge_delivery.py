"""Nudges to 200 enrolled people, beside raw PUTs of the same size, 32 at once, into the same rooms.

The bot's real services deliver, in this process: rows claimed and checked again, keys shared, encrypted, sent, settled.
Each run is, around one life of the bot's channel: raw PUTs, a first delivery, more deliveries (warm), raw PUTs. The
ratio is the raw PUTs' time to the delivery's. *Cold*: no Olm session with anybody, so that one-time keys are claimed
and every device gets a first key. *Restarted*: Olm sessions are on the disk, Megolm sessions are not.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import aiohttp

from bot.app import CRYPTO_STORE, Installation
from bot.channels.matrix.channel import MatrixChannel
from bot.domain.appointment import Detail, Status
from bot.domain.records import (
    OutboxKind,
    OutboxState,
    Patient,
    Reminder,
    ReminderKind,
    Room,
    StoredAppointment,
    StoredEnvelope,
)
from bot.domain.values import AppointmentId, Language, PatientId, RecipientId, RoomId, new_id
from bot.homeserver.embedded import EmbeddedHomeserver
from bot.services.deliver import Deliver
from storage.keys import ImportKeys
from storage.sealing import ImportSealer
from tests.bench.figures import Figure, Result
from tests.bench.people import enrolled
from tests.bench.phones import Phone, call, new_phones
from tests.bench.raw import puts
from tests.bench.rig import homeserver_and_practice
from tests.channels.bot_rig import Ears

PEOPLE = 200
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


class _Trial:
    """Two hundred people in their rooms, and as many nudges to them as are wanted."""

    def __init__(self, home: Installation, http: aiohttp.ClientSession, url: str) -> None:
        self._home, self._http, self._url = home, http, url
        self._token = home.session().token.reveal()
        self._rooms: list[RoomId] = []
        self._booked: list[tuple[AppointmentId, RecipientId]] = []
        self._slot = home.clock.now() - timedelta(days=1)

    async def settle_in(self, phones: Sequence[Phone]) -> None:
        """Rooms opened by the bot, joined by the phones; people enrolled, each with an appointment."""
        async with _alive(self._home) as (channel, _):
            for phone in phones:
                room = await channel.open_room(phone.user)
                join = f"{self._url}/_matrix/client/v3/join/{quote(room, safe='')}"
                await call(self._http, "POST", join, phone.token, {})
                self._rooms.append(room)
                self._enrol(phone, room)

    def _enrol(self, phone: Phone, room: RoomId) -> None:
        keys = ImportKeys.load(self._home.import_dir)
        patient, recipient = PatientId(new_id("p")), enrolled(keys, phone.pin)
        now = self._home.clock.now()
        source = new_id("s")
        sealer = ImportSealer(keys)
        row = StoredAppointment(
            id=AppointmentId(new_id("a")),
            patient=patient,
            source_index=sealer.source_index(source),
            pair_index=sealer.pair_index(patient, ""),
            day_tag=sealer.day_tag((now + timedelta(days=7)).date().isoformat()),
            digest="",
            when_digest="",
            sequence=0,
            modified=None,
            status=Status.BOOKED,
            revision=1,
            time_revision=1,
            change=1,
            past_after=now + timedelta(days=8),
        )
        start = now + timedelta(days=7)
        detail = Detail(source=source, patient=patient, start=start, end=start, zone="UTC")
        blob = sealer.seal(detail, appointment=row.id, recipient=recipient, revision=1)
        with self._home.uow() as uow:
            uow.patients.add(Patient(id=patient, reference=patient))
            uow.recipients.add(recipient)
            uow.patients.link(patient, recipient.id)
            uow.rooms.add(
                Room(
                    id=new_id("room"),
                    room=room,
                    user=phone.user,
                    language=Language.FR,
                    recipient=recipient.id,
                )
            )
            uow.appointments.add([row])
            uow.envelopes.put(
                [
                    StoredEnvelope(
                        appointment=row.id,
                        recipient=recipient.id,
                        key_id=recipient.key_id,
                        revision=1,
                        blob=blob,
                    )
                ]
            )
            uow.commit()
        self._booked.append((row.id, recipient.id))

    def _plan(self) -> None:
        """One nudge to everybody, due now, in a slot of its own."""
        now = self._home.clock.now()
        self._slot += timedelta(minutes=1)
        until = now + timedelta(hours=6)
        with self._home.uow() as uow:
            uow.reminders.add(
                Reminder(
                    appointment=a, recipient=r, kind=ReminderKind.REMIND, slot=self._slot, useful_until=until
                )
                for a, r in self._booked
            )
            for _, recipient in self._booked:
                uow.outbox.add(
                    kind=OutboxKind.NUDGE, due=now, recipient=recipient, slot=self._slot, useful_until=until
                )
            uow.commit()

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

    async def life(self, *, cold: bool) -> dict[str, float]:
        """One life of the bot, between two measurements of what the homeserver can do."""
        if cold:
            self.forget_sessions()
        raw = [await self.raw()]
        async with _alive(self._home) as (_, deliver):
            first = await self.deliver(deliver)
            warm = [await self.deliver(deliver) for _ in range(WARM)]
        raw.append(await self.raw())
        base = sum(raw) / len(raw)
        many = len(self._rooms)
        found = {"cold" if cold else "restarted": base / first, "warm": base / (sum(warm) / len(warm))}
        return found | {"raw rate": many / base, "warm rate": many * len(warm) / sum(warm)}


def bench(folder: Path, runs: int) -> Result:
    """See the module."""
    with homeserver_and_practice(folder) as (homeserver, practice):
        lives = asyncio.run(_measure(homeserver.embedded, practice.home, runs))

    def figure(name: str, key: str, unit: str = "ratio", goal: str = "") -> Figure:
        return Figure(name=name, unit=unit, runs=tuple(v[key] for v in lives if key in v), goal=goal)

    return Result(
        name="nudges",
        what=f"{PEOPLE} people, one device each, raw PUTs 32 at once = 1",
        figures=(
            figure("raw PUTs", "raw rate", "events/s"),
            figure("nudges, warm", "warm rate", "nudges/s"),
            figure("warm, to raw PUTs", "warm", goal="plain nio loop: 0.95"),
            figure("after a restart, to raw PUTs", "restarted"),
            figure("cold, to raw PUTs", "cold", goal="plain nio loop: 0.65"),
        ),
    )


async def _measure(homeserver: EmbeddedHomeserver, home: Installation, runs: int) -> list[dict[str, float]]:
    async with aiohttp.ClientSession() as http:
        trial = _Trial(home, http, homeserver.url)
        await trial.settle_in(await new_phones(homeserver, http, PEOPLE))
        await trial.raw()  # the homeserver's own caches
        return [await trial.life(cold=cold) for _ in range(runs) for cold in (True, False)]
