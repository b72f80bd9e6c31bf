"""A whole practice without a homeserver: real database, vault, keys, wording; a channel in memory, a clock by hand."""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import select, text

from bot.app import Installation
from bot.domain.appointment import Appointment, Detail, ImportCounts, Refusal, Status
from bot.domain.choices import Level
from bot.domain.messages import Incoming, Oddity
from bot.domain.records import (
    OutboxKind,
    OutboxRow,
    OutboxState,
    Patient,
    ProblemKind,
    Recipient,
    Reminder,
    Room,
    StoredAppointment,
)
from bot.domain.trust import Device
from bot.domain.values import DateRange, EventId, Language, PatientId, RecipientId, Secret, UserId, new_id
from bot.ports_storage import UnitOfWork, UnitOfWorkFactory
from bot.services.choose_nudges import Delivery
from bot.services.converse import Converse, Rules
from bot.services.deliver import Deliver
from bot.services.enrol import Enrol
from bot.services.import_agenda import ImportAgenda
from bot.services.import_batch import Entry, ImportOptions
from bot.services.invite_recipient import Invited, InviteRecipient
from bot.services.link_telegram import LinkTelegram
from bot.services.open_rooms import OpenRooms
from bot.services.record_answer import Answer, ReadAnswers
from bot.services.release_details import ReleaseDetails
from bot.services.remove_patient import RemovePatient
from config.nudge_settings import Nudges
from config.settings import Practice as PracticeSettings
from config.settings import Settings
from config.settings import Storage as StorageSettings
from storage import tables as t
from storage.keys import create_keys
from storage.vault_file import create_vault
from storage.wrap import Profile
from tests.services.channel import FakeChannel
from tests.services.telegram import FakeTelegram
from tests.storage.migrated import migrated

PARIS = ZoneInfo("Europe/Paris")
NOW = datetime(2026, 9, 1, 8, 0, tzinfo=UTC)  # a Tuesday, ten in the morning in Paris
DEVICE = "BOTDEVICE"
PIN, OTHER_PIN, WRONG_PIN = "493817", "528164", "730915"
HOUR, DAY = timedelta(hours=1), timedelta(days=1)

_rooms = count()


class HandClock:
    """Moves only when told."""

    def __init__(self, moment: datetime = NOW) -> None:
        self.moment = moment

    def now(self) -> datetime:
        return self.moment

    def monotonic(self) -> float:
        return (self.moment - NOW).total_seconds()  # small, so that microseconds are exact

    def forward(self, **delta: float) -> None:
        self.moment += timedelta(**delta)


def at(text: str, zone: ZoneInfo = PARIS) -> datetime:
    """``"2026-09-02 10:00"`` in ``zone``, as UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(UTC)


def entry(
    source: str = "u-1",
    start: str | datetime = "2026-09-10 10:00",
    *,
    patient: str = "P-1",
    minutes: int = 30,
    status: Status = Status.BOOKED,
    sequence: int = 0,
    modified: datetime | None = None,
    practitioner: str = "Dr Noël",
    place: str = "2e étage",
    note: str = "À jeun",
    stable: bool = True,
    given_name: str = "",
    where: str = "line 1",
) -> Appointment:
    """One entry of an agenda. Without a stable id the identity is patient, practitioner, start."""
    begin = at(start) if isinstance(start, str) else start
    return Appointment(
        detail=Detail(
            source=source if stable else f"{patient}/{practitioner}/{begin.isoformat()}",
            patient=patient,
            start=begin,
            end=begin + timedelta(minutes=minutes),
            zone=PARIS.key,
            practitioner=practitioner,
            place=place,
            note=note,
            given_name=given_name,
        ),
        status=status,
        sequence=sequence,
        modified=modified,
        stable=stable,
        where=where,
    )


def numbers(counts: ImportCounts) -> dict[str, int]:
    """The counts that are not zero."""
    names = ("new", "changed", "moved", "cancelled", "unchanged", "past", "unmatched")
    found = {n: getattr(counts, n) for n in names} | {"refused": len(counts.refused)}
    return {n: v for n, v in found.items() if v}


@dataclass
class Practice:
    """Everything of one practice; ``wrap_uow`` lets a test come between a service and the database."""

    folder: Path
    database: str = ""
    clock: HandClock = field(default_factory=HandClock)
    nudges: Nudges = field(default_factory=lambda: Nudges(level=Level.PLAIN))
    delay: timedelta = timedelta(seconds=2)
    unlock: timedelta = timedelta(minutes=10)
    device: str = DEVICE
    delivery: Delivery = field(default_factory=Delivery)
    telegram: FakeTelegram | None = None

    def __post_init__(self) -> None:
        self.settings = Settings(
            folder=self.folder,
            practice=PracticeSettings(phone="01 23 45 67 89"),
            nudges=self.nudges,
            storage=StorageSettings(database=self.database or "sqlite:///pli.db", vault="vault.db"),
        )
        self.home = Installation(self.settings, clock=self.clock, profile=Profile.testing())
        if not (self.folder / "bot").exists():
            create_keys(self.home.bot_dir, self.home.import_dir)
            create_vault(self.home.vault_path)
            migrated(self.home.engine)
        self.wrap_uow: Callable[[UnitOfWork], UnitOfWork] = lambda uow: uow
        self.rules = self.settings.nudge_rules()
        side = self.home.import_side()
        self.sealer, self.registrar = side.sealer, side.registrar
        self.keys = self.home.keyring
        self.channel = FakeChannel()
        self.start_bot()

    def start_bot(self) -> None:
        """A new process of the bot: nothing in memory, the same stores."""
        self.deliver = Deliver(
            self.uow,
            nudges=self.channel,
            private=self.channel,
            words=self.home.words,
            clock=self.clock,
            device=self.device,
            rules=self.rules,
            delivery=self.delivery,
        )
        self.enrol = Enrol(self.uow, self.keys, self.rules)
        self.release = ReleaseDetails(self.uow, self.keys, self.rules)
        self.converse = Converse(
            self.uow,
            keys=self.keys,
            enrol=self.enrol,
            release=self.release,
            deliver=self.deliver,
            words=self.home.words,
            clock=self.clock,
            rules=Rules(
                unlock=self.unlock,
                redact_after=self.settings.release.redact_after_minutes,
                delay=self.delay,
                min_digits=6,
            ),
            telegram=LinkTelegram(self.uow, address=self.telegram.link, rules=self.rules)
            if self.telegram
            else None,
        )
        self.rooms = OpenRooms(self.uow, self.channel, clock=self.clock, language=Language.FR)

    def close(self) -> None:
        self.home.engine.dispose()

    def uow(self) -> UnitOfWork:
        return self.wrap_uow(self.home.uow())

    @property
    def now(self) -> datetime:
        return self.clock.now()

    # -- the practice's side ------------------------------------------------------------------------------------

    def patient(self, reference: str = "P-1", name: str = "") -> PatientId:
        with self.home.uow() as uow:
            known = uow.patients.by_reference(reference)
            if known is not None:
                return known.id
            patient = Patient(id=PatientId(new_id("p")), reference=reference, given_name=name)
            uow.patients.add(patient)
            uow.commit()
        return patient.id

    def invite(self, *references: str, days: float = 14, language: Language = Language.EN) -> Invited:
        for reference in references or ("P-1",):
            self.patient(reference)
        service = InviteRecipient(self.home.uow, self.registrar)
        return service(references or ("P-1",), language=language, valid=timedelta(days=days), now=self.now)

    def take(
        self,
        *entries: Entry,
        within: tuple[str, str] | None = None,
        uow: UnitOfWorkFactory | None = None,
        **options: Any,
    ) -> ImportCounts:
        """One import of ``entries``."""
        chosen = ImportOptions(
            within=DateRange(first=within[0], last=within[1]) if within else None, **options
        )
        service = ImportAgenda(
            uow or self.home.uow, self.sealer, rules=self.rules, now=self.now, options=chosen
        )
        return service(lambda: list(entries))

    def take_all(self, entries: Callable[[], Iterable[Entry]], **options: Any) -> ImportCounts:
        chosen = ImportOptions(**options)
        return ImportAgenda(self.home.uow, self.sealer, rules=self.rules, now=self.now, options=chosen)(
            entries
        )

    def answers(self, *, everything: bool = False) -> list[Answer]:
        read = ReadAnswers(self.home.uow, self.sealer)
        return list(read(everything=everything, now=self.now))

    def remove(self, reference: str) -> int:
        return RemovePatient(self.home.uow, self.keys)(reference, now=self.now)

    # -- what is stored -----------------------------------------------------------------------------------------

    def stored(self, source: str = "u-1") -> StoredAppointment:
        index = self.sealer.source_index(source)
        with self.home.uow() as uow:
            return uow.appointments.by_sources([index])[index]

    def appointments(self, reference: str = "P-1") -> list[StoredAppointment]:
        with self.home.uow() as uow:
            patient = uow.patients.by_reference(reference)
            return list(uow.appointments.of_patient(patient.id)) if patient else []

    def recipient(self, recipient: RecipientId) -> Recipient:
        with self.home.uow() as uow:
            found = uow.recipients.get(recipient)
        assert found is not None
        return found

    def reminders(self, recipient: RecipientId) -> list[Reminder]:
        with self.home.uow() as uow:
            return list(uow.reminders.after(recipient, datetime(2000, 1, 1, tzinfo=UTC)))

    def outbox(self, *kinds: OutboxKind) -> list[OutboxRow]:
        with self.home.engine.begin() as db:
            ids = list(db.execute(select(t.outbox.c.id).order_by(t.outbox.c.id)).scalars())
        with self.home.uow() as uow:
            rows = [uow.outbox.get(i) for i in ids]
        return [r for r in rows if r is not None and (not kinds or r.kind in kinds)]

    def nudge_rows(self, *states: OutboxState) -> list[OutboxRow]:
        return [r for r in self.outbox(OutboxKind.NUDGE) if not states or r.state in states]

    def problems(self) -> list[ProblemKind]:
        with self.home.uow() as uow:
            return [p.kind for p in uow.problems.all()]

    def audited(self) -> list[str]:
        with self.home.engine.begin() as db:
            return list(db.execute(select(t.audit.c.kind).order_by(t.audit.c.seq)).scalars())

    def everything(self) -> dict[str, list[tuple[Any, ...]]]:
        """All rows of all tables, to see that nothing was written."""
        with self.home.engine.begin() as db:
            return {
                table.name: [tuple(r) for r in db.execute(select(table))]
                for table in t.metadata.sorted_tables
            }

    def save_database(self, copy: Path) -> None:
        """What a backup has."""
        with closing(sqlite3.connect(self.folder / "pli.db")) as source, closing(sqlite3.connect(copy)) as to:
            source.backup(to)

    def restore_database(self, copy: Path) -> None:
        """The backup in the database's place; the vault stays as it is. The bot is started again."""
        self.home.engine.dispose()
        for suffix in ("-wal", "-shm"):
            (self.folder / f"pli.db{suffix}").unlink(missing_ok=True)
        shutil.copyfile(copy, self.folder / "pli.db")
        self.start_bot()

    def execute(self, sql: str, **values: Any) -> None:
        with self.home.engine.begin() as db:
            db.execute(text(sql), values)

    # -- the bot's side -----------------------------------------------------------------------------------------

    async def send_nudges(self) -> int:
        """Rounds until nothing is due; how many rows were taken."""
        total = 0
        while taken := await self.deliver.nudges_due():
            total += taken
        return total

    async def send_replies(self) -> None:
        for _ in range(50):
            taken = await self.deliver.replies_due()
            await self.deliver.drain()
            if not taken:
                return
        raise AssertionError("replies never end")

    def person(self, name: str = "anna", *, device: str = "PHONE") -> Person:
        """Somebody with an account, in the room that the bot opened for it."""
        user = UserId(f"@{name}:example.org")
        with self.home.uow() as uow:
            known = uow.rooms.by_user(user)
            if known is None:
                room_id = EventId(f"!r{next(_rooms)}-{name}:example.org")
                known = Room(id=new_id("room"), room=room_id, user=user, language=Language.EN)  # type: ignore[arg-type]  # a made-up id
                uow.rooms.add(known)
                uow.commit()
        return Person(practice=self, room=known, phone=phone(user, device))

    async def enrolled(self, *references: str, name: str = "anna", pin: str = PIN) -> Person:
        """Invited, code redeemed, consented, PIN set."""
        invited = self.invite(*references)
        person = self.person(name)
        await person.enrol(invited, pin)
        return person


def phone(user: UserId, device: str, *, identity: str | None = "own") -> Device:
    """A device; ``identity`` None has no cross-signing."""
    return Device(
        user=user,
        device_id=device,
        ed25519=f"ed-{device}",
        curve25519=f"cu-{device}",
        master_key=f"master-{user}-{identity}" if identity else None,
    )


@dataclass
class Person:
    """Somebody who types."""

    practice: Practice
    room: Room
    phone: Device
    typed: int = 0

    @property
    def recipient(self) -> Recipient:
        with self.practice.home.uow() as uow:
            room = uow.rooms.get(self.room.id)
            assert room is not None
            assert room.recipient is not None
            found = uow.recipients.get(room.recipient)
        assert found is not None
        return found

    def message(
        self,
        text: str,
        *,
        device: Device | None = None,
        oddity: Oddity | None = None,
        event: str | None = None,
        replay: str | None = None,
        nobody: bool = False,
    ) -> Incoming:
        self.typed += 1
        event_id = event or f"$typed-{self.room.id}-{self.typed}"
        return Incoming(
            room=self.room.room,
            user=self.room.user,
            event=EventId(event_id),
            at=self.practice.now,
            text=Secret(text),
            device=None if nobody else device or self.phone,
            replay_key=replay or hashlib.sha256(event_id.encode() + b"megolm").hexdigest(),
            oddity=oddity,
        )

    async def handle(self, incoming: Incoming) -> list[str]:
        """What the bot sends because of it: template names, "release", or the name of an open sentence."""
        practice = self.practice
        before = len(practice.channel.sent)
        await practice.converse.handle(incoming)
        practice.clock.moment += practice.delay
        await practice.send_replies()
        rows = {r.txn: r for r in practice.outbox()}
        found = []
        for sent in practice.channel.sent[before:]:
            row = rows.get(sent.txn)
            if sent.kind == "redact":
                continue
            if row is None:
                found.append(sent.text)
            else:
                found.append("release" if row.kind is OutboxKind.RELEASE else row.template)
        return found

    async def say(self, text: str, **how: Any) -> list[str]:
        return await self.handle(self.message(text, **how))

    async def read(self, text: str) -> str:
        """The text of the one private message that comes back."""
        before = len(self.practice.channel.sent)
        await self.say(text)
        told = [s.text for s in self.practice.channel.sent[before:] if s.kind == "private"]
        assert len(told) == 1, told
        return told[0]

    async def enrol(self, invited: Invited, pin: str = PIN) -> None:
        assert await self.say(invited.code.reveal()) == ["reply.consent"]
        assert await self.say("oui") == ["reply.choose_pin"]
        assert await self.say(pin) == ["reply.repeat_pin"]
        assert await self.say(pin) == ["reply.ready"]


def day(text: str) -> date:
    return date.fromisoformat(text)


REFUSED = Refusal(where="line 9", field="start", why="is empty", mend="set it")
