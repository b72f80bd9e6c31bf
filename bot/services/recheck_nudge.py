"""Is a nudge that was claimed still wanted: enrolled, not stopped, still booked, still useful, under the daily cap."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.domain.appointment import Status
from bot.domain.records import (
    AnswerKind,
    AnswerState,
    OutboxRow,
    OutboxState,
    ProblemKind,
    RecipientState,
    Reminder,
    ReminderKind,
)
from bot.domain.trust import Address
from bot.domain.values import Language
from bot.ports_storage import UnitOfWork
from bot.services.plan_nudges import wants

DAY = timedelta(days=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class NudgeTarget:
    """Where a nudge goes, and in which language."""

    address: Address
    language: Language


def recheck_nudge(uow: UnitOfWork, row: OutboxRow, now: datetime, *, daily_cap: int) -> NudgeTarget | None:
    """Where the nudge goes; None where it was settled instead: dropped, or reported as too late or over the cap."""
    recipient = uow.recipients.get(row.recipient) if row.recipient else None
    reasons = uow.reminders.due(recipient.id, row.slot) if recipient and row.slot else ()
    if recipient is None or recipient.state is not RecipientState.ENROLLED:
        uow.outbox.settle(row.id, OutboxState.DROPPED, now=now)
        return None
    valid = [r for r in reasons if wants(recipient, r.kind) and _stands(uow, r)]
    if not valid:
        uow.outbox.settle(row.id, OutboxState.DROPPED, now=now)
        return None
    if all(r.useful_until <= now for r in valid):
        uow.outbox.settle(row.id, OutboxState.DROPPED, now=now)
        uow.problems.add(ProblemKind.TOO_LATE, now, recipient.id)
        return None
    if uow.outbox.nudges_since(recipient.id, now - DAY) >= daily_cap:
        uow.outbox.settle(row.id, OutboxState.DROPPED, now=now)
        uow.problems.add(ProblemKind.CAPPED, now, recipient.id)
        return None
    room = uow.rooms.by_recipient(recipient.id)
    if room is None:
        uow.outbox.settle(row.id, OutboxState.FAILED, now=now)
        uow.problems.add(ProblemKind.SEND_FAILED, now, recipient.id)
        return None
    address = Address(room=room.room, user=room.user, pin=recipient.pin)
    return NudgeTarget(address=address, language=recipient.language)


def _stands(uow: UnitOfWork, reminder: Reminder) -> bool:
    """Whether the reason for a nudge still stands; whether it is still useful is another question."""
    row = uow.appointments.get(reminder.appointment)
    if row is None:
        return False
    envelopes = {e.recipient: e for e in uow.envelopes.of_appointments([row.id])}
    envelope = envelopes.get(reminder.recipient)
    if envelope is None:
        return False
    if reminder.kind is ReminderKind.CHANGE:
        return envelope.told < row.change
    if row.status is Status.CANCELLED:
        return False
    return not any(
        a.kind is AnswerKind.CANCELLED
        and a.state is not AnswerState.VOID
        and a.time_revision == row.time_revision
        for a in uow.answers.of(row.id)
    )
