"""The Protocols of what is at rest: one unit of work a step, repositories as its attributes, an explicit commit.

Leaving the ``with`` block without :meth:`UnitOfWork.commit` rolls back. Every failure of the database is a
:class:`bot.errors.StorageError`: callers refuse, they never go on without.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from types import TracebackType
from typing import Protocol, Self

from bot.domain.figures import Figures
from bot.domain.records import (
    AuditEntry,
    AuditKind,
    Invitation,
    Patient,
    Problem,
    ProblemKind,
    Recipient,
    Room,
    Signs,
)
from bot.domain.staff import HeardOrder, Member, MemberId, StaffRoom
from bot.domain.values import PatientId, RecipientId, RoomId, UserId
from bot.ports_agenda import Answers, Appointments, Envelopes, Reminders
from bot.ports_outbox import Outbox
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
