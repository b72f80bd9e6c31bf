"""Enter one appointment by hand, through the same import as an agenda's."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from bot.domain.appointment import Appointment, Detail
from bot.domain.records import RecipientState, StoredAppointment
from bot.domain.slots import NudgeRules
from bot.domain.values import AppointmentId, RecipientId, new_id
from bot.errors import Refused
from bot.ports_keys import Sealer
from bot.ports_storage import UnitOfWork, UnitOfWorkFactory
from bot.services.find_appointments import begins_at, booked_on
from bot.services.import_agenda import ImportAgenda
from bot.services.import_batch import ImportOptions

_WITH_KEY = (RecipientState.INVITED, RecipientState.ENROLLED)


def _is_read_by_all(uow: UnitOfWork, row: StoredAppointment) -> bool:
    """Whether nobody waits for it to be entered again, as people do who were invited since."""
    told = uow.recipients.many(uow.patients.recipients_of(row.patient)).values()
    wanting = {r.id for r in told if r.state in _WITH_KEY and row.only in (None, r.id)}
    return wanting <= {envelope.recipient for envelope in uow.envelopes.of_appointments([row.id])}


class AddAppointment:
    """Import side."""

    def __init__(self, uow: UnitOfWorkFactory, sealer: Sealer, *, rules: NudgeRules) -> None:
        self._uow, self._sealer, self._rules = uow, sealer, rules

    def __call__(
        self,
        reference: str,
        *,
        start: datetime,
        length: timedelta,
        practitioner: str,
        place: str,
        note: str,
        only: RecipientId | None,
        now: datetime,
    ) -> tuple[AppointmentId, Detail, int]:
        """Its id, what was understood, and how many can read it. ``start`` in UTC. Raises :class:`Refused`."""
        if start <= now:
            raise Refused("this time is over", mend="check the day and the hour")
        with self._uow() as uow:
            patient = uow.patients.by_reference(reference)
            if patient is None:
                raise Refused("no patient with this reference", mend="add it first: pli patient add REF")
            if only and only not in uow.patients.recipients_of(patient.id):
                raise Refused("this recipient is not told for this patient", mend="see: pli patient show REF")
            zone: ZoneInfo = self._rules.zone
            pair = self._sealer.pair_index(reference, practitioner)
            same_day = booked_on(uow, self._sealer, [start.astimezone(zone).date()], now=now)
            theirs = [r for r in same_day if (r.patient, r.pair_index, r.only) == (patient.id, pair, only)]
            if any(_is_read_by_all(uow, row) for row in begins_at(self._sealer, theirs, start)):
                raise Refused(
                    "this patient has this appointment already", mend="to change it, cancel it first"
                )
        detail = Detail(
            source="hand:" + new_id("h"),
            patient=reference,
            start=start,
            end=start + length,
            zone=zone.key,
            practitioner=practitioner,
            place=place,
            note=note,
        )
        options = ImportOptions(by_hand=True, only=only)
        service = ImportAgenda(self._uow, self._sealer, rules=self._rules, now=now, options=options)
        service(lambda: [Appointment(detail=detail)])
        index = self._sealer.source_index(detail.source)
        with self._uow() as uow:
            stored = uow.appointments.by_sources([index])[index]
            readers = uow.envelopes.of_appointments([stored.id])
        return stored.id, detail, len(readers)
