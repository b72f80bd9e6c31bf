"""Cancel what is known of an appointment whose details are not at hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from bot.domain.appointment import Status
from bot.domain.records import (
    ProblemKind,
    Recipient,
    RecipientState,
    Reminder,
    ReminderKind,
    StoredAppointment,
)
from bot.domain.slots import NudgeRules, PlannedNudge, plan_change
from bot.domain.timing import timing
from bot.domain.values import RecipientId
from bot.ports_storage import UnitOfWork
from bot.services.plan_nudges import plan_nudges

DAY = timedelta(days=1)


def cancel_stored(
    uow: UnitOfWork, row: StoredAppointment, now: datetime, rules: NudgeRules
) -> Mapping[RecipientId, PlannedNudge | None]:
    """Cancel without the details (the agenda's entry is gone, or the secretary said so). The caller commits.

    When each of its readers is told; None where that would come too late.

    The exact start is not known here: the day's beginning decides on urgency, its end on usefulness.
    """
    uow.appointments.save(replace(row, status=Status.CANCELLED, change=row.change + 1))
    uow.reminders.replace(row.id, ())
    readers = sorted({e.recipient for e in uow.envelopes.of_appointments([row.id])})
    earliest = row.past_after - DAY
    planned = {
        recipient.id: plan_news(row, recipient, row.past_after, now, rules, earliest=earliest)
        for recipient in uow.recipients.many(readers).values()
    }
    uow.reminders.add(news for to, nudges in planned.items() for news in news_of(row, to, nudges))
    plan_nudges(uow, readers, now, rules)
    return {to: nudges[0] if nudges else None for to, nudges in planned.items()}


def report_untold(uow: UnitOfWork, told: Mapping[RecipientId, PlannedNudge | None], now: datetime) -> None:
    """A line for the staff for everybody whom no nudge can tell of it in time: quiet hours end too late."""
    late = [recipient for recipient, nudge in told.items() if nudge is None]
    for recipient in uow.recipients.many(late).values():
        if recipient.state is RecipientState.ENROLLED:
            uow.problems.add(ProblemKind.TOO_LATE, now, recipient.id)


def plan_news(
    row: StoredAppointment,
    to: Recipient,
    start: datetime,
    now: datetime,
    rules: NudgeRules,
    *,
    earliest: datetime,
) -> tuple[PlannedNudge, ...]:
    """:func:`plan_change` in the slots and outside of the quiet hours that the kind and the recipient have."""
    own = timing(rules, row.kind, to.wishes)
    return plan_change(start, now, rules, earliest=earliest, hours=own.usual, quiet=own.quiet)


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
