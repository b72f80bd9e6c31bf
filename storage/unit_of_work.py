"""One unit of work: one transaction, one explicit commit, rollback otherwise.

1. Nothing is written without :meth:`SqlUnitOfWork.commit`.
2. Every failure of the database is a :class:`StorageError` without a statement or a value in it.
3. The audit's head is anchored in the vault right after the transaction that moved it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from types import TracebackType
from typing import Self

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from bot.domain.values import RecipientId
from bot.errors import StaleGeneration, StorageError, WrongUse
from bot.ports_storage import UnitOfWorkFactory
from storage.agenda_repositories import AnswerRows, AppointmentRows, EnvelopeRows, ReminderRows
from storage.columns import Columns
from storage.outbox import OutboxRows
from storage.repositories import InvitationRows, PatientRows, RecipientRows, RoomRows
from storage.small_repositories import AuditRows, GuessRows, MetaRows, ProblemRows, SeenRows
from storage.vault import Noted

log = logging.getLogger("pli.storage")

Link = Callable[[bytes, int, tuple[str, ...]], bytes]
Anchor = Callable[[int, bytes], None]
Anchored = Callable[[], tuple[int, bytes]]


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
        self, engine: Engine, columns: Columns, *, link: Link, anchor: Anchor, anchored: Anchored
    ) -> None:
        self._engine, self._columns, self._link = engine, columns, link
        self._anchor, self._anchored = anchor, anchored
        self._connection: Connection | None = None

    def __enter__(self) -> Self:
        if self._connection is not None:
            raise WrongUse("a unit of work is used once")
        try:
            self._connection = db = self._engine.connect()
            self._transaction = db.begin()
        except SQLAlchemyError as error:
            if self._connection is not None:
                self._connection.close()  # back to the pool: refused often enough, there would be none left
            raise StorageError(f"the database does not answer ({type(error).__name__})") from None
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
        self.audit = AuditRows(db, self._link, self._anchored)
        self.meta = MetaRows(db, self._columns)
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
            raise StorageError(f"the database refused ({type(error).__name__})") from None

    def commit(self) -> None:
        try:
            self._transaction.commit()
        except SQLAlchemyError as error:
            raise StorageError(f"the database did not commit ({type(error).__name__})") from None
        if self.audit.head is not None:
            try:
                self._anchor(*self.audit.head)
            except StorageError:
                # What is committed is done; rows behind the anchor still chain, and the next one moves it on.
                log.warning("the audit log's anchor was not moved")
