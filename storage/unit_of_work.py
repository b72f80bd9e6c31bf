"""One unit of work: one transaction, one explicit commit, rollback otherwise.

1. Nothing is written without :meth:`SqlUnitOfWork.commit`.
2. Every failure of the database is a :class:`StorageError` without a statement or a value in it.
3. The audit's head is anchored in the vault right after the transaction that moved it.
4. Whoever asks learns that the database refuses (:class:`Watch`): somebody has waited for it for a while, or it refused
   and nothing has been written since.
5. A database of another data key than this process has is refused at once (:mod:`storage.data_key` 3).
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from bot.domain.values import RecipientId
from bot.errors import StaleGeneration, StorageError, WrongUse
from bot.ports_storage import UnitOfWorkFactory
from storage.agenda_repositories import AppointmentRows, EnvelopeRows
from storage.answer_rows import AnswerRows
from storage.audit_repository import Anchored, AuditRows, Chain
from storage.columns import Columns
from storage.data_key import Epoch, require_own
from storage.figures import FigureRows
from storage.outbox import OutboxRows
from storage.reminder_rows import ReminderRows
from storage.repositories import InvitationRows, PatientRows, RecipientRows, RoomRows
from storage.small_repositories import GuessRows, MetaRows, ProblemRows, SeenRows
from storage.staff_rows import HeardOrderRows, StaffRoomRows, StaffRows
from storage.telegram_rows import TelegramTables
from storage.vault import Noted

log = logging.getLogger("pli.storage")

SLOW_SECONDS = 5.0

Anchor = Callable[[int, bytes], None]


class Watch:
    """Rule 4, for all threads of one process."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._waiting: dict[int, float] = {}
        self._refused = False
        self._refusals = 0

    @property
    def answers(self) -> bool:
        with self._lock:
            late = self._monotonic() - SLOW_SECONDS
            return not self._refused and all(since > late for since in self._waiting.values())

    @property
    def refused(self) -> bool:
        """Until :meth:`wrote`: a proof is wanted, since reading may work where writing does not."""
        with self._lock:
            return self._refused

    def begins(self, who: object) -> None:
        with self._lock:
            self._waiting[id(who)] = self._monotonic()

    def has_begun(self, who: object) -> None:
        with self._lock:
            self._waiting.pop(id(who), None)

    def refuses(self) -> None:
        with self._lock:
            self._refused = True
            self._refusals += 1

    @property
    def refusals(self) -> int:
        """How often, since this process began."""
        with self._lock:
            return self._refusals

    def wrote(self) -> None:
        with self._lock:
            self._refused = False


def noted_in(uow: UnitOfWorkFactory) -> Noted:
    """A database as what keeps the vault's serials: see :class:`storage.vault.Noted`."""

    def note(recipient: RecipientId, serial: int) -> int:
        with uow() as opened:
            before = opened.recipients.note_serial(recipient, serial)
            if before is None:
                raise StaleGeneration
            opened.commit()
        return before

    return note


class SqlUnitOfWork:
    """See :class:`bot.ports_storage.UnitOfWork`. Use once, in a ``with`` statement, from one thread."""

    def __init__(
        self,
        engine: Engine,
        columns: Columns,
        *,
        chain: Chain,
        anchor: Anchor,
        anchored: Anchored,
        watch: Watch | None = None,
        epoch: Epoch | None = None,
    ) -> None:
        self._engine, self._columns, self._chain = engine, columns, chain
        self._anchor, self._anchored = anchor, anchored
        self._watch, self._epoch = watch or Watch(), epoch
        self._connection: Connection | None = None

    def __enter__(self) -> Self:
        if self._connection is not None:
            raise WrongUse("a unit of work is used once")
        self._watch.begins(self)
        try:
            self._connection = db = self._engine.connect()
            self._transaction = db.begin()
        except SQLAlchemyError as error:
            self._watch.refuses()
            if self._connection is not None:
                self._connection.close()  # back to the pool: refused often enough, there would be none left
            raise StorageError(f"the database does not answer ({type(error).__name__})") from None
        finally:
            self._watch.has_begun(self)
        try:
            require_own(db, self._columns, self._epoch)
        except (StorageError, SQLAlchemyError) as error:
            self.__exit__(type(error), error, None)
            raise
        self.patients = PatientRows(db, self._columns)
        self.recipients = RecipientRows(db, self._columns)
        self.invitations = InvitationRows(db)
        self.rooms = RoomRows(db, self._columns)
        self.appointments = AppointmentRows(db, self._columns)
        self.envelopes = EnvelopeRows(db, self.appointments)
        self.reminders = ReminderRows(db)
        self.answers = AnswerRows(db)
        self.outbox = OutboxRows(db)
        self.seen = SeenRows(db)
        self.guesses = GuessRows(db)
        self.problems = ProblemRows(db)
        self.staff = StaffRows(db, self._columns)
        self.staff_rooms = StaffRoomRows(db, self._columns)
        self.heard_orders = HeardOrderRows(db)
        self.telegram = TelegramTables(db, self._columns)
        self.audit = AuditRows(db, self._chain, self._anchored)
        self.meta = MetaRows(db, self._columns)
        self.figures = FigureRows(db)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._transaction.is_active:
                self._transaction.rollback()
            if self._connection is not None:
                self._connection.close()
        except SQLAlchemyError as failure:
            raise StorageError(f"the database does not answer ({type(failure).__name__})") from None
        if isinstance(error, SQLAlchemyError):
            self._watch.refuses()
            raise StorageError(f"the database refused ({type(error).__name__})") from None

    def commit(self) -> None:
        try:
            self._transaction.commit()
        except SQLAlchemyError as error:
            self._watch.refuses()
            raise StorageError(f"the database did not commit ({type(error).__name__})") from None
        if self.audit.head is not None:
            try:
                self._anchor(*self.audit.head)
            except StorageError:
                # What is committed is done; rows behind the anchor still chain, and the next one moves it on.
                log.warning("the audit log's anchor was not moved")
