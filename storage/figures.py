"""The counts of :class:`bot.domain.figures.Figures`. Reads only, and nothing that is sealed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Column, Connection, func, select, text

from bot.domain.figures import Figures
from bot.domain.records import AnswerState, AuditKind, OutboxKind, OutboxState
from bot.domain.telegram import NudgeOn
from storage import tables as t

_SLOTS = 5


class FigureRows:
    """See the module."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    def read(self, now: datetime) -> Figures:
        last_import, imported = self._last(AuditKind.IMPORTED)
        waiting, oldest = self._waiting(now)
        return Figures(
            outbox=self._outbox(),
            waiting=waiting,
            oldest_waiting=oldest,
            slots=self._slots(now),
            recipients=self._by(t.recipient.c.state),
            problems=self._by(t.problem.c.kind),
            open_answers=self._by(t.answer.c.state).get(AnswerState.OPEN.value, 0),
            releases=self._by(t.audit.c.kind).get(AuditKind.RELEASED.value, 0),
            last_import=last_import,
            last_import_count=imported,
            last_backup=self._last(AuditKind.BACKED_UP)[0],
            database_bytes=self._size(),
            chats=int(self._db.execute(select(func.count()).select_from(t.telegram_chat)).scalar_one()),
            sent=self._sent(),
        )

    def _by(self, column: Column[Any]) -> Mapping[str, int]:
        query = select(column, func.count()).group_by(column)
        return {str(name): int(number) for name, number in self._db.execute(query)}

    def _outbox(self) -> Mapping[tuple[str, str], int]:
        c = t.outbox.c
        query = select(c.kind, c.state, func.count()).group_by(c.kind, c.state)
        return {(kind, state): int(number) for kind, state, number in self._db.execute(query)}

    def _sent(self) -> Mapping[str, int]:
        """A nudge that left on Telegram alone has no event."""
        c = t.outbox.c
        kinds = (OutboxKind.NUDGE.value, OutboxKind.TELEGRAM.value)
        sent = (c.state == OutboxState.SENT.value, c.kind.in_(kinds))
        query = select(c.kind, func.count(), func.count(c.event)).where(*sent).group_by(c.kind)
        found = {kind: (rows, events) for kind, rows, events in self._db.execute(query)}
        matrix, telegram = (found.get(kind, (0, 0)) for kind in kinds)
        return {NudgeOn.MATRIX.value: int(matrix[1]), NudgeOn.TELEGRAM.value: int(telegram[0])}

    def _waiting(self, now: datetime) -> tuple[int, datetime | None]:
        c = t.outbox.c
        query = select(func.count(), func.min(c.due)).where(c.state == OutboxState.QUEUED.value, c.due <= now)
        number, oldest = self._db.execute(query).one()
        return int(number), oldest

    def _slots(self, now: datetime) -> tuple[tuple[datetime, int], ...]:
        c = t.outbox.c
        query = (
            select(c.due, func.count())
            .where(c.kind == OutboxKind.NUDGE.value, c.state == OutboxState.QUEUED.value, c.due > now)
            .group_by(c.due)
            .order_by(c.due)
            .limit(_SLOTS)
        )
        return tuple((due, int(number)) for due, number in self._db.execute(query))

    def _last(self, kind: AuditKind) -> tuple[datetime | None, int]:
        c = t.audit.c
        query = select(c.at, c["count"]).where(c.kind == kind.value).order_by(c.seq.desc()).limit(1)
        row = self._db.execute(query).one_or_none()
        return (row[0], int(row[1])) if row else (None, 0)

    def _size(self) -> int:
        if self._db.dialect.name == "postgresql":
            return int(self._db.execute(text("SELECT pg_database_size(current_database())")).scalar_one())
        pages, size = (
            int(self._db.execute(text(f"PRAGMA {name}")).scalar_one()) for name in ("page_count", "page_size")
        )
        return pages * size
