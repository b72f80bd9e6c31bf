"""Turn reminders into outbox rows, one a recipient and slot. Called at import and at opt-in."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from bot.domain.records import Recipient, RecipientState, ReminderKind
from bot.domain.values import RecipientId
from bot.ports_storage import UnitOfWork


def plan_nudges(uow: UnitOfWork, recipients: Iterable[RecipientId], now: datetime) -> int:
    """Write a nudge row for every slot to come of enrolled recipients; how many are new. The caller commits."""
    known = uow.recipients.many(sorted(set(recipients)))
    enrolled = sorted(r.id for r in known.values() if r.state is RecipientState.ENROLLED)
    wanted: dict[tuple[RecipientId, datetime], datetime] = {}
    for reminder in uow.reminders.after_many(enrolled, now):
        if reminder.slot >= now and wants(known[reminder.recipient], reminder.kind):
            key = (reminder.recipient, reminder.slot)
            wanted[key] = max(wanted.get(key, reminder.useful_until), reminder.useful_until)
    return uow.outbox.add_nudges(dict(sorted(wanted.items())))


def wants(recipient: Recipient, kind: ReminderKind) -> bool:
    """Two settings: whoever stopped reminders still hears of cancellations and moves."""
    return recipient.changes_on if kind is ReminderKind.CHANGE else recipient.reminders_on
