"""Are nudges that were claimed still wanted: not paused, enrolled, not stopped, still booked, useful, under the cap."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bot.domain.appointment import Status
from bot.domain.records import (
    AnswerKind,
    AnswerState,
    OutboxRow,
    OutboxState,
    ProblemKind,
    Recipient,
    RecipientState,
    Reminder,
    ReminderKind,
    StoredAnswer,
    StoredAppointment,
    StoredEnvelope,
)
from bot.domain.trust import Address
from bot.domain.values import AppointmentId, Language, RecipientId
from bot.ports_storage import UnitOfWork
from bot.services.plan_nudges import wants
from bot.services.tallies import Counted, tally

DAY = timedelta(days=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class NudgeTarget:
    """Where a nudge goes, and in which language."""

    address: Address
    language: Language


@dataclass(slots=True)
class _Reasons:
    """Everything that the reasons of a batch rest on, read at once."""

    appointments: dict[AppointmentId, StoredAppointment] = field(default_factory=dict)
    envelopes: dict[tuple[AppointmentId, RecipientId], StoredEnvelope] = field(default_factory=dict)
    answers: dict[AppointmentId, Sequence[StoredAnswer]] = field(default_factory=dict)

    @classmethod
    def read(cls, uow: UnitOfWork, appointments: set[AppointmentId]) -> _Reasons:
        ordered = sorted(appointments)
        return cls(
            appointments=dict(uow.appointments.many(ordered)),
            envelopes={(e.appointment, e.recipient): e for e in uow.envelopes.of_appointments(ordered)},
            answers=dict(uow.answers.of_many(ordered)),
        )

    def stands(self, reminder: Reminder) -> bool:
        """Whether the reason for a nudge still stands; whether it is still useful is another question."""
        row = self.appointments.get(reminder.appointment)
        envelope = self.envelopes.get((reminder.appointment, reminder.recipient))
        if row is None or envelope is None:
            return False
        if reminder.kind is ReminderKind.CHANGE:
            return envelope.told < row.change
        if row.status is Status.CANCELLED:
            return False
        return not any(
            a.kind is AnswerKind.CANCELLED
            and a.state is not AnswerState.VOID
            and a.time_revision == row.time_revision
            for a in self.answers.get(row.id, ())
        )


class RecheckNudges:
    """For one batch of claimed rows, read at once."""

    def __init__(self, uow: UnitOfWork, rows: Sequence[OutboxRow], now: datetime, *, daily_cap: int) -> None:
        self._uow, self._now, self._daily_cap = uow, now, daily_cap
        self._recipients = uow.recipients.many([r.recipient for r in rows if r.recipient])
        self._rooms = uow.rooms.by_recipients(self._recipients)
        self._signs = uow.recipients.signs(self._recipients)
        self._due = uow.reminders.due([(r.recipient, r.slot) for r in rows if r.recipient and r.slot])
        self._sent = uow.outbox.nudges_since(self._recipients, now - DAY)
        self._perhaps: dict[RecipientId, set[datetime]] = defaultdict(set)
        for row in rows:
            if row.recipient and row.claimed_at is not None and row.claimed_at >= now - DAY:
                self._perhaps[row.recipient].add(row.claimed_at)
        appointments = {reminder.appointment for many in self._due.values() for reminder in many}
        self._reasons = _Reasons.read(uow, appointments)

    def target(self, row: OutboxRow) -> NudgeTarget | None:
        """Where the nudge goes; None where it was settled instead: dropped, or reported as too late or too many."""
        recipient = self._recipients.get(row.recipient) if row.recipient else None
        room = self._rooms.get(recipient.id) if recipient else None
        problem: ProblemKind | None = None
        if (
            recipient is not None
            and recipient.state is RecipientState.ENROLLED
            and (valid := self._valid(row, recipient))
        ):
            problem = self._problem(valid, recipient, row)
            if problem is None and room is not None and not self._signs[recipient.id].paused:
                self._report_late(valid, recipient)
                address = Address(room=room.room, user=room.user, pin=recipient.pin)
                return NudgeTarget(address=address, language=recipient.language)
            if self._signs[recipient.id].paused:
                # A reminder is what the staff held back; that a visit is off or moved, somebody has to tell.
                problem = ProblemKind.PAUSED if any(r.kind is ReminderKind.CHANGE for r in valid) else None
            else:
                problem = problem or ProblemKind.SEND_FAILED
        state = OutboxState.DROPPED if row.claimed_at is None else OutboxState.UNKNOWN
        if problem is ProblemKind.SEND_FAILED:
            state = OutboxState.FAILED
        self._uow.outbox.settle(row.id, state, now=self._now)
        if problem is not None:
            self._uow.problems.add(problem, self._now, row.recipient)
            tally(self._uow, Counted.UNREACHED, self._now)
        return None

    def _valid(self, row: OutboxRow, recipient: Recipient) -> list[Reminder]:
        reminders = self._due.get((recipient.id, row.slot), ()) if row.slot else ()
        return [r for r in reminders if wants(recipient, r.kind) and self._reasons.stands(r)]

    def _report_late(self, valid: Sequence[Reminder], recipient: Recipient) -> None:
        """Of the reasons that share a nudge some may be over while it leaves for the others: reported too, once."""
        late = [r.useful_until for r in valid if r.useful_until <= self._now]
        if late and not any(
            p.kind is ProblemKind.TOO_LATE and p.recipient == recipient.id and p.at >= max(late)
            for p in self._uow.problems.all()
        ):
            self._uow.problems.add(ProblemKind.TOO_LATE, self._now, recipient.id)

    def _problem(self, valid: Sequence[Reminder], recipient: Recipient, row: OutboxRow) -> ProblemKind | None:
        if all(r.useful_until <= self._now for r in valid):
            return ProblemKind.TOO_LATE
        # What a process that died, or a call without an answer, may have sent counts as sent: never one too many.
        perhaps = self._perhaps.get(recipient.id, set()) - {row.claimed_at}
        count = self._sent.get(recipient.id, 0) + len(perhaps)
        return ProblemKind.CAPPED if count >= self._daily_cap else None
