"""Remove a patient and everything that hangs on it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from bot.domain.records import AuditKind
from bot.domain.values import RecipientId
from bot.errors import Refused
from bot.ports_keys import KeyRing
from bot.ports_storage import UnitOfWorkFactory


class RemovePatient:
    """Keys are destroyed before rows: whatever fails afterwards, no copy of the database opens."""

    def __init__(self, uow: UnitOfWorkFactory, keys: KeyRing) -> None:
        self._uow, self._keys = uow, keys

    def people(self, references: Sequence[str]) -> int:
        """How many recipients are told for these patients. Raises :class:`Refused` for one that is unknown."""
        found: set[RecipientId] = set()
        with self._uow() as uow:
            for reference in references:
                patient = uow.patients.by_reference(reference)
                if patient is None:
                    raise Refused("no patient with this reference", mend="see: pli patient list")
                found.update(uow.patients.recipients_of(patient.id))
        return len(found)

    def __call__(self, reference: str, *, now: datetime) -> int:
        """How many recipients went along. Raises :class:`Refused` for an unknown patient."""
        with self._uow() as uow:
            patient = uow.patients.by_reference(reference)
            if patient is None:
                raise Refused("no patient with this reference", mend="see: pli patient list")
            alone = [
                r for r in uow.patients.recipients_of(patient.id) if len(uow.patients.patients_of(r)) == 1
            ]
        for recipient in alone:
            self._keys.destroy(recipient)
        with self._uow() as uow:
            for recipient in alone:
                uow.recipients.remove(recipient)
                uow.audit.add(AuditKind.REMOVED, now, recipient)
            uow.patients.remove(patient.id)
            uow.commit()
        return len(alone)
