"""The Protocols of what is at rest: one unit of work a step, repositories as its attributes, an explicit commit.

Leaving the ``with`` block without :meth:`UnitOfWork.commit` rolls back. Every failure of the database is a
:class:`bot.errors.StorageError`: callers refuse, they never go on without.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from types import TracebackType
from typing import Literal, Protocol, Self

from bot.domain.appointment import Detail
from bot.domain.figures import Figures
from bot.domain.records import (
    AnswerState,
    AuditEntry,
    AuditKind,
    Invitation,
    OutboxKind,
    OutboxRow,
    OutboxState,
    Patient,
    Problem,
    ProblemKind,
    Recipient,
    Reminder,
    Room,
    Signs,
    StoredAnswer,
    StoredAppointment,
    StoredEnvelope,
    Told,
)
from bot.domain.staff import HeardOrder, Member, MemberId, StaffRoom
from bot.domain.values import (
    AppointmentId,
    EventId,
    Language,
    PatientId,
    RecipientId,
    RoomId,
    Secret,
    SecretBytes,
    UserId,
)
from bot.ports_telegram import TelegramRows


class Patients(Protocol):
    def add(self, patient: Patient) -> None: ...
    def get(self, patient: PatientId) -> Patient | None: ...
    def by_reference(self, reference: str) -> Patient | None: ...
    def by_references(self, references: Iterable[str]) -> Mapping[str, Patient]: ...
    def all(self) -> Sequence[Patient]: ...
    def remove(self, patient: PatientId) -> None: ...
    def link(self, patient: PatientId, recipient: RecipientId) -> None: ...
    def unlink(self, recipient: RecipientId) -> None: ...
    def recipients_of(self, patient: PatientId) -> Sequence[RecipientId]: ...
    def recipients_of_many(
        self, patients: Iterable[PatientId]
    ) -> Mapping[PatientId, Sequence[RecipientId]]: ...
    def patients_of(self, recipient: RecipientId) -> Sequence[PatientId]: ...


class Recipients(Protocol):
    def add(self, recipient: Recipient) -> None: ...
    def get(self, recipient: RecipientId) -> Recipient | None: ...
    def many(self, recipients: Iterable[RecipientId]) -> Mapping[RecipientId, Recipient]: ...
    def save(self, recipient: Recipient) -> None: ...
    def note_serial(self, recipient: RecipientId, serial: int) -> int | None:
        """Note how far the vault came, if that is later than what was noted; what was noted before.

        None for a recipient without a row.
        """

    def signs(self, recipients: Iterable[RecipientId]) -> Mapping[RecipientId, Signs]: ...
    def pause(self, recipient: RecipientId, *, paused: bool) -> None: ...
    def note_nudged(self, recipients: Iterable[RecipientId], now: datetime | None) -> None:
        """None: no nudge of theirs is known."""

    def note_seen(self, recipient: RecipientId, at: datetime) -> None:
        """Note it to the minute, if that is later than what was noted."""

    def switch_off(self, recipient: RecipientId, now: datetime) -> bool:
        """Nothing is pushed to them until :meth:`switch_on`; False where that was so already."""

    def switch_on(self, recipient: RecipientId) -> bool:
        """They can be reached again; False where they were thought to be."""

    def all(self) -> Sequence[Recipient]: ...
    def remove(self, recipient: RecipientId) -> None:
        """Delete the row and everything that hangs on it."""


class Invitations(Protocol):
    def add(self, invitation: Invitation) -> None: ...
    def get(self, public: str) -> Invitation | None: ...
    def save(self, invitation: Invitation) -> None: ...
    def open_for(self, recipient: RecipientId) -> Sequence[Invitation]: ...
    def purge(self, before: datetime) -> int:
        """Delete what expired before then and is closed, or was never used; how many."""


class Rooms(Protocol):
    def add(self, room: Room) -> None: ...
    def save(self, room: Room) -> None: ...
    def get(self, room_id: str) -> Room | None: ...
    def by_room(self, room: RoomId) -> Room | None: ...
    def by_user(self, user: UserId) -> Room | None: ...
    def by_recipient(self, recipient: RecipientId) -> Room | None: ...
    def by_recipients(self, recipients: Iterable[RecipientId]) -> Mapping[RecipientId, Room]: ...
    def remove(self, room_id: str) -> None: ...
    def user_index(self, user: UserId) -> str: ...


class Appointments(Protocol):
    def add(self, rows: Iterable[StoredAppointment]) -> None: ...
    def save(self, row: StoredAppointment) -> None: ...
    def get(self, appointment: AppointmentId) -> StoredAppointment | None: ...
    def many(self, appointments: Iterable[AppointmentId]) -> Mapping[AppointmentId, StoredAppointment]: ...
    def by_sources(self, indexes: Sequence[str]) -> Mapping[str, StoredAppointment]: ...
    def by_series(self, indexes: Sequence[str]) -> Sequence[StoredAppointment]: ...
    def by_days(self, tags: Sequence[str]) -> Sequence[StoredAppointment]: ...
    def of_patient(self, patient: PatientId) -> Sequence[StoredAppointment]: ...
    def past(self, before: datetime) -> Sequence[StoredAppointment]: ...
    def remove(self, appointment: AppointmentId) -> None: ...


class Envelopes(Protocol):
    def put(self, rows: Iterable[StoredEnvelope]) -> None: ...
    def of_appointments(self, appointments: Sequence[AppointmentId]) -> Sequence[StoredEnvelope]: ...
    def to_come(
        self, recipient: RecipientId, now: datetime
    ) -> Sequence[tuple[StoredAppointment, StoredEnvelope]]:
        """Not past, of this recipient; those limited to somebody else left out."""

    def booked_for(
        self, recipients: Iterable[RecipientId], now: datetime
    ) -> Mapping[RecipientId, Sequence[StoredAppointment]]:
        """What is booked, to come, and readable by each; those limited to somebody else left out."""

    def mark_told(self, appointment: AppointmentId, recipient: RecipientId, change: int) -> None: ...
    def remove_of(self, recipient: RecipientId) -> None: ...
    def purge(self, before: datetime) -> int:
        """Delete those of appointments that were past before then; how many."""


class Reminders(Protocol):
    def of_many(self, appointments: Iterable[AppointmentId]) -> Mapping[AppointmentId, Sequence[Reminder]]:
        """What has no reminder is left out."""

    def replace(self, appointment: AppointmentId, rows: Iterable[Reminder]) -> None: ...
    def replace_many(self, rows: Mapping[AppointmentId, Sequence[Reminder]]) -> None: ...
    def add(self, rows: Iterable[Reminder]) -> None: ...
    def of_recipients(self, recipients: Iterable[RecipientId]) -> Mapping[RecipientId, Sequence[Reminder]]:
        """Of what is kept, whether due or not; who has none is left out."""

    def replan(self, recipient: RecipientId, rows: Iterable[Reminder], now: datetime) -> None:
        """In place of those of a booked appointment that were due after ``now``."""

    def due(
        self, slots: Collection[tuple[RecipientId, datetime]]
    ) -> Mapping[tuple[RecipientId, datetime], Sequence[Reminder]]:
        """By recipient and slot; what has no reminder is left out."""

    def after(self, recipient: RecipientId, now: datetime) -> Sequence[Reminder]:
        """Those still useful."""

    def after_many(self, recipients: Iterable[RecipientId], now: datetime) -> Sequence[Reminder]: ...
    def drop(self, appointment: AppointmentId, recipient: RecipientId) -> None: ...
    def remove_of(self, recipient: RecipientId) -> None: ...


class Answers(Protocol):
    def add(self, answer: StoredAnswer) -> None: ...
    def get(self, answer: str) -> StoredAnswer | None: ...
    def set_state(self, answer: str, state: AnswerState) -> None: ...
    def has_open(self, recipient: RecipientId) -> bool: ...
    def by(self, recipient: RecipientId) -> Sequence[StoredAnswer]:
        """All that one recipient gave, in order."""

    def of(
        self, appointment: AppointmentId, recipient: RecipientId | None = None
    ) -> Sequence[StoredAnswer]: ...
    def of_many(
        self, appointments: Iterable[AppointmentId]
    ) -> Mapping[AppointmentId, Sequence[StoredAnswer]]:
        """What has no answer is left out."""

    def listing(self, *, since: datetime | None, states: Sequence[AnswerState]) -> Sequence[StoredAnswer]: ...
    def void_before(self, appointment: AppointmentId, time_revision: int) -> None: ...
    def mark_told(self, answers: Mapping[str, Told]) -> None: ...
    def purge(self, before: datetime) -> int:
        """Delete what is not open, of appointments that were past before then; how many."""


class Outbox(Protocol):
    def add(
        self,
        *,
        kind: OutboxKind,
        due: datetime,
        state: OutboxState = OutboxState.QUEUED,
        room: str = "",
        recipient: RecipientId | None = None,
        template: str = "",
        params: Mapping[str, int | str] | None = None,
        event: EventId | None = None,
        redact_after: int = 0,
        rotate: bool = False,
    ) -> int:
        """Id of the new row."""

    def add_nudges(self, until: Mapping[tuple[RecipientId, datetime], datetime]) -> int:
        """Nudges due in their slots, and until when each is useful; how many are new.

        One that exists for the recipient and slot (unique key) is useful until the later end of the two, and wanted
        again where it was dropped. One that was a decoy is none any more.
        """

    def add_decoys(self, until: Mapping[tuple[RecipientId, datetime], datetime]) -> int:
        """As :meth:`add_nudges`, where there is no nudge for the recipient and slot; how many are new."""

    def make_decoy(self, row: int) -> None:
        """Its reason is gone, and it leaves nevertheless."""

    def withdraw_nudges(
        self,
        recipients: Iterable[RecipientId],
        wanted: Collection[tuple[RecipientId, datetime]],
        now: datetime,
    ) -> int:
        """Forget what waits for a slot after ``now`` that is not among the ``wanted``; how many. Decoys stay."""

    def get(self, row: int) -> OutboxRow | None: ...
    def claim(
        self,
        *,
        now: datetime,
        device: str,
        kinds: Sequence[OutboxKind],
        limit: int,
        busy: Collection[str] = (),
    ) -> Sequence[OutboxRow]:
        """Mark due rows as claimed and return them, oldest first; none of the rooms that are ``busy``."""

    def nudges_due(self, now: datetime, *, most: int) -> int:
        """How many nudges could be claimed, counted up to ``most``."""

    def claimed(self) -> Sequence[OutboxRow]:
        """All but copies for Telegram."""

    def add_copies(self, of: Mapping[int, Mapping[str, int | str]], now: datetime) -> Collection[int]:
        """A row of kind TELEGRAM, due now, for each of these rows that has had none yet, with its ``params``; of which.

        As the nudge has it: recipient, whether it is a decoy, until when it is useful.
        """

    def copies_due(self, now: datetime, limit: int) -> Sequence[OutboxRow]:
        """Copies that may leave, in the order in which they do; nothing is claimed."""

    def copies_over(self, now: datetime) -> Sequence[OutboxRow]:
        """Copies that wait and are of no use any more, by what their nudges say."""

    def mark(self, row: int, *, now: datetime, device: str) -> None:
        """Claim this one."""

    def marked_copies(self) -> Sequence[OutboxRow]: ...
    def requeue(self, row: int, now: datetime) -> None:
        """Due now, as if it had never been tried, with a transaction id of its own."""

    def settled_at(self, row: int) -> datetime | None: ...
    def waiting(self, kind: OutboxKind) -> Sequence[OutboxRow]: ...
    def settle(self, row: int, state: OutboxState, *, now: datetime) -> None: ...
    def sent(self, events: Mapping[int, EventId | None], *, now: datetime) -> None:
        """Settle rows as sent. A row keeps the event that it has where none is given."""

    def postpone(self, row: int, *, due: datetime) -> None: ...
    def put_back(self, row: OutboxRow, *, due: datetime) -> None:
        """``row`` as it was before this claim, of which nothing was tried."""

    def bring_forward(self, kinds: Sequence[OutboxKind], now: datetime) -> int:
        """What waits or is held for a later moment is due now; how many."""

    def rewrite(
        self,
        row: int,
        *,
        kind: OutboxKind,
        state: OutboxState,
        due: datetime,
        template: str,
        params: Mapping[str, int | str],
        redact_after: int = 0,
    ) -> None: ...
    def release_held(self, *, now: datetime, before: datetime) -> int:
        """Let go the rows that were held before then and never answered; how many."""

    def nudges_since(self, recipients: Iterable[RecipientId], since: datetime) -> Mapping[RecipientId, int]:
        """How many nudges were sent to each, or may have been; whoever got none is left out."""

    def purge(self, before: datetime, kinds: Collection[OutboxKind] = ...) -> int:
        """Delete what was settled before then, of all kinds or of these; how many."""

    def overdue(self, now: datetime) -> int:
        """How many messages should have been taken back by now."""

    def has_waiting(self, room: str) -> bool: ...
    def is_silent(self, room: str, *, since: datetime) -> bool:
        """Nothing waits there, and nothing was settled after ``since``."""

    def drop_waiting(self, recipient: RecipientId, kinds: Sequence[OutboxKind]) -> int: ...
    def unsent(self, recipient: RecipientId, now: datetime) -> int:
        """How many rows are due and have not left."""

    def redact_now(self, room: str, now: datetime) -> int:
        """Let go at once what is to be taken back from a room later; how many."""

    def reword_held(self, recipient: RecipientId, template: str) -> None:
        """What a message that is being handled will be answered if the process dies before its answer is written."""

    def counts(self) -> Mapping[str, int]: ...
    def next_due(self) -> datetime | None: ...


class Seen(Protocol):
    def add(self, keys: Sequence[str], now: datetime) -> bool:
        """True if none of ``keys`` was known; all are known afterwards."""

    def not_within(self, key: str, now: datetime, *, span: timedelta) -> bool:
        """True if ``key`` was not noted within ``span`` before ``now``; then it is noted now."""

    def purge(self, before: datetime) -> int: ...


class Guesses(Protocol):
    """Wrong codes, per sender and of all senders together; ``sender`` is a blind index.

    An ``alone`` sender is counted by itself: those who are not on the practice's homeserver slow nobody who is.
    """

    def wait_seconds(self, sender: str, now: datetime, *, alone: bool = False) -> float:
        """To be committed as well: a clock that was set back is remembered."""

    def wrong(self, sender: str, now: datetime, *, alone: bool = False) -> None: ...
    def clear(self, sender: str, *, alone: bool = False) -> None: ...
    def purge(self, before: datetime) -> int: ...


class Problems(Protocol):
    def clear(self) -> int: ...
    def mark_told(self, problems: Iterable[int]) -> None: ...
    def purge(self, before: datetime) -> int: ...
    def add(self, kind: ProblemKind, now: datetime, recipient: RecipientId | None = None) -> None: ...
    def all(self) -> Sequence[Problem]: ...


class Staff(Protocol):
    """Members of the practice, those who are leaving included."""

    def add(self, member: Member) -> None: ...
    def save(self, member: Member) -> None: ...
    def by_user(self, user: UserId) -> Member | None: ...
    def all(self) -> Sequence[Member]:
        """In the order in which they were added."""

    def any(self) -> bool: ...
    def remove(self, member: MemberId) -> None: ...


class StaffRooms(Protocol):
    """At most one."""

    def get(self) -> StaffRoom | None: ...
    def put(self, room: StaffRoom) -> None:
        """In place of the one before."""


class HeardOrders(Protocol):
    def add(self, order: HeardOrder) -> None: ...
    def get(self, key: str) -> HeardOrder | None: ...
    def note(self, key: str, *, sent: int) -> None: ...
    def remove(self, key: str) -> None: ...
    def before(self, moment: datetime) -> Sequence[HeardOrder]:
        """Heard before then and not answered."""


class Audit(Protocol):
    def add(
        self,
        kind: AuditKind,
        now: datetime,
        recipient: RecipientId | None = None,
        count: int = 0,
        *,
        note: str = "",
        member: MemberId | None = None,
        act: str = "",
    ) -> None:
        """``note``: numbers or an opaque id by name, at most 200 characters; ``act`` is the name of a command, at most
        24 letters; never what was typed behind it, never a detail.
        """

    def listing(
        self,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        kinds: Collection[AuditKind] = (),
        recipients: Collection[RecipientId] | None = None,
        limit: int | None = None,
    ) -> Sequence[AuditEntry]:
        """In the order in which they were written; of more than ``limit`` the last ones."""

    def cut(self, before: datetime) -> int:
        """Drop older rows behind a sealed checkpoint; raises :class:`bot.errors.InvalidSeal` for a broken log."""

    def recipients_since(self, kind: AuditKind, since: datetime) -> int:
        """How many recipients have a row of this kind since then."""


class Meta(Protocol):
    """Small named values: the sync token, the last start."""

    def get(self, name: str) -> str | None: ...
    def set(self, name: str, value: str) -> None: ...
    def remove(self, name: str) -> None: ...


class FigureReading(Protocol):
    def read(self, now: datetime) -> Figures: ...


class UnitOfWork(Protocol):
    @property
    def patients(self) -> Patients: ...
    @property
    def recipients(self) -> Recipients: ...
    @property
    def invitations(self) -> Invitations: ...
    @property
    def rooms(self) -> Rooms: ...
    @property
    def appointments(self) -> Appointments: ...
    @property
    def envelopes(self) -> Envelopes: ...
    @property
    def reminders(self) -> Reminders: ...
    @property
    def answers(self) -> Answers: ...
    @property
    def outbox(self) -> Outbox: ...
    @property
    def seen(self) -> Seen: ...
    @property
    def guesses(self) -> Guesses: ...
    @property
    def problems(self) -> Problems: ...
    @property
    def staff(self) -> Staff: ...
    @property
    def staff_rooms(self) -> StaffRooms: ...
    @property
    def heard_orders(self) -> HeardOrders: ...
    @property
    def telegram(self) -> TelegramRows: ...
    @property
    def audit(self) -> Audit: ...
    @property
    def meta(self) -> Meta: ...
    @property
    def figures(self) -> FigureReading: ...

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
    def commit(self) -> None: ...


UnitOfWorkFactory = Callable[[], UnitOfWork]


class Sealer(Protocol):
    """Import side: the keys that index and seal an agenda."""

    def source_index(self, source: str) -> str: ...
    def pair_index(self, patient: str, practitioner: str) -> str: ...
    def day_tag(self, day: str) -> str: ...
    def digest(self, data: bytes) -> str: ...
    def seal(
        self, detail: Detail, *, appointment: AppointmentId, recipient: Recipient, revision: int
    ) -> bytes: ...


class KeyRing(Protocol):
    """Recipients' keys: born at the invitation, guarded by the vault, opened by a code or a PIN.

    Errors: :class:`WrongSecret`, :class:`MustWait`, :class:`KeyDestroyed`, :class:`StaleGeneration`,
    :class:`InvalidSeal`, :class:`StorageError`.
    """

    def unlock(self, recipient: Recipient, secret: Secret) -> SecretBytes:
        """The private key. Costs an attempt where a PIN guards it."""

    def rewrap(self, recipient: Recipient, secret: Secret, new_pin: Secret) -> Recipient:
        """Stage the next generation; the value to save in one transaction, then :meth:`settle`."""

    def settle(self, recipient: Recipient) -> None:
        """After the transaction: the vault keeps this generation alone."""

    def reconcile(self, recipient: Recipient) -> Literal["fits", "stale", "destroyed"]:
        """At start: the database decides what a crash left open."""

    def destroy(self, recipient: RecipientId) -> None: ...
    def tries_left(self, recipient: RecipientId) -> int | None: ...
    def open_envelope(
        self, row: StoredAppointment, envelope: StoredEnvelope, recipient: Recipient, private: SecretBytes
    ) -> Detail: ...
    def seal_answer(self, answer: str, recipient: RecipientId, content: bytes) -> bytes: ...
    def check_code(self, invitation: Invitation, secret: Secret) -> bool:
        """Whether ``secret`` is the code of a relink."""


class AnswerOpener(Protocol):
    """Import side."""

    def open_answer(self, answer: StoredAnswer) -> bytes: ...


class Registrar(Protocol):
    """Import side: recipients are born here."""

    def new_recipient(self, language: Language, code: Secret) -> Recipient:
        """In state invited, its key pair signed, its private half under ``code``; known to the vault."""

    def relink_code(self, code: Secret) -> tuple[bytes, bytes]:
        """Salt and verifier for an invitation that re-pins."""
