"""Patients and their recipients as one import's transaction sees them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from bot.domain.records import Patient, Recipient, RecipientState
from bot.domain.values import PatientId
from bot.ports_storage import UnitOfWork

_TOLD = (RecipientState.INVITED, RecipientState.ENROLLED)


class PatientsOfImport:
    """Patients and their recipients, read once a transaction: :meth:`read` first, whatever is asked for later."""

    def __init__(self, uow: UnitOfWork) -> None:
        self._uow = uow
        self._patients: Mapping[str, Patient] = {}
        self._recipients: Mapping[PatientId, list[Recipient]] = {}

    def read(self, references: Iterable[str]) -> None:
        """Everybody whom the agenda refers to by ``references``."""
        self._patients = self._uow.patients.by_references(set(references))
        names = {patient.id: patient.given_name for patient in self._patients.values()}
        told = self._uow.patients.recipients_of_many(names)
        known = self._uow.recipients.many(r for many in told.values() for r in many)
        self._names = names
        self._recipients = {
            patient: [known[r] for r in many if r in known and known[r].state in _TOLD]
            for patient, many in told.items()
        }

    def patient(self, reference: str) -> PatientId | None:
        found = self._patients.get(reference)
        return found.id if found else None

    def given_name(self, patient: PatientId) -> str:
        return self._names.get(patient, "")

    def recipients(self, patient: PatientId) -> list[Recipient]:
        return self._recipients.get(patient, [])
