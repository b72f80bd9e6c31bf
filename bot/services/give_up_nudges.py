"""Nudges that wait although nobody needs them any more, while what they were for is about to be deleted.

A pause of many days holds nudges until somebody resumes. By then the appointments may be gone, and nobody would know
that their readers were never reminded: it is reported while that can still be seen.
"""

from __future__ import annotations

from datetime import datetime

from bot.domain.appointment import Status
from bot.domain.records import DECOY, OutboxKind, OutboxState, ProblemKind, ReminderKind
from bot.ports_storage import UnitOfWork
from bot.services.tallies import Counted, tally


def give_up_nudges(uow: UnitOfWork, before: datetime, now: datetime) -> None:
    """Settle those that were of no use from ``before`` on; a line for the staff each. The caller commits."""
    rows = [
        row
        for row in uow.outbox.waiting(OutboxKind.NUDGE)
        if row.useful_until is not None and row.useful_until <= before
    ]
    due = uow.reminders.due([(row.recipient, row.slot) for row in rows if row.recipient and row.slot])
    known = uow.appointments.many(
        sorted({reminder.appointment for many in due.values() for reminder in many})
    )
    missed = 0
    for row in rows:
        uow.outbox.settle(row.id, OutboxState.DROPPED, now=now)
        reasons = due.get((row.recipient, row.slot), ()) if row.recipient and row.slot else ()
        # A reminder of what is off is no loss; that it is off, somebody was not told.
        wanted = (
            r.kind is ReminderKind.CHANGE or known[r.appointment].status is Status.BOOKED for r in reasons
        )
        if row.template != DECOY and any(wanted):
            uow.problems.add(ProblemKind.TOO_LATE, now, row.recipient)
            missed += 1
    tally(uow, Counted.UNREACHED, now, missed)
