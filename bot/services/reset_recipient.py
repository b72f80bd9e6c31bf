"""Begin anew with somebody who is told already: PIN forgotten, or in the wrong hands, or the key destroyed.

1. The old key is destroyed in the vault before anything else: whatever fails afterwards, no copy of the database opens.
2. What was sealed to it goes, and what waits to be sent; the row stays, locked, for the room, the pinned identity and
   answers that the practice has not dealt with. Whoever was invited and never came leaves no row.
3. The patient reads it in the old room, as a constant sentence that every device may read: who did not ask for it
   calls.
4. The new code is for the same patients, in the same language, and takes the old one's place when it is typed
   (:mod:`bot.services.redeem_code` 4).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bot.domain.messages import OpenSentence
from bot.domain.records import AuditKind, OutboxKind, Recipient, RecipientState
from bot.domain.values import RecipientId, UserId
from bot.errors import Refused
from bot.ports_keys import KeyRing
from bot.ports_storage import UnitOfWork, UnitOfWorkFactory
from bot.services.enrol import LEAVES
from bot.services.invite_recipient import Invited, InviteRecipient
from bot.services.unbind_telegram import unbind_telegram


@dataclass(frozen=True, kw_only=True, slots=True)
class ResetTarget:
    """Whom it is about; ``references`` are all of the patients for whom this recipient is told."""

    recipient: Recipient
    references: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class ResetDone:
    """``user`` is the account in whose room it is said, None where there is no room; ``row`` says it, in the outbox."""

    invited: Invited
    references: tuple[str, ...]
    user: UserId | None
    row: int | None


class ResetRecipient:
    """See the module."""

    def __init__(self, uow: UnitOfWorkFactory, keys: KeyRing, invite: InviteRecipient) -> None:
        self._uow, self._keys, self._invite = uow, keys, invite

    def targets(self, references: Sequence[str], recipient: RecipientId | None) -> list[ResetTarget]:
        """Each once. Nothing is changed. Raises :class:`Refused`, where one of them cannot be chosen."""
        found: dict[RecipientId, ResetTarget] = {}
        with self._uow() as uow:
            for reference in dict.fromkeys(references):
                chosen = _chosen(uow, reference, recipient)
                patients = (uow.patients.get(p) for p in uow.patients.patients_of(chosen.id))
                found[chosen.id] = ResetTarget(
                    recipient=chosen, references=tuple(p.reference for p in patients if p is not None)
                )
        return list(found.values())

    def __call__(self, target: ResetTarget, *, valid: timedelta, now: datetime) -> ResetDone:
        """Raises :class:`Refused`. A crash in between leaves somebody without a key and without a code: invite."""
        old = target.recipient
        self._keys.destroy(old.id)  # rule 1
        with self._uow() as uow:
            known = uow.recipients.get(old.id)
            room = uow.rooms.by_recipient(old.id)
            uow.audit.add(AuditKind.RESET, now, old.id)
            stays = known is not None and (room is not None or known.state is not RecipientState.INVITED)
            if known is not None and stays:
                _lock(uow, known, now)
            else:
                uow.recipients.remove(old.id)
            there = room is not None and not room.left
            row = None
            if room is not None and there:
                # To nobody: what is dropped for the old recipient must not take this along (rule 3).
                row = uow.outbox.add(
                    kind=OutboxKind.OPEN, due=now, room=room.id, template=OpenSentence.RESET.value
                )
            uow.commit()
        invited = self._invite(target.references, language=old.language, valid=valid, now=now)
        others = max(0, invited.others - int(stays))  # the old row is not somebody else
        return ResetDone(
            invited=replace(invited, others=others),
            references=target.references,
            user=room.user if room is not None and there else None,
            row=row,
        )


def _lock(uow: UnitOfWork, recipient: Recipient, now: datetime) -> None:
    """Rule 2. The caller commits."""
    uow.reminders.remove_of(recipient.id)
    uow.outbox.drop_waiting(recipient.id, LEAVES)
    unbind_telegram(uow, recipient.id, now)
    uow.envelopes.remove_of(recipient.id)
    for invitation in uow.invitations.open_for(recipient.id):
        uow.invitations.save(replace(invitation, closed=True))
    uow.recipients.save(replace(recipient, state=RecipientState.LOCKED, wrap=b"", salt=b""))


def _chosen(uow: UnitOfWork, reference: str, recipient: RecipientId | None) -> Recipient:
    patient = uow.patients.by_reference(reference)
    if patient is None:
        raise Refused("no patient with this reference", mend="see: pli patient list")
    told = [known for r in uow.patients.recipients_of(patient.id) if (known := uow.recipients.get(r))]
    if recipient is not None:
        found = [r for r in told if r.id == recipient]
        if not found:
            raise Refused("this recipient is not told for this patient", mend="see: pli patient show REF")
    else:
        there = [r for r in told if r.state is not RecipientState.LEFT]
        came = [r for r in there if r.state is not RecipientState.INVITED]
        found = came or there
    if not found:
        raise Refused("nobody is told for this patient", mend="invite: pli invite REF")
    if len(found) > 1:
        raise Refused("several people are told for this patient", mend="name one with --recipient")
    return found[0]
