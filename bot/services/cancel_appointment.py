"""Cancel what is known of an appointment whose details are not at hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from bot.domain.appointment import Status
from bot.domain.records import Reminder, ReminderKind, StoredAppointment
from bot.domain.slots import NudgeRules, PlannedNudge, plan_change
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
    if planned is not None:
        uow.reminders.add(
            Reminder(
                appointment=row.id,
                recipient=e.recipient,
                kind=ReminderKind.CHANGE,
                slot=planned.slot,
                useful_until=planned.useful_until,
            )
            for e in envelopes
        )
    plan_nudges(uow, [e.recipient for e in envelopes], now)
    return planned
