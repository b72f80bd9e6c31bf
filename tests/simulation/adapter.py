"""The only module of the simulation that knows what the product's services are called and what they are given."""

from __future__ import annotations

import hashlib
from collections.abc import Coroutine, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Any, Self, TypeVar
from zoneinfo import ZoneInfo

from bot.app import Installation
from bot.domain.appointment import Appointment, Detail, ImportCounts, Refusal, Status
from bot.domain.choices import Confirmed, Late, Level, Shift, Wishes
from bot.domain.messages import Incoming
from bot.domain.records import DECOY, AnswerKind, AnswerState, Patient, ProblemKind, RecipientState, Room
from bot.domain.retention import is_due
from bot.domain.slots import NudgeRules
from bot.domain.trust import Device
from bot.domain.values import (
    DateRange,
    EventId,
    Language,
    PatientId,
    RecipientId,
    RoomId,
    Secret,
    UserId,
    new_id,
)
from bot.errors import Refused
from bot.ports import Clock
from bot.ports_storage import UnitOfWork
from bot.services.cancel_one import CancelOne
from bot.services.converse import Converse
from bot.services.deliver import Deliver
from bot.services.enrol import Enrol
from bot.services.import_agenda import ImportAgenda
from bot.services.import_batch import Entry, ImportOptions
from bot.services.invite_recipient import InviteRecipient
from bot.services.keep_plans import KeepPlans
from bot.services.open_rooms import OpenRooms
from bot.services.pause_nudges import PauseNudges
from bot.services.purge import Purge
from bot.services.reconcile_stores import ReconcileStores
from bot.services.record_answer import ReadAnswers
from bot.services.release_details import PAGE as A_PAGE
from bot.services.release_details import ReleaseDetails
from bot.services.watch_clock import Steady, TrustClock, WatchClock
from config.nudge_settings import DAYS, Changes, Nudges
from config.nudge_settings import Kind as KindSettings
from config.settings import Delivery as DeliverySettings
from config.settings import Practice as PracticeSettings
from config.settings import Settings
from config.settings import Storage as StorageSettings
from storage import tables as t
from storage.keys import create_keys
from storage.vault_file import create_vault
from storage.wrap import Profile
from tests.simulation.fate import Fate, MortalUnitOfWork
from tests.simulation.habits import Habits, Kind, Wish
from tests.simulation.homeserver import Homeserver, Line
from tests.simulation.moments import SimulatedLoop, Time
from tests.simulation.stores import DATABASE, Stores

PAGE = A_PAGE  # appointments that are read at once
DEVICE = "BOTDEVICE"
PIN = "493817"
# Lines for the staff that say that somebody was not told.
UNTOLD = frozenset(
    kind.value
    for kind in (
        ProblemKind.TOO_LATE,
        ProblemKind.UNKNOWN_SEND,
        ProblemKind.SEND_FAILED,
        ProblemKind.NOT_TRUSTED,
        ProblemKind.CAPPED,
        ProblemKind.PAUSED,
        ProblemKind.ROOM_LEFT,
    )
)
TOO_LATE, CAPPED = ProblemKind.TOO_LATE.value, ProblemKind.CAPPED.value
# Lines after which nobody is tried any more until they are heard of.
UNREACHABLE = frozenset(
    kind.value for kind in (ProblemKind.SEND_FAILED, ProblemKind.NOT_TRUSTED, ProblemKind.ROOM_LEFT)
)
POLL = timedelta(minutes=10)
_WAITING = (
    "SELECT state, kind = 'nudge', count(*), min(due) FROM outbox "
    "WHERE state IN ('queued', 'claimed') GROUP BY 1, 2"
)

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class Booking:
    """One entry of the agenda. ``version`` counts its changes."""

    source: str
    patient: str
    start: datetime
    minutes: int
    booked: bool
    version: int
    type: str = ""

    @property
    def end(self) -> datetime:
        return self.start + timedelta(minutes=self.minutes)


@dataclass(frozen=True, kw_only=True, slots=True)
class Line4Staff:
    """A problem. ``at`` by the bot's clock."""

    id: int
    at: datetime
    kind: str
    recipient: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Due:
    """Whose nudge it is, for which slot, and whether it claims to have a reason."""

    recipient: str
    slot: datetime
    decoy: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Waiting:
    """Rows that are being sent, and when the first ``nudge`` and anything ``other`` is due."""

    claimed: int
    nudge: datetime | None
    other: datetime | None

    @property
    def due(self) -> datetime | None:
        return min((due for due in (self.nudge, self.other) if due is not None), default=None)


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """What patients answered, as staff read it. ``holds`` while the answer counts."""

    id: str
    at: datetime
    source: str
    declined: bool
    confirmed: bool
    holds: bool


class _Settings(Settings):
    """Holidays are looked up around the years that are lived, whenever this runs."""

    def nudge_rules(self) -> NudgeRules:
        return self.nudges.rules(self.practice.zone, 2027)


def _hours(slots: Iterable[time]) -> tuple[str, ...]:
    return tuple(f"{hour:%H:%M}" for hour in slots)


def _days(days: Iterable[int]) -> tuple[Any, ...]:
    return tuple(DAYS[day] for day in sorted(days))


def _late(late: bool) -> Late:
    return Late.NEXT if late else Late.NONE


def _kind(kind: Kind) -> KindSettings:
    return KindSettings(
        name=kind.name,
        type=f"^{kind.name}$",
        days_before=kind.leads,
        slots=None if kind.slots is None else _hours(kind.slots),
        slot_days=None if kind.days is None else _days(kind.days),
        late=None if kind.late is None else _late(kind.late),
        after_confirmation=None if kind.confirmed is None else Confirmed(kind.confirmed),
        day_off=None if kind.later is None else Shift.LATER if kind.later else Shift.EARLIER,
        daily_cap=kind.cap,
    )


def _settings(folder: Path, habits: Habits) -> Settings:
    return _Settings(
        folder=folder,
        practice=PracticeSettings(phone="01 23 45 67 89", timezone=habits.zone.key),
        nudges=Nudges(
            level=Level(habits.level),
            days_before=habits.leads,
            spread_days=habits.spread,
            decoy_share=habits.share,
            slots=_hours(habits.slots),
            slot_days=_days(habits.days),
            holidays="FR" if habits.holidays else "",
            day_off=Shift.LATER if habits.later else Shift.EARLIER,
            quiet_from=f"{habits.quiet_from:%H:%M}",
            quiet_to=f"{habits.quiet_to:%H:%M}",
            daily_cap=habits.cap,
            late=_late(habits.late),
            after_confirmation=Confirmed(habits.confirmed),
            changes=Changes(second_after_hours=habits.second),
            kinds=tuple(_kind(kind) for kind in habits.kinds),
        ),
        delivery=DeliverySettings(minutes_apart=habits.apart, nudges_per_second=habits.a_second),
        storage=StorageSettings(database=f"sqlite:///{DATABASE}", vault="vault.db"),
    )


def _installation(settings: Settings, stores: Stores, clock: Clock) -> Installation:
    home = Installation(settings, clock=clock, profile=Profile.testing())
    home.engine = stores.engine
    return home


def _entry(booking: Booking, zone: ZoneInfo) -> Appointment:
    return Appointment(
        detail=Detail(
            source=booking.source,
            patient=booking.patient,
            start=booking.start,
            end=booking.end,
            zone=zone.key,
            practitioner="Dr Noël",
            place="",
            note="",
            given_name="",
        ),
        status=Status.BOOKED if booking.booked else Status.CANCELLED,
        sequence=booking.version,
        modified=None,
        stable=True,
        where="line 1",
        type=booking.type,
    )


def _steady(clock: Clock) -> Steady:
    """One machine, started once."""
    return Steady(seconds=clock.monotonic, boot="one")


class Desk:
    """The practice's side: its own processes, over the same stores. Each command may die like the bot."""

    def __init__(self, home: Installation, clock: Clock) -> None:
        self.home, self.clock, self.fate = home, clock, Fate()
        self.rules = home.settings.nudge_rules()
        side = home.import_side()
        self._sealer, self._registrar = side.sealer, side.registrar

    @classmethod
    def at(cls, stores: Stores, habits: Habits, clock: Clock) -> Self:
        """Keys and vault are made where there are none."""
        home = _installation(_settings(stores.folder, habits), stores, clock)
        if not home.bot_dir.exists():
            create_keys(home.bot_dir, home.import_dir)
            create_vault(home.vault_path)
        return cls(home, clock)

    def close(self) -> None:
        self.home.engine.dispose()

    def new_rules(self, habits: Habits) -> None:
        self.rules = _settings(self.home.settings.folder, habits).nudge_rules()

    def uow(self) -> UnitOfWork:
        return MortalUnitOfWork(self.home.uow(), self.fate)

    def take(
        self,
        bookings: Sequence[Booking],
        *,
        within: tuple[str, str] | None = None,
        spoilt: int = 0,
    ) -> ImportCounts:
        """One import; ``spoilt`` entries cannot be read. Raises :class:`Refused`."""
        entries: list[Entry] = [_entry(b, self.rules.zone) for b in bookings]
        entries[:0] = [
            Refusal(where=f"line {n}", field="start", why="is empty", mend="set it") for n in range(spoilt)
        ]
        options = ImportOptions(within=DateRange(first=within[0], last=within[1]) if within else None)
        run = ImportAgenda(self.uow, self._sealer, rules=self.rules, now=self.clock.now(), options=options)
        return run(lambda: list(entries))

    def cancel(self, source: str) -> bool | None:
        """By the secretary: True where she was told to telephone, None where it was cancelled already."""
        index = self._sealer.source_index(source)
        with self.home.uow() as uow:
            row = uow.appointments.by_sources([index])[index]
        try:
            why = CancelOne(self.uow, rules=self.rules).by_id(row.id, now=self.clock.now())
        except Refused:
            return None
        return why is not None

    def trust_clock(self) -> bool:
        """Whether there was a doubt."""
        return TrustClock(self.uow, steady=_steady(self.clock))(self.clock.now())

    def pause(self, *, on: bool) -> None:
        service = PauseNudges(self.uow, self.rules)
        (service.pause if on else service.resume)(self.clock.now())

    def pause_one(self, recipient: str, *, on: bool) -> None:
        service = PauseNudges(self.uow, self.rules)
        (service.pause_one if on else service.resume_one)(recipient, self.clock.now())

    def patient(self, reference: str) -> None:
        with self.home.uow() as uow:
            if uow.patients.by_reference(reference) is None:
                uow.patients.add(Patient(id=PatientId(new_id("p")), reference=reference))
                uow.commit()

    def invite(self, references: Sequence[str]) -> tuple[str, str]:
        """Recipient and code."""
        service = InviteRecipient(self.home.uow, self._registrar)
        made = service(references, language=Language.EN, valid=timedelta(days=14), now=self.clock.now())
        return made.recipient, made.code.reveal()

    def replies(self) -> list[Reply]:
        read = ReadAnswers(self.home.uow, self._sealer)(everything=True, now=self.clock.now())
        return [
            Reply(
                id=a.id,
                at=a.received,
                source=a.source,
                declined=a.answer is AnswerKind.CANCELLED,
                confirmed=a.answer is AnswerKind.CONFIRMED,
                holds=a.state is not AnswerState.VOID,
            )
            for a in read
        ]

    def deal_with_answers(self) -> None:
        """The secretary has done what patients asked for: an answer that is open keeps its appointment."""
        service = ReadAnswers(self.home.uow, self._sealer)
        for answer in list(service(everything=False, now=self.clock.now())):
            service.done(answer.id, now=self.clock.now())

    # -- what is stored, for the model ----------------------------------------------------------------------------

    def due(self, txn: str) -> Due | None:
        """Whose nudge this is; None for one whose row is gone."""
        with self.home.engine.begin() as db:
            row = db.execute(t.outbox.select().where(t.outbox.c.txn == txn)).mappings().one_or_none()
        if row is None:
            return None
        return Due(recipient=row["recipient"], slot=row["slot"], decoy=row["template"] == DECOY)

    def plan(self) -> frozenset[tuple[object, ...]]:
        """All that was drawn: which nudges are to come, for which slot and until when."""
        with self.home.engine.begin() as db:
            rows = db.execute(t.reminder.select()).mappings()
            drawn = {
                (r["appointment"], r["recipient"], r["kind"], r["slot"], r["useful_until"]) for r in rows
            }
            rows = db.execute(t.outbox.select().where(t.outbox.c.kind == "nudge")).mappings()
            return frozenset(drawn | {(r["recipient"], r["slot"], r["useful_until"]) for r in rows})

    def problems(self) -> list[Line4Staff]:
        with self.home.uow() as uow:
            return [
                Line4Staff(id=p.id, at=p.at, kind=p.kind.value, recipient=p.recipient)
                for p in uow.problems.all()
            ]

    def waiting(self) -> Waiting:
        """What the outbox holds. Asked so often that the driver alone is asked, outside of any transaction."""
        with closing(self.home.engine.raw_connection()) as raw:
            cursor = raw.cursor()
            cursor.execute(_WAITING)
            found = {(state, bool(nudge)): (count, due) for state, nudge, count, due in cursor.fetchall()}

        def first(*, nudge: bool) -> datetime | None:
            _, due = found.get(("queued", nudge), (0, None))
            return None if due is None else datetime.fromisoformat(due)

        claimed = sum(count for (state, _), (count, _due) in found.items() if state == "claimed")
        return Waiting(claimed=claimed, nudge=first(nudge=True), other=first(nudge=False))

    def sizes(self) -> dict[str, int]:
        """Rows by table."""
        with self.home.engine.begin() as db:
            return {
                table.name: len(db.execute(table.select()).all())
                for table in (t.outbox, t.reminder, t.appointment, t.envelope, t.recipient, t.room)
            }

    def is_enrolled(self, recipient: str) -> bool:
        with self.home.uow() as uow:
            found = uow.recipients.get(RecipientId(recipient))
        return found is not None and found.state is RecipientState.ENROLLED


class Bot:
    """One life of ``pli run``, without its sockets: what :mod:`bot.runtime` starts, does in turns, and leaves."""

    def __init__(self, stores: Stores, habits: Habits, clock: Time, server: Homeserver) -> None:
        self.fate, self._clock = Fate(), clock
        self._settings = _settings(stores.folder, habits)
        self.home = _installation(self._settings, stores, clock)
        self.loop = SimulatedLoop(clock)
        rules = self._settings.nudge_rules()
        self._watch = WatchClock(
            self.uow, now=clock.now, steady=_steady(clock), tolerance=self._settings.clock_tolerance
        )
        self._plans = KeepPlans(self.uow, rules, trusted=self._watch.agrees)
        line = Line(server, self.fate)
        self.deliver = Deliver(
            self.uow,
            nudges=line,
            private=line,
            words=self.home.words,
            clock=clock,
            device=DEVICE,
            rules=rules,
            delivery=self.home.delivery(self._watch.agrees),
        )
        self._enrol = Enrol(self.uow, self.home.keyring, rules)
        self.converse = Converse(
            self.uow,
            keys=self.home.keyring,
            enrol=self._enrol,
            release=ReleaseDetails(self.uow, self.home.keyring, rules),
            deliver=self.deliver,
            words=self.home.words,
            clock=clock,
            rules=self.home.rules,
        )
        self._rooms = OpenRooms(self.uow, line, clock=clock, language=Language.EN)

    def uow(self) -> UnitOfWork:
        return MortalUnitOfWork(self.home.uow(), self.fate)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    def begin(self) -> None:
        """As :meth:`bot.runtime.BotProcess._begin`."""
        now = self._clock.now()
        self._watch.load()
        ReconcileStores(self.uow, self.home.keyring, self._enrol)(now)
        self.deliver.recover()
        self._plans.apply_rules(now)

    def bury(self) -> None:
        self.fate.dead = True
        self.loop.bury()
        self.home.engine.dispose()

    async def turn(self) -> None:
        """Everything that is due now."""
        self._watch.note()
        while await self.deliver.nudges_due():
            pass
        while await self.deliver.replies_due():
            await self.deliver.drain()

    async def upkeep(self) -> bool:
        """Whether the night's purge ran."""
        await self.converse.forget()
        self.deliver.tidy()
        self._plans.decoys(self._clock.now())
        keep = self._settings.retention_rules()
        purge, now = Purge(self.uow, self.home.keyring, keep), self._clock.now()
        purge.left(now)
        due = self._watch.agrees(now) and is_due(
            now, purge.last_night(), hour=self._settings.purge_hour, zone=self._settings.practice.zone
        )
        if due:
            purge.nightly(now)
        await self._rooms.close_left()
        return due

    async def hear(self, incoming: Incoming) -> None:
        await self.converse.handle(incoming)
        await self.turn()

    def wish(self, recipient: str, wish: Wish) -> None:
        """What somebody asks for of the times of their nudges."""
        wishes = Wishes(
            level=None if wish.level is None else Level(wish.level),
            days_before=wish.leads,
            confirmed=None if wish.confirmed is None else Confirmed(wish.confirmed),
            daily_cap=wish.cap,
        )
        self._enrol.choose_times(RecipientId(recipient), wishes, self._clock.now())

    def in_doubt(self) -> bool:
        """Whether it does not believe its clock."""
        return not self._watch.agrees(self._clock.now())

    def may_leave_in(self) -> float:
        """Seconds until its pace lets one more leave."""
        return self.deliver.nudges_at() - self._clock.monotonic()

    def held(self) -> int:
        """How much its memory holds, in items, whatever they are called."""
        owners: Iterator[object] = iter((self.deliver, self.converse))
        return sum(
            len(value)
            for owner in owners
            for value in vars(owner).values()
            if isinstance(value, (dict, set, list))
        )


@dataclass
class Phone:
    """Somebody's account, device and room."""

    name: str
    recipient: str = ""
    typed: int = 0

    @property
    def user(self) -> UserId:
        return UserId(f"@{self.name}:example.org")

    @property
    def room(self) -> RoomId:
        return RoomId(f"!{self.name}:example.org")

    def join(self, desk: Desk) -> None:
        """The room that the bot opened."""
        with desk.home.uow() as uow:
            if uow.rooms.by_user(self.user) is None:
                uow.rooms.add(Room(id=new_id("room"), room=self.room, user=self.user, language=Language.EN))
                uow.commit()

    def types(self, text: str, at: datetime) -> Incoming:
        self.typed += 1
        event = f"${self.name}-{self.typed}"
        return Incoming(
            room=self.room,
            user=self.user,
            event=EventId(event),
            at=at,
            text=Secret(text),
            device=Device(
                user=self.user,
                device_id="PHONE",
                ed25519=f"ed-{self.name}",
                curve25519=f"cu-{self.name}",
                master_key=f"master-{self.name}",
            ),
            replay_key=hashlib.sha256(event.encode()).hexdigest(),
            oddity=None,
        )


def hours(*texts: str) -> tuple[time, ...]:
    return tuple(datetime.strptime(text, "%H:%M").time() for text in texts)  # noqa: DTZ007 - hours of any day
