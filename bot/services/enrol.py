"""From consent to a PIN, a changed PIN, a lost key, and leaving.

1. The order of a new PIN: staged in the vault with the counted unlock, one transaction, committed in the vault.
2. What comes after the transaction does not undo it: a vault that is busy then is put right at the next start.
3. A first PIN needs an invitation that is still open: a revoked one enrols nobody.
4. Leaving destroys the key in the vault first: whatever fails afterwards, no copy opens.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import datetime

from bot.domain.choices import Wishes
from bot.domain.conversation import Outcome
from bot.domain.records import AuditKind, InvitationKind, OutboxKind, ProblemKind, Recipient, RecipientState
from bot.domain.slots import NudgeRules
from bot.domain.templates import CONSENT_VERSION, Template
from bot.domain.values import RecipientId, Secret
from bot.errors import StorageError
from bot.ports_keys import KeyRing
from bot.ports_storage import UnitOfWork, UnitOfWorkFactory
from bot.services.choose_times import choose_times
from bot.services.plan_nudges import plan_nudges
from bot.services.unbind_telegram import unbind_telegram

LEAVES = (OutboxKind.NUDGE, OutboxKind.TELEGRAM, OutboxKind.REPLY, OutboxKind.RELEASE, OutboxKind.OPEN)


log = logging.getLogger("pli.enrol")


class Enrol:
    """All of a recipient's life but the appointments."""

    def __init__(self, uow: UnitOfWorkFactory, keys: KeyRing, times: NudgeRules) -> None:
        self._uow, self._keys, self._times = uow, keys, times

    def consent(self, recipient_id: RecipientId, now: datetime) -> Outcome:
        with self._uow() as uow:
            recipient = uow.recipients.get(recipient_id)
            if recipient is None:
                return Outcome.TROUBLE
            uow.recipients.save(replace(recipient, consent_version=CONSENT_VERSION, consented_at=now))
            uow.audit.add(AuditKind.CONSENTED, now, recipient_id)
            uow.commit()
        return Outcome.CONSENTED

    def set_pin(self, recipient_id: RecipientId, secret: Secret, new_pin: Secret, now: datetime) -> Outcome:
        """Rules 1 to 3; ``secret`` is the code or the old PIN.

        Raises what :meth:`KeyRing.rewrap` raises.
        """
        with self._uow() as uow:
            recipient = uow.recipients.get(recipient_id)
            invited = _is_invited(uow, recipient_id)
        if recipient is None or not recipient.consent_version:
            return Outcome.TROUBLE
        first = recipient.state is RecipientState.INVITED
        if first and not invited:
            return Outcome.CODE_GONE
        rewrapped = self._keys.rewrap(recipient, secret, new_pin)
        with self._uow() as uow:
            current = uow.recipients.get(recipient_id)
            if current is None or current.generation != recipient.generation:
                return Outcome.TROUBLE
            if first and not _is_invited(uow, recipient_id):
                return Outcome.CODE_GONE
            # Only what the new wrap needs is taken over: settings may have changed meanwhile.
            saved = replace(
                current,
                state=RecipientState.ENROLLED,
                salt=rewrapped.salt,
                wrap=rewrapped.wrap,
                generation=rewrapped.generation,
            )
            uow.recipients.save(saved)
            for invitation in uow.invitations.open_for(recipient_id):
                if invitation.kind is InvitationKind.ENROL:
                    uow.invitations.save(replace(invitation, closed=True))
            uow.audit.add(AuditKind.ENROLLED if first else AuditKind.PIN_CHANGED, now, recipient_id)
            if first:
                plan_nudges(uow, [recipient_id], now, self._times)
            uow.commit()
        try:
            self._keys.settle(saved)
        except StorageError:
            log.warning("the vault keeps an old generation until the next start")  # rule 2
        return Outcome.PIN_SET

    def reminders(self, recipient_id: RecipientId, now: datetime, *, on: bool) -> Outcome:
        """Whether reminders are wanted; news of cancellations and moves is another setting."""
        with self._uow() as uow:
            recipient = uow.recipients.get(recipient_id)
            if recipient is None:
                return Outcome.TROUBLE
            uow.recipients.save(replace(recipient, reminders_on=on))
            kind = AuditKind.REMINDERS_STARTED if on else AuditKind.REMINDERS_STOPPED
            uow.audit.add(kind, now, recipient_id)
            plan_nudges(uow, [recipient_id], now, self._times)
            uow.commit()
        return Outcome.STARTED if on else Outcome.PAUSED

    def choose_times(self, recipient_id: RecipientId, wishes: Wishes, now: datetime) -> Outcome:
        """What they ask for of the times of their nudges."""
        with self._uow() as uow:
            recipient = uow.recipients.get(recipient_id)
            if recipient is None:
                return Outcome.TROUBLE
            choose_times(uow, recipient, wishes, now, self._times)
            uow.commit()
        return Outcome.TIMES_SET

    def lock(self, recipient_id: RecipientId, now: datetime) -> None:
        """The vault destroyed the key: say so where the staff looks, and stop what waits."""
        with self._uow() as uow:
            recipient = uow.recipients.get(recipient_id)
            if recipient is not None and recipient.state is not RecipientState.LOCKED:
                uow.recipients.save(replace(recipient, state=RecipientState.LOCKED))
                uow.outbox.drop_waiting(recipient_id, (OutboxKind.NUDGE, OutboxKind.TELEGRAM))
                uow.telegram.spend_links(recipient_id)
                uow.problems.add(ProblemKind.LOCKED, now, recipient_id)
                uow.audit.add(AuditKind.LOCKED, now, recipient_id)
                uow.commit()

    def report_stores(self, recipient_id: RecipientId, now: datetime) -> None:
        """Database and vault do not fit together: nothing was counted, nothing opens; a line for the staff."""
        with self._uow() as uow:
            uow.problems.add(ProblemKind.STORES_DIFFER, now, recipient_id)
            uow.commit()

    def leave(self, recipient_id: RecipientId, now: datetime) -> Outcome:
        """Rule 4. The row stays, without key and wrap, until the last words to it are said."""
        self._keys.destroy(recipient_id)
        with self._uow() as uow:
            recipient = uow.recipients.get(recipient_id)
            if recipient is None:
                return Outcome.LEFT
            forget_recipient(uow, recipient, now)
            uow.outbox.reword_held(recipient_id, Template.LEFT.value)
            uow.problems.add(ProblemKind.LEFT, now, recipient_id)
            uow.audit.add(AuditKind.LEFT, now, recipient_id)
            uow.commit()
        return Outcome.LEFT


def _is_invited(uow: UnitOfWork, recipient: RecipientId) -> bool:
    return any(i.kind is InvitationKind.ENROL and i.redeemed_by for i in uow.invitations.open_for(recipient))


def forget_recipient(uow: UnitOfWork, recipient: Recipient, now: datetime) -> None:
    """Everything but the empty row, which its open answers and last words still need. The caller commits."""
    uow.reminders.remove_of(recipient.id)
    uow.outbox.drop_waiting(recipient.id, LEAVES)
    unbind_telegram(uow, recipient.id, now)
    uow.envelopes.remove_of(recipient.id)
    for invitation in uow.invitations.open_for(recipient.id):
        uow.invitations.save(replace(invitation, closed=True))
    gone = replace(
        recipient,
        state=RecipientState.LEFT,
        wrap=b"",
        salt=b"",
        reminders_on=False,
        changes_on=False,
        left_at=now,
    )
    uow.recipients.save(gone)
