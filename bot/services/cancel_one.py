"""Cancel one appointment, named by its id, or by patient, day and hour as an agenda knows it."""

from __future__ import annotations

from datetime import date, datetime

from bot.domain.appointment import Status
from bot.domain.records import AuditKind, StoredAppointment
from bot.domain.slots import NudgeRules
from bot.domain.values import AppointmentId
from bot.errors import Refused
from bot.ports_keys import Sealer
from bot.ports_storage import UnitOfWork, UnitOfWorkFactory
from bot.services.cancel_appointment import cancel_stored
from bot.services.find_appointments import begins_at, booked_on
from bot.services.judge_reach import JudgeReach, Why


class CancelOne:
    """Import side. Both raise :class:`Refused`, and tell why the patient has to be telephoned, if so."""

    def __init__(self, uow: UnitOfWorkFactory, *, rules: NudgeRules) -> None:
        self._uow, self._rules = uow, rules

    def by_id(self, appointment: AppointmentId, *, now: datetime) -> Why | None:
        with self._uow() as uow:
            row = uow.appointments.get(appointment)
            if row is None:
                raise Refused("no appointment with this id", mend="see: pli patient show REF")
            if row.status is Status.CANCELLED:
                raise Refused("it is cancelled already")
            return self._cancel(uow, row, now)

    def by_time(
        self, sealer: Sealer, reference: str, day: date, start: datetime | None, *, now: datetime
    ) -> tuple[AppointmentId, Why | None]:
        """Its id too. Without ``start`` there must be one on that day; ``start`` is in UTC."""
        with self._uow() as uow:
            patient = uow.patients.by_reference(reference)
            if patient is None:
                raise Refused("no patient with this reference", mend="see: pli patient list")
            there = [r for r in booked_on(uow, sealer, [day], now=now) if r.patient == patient.id]
            if not there:
                raise Refused("this patient has no appointment on that day", mend="see: pli patient show REF")
            found = begins_at(sealer, there, start) if start is not None else there
            if not found:
                raise Refused(
                    "this patient has no appointment at that hour", mend="give the day alone, or the id"
                )
            if len(found) > 1:
                ids = ", ".join(row.id for row in found)
                raise Refused("this patient has several appointments then", mend=f"cancel one of them: {ids}")
            return found[0].id, self._cancel(uow, found[0], now)

    def _cancel(self, uow: UnitOfWork, row: StoredAppointment, now: datetime) -> Why | None:
        readers = [e.recipient for e in uow.envelopes.of_appointments([row.id])]
        why = JudgeReach(uow, [row.patient]).why_not(row.patient, readers, news=True)
        told = cancel_stored(uow, row, now, self._rules)
        uow.audit.add(AuditKind.CANCELLED, now)
        uow.commit()
        return why or (Why.TOO_LATE if None in told.values() else None)
