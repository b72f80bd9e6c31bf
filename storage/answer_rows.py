"""Repository of what patients answered."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import BindParameter, Connection, RowMapping, bindparam, delete, insert, select, update

from bot.domain.records import AnswerKind, AnswerState, StoredAnswer, Told
from bot.domain.values import AppointmentId, RecipientId
from storage import tables as t
from storage.chunks import chunks

# Made once, since each import and each claim asks them: making the question costs more than the answer.
_IN: BindParameter[Any] = bindparam("wanted", expanding=True)
_ANSWERS = select(t.answer).where(t.answer.c.appointment.in_(_IN)).order_by(t.answer.c.at)
_OPEN = select(t.answer.c.id).where(
    t.answer.c.recipient == bindparam("wanted"), t.answer.c.state == AnswerState.OPEN.value
)


def _past(before: datetime) -> Any:  # noqa: ANN401 - SQLAlchemy's clause types
    return select(t.appointment.c.id).where(t.appointment.c.past_after < before)


class AnswerRows:
    """What patients answered, sealed for the practice."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    @staticmethod
    def _open(row: RowMapping) -> StoredAnswer:
        return StoredAnswer(
            id=row["id"],
            appointment=AppointmentId(row["appointment"]),
            recipient=RecipientId(row["recipient"]),
            time_revision=row["time_revision"],
            kind=AnswerKind(row["kind"]),
            state=AnswerState(row["state"]),
            at=row["at"],
            blob=row["blob"],
            told=Told(row["told"]),
        )

    def _select(self, *conditions: Any) -> list[StoredAnswer]:  # noqa: ANN401 - SQLAlchemy's clause types
        query = select(t.answer).where(*conditions).order_by(t.answer.c.at)
        return [self._open(row) for row in self._db.execute(query).mappings()]

    def add(self, answer: StoredAnswer) -> None:
        self._db.execute(
            insert(t.answer).values(
                id=answer.id,
                appointment=answer.appointment,
                recipient=answer.recipient,
                time_revision=answer.time_revision,
                kind=answer.kind.value,
                state=answer.state.value,
                at=answer.at,
                blob=answer.blob,
                told=answer.told.value,
            )
        )

    def get(self, answer: str) -> StoredAnswer | None:
        return next(iter(self._select(t.answer.c.id == answer)), None)

    def has_open(self, recipient: RecipientId) -> bool:
        return self._db.execute(_OPEN, {"wanted": recipient}).first() is not None

    def by(self, recipient: RecipientId) -> Sequence[StoredAnswer]:
        return self._select(t.answer.c.recipient == recipient)

    def set_state(self, answer: str, state: AnswerState) -> None:
        self._db.execute(update(t.answer).where(t.answer.c.id == answer).values(state=state.value))

    def of(self, appointment: AppointmentId, recipient: RecipientId | None = None) -> Sequence[StoredAnswer]:
        conditions = [t.answer.c.appointment == appointment]
        if recipient is not None:
            conditions.append(t.answer.c.recipient == recipient)
        return self._select(*conditions)

    def of_many(
        self, appointments: Iterable[AppointmentId]
    ) -> Mapping[AppointmentId, Sequence[StoredAnswer]]:
        found: dict[AppointmentId, list[StoredAnswer]] = defaultdict(list)
        for chunk in chunks(appointments):
            for row in self._db.execute(_ANSWERS, {"wanted": chunk}).mappings():
                found[AppointmentId(row["appointment"])].append(self._open(row))
        return found

    def listing(self, *, since: datetime | None, states: Sequence[AnswerState]) -> Sequence[StoredAnswer]:
        conditions: list[Any] = [t.answer.c.state.in_([s.value for s in states])]
        if since is not None:
            conditions.append(t.answer.c.at >= since)
        return self._select(*conditions)

    def purge(self, before: datetime) -> int:
        c = t.answer.c
        query = delete(t.answer).where(c.appointment.in_(_past(before)), c.state != AnswerState.OPEN.value)
        return int(self._db.execute(query).rowcount)

    def void_before(self, appointment: AppointmentId, time_revision: int) -> None:
        c = t.answer.c
        query = update(t.answer).where(
            c.appointment == appointment,
            c.time_revision < time_revision,
            c.state == AnswerState.OPEN.value,
        )
        self._db.execute(query.values(state=AnswerState.VOID.value))

    def mark_told(self, answers: Mapping[str, Told]) -> None:
        for answer, told in answers.items():
            self._db.execute(update(t.answer).where(t.answer.c.id == answer).values(told=told.value))
