"""Invite somebody to be told: a recipient with a key pair, a one-time code, and the patients it answers for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bot.domain.appointment import Status
from bot.domain.codes import new_code
from bot.domain.records import AuditKind, Invitation, InvitationKind, Patient, RecipientState
from bot.domain.values import Language, RecipientId, Secret
from bot.errors import Refused
from bot.ports_keys import Registrar
from bot.ports_storage import UnitOfWork, UnitOfWorkFactory


@dataclass(frozen=True, kw_only=True, slots=True)
class Invited:
    """``code`` is shown once. ``others`` are recipients that this patient has already; ``missing`` appointments to
    come wait for a re-import until the new recipient can read them, ``by_hand`` of them must be entered again.
    """

    recipient: RecipientId
    code: Secret
    public: str
    expires: datetime
    others: int
    missing: int
    by_hand: int


class InviteRecipient:
    """Creates, relinks and revokes invitations."""

    def __init__(self, uow: UnitOfWorkFactory, registrar: Registrar) -> None:
        self._uow, self._registrar = uow, registrar

    def __call__(
        self, references: Sequence[str], *, language: Language, valid: timedelta, now: datetime
    ) -> Invited:
        """Raises :class:`Refused` for an unknown patient."""
        code = new_code()
        with self._uow() as uow:
            _patients(uow, references)  # before the vault learns of anybody
        # Argon2id takes a fifth of a second: outside of the transaction.
        recipient = self._registrar.new_recipient(language, code.secret)
        with self._uow() as uow:
            patients = _patients(uow, references)
            others = {
                r
                for p in patients
                for r in uow.patients.recipients_of(p.id)
                if (known := uow.recipients.get(r)) and known.state is not RecipientState.LEFT
            }
            uow.recipients.add(recipient)
            for patient in patients:
                uow.patients.link(patient.id, recipient.id)
            uow.invitations.add(
                Invitation(
                    id=code.public, recipient=recipient.id, kind=InvitationKind.ENROL, expires=now + valid
                )
            )
            waiting = [
                a
                for p in patients
                for a in uow.appointments.of_patient(p.id)
                if a.status is Status.BOOKED and a.past_after > now and a.only is None
            ]
            uow.audit.add(AuditKind.INVITED, now, recipient.id)
            uow.commit()
        return Invited(
            recipient=recipient.id,
            code=code.display,
            public=code.public,
            expires=now + valid,
            others=len(others),
            missing=len(waiting),
            by_hand=sum(a.by_hand for a in waiting),
        )

    def check(self, references: Sequence[str], *, now: datetime, another: bool) -> None:
        """Raises :class:`Refused` for an unknown patient, and for one with an open invitation unless ``another`` person
        is meant: a second code for the same person would be a second recipient.
        """
        with self._uow() as uow:
            invited = {
                r
                for patient in _patients(uow, references)
                for r in uow.patients.recipients_of(patient.id)
                if (known := uow.recipients.get(r)) and known.state is RecipientState.INVITED
            }
            if not another and any(i.expires > now for r in invited for i in uow.invitations.open_for(r)):
                raise Refused(
                    "somebody has an open code for this patient already",
                    mend="the code is lost: pli reset REF; another person is meant: --another",
                )

    def relink(
        self, reference: str, *, recipient: RecipientId | None, valid: timedelta, now: datetime
    ) -> Invited:
        """A code that re-pins a new phone; key pair and PIN stay. Raises :class:`Refused`."""
        code = new_code()
        salt, verifier = self._registrar.relink_code(code.secret)
        with self._uow() as uow:
            chosen = recipient or _only_enrolled(uow, reference)
            if chosen not in uow.patients.recipients_of(_patients(uow, [reference])[0].id):
                raise Refused("this recipient is not told for this patient", mend="see: pli patient show REF")
            known = uow.recipients.get(chosen)
            if known is None or known.state is not RecipientState.ENROLLED:
                raise Refused("this recipient is not enrolled", mend="invite again without --relink")
            for earlier in uow.invitations.open_for(chosen):
                uow.invitations.save(replace(earlier, closed=True))
            uow.invitations.add(
                Invitation(
                    id=code.public,
                    recipient=chosen,
                    kind=InvitationKind.RELINK,
                    expires=now + valid,
                    salt=salt,
                    verifier=verifier,
                )
            )
            uow.audit.add(AuditKind.RELINK_INVITED, now, chosen)
            uow.commit()
        return Invited(
            recipient=chosen,
            code=code.display,
            public=code.public,
            expires=now + valid,
            others=0,
            missing=0,
            by_hand=0,
        )

    def revoke(self, recipient: RecipientId, *, now: datetime) -> int:
        """Close every open invitation of ``recipient``; how many."""
        with self._uow() as uow:
            if uow.recipients.get(recipient) is None:
                raise Refused("no such recipient", mend="see: pli patient show REF")
            found = uow.invitations.open_for(recipient)
            for invitation in found:
                uow.invitations.save(replace(invitation, closed=True))
            if found:
                uow.audit.add(AuditKind.REVOKED, now, recipient)
            uow.commit()
        return len(found)


def _patients(uow: UnitOfWork, references: Sequence[str]) -> list[Patient]:
    found = []
    for reference in dict.fromkeys(references):
        patient = uow.patients.by_reference(reference)
        if patient is None:
            raise Refused("no patient with this reference", mend="add it first: pli patient add REF")
        found.append(patient)
    return found


def _only_enrolled(uow: UnitOfWork, reference: str) -> RecipientId:
    patient = _patients(uow, [reference])[0]
    enrolled = [
        r
        for r in uow.patients.recipients_of(patient.id)
        if (known := uow.recipients.get(r)) and known.state is RecipientState.ENROLLED
    ]
    if not enrolled:
        raise Refused("nobody is enrolled for this patient", mend="invite again without --relink")
    if len(enrolled) > 1:
        raise Refused("several people are enrolled for this patient", mend="name one with --recipient")
    return enrolled[0]
