"""Turn reminders into outbox rows, one a recipient and slot. Called at import and at opt-in."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from bot.domain.records import OutboxKind, Recipient, RecipientState, ReminderKind
from bot.domain.values import RecipientId
from bot.ports_storage import UnitOfWork


def plan_nudges(uow: UnitOfWork, recipients: Iterable[RecipientId], now: datetime) -> int:
    """Write a nudge row for every slot to come of enrolled recipients; how many are new. The caller commits."""
    written = 0
    for recipient_id in sorted(set(recipients)):
        recipient = uow.recipients.get(recipient_id)
        if recipient is None or recipient.state is not RecipientState.ENROLLED:
            continue
        wanted: dict[datetime, datetime] = {}
        for reminder in uow.reminders.after(recipient_id, now):
            if reminder.slot >= now and wants(recipient, reminder.kind):
                known = wanted.get(reminder.slot, reminder.useful_until)
                wanted[reminder.slot] = max(known, reminder.useful_until)
        for slot, until in sorted(wanted.items()):
            row = uow.outbox.add(
                kind=OutboxKind.NUDGE, due=slot, recipient=recipient_id, slot=slot, useful_until=until
            )
            written += row is not None
    return written


def wants(recipient: Recipient, kind: ReminderKind) -> bool:
    """Two settings: whoever stopped reminders still hears of cancellations and moves."""
    return recipient.changes_on if kind is ReminderKind.CHANGE else recipient.reminders_on
