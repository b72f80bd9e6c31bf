"""From a one-time code to a PIN, a new phone, a changed PIN, and leaving.

1. A code counts for the account that redeems it first; for that one it stays valid until the PIN is set.
2. A wrong code slows its sender and never spends the invitation. A failure of the storage refuses.
3. Who redeems is pinned: the master key of the cross-signing chain, or else the one device (trust on first use).
4. The order of a new PIN: staged in the vault with the counted unlock, one transaction, committed in the vault.
5. An account that redeems a second code begins anew: its old key is destroyed, its patients go along.
6. Leaving destroys the key in the vault first: whatever fails afterwards, no copy opens.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from bot.domain.codes import ParsedCode
from bot.domain.conversation import Outcome
from bot.domain.records import (
    AuditKind,
    Invitation,
    InvitationKind,
    OutboxKind,
    ProblemKind,
    Recipient,
    RecipientState,
    Room,
)
from bot.domain.templates import CONSENT_VERSION
from bot.domain.trust import Device, Pin
from bot.domain.values import RecipientId, Secret
from bot.errors import KeyDestroyed, WrongSecret
from bot.ports_storage import KeyRing, UnitOfWork, UnitOfWorkFactory
from bot.services.plan_nudges import plan_nudges

EVERYBODY = ""  # the sender under which all wrong codes are counted together
LEAVES = (OutboxKind.NUDGE, OutboxKind.REPLY, OutboxKind.RELEASE, OutboxKind.OPEN)


@dataclass(frozen=True, kw_only=True, slots=True)
class Redeemed:
    """``recipient`` where the code was right; ``wait`` in seconds."""

    outcome: Outcome
    recipient: RecipientId | None = None
    wait: int = 0


class Enrol:
    """All of a recipient's life but the appointments."""

    def __init__(self, uow: UnitOfWorkFactory, keys: KeyRing) -> None:
        self._uow, self._keys = uow, keys

    def redeem(self, code: ParsedCode, room: Room, device: Device, now: datetime) -> Redeemed:
        with self._uow() as uow:
            sender = uow.rooms.user_index(room.user)
            wait = uow.guesses.wait_seconds(sender, now)
            invitation = uow.invitations.get(code.public)
            recipient = uow.recipients.get(invitation.recipient) if invitation else None
            if wait > 0:
                return Redeemed(outcome=Outcome.CODE_WAIT, wait=int(wait))
        if invitation is None or recipient is None or not self._is_right(invitation, recipient, code.secret):
            with self._uow() as uow:
                uow.guesses.wrong(sender, now)
                uow.commit()
            return Redeemed(outcome=Outcome.CODE_WRONG)
        foreign = invitation.redeemed_by not in ("", sender)
        if foreign or invitation.closed or invitation.expires <= now:
            return Redeemed(outcome=Outcome.CODE_GONE)
        superseded = None
        with self._uow() as uow:
            current = uow.invitations.get(invitation.id)
            if current is None or current.closed or current.redeemed_by not in ("", sender):
                return Redeemed(outcome=Outcome.CODE_GONE)
            uow.guesses.clear(sender)
            if invitation.kind is InvitationKind.RELINK:
                outcome = self._relink(uow, current, recipient, room, device, now)
            else:
                superseded = self._take_over(uow, recipient, room, now)
                pinned = replace(recipient, pin=Pin.of(device), language=room.language)
                uow.recipients.save(pinned)
                self._move_room(uow, room, recipient.id)
                uow.invitations.save(replace(current, redeemed_by=sender))
                uow.audit.add(AuditKind.REDEEMED, now, recipient.id)
                known = pinned.consent_version == CONSENT_VERSION
                outcome = Outcome.CODE_RIGHT_CONSENTED if known else Outcome.CODE_RIGHT
            uow.commit()
        if superseded is not None:
            self._keys.destroy(superseded)
        return Redeemed(outcome=outcome, recipient=recipient.id)

    def _is_right(self, invitation: Invitation, recipient: Recipient, secret: Secret) -> bool:
        if invitation.kind is InvitationKind.RELINK:
            return self._keys.check_code(invitation, secret)
        if recipient.state is not RecipientState.INVITED:
            return False
        try:
            self._keys.unlock(recipient, secret)
        except (WrongSecret, KeyDestroyed):
            return False
        return True

    def _relink(
        self,
        uow: UnitOfWork,
        invitation: Invitation,
        recipient: Recipient,
        room: Room,
        device: Device,
        now: datetime,
    ) -> Outcome:
        uow.recipients.save(replace(recipient, pin=Pin.of(device)))
        self._move_room(uow, room, recipient.id)
        uow.invitations.save(replace(invitation, closed=True))
        uow.audit.add(AuditKind.RELINKED, now, recipient.id)
        return Outcome.CODE_RELINKED

    @staticmethod
    def _move_room(uow: UnitOfWork, room: Room, recipient: RecipientId) -> None:
        earlier = uow.rooms.by_recipient(recipient)
        if earlier is not None and earlier.id != room.id:
            uow.rooms.save(replace(earlier, recipient=None))
        uow.rooms.save(replace(room, recipient=recipient))

    @staticmethod
    def _take_over(uow: UnitOfWork, recipient: Recipient, room: Room, now: datetime) -> RecipientId | None:
        """Rule 5; the recipient whose key is to be destroyed after the transaction."""
        if room.recipient is None or room.recipient == recipient.id:
            return None
        old = uow.recipients.get(room.recipient)
        if old is None:
            return None
        for patient in uow.patients.patients_of(old.id):
            uow.patients.link(patient, recipient.id)
        uow.rooms.save(replace(room, recipient=recipient.id))
        uow.recipients.remove(old.id)
        uow.audit.add(AuditKind.REMOVED, now, old.id)
        return old.id

    def consent(self, recipient_id: RecipientId, now: datetime) -> Outcome:
        with self._uow() as uow:
            recipient = uow.recipients.get(recipient_id)
            if recipient is None:
                return Outcome.TROUBLE
            uow.recipients.save(replace(recipient, consent_version=CONSENT_VERSION, consented_at=now))
            uow.commit()
        return Outcome.CONSENTED

    def set_pin(
        self, recipient_id: RecipientId, secret: Secret, new_pin: Secret, now: datetime
    ) -> tuple[Outcome, int]:
        """Rule 4; ``secret`` is the code or the old PIN. The outcome, and how many nudges were planned.

        Raises what :meth:`KeyRing.rewrap` raises.
        """
        with self._uow() as uow:
            recipient = uow.recipients.get(recipient_id)
        if recipient is None or not recipient.consent_version:
            return Outcome.TROUBLE, 0
        rewrapped = self._keys.rewrap(recipient, secret, new_pin)
        with self._uow() as uow:
            current = uow.recipients.get(recipient_id)
            if current is None or current.generation != recipient.generation:
                return Outcome.TROUBLE, 0
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
            first = recipient.state is RecipientState.INVITED
            uow.audit.add(AuditKind.ENROLLED if first else AuditKind.PIN_CHANGED, now, recipient_id)
            planned = plan_nudges(uow, [recipient_id], now) if first else 0
            uow.commit()
        self._keys.settle(saved)
        return Outcome.PIN_SET, planned

    def lock(self, recipient_id: RecipientId, now: datetime) -> None:
        """The vault destroyed the key: say so where the staff looks, and stop what waits."""
        with self._uow() as uow:
            recipient = uow.recipients.get(recipient_id)
            if recipient is not None and recipient.state is not RecipientState.LOCKED:
                uow.recipients.save(replace(recipient, state=RecipientState.LOCKED))
                uow.outbox.drop_waiting(recipient_id, (OutboxKind.NUDGE,))
                uow.problems.add(ProblemKind.LOCKED, now, recipient_id)
                uow.audit.add(AuditKind.LOCKED, now, recipient_id)
                uow.commit()

    def report_stores(self, recipient_id: RecipientId, now: datetime) -> None:
        """Database and vault do not fit together: nothing was counted, nothing opens; a line for the staff."""
        with self._uow() as uow:
            uow.problems.add(ProblemKind.STORES_DIFFER, now, recipient_id)
            uow.commit()

    def leave(self, recipient_id: RecipientId, now: datetime) -> Outcome:
        """Rule 6. The row stays, without key, pin and wrap, until the room is closed."""
        self._keys.destroy(recipient_id)
        with self._uow() as uow:
            recipient = uow.recipients.get(recipient_id)
            if recipient is None:
                return Outcome.LEFT
            uow.reminders.remove_of(recipient_id)
            uow.outbox.drop_waiting(recipient_id, LEAVES)
            uow.envelopes.remove_of(recipient_id)
            for invitation in uow.invitations.open_for(recipient_id):
                uow.invitations.save(replace(invitation, closed=True))
            uow.recipients.save(
                replace(
                    recipient,
                    state=RecipientState.LEFT,
                    wrap=b"",
                    salt=b"",
                    reminders_on=False,
                    changes_on=False,
                )
            )
            uow.problems.add(ProblemKind.LEFT, now, recipient_id)
            uow.audit.add(AuditKind.LEFT, now, recipient_id)
            uow.commit()
        return Outcome.LEFT
