"""Repository of what was drawn for whom: reminders by appointment and recipient."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import BindParameter, Connection, RowMapping, bindparam, delete, insert, select

from bot.domain.records import Reminder, ReminderKind
from bot.domain.values import AppointmentId, RecipientId
from storage import tables as t
from storage.chunks import chunks

# Made once, since each import and each claim asks them: making the question costs more than the answer.
_IN: BindParameter[Any] = bindparam("wanted", expanding=True)
_REMINDERS = select(t.reminder).where(t.reminder.c.recipient.in_(_IN)).order_by(t.reminder.c.slot)


class ReminderRows:
    """Why somebody is to be nudged in a slot."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    @staticmethod
    def _open(row: RowMapping) -> Reminder:
        return Reminder(
            appointment=AppointmentId(row["appointment"]),
            recipient=RecipientId(row["recipient"]),
            kind=ReminderKind(row["kind"]),
            slot=row["slot"],
            useful_until=row["useful_until"],
            lead=row["lead"],
        )

    def replace(self, appointment: AppointmentId, rows: Iterable[Reminder]) -> None:
        self._db.execute(delete(t.reminder).where(t.reminder.c.appointment == appointment))
        self.add(rows)

    def replace_many(self, rows: Mapping[AppointmentId, Sequence[Reminder]]) -> None:
        for chunk in chunks(rows):
            self._db.execute(delete(t.reminder).where(t.reminder.c.appointment.in_(chunk)))
        self.add(reminder for reminders in rows.values() for reminder in reminders)

    def add(self, rows: Iterable[Reminder]) -> None:
        values = [
            {
                "appointment": r.appointment,
                "recipient": r.recipient,
                "kind": r.kind.value,
                "slot": r.slot,
                "useful_until": r.useful_until,
                "lead": r.lead,
            }
            for r in rows
        ]
        if values:
            self._db.execute(insert(t.reminder), values)

    def _select(self, *conditions: Any) -> list[Reminder]:  # noqa: ANN401 - SQLAlchemy's clause types
        query = select(t.reminder).where(*conditions).order_by(t.reminder.c.slot)
        return [self._open(row) for row in self._db.execute(query).mappings()]

    def due(
        self, slots: Collection[tuple[RecipientId, datetime]]
    ) -> Mapping[tuple[RecipientId, datetime], Sequence[Reminder]]:
        c = t.reminder.c
        found: dict[tuple[RecipientId, datetime], list[Reminder]] = defaultdict(list)
        for slot in sorted({slot for _, slot in slots}):
            for chunk in chunks(recipient for recipient, at in slots if at == slot):
                for reminder in self._select(c.recipient.in_(chunk), c.slot == slot):
                    found[reminder.recipient, slot].append(reminder)
        return found

    def of_many(self, appointments: Iterable[AppointmentId]) -> Mapping[AppointmentId, Sequence[Reminder]]:
        found: dict[AppointmentId, list[Reminder]] = defaultdict(list)
        for chunk in chunks(appointments):
            for reminder in self._select(t.reminder.c.appointment.in_(chunk)):
                found[reminder.appointment].append(reminder)
        return found

    def after(self, recipient: RecipientId, now: datetime) -> Sequence[Reminder]:
        return self._select(t.reminder.c.recipient == recipient, t.reminder.c.useful_until > now)

    def after_many(self, recipients: Iterable[RecipientId], now: datetime) -> Sequence[Reminder]:
        c = t.reminder.c
        return [
            reminder
            for chunk in chunks(recipients)
            for reminder in self._select(c.recipient.in_(chunk), c.useful_until > now)
        ]

    def of_recipients(self, recipients: Iterable[RecipientId]) -> Mapping[RecipientId, Sequence[Reminder]]:
        found: dict[RecipientId, list[Reminder]] = defaultdict(list)
        for chunk in chunks(recipients):
            for row in self._db.execute(_REMINDERS, {"wanted": chunk}).mappings():
                found[RecipientId(row["recipient"])].append(self._open(row))
        return found

    def replan(self, recipient: RecipientId, rows: Iterable[Reminder], now: datetime) -> None:
        c = t.reminder.c
        kind = ReminderKind.REMIND.value
        self._db.execute(delete(t.reminder).where(c.recipient == recipient, c.kind == kind, c.slot > now))
        self.add(rows)

    def drop(self, appointment: AppointmentId, recipient: RecipientId) -> None:
        c = t.reminder.c
        self._db.execute(delete(t.reminder).where(c.appointment == appointment, c.recipient == recipient))

    def remove_of(self, recipient: RecipientId) -> None:
        self._db.execute(delete(t.reminder).where(t.reminder.c.recipient == recipient))
