"""A one-time code is typed: is it right, whose is it, and may this device have it.

1. A code counts for the account that redeems it first; for that one it stays valid until the PIN is set.
2. A wrong code slows its sender and never spends the invitation. A failure of the storage refuses.
3. Who redeems is pinned: the master key of the cross-signing chain, or else the one device (trust on first use).
4. An account that is somebody already is replaced only by the device that it is pinned to, or by a code that names at
   least its patients: a strange device with a code of its own takes nothing over. What was the other patients' is
   carried along only by the known device. The old key is destroyed before the new recipient takes its place.
5. A code that re-pins does so in its own recipient's room, or in one that is nobody's.
6. Many wrong codes within an hour, whoever sent them, slow all who have sent a wrong one; the first code of an account
   is looked at whatever others do, so that nobody who has a right one is kept out. Persisted, and counted before the
   code is looked at; a clock that was set back starts a wait again, once.
7. Argon2id runs only for the public part of a code that is open to this account.
8. A code that re-pins makes links to Telegram that were handed out worthless; where another account answers for the
   person from then on, the chat is unbound as well.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from math import ceil

from bot.domain.codes import ParsedCode
from bot.domain.conversation import Outcome
from bot.domain.messages import OpenSentence
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
from bot.errors import KeyDestroyed, StaleGeneration, WrongSecret
from bot.ports_keys import KeyRing
from bot.ports_storage import UnitOfWork, UnitOfWorkFactory
from bot.services.enrol import forget_recipient
from bot.services.read_audit import INSTEAD_OF
from bot.services.unbind_telegram import unbind_telegram


@dataclass(frozen=True, kw_only=True, slots=True)
class Redeemed:
    """``recipient`` where the code was right; ``wait`` in seconds."""

    outcome: Outcome
    recipient: RecipientId | None = None
    wait: int = 0


_WRONG = Redeemed(outcome=Outcome.CODE_WRONG)
_GONE = Redeemed(outcome=Outcome.CODE_GONE)


class RedeemCode:
    """See the module."""

    def __init__(self, uow: UnitOfWorkFactory, keys: KeyRing) -> None:
        self._uow, self._keys = uow, keys

    def __call__(self, code: ParsedCode, room: Room, device: Device, now: datetime) -> Redeemed:
        """Raises :class:`bot.errors.StorageError`, and then nothing was redeemed."""
        with self._uow() as uow:
            sender = uow.rooms.user_index(room.user)
            wait = uow.guesses.wait_seconds(sender, now)
            if wait > 0:
                uow.commit()  # a clock that was seen to go back is remembered
                return Redeemed(outcome=Outcome.CODE_WAIT, wait=ceil(wait))
            uow.guesses.wrong(
                sender, now
            )  # counted before Argon2id runs, taken back below where the code was right
            invitation = uow.invitations.get(code.public)
            recipient = uow.recipients.get(invitation.recipient) if invitation else None
            uow.commit()
        if invitation is None or recipient is None:
            return _WRONG
        opened = self._is_open(invitation, sender, now)  # first (rule 7)
        if not opened or not self._is_right(invitation, recipient, code.secret):
            return _WRONG if opened else _GONE
        with self._uow() as uow:
            superseded = self._superseded(uow, room, recipient)
            allowed = superseded is None or _may_replace(uow, superseded, recipient, device)
            if superseded is not None and not allowed:
                uow.problems.add(ProblemKind.NOT_TRUSTED, now, superseded.id)
                uow.commit()
        if not allowed:
            return _WRONG
        if superseded is not None:
            self._keys.destroy(
                superseded.id
            )  # first: whatever fails afterwards, the old key is gone (rule 4)
        with self._uow() as uow:
            current = uow.invitations.get(invitation.id)
            fresh = uow.recipients.get(recipient.id)  # again: a PIN may have been changed meanwhile
            if current is None or fresh is None or not self._is_open(current, sender, now):
                return _GONE
            uow.guesses.clear(sender)
            if current.kind is InvitationKind.RELINK:
                redeemed = self._relink(uow, current, fresh, room, device, now)
            else:
                if superseded is not None:
                    fresh = self._take_over(uow, superseded, fresh, device, now)
                redeemed = self._enrol(uow, current, fresh, room, device, sender, now, superseded)
            uow.commit()
        return redeemed

    def _is_right(self, invitation: Invitation, recipient: Recipient, secret: Secret) -> bool:
        if invitation.kind is InvitationKind.RELINK:
            return self._keys.check_code(invitation, secret)
        if recipient.state is not RecipientState.INVITED:
            return False
        try:
            self._keys.unlock(recipient, secret)
        except (WrongSecret, KeyDestroyed, StaleGeneration):
            return False
        return True

    @staticmethod
    def _is_open(invitation: Invitation, sender: str, now: datetime) -> bool:
        """Rule 1."""
        if invitation.closed or invitation.redeemed_by not in ("", sender):
            return False
        return invitation.redeemed_by == sender or invitation.expires > now

    @staticmethod
    def _superseded(uow: UnitOfWork, room: Room, recipient: Recipient) -> Recipient | None:
        """Whoever this account was until now."""
        current = uow.rooms.get(room.id)
        if current is None or current.recipient in (None, recipient.id):
            return None
        return uow.recipients.get(current.recipient) if current.recipient else None

    @staticmethod
    def _take_over(
        uow: UnitOfWork, old: Recipient, recipient: Recipient, device: Device, now: datetime
    ) -> Recipient:
        """Rule 4. The old row stays, empty, until the practice has dealt with its answers; the language goes along."""
        stays = old.state is not RecipientState.LEFT
        if stays and old.pin is not None and old.pin.knows(device):
            for patient in uow.patients.patients_of(old.id):
                uow.patients.link(patient, recipient.id)
        for patient in uow.patients.patients_of(old.id):
            for row in uow.appointments.of_patient(patient):
                if row.only == old.id:  # told to this person alone, and to be entered again
                    uow.appointments.save(replace(row, only=recipient.id))
                    uow.problems.add(ProblemKind.UNREADABLE, now, recipient.id)
        uow.patients.unlink(old.id)
        forget_recipient(uow, old, now)
        uow.audit.add(AuditKind.REMOVED, now, old.id)
        return replace(recipient, language=old.language)

    @staticmethod
    def _enrol(
        uow: UnitOfWork,
        invitation: Invitation,
        recipient: Recipient,
        room: Room,
        device: Device,
        sender: str,
        now: datetime,
        old: Recipient | None,
    ) -> Redeemed:
        uow.recipients.save(replace(recipient, pin=Pin.of(device)))
        _move_room(uow, room, recipient)
        uow.invitations.save(replace(invitation, redeemed_by=sender))
        note = f"{INSTEAD_OF}{old.id}" if old else ""
        uow.audit.add(AuditKind.REDEEMED, now, recipient.id, note=note)
        known = recipient.consent_version == CONSENT_VERSION
        outcome = Outcome.CODE_RIGHT_CONSENTED if known else Outcome.CODE_RIGHT
        return Redeemed(outcome=outcome, recipient=recipient.id)

    @staticmethod
    def _relink(
        uow: UnitOfWork,
        invitation: Invitation,
        recipient: Recipient,
        room: Room,
        device: Device,
        now: datetime,
    ) -> Redeemed:
        uow.recipients.save(replace(recipient, pin=Pin.of(device)))
        earlier = uow.rooms.by_recipient(recipient.id)
        if earlier is not None and earlier.id != room.id:
            # Somebody else's account answers for this person now: the one that did reads that it does no more.
            uow.outbox.add(
                kind=OutboxKind.OPEN, due=now, room=earlier.id, template=OpenSentence.UNKNOWN_DEVICE.value
            )
            uow.problems.add(ProblemKind.ROOM_LEFT, now, recipient.id)
            unbind_telegram(uow, recipient.id, now)  # rule 8
        uow.telegram.spend_links(recipient.id)
        _move_room(uow, room, recipient)
        uow.invitations.save(replace(invitation, closed=True))
        uow.audit.add(AuditKind.RELINKED, now, recipient.id)
        return Redeemed(outcome=Outcome.CODE_RELINKED, recipient=recipient.id)


def _may_replace(uow: UnitOfWork, old: Recipient, recipient: Recipient, device: Device) -> bool:
    """Rules 4 and 5."""
    if recipient.state is not RecipientState.INVITED:
        return False
    if old.state is RecipientState.LEFT or (old.pin is not None and old.pin.knows(device)):
        return True
    return set(uow.patients.patients_of(old.id)) <= set(uow.patients.patients_of(recipient.id))


def _move_room(uow: UnitOfWork, room: Room, recipient: Recipient) -> None:
    earlier = uow.rooms.by_recipient(recipient.id)
    if earlier is not None and earlier.id != room.id:
        uow.rooms.save(replace(earlier, recipient=None))
    uow.rooms.save(replace(room, recipient=recipient.id, language=recipient.language))
    uow.recipients.switch_on(recipient.id)
