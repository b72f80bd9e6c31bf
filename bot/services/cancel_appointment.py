"""Cancel what is known of an appointment whose details are not at hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from bot.domain.appointment import Status
from bot.domain.records import ProblemKind, RecipientState, Reminder, ReminderKind, StoredAppointment
from bot.domain.slots import NudgeRules, PlannedNudge, plan_change
from bot.domain.values import RecipientId
from bot.ports_storage import UnitOfWork
from bot.services.plan_nudges import plan_nudges

DAY = timedelta(days=1)


def cancel_stored(
    uow: UnitOfWork, row: StoredAppointment, now: datetime, rules: NudgeRules
) -> PlannedNudge | None:
    """Cancel without the details (the agenda's entry is gone, or the secretary said so). The caller commits.

    When it is told; None where that would come too late.

    The exact start is not known here: the day's beginning decides on urgency, its end on usefulness.
    """
    uow.appointments.save(replace(row, status=Status.CANCELLED, change=row.change + 1))
    uow.reminders.replace(row.id, ())
    envelopes = uow.envelopes.of_appointments([row.id])
    planned = plan_change(row.past_after, now, rules, earliest=row.past_after - DAY)
    uow.reminders.add(news for e in envelopes for news in news_of(row, e.recipient, planned))
    plan_nudges(uow, [e.recipient for e in envelopes], now, rules)
    return planned[0] if planned else None


def report_untold(uow: UnitOfWork, row: StoredAppointment, now: datetime) -> None:
    """A line for the staff for everybody whom no nudge can tell of it in time: quiet hours end too late."""
    readers = {envelope.recipient for envelope in uow.envelopes.of_appointments([row.id])}
    for recipient in uow.recipients.many(sorted(readers)).values():
        if recipient.state is RecipientState.ENROLLED:
            uow.problems.add(ProblemKind.TOO_LATE, now, recipient.id)


def news_of(row: StoredAppointment, to: RecipientId, planned: Sequence[PlannedNudge]) -> list[Reminder]:
    """That it was cancelled or moved; what is planned after the first leaves only where that was not opened."""
    return [
        Reminder(
            appointment=row.id,
            recipient=to,
            kind=ReminderKind.CHANGE,
            slot=nudge.slot,
            useful_until=nudge.useful_until,
            lead=number,
        )
        for number, nudge in enumerate(planned, start=1)
    ]
