"""What is on, by patient reference and state, and who has to be telephoned. No details: the bot cannot read them.

1. A patient counts as heard of where the visit as it stands was read, answered, or where somebody who is told for them
   gave a right PIN or a read receipt since its first nudge was due.
2. Unreached is a visit whose last nudge was due and of whom nobody was heard, or that no nudge can reach.
3. A cancellation or a move that no nudge can tell, or that nobody opened when the last nudge for it was due, is to be
   telephoned until somebody read of it, or a patient comes for nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from bot.domain.appointment import Status
from bot.domain.records import (
    AnswerKind,
    AnswerState,
    Reminder,
    ReminderKind,
    Signs,
    StoredAnswer,
    StoredAppointment,
    StoredEnvelope,
)
from bot.domain.slots import NudgeRules
from bot.domain.values import AppointmentId
from bot.ports_keys import Sealer
from bot.ports_storage import UnitOfWork, UnitOfWorkFactory
from bot.services.judge_reach import JudgeReach, Why


@dataclass(frozen=True, kw_only=True, slots=True)
class Visit:
    """One visit: ``nudged`` a nudge left since its first was due; ``opened`` somebody read it as it stands;
    ``answer`` the one that holds; ``to_call`` why somebody has to telephone.
    """

    id: AppointmentId
    patient: str = field(repr=False)
    day: date
    cancelled: bool
    nudged: bool
    opened: bool
    answer: AnswerKind | None
    to_call: Why | None


class LookAtDays:
    """Import side: days are known by its digests alone."""

    def __init__(self, uow: UnitOfWorkFactory, sealer: Sealer, *, rules: NudgeRules) -> None:
        self._uow, self._sealer, self._rules = uow, sealer, rules

    def __call__(self, first: date, last: date, *, now: datetime) -> Sequence[Visit]:
        """By day, then by patient."""
        found: list[Visit] = []
        with self._uow() as uow:
            day = first
            while day <= last:
                rows = list(uow.appointments.by_days([self._sealer.day_tag(day.isoformat())]))
                found += _Look(uow, rows, now).visits(day)
                day += timedelta(days=1)
        return sorted(found, key=lambda v: (v.day, v.patient, v.id))

    def unreached(self, *, now: datetime) -> Sequence[Visit]:
        """From today until the last day that had a slot already."""
        today = now.astimezone(self._rules.zone).date()
        kinds = (kind.days_before or () for kind in self._rules.kinds)
        ahead = max(1, *self._rules.days_before, *(lead for leads in kinds for lead in leads))
        ahead += self._rules.spread_days - 1
        return [v for v in self(today, today + timedelta(days=ahead), now=now) if v.to_call is not None]


class _Look:
    """Everything that the states of a day rest on, read at once."""

    def __init__(self, uow: UnitOfWork, rows: Sequence[StoredAppointment], now: datetime) -> None:
        ids = [row.id for row in rows]
        self._rows, self._now = rows, now
        self._reach = JudgeReach(uow, {row.patient for row in rows})
        self._references = {
            row.patient: patient.reference for row in rows if (patient := uow.patients.get(row.patient))
        }
        self._envelopes: dict[AppointmentId, list[StoredEnvelope]] = {i: [] for i in ids}
        for envelope in uow.envelopes.of_appointments(ids):
            self._envelopes[envelope.appointment].append(envelope)
        self._reminders = uow.reminders.of_many(ids)
        self._answers = uow.answers.of_many(ids)

    def visits(self, day: date) -> list[Visit]:
        return [self._visit(row, day) for row in self._rows]

    def _visit(self, row: StoredAppointment, day: date) -> Visit:
        answer = standing_answer(row, self._answers.get(row.id, ()))
        opened = any(e.told == row.change for e in self._envelopes[row.id])
        slots = [r.slot for r in self._reminders.get(row.id, ()) if r.kind is ReminderKind.REMIND]
        signs = self._signs(row)
        begun = min(slots, default=None)
        past = row.past_after <= self._now
        return Visit(
            id=row.id,
            patient=self._references.get(row.patient, ""),
            day=day,
            cancelled=row.status is Status.CANCELLED,
            nudged=begun is not None and any(s.nudged_at is not None and s.nudged_at >= begun for s in signs),
            opened=opened,
            answer=answer,
            to_call=None if past or opened or answer is not None else self._to_call(row),
        )

    def _signs(self, row: StoredAppointment) -> list[Signs]:
        """Of everybody who can read it and is still told for this patient."""
        known = self._reach.signs
        return [known[e.recipient] for e in self._envelopes[row.id] if e.recipient in known]

    def _to_call(self, row: StoredAppointment) -> Why | None:
        """Rules 1 to 3, of what was neither read nor answered."""
        envelopes = self._envelopes[row.id]
        reminders: Sequence[Reminder] = self._reminders.get(row.id, ())
        news = [r.slot for r in reminders if r.kind is ReminderKind.CHANGE]
        untold = bool(news) and max(news) <= self._now
        if row.status is Status.CANCELLED:
            why = self._reach.why_not(row.patient, [e.recipient for e in envelopes], news=True)
            return Why.SILENT if why is None and untold else why
        slots = [r.slot for r in reminders if r.kind is ReminderKind.REMIND]
        if slots and any(s.seen_at is not None and s.seen_at >= min(slots) for s in self._signs(row)):
            return None
        if (
            why := self._reach.why_not(row.patient, [e.recipient for e in envelopes], news=False)
        ) is not None:
            return why
        if not slots and not news:
            return Why.TOO_LATE
        return Why.SILENT if untold or (slots and max(slots) <= self._now) else None


def standing_answer(row: StoredAppointment, answers: Sequence[StoredAnswer]) -> AnswerKind | None:
    """The latest answer that holds for the time as it stands."""
    standing = [
        a for a in answers if a.state is not AnswerState.VOID and a.time_revision == row.time_revision
    ]
    return max(standing, key=lambda a: a.at).kind if standing else None
