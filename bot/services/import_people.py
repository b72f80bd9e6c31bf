"""Patients and their recipients as one import's transaction sees them."""

from __future__ import annotations

from bot.domain.records import Recipient, RecipientState
from bot.domain.values import PatientId
from bot.ports_storage import UnitOfWork


class PatientsOfImport:
    """Patients and their recipients, read once a transaction."""

    def __init__(self, uow: UnitOfWork) -> None:
        self._uow = uow
        self._patients: dict[str, PatientId | None] = {}
        self._names: dict[PatientId, str] = {}
        self._recipients: dict[PatientId, list[Recipient]] = {}

    def patient(self, reference: str) -> PatientId | None:
        if reference not in self._patients:
            found = self._uow.patients.by_reference(reference)
            self._patients[reference] = found.id if found else None
            if found:
                self._names[found.id] = found.given_name
        return self._patients[reference]

    def given_name(self, patient: PatientId) -> str:
        return self._names.get(patient, "")

    def recipients(self, patient: PatientId) -> list[Recipient]:
        if patient not in self._recipients:
            found = (self._uow.recipients.get(r) for r in self._uow.patients.recipients_of(patient))
            wanted = (RecipientState.INVITED, RecipientState.ENROLLED)
            self._recipients[patient] = [r for r in found if r is not None and r.state in wanted]
        return self._recipients[patient]
