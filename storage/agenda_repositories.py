"""Repositories of what an agenda became: appointments and envelopes."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import BindParameter, Connection, RowMapping, bindparam, delete, insert, or_, select, update

from bot.domain.appointment import Status
from bot.domain.records import StoredAppointment, StoredEnvelope
from bot.domain.values import AppointmentId, KeyId, PatientId, RecipientId
from storage import tables as t
from storage.chunks import chunks
from storage.columns import Columns

# Made once, since each import and each claim asks them: making the question costs more than the answer.
_IN: BindParameter[Any] = bindparam("wanted", expanding=True)
_APPOINTMENTS = select(t.appointment).where(t.appointment.c.id.in_(_IN))
_OF_SOURCES = select(t.appointment).where(t.appointment.c.source_idx.in_(_IN))
_BOOKED = (
    select(t.envelope.c.recipient, t.envelope.c.appointment)
    .join(t.appointment, t.envelope.c.appointment == t.appointment.c.id)
    .where(t.appointment.c.past_after > bindparam("now"), t.appointment.c.status == Status.BOOKED.value)
    .where(or_(t.appointment.c.only.is_(None), t.appointment.c.only == t.envelope.c.recipient))
    .where(t.envelope.c.recipient.in_(_IN))
    .order_by(t.envelope.c.recipient, t.envelope.c.appointment)
)
_ENVELOPES = select(t.envelope).where(t.envelope.c.appointment.in_(_IN))


def _past(before: datetime) -> Any:  # noqa: ANN401 - SQLAlchemy's clause types
    return select(t.appointment.c.id).where(t.appointment.c.past_after < before)


class AppointmentRows:
    """Appointments without their details. When the agenda last changed an entry, and its kind, are sealed too."""

    def __init__(self, connection: Connection, columns: Columns) -> None:
        self._db, self._columns = connection, columns

    def _values(self, a: StoredAppointment) -> dict[str, Any]:
        version = json.dumps([a.sequence, a.modified.isoformat() if a.modified else None, a.kind])
        return {
            "id": a.id,
            "patient": a.patient,
            "source_idx": a.source_index,
            "pair_idx": a.pair_index,
            "series_idx": a.series_index,
            "day_tag": a.day_tag,
            "digest": a.digest,
            "when_digest": a.when_digest,
            "version_enc": self._columns.seal(version, table="appointment", column="version", row=a.id),
            "status": a.status.value,
            "revision": a.revision,
            "time_revision": a.time_revision,
            "change": a.change,
            "past_after": a.past_after,
            "tell_until": a.tell_until,
            "only": a.only,
            "by_hand": a.by_hand,
        }

    def _open(self, row: RowMapping) -> StoredAppointment:
        version = self._columns.open(row["version_enc"], table="appointment", column="version", row=row["id"])
        sequence, modified, *kind = json.loads(version)  # rows of older versions name no kind
        return StoredAppointment(
            id=AppointmentId(row["id"]),
            patient=PatientId(row["patient"]),
            source_index=row["source_idx"],
            pair_index=row["pair_idx"],
            series_index=row["series_idx"],
            day_tag=row["day_tag"],
            digest=row["digest"],
            when_digest=row["when_digest"],
            sequence=sequence,
            modified=datetime.fromisoformat(modified) if modified else None,
            status=Status(row["status"]),
            revision=row["revision"],
            time_revision=row["time_revision"],
            change=row["change"],
            past_after=row["past_after"],
            tell_until=row["tell_until"],
            kind=kind[0] if kind else "",
            only=RecipientId(row["only"]) if row["only"] else None,
            by_hand=row["by_hand"],
        )

    def _select(self, *conditions: Any) -> list[StoredAppointment]:  # noqa: ANN401 - SQLAlchemy's clause types
        rows = self._db.execute(select(t.appointment).where(*conditions)).mappings()
        return [self._open(row) for row in rows]

    def add(self, rows: Iterable[StoredAppointment]) -> None:
        if values := [self._values(a) for a in rows]:
            self._db.execute(insert(t.appointment), values)

    def save(self, row: StoredAppointment) -> None:
        query = update(t.appointment).where(t.appointment.c.id == row.id)
        self._db.execute(query.values(self._values(row)))

    def get(self, appointment: AppointmentId) -> StoredAppointment | None:
        return next(iter(self._select(t.appointment.c.id == appointment)), None)

    def many(self, appointments: Iterable[AppointmentId]) -> Mapping[AppointmentId, StoredAppointment]:
        return {
            row["id"]: self._open(row)
            for chunk in chunks(appointments)
            for row in self._db.execute(_APPOINTMENTS, {"wanted": chunk}).mappings()
        }

    def by_sources(self, indexes: Sequence[str]) -> Mapping[str, StoredAppointment]:
        return {
            row["source_idx"]: self._open(row)
            for chunk in chunks(indexes)
            for row in self._db.execute(_OF_SOURCES, {"wanted": chunk}).mappings()
        }

    def by_days(self, tags: Sequence[str]) -> Sequence[StoredAppointment]:
        return [a for chunk in chunks(tags) for a in self._select(t.appointment.c.day_tag.in_(chunk))]

    def by_series(self, indexes: Sequence[str]) -> Sequence[StoredAppointment]:
        return [a for chunk in chunks(indexes) for a in self._select(t.appointment.c.series_idx.in_(chunk))]

    def of_patient(self, patient: PatientId) -> Sequence[StoredAppointment]:
        return self._select(t.appointment.c.patient == patient)

    def past(self, before: datetime) -> Sequence[StoredAppointment]:
        return self._select(t.appointment.c.past_after < before)

    def remove(self, appointment: AppointmentId) -> None:
        self._db.execute(delete(t.appointment).where(t.appointment.c.id == appointment))


class EnvelopeRows:
    """One sealed envelope an appointment and recipient."""

    def __init__(self, connection: Connection, appointments: AppointmentRows) -> None:
        self._db, self._appointments = connection, appointments

    @staticmethod
    def _open(row: RowMapping) -> StoredEnvelope:
        return StoredEnvelope(
            appointment=AppointmentId(row["appointment"]),
            recipient=RecipientId(row["recipient"]),
            key_id=KeyId(row["key_id"]),
            revision=row["revision"],
            blob=row["blob"],
            told=row["told"],
        )

    def put(self, rows: Iterable[StoredEnvelope]) -> None:
        values: list[dict[str, Any]] = [
            {
                "appointment": e.appointment,
                "recipient": e.recipient,
                "key_id": e.key_id,
                "revision": e.revision,
                "blob": e.blob,
                "told": e.told,
            }
            for e in rows
        ]
        if not values:
            return
        c = t.envelope.c
        for chunk in chunks(sorted({v["appointment"] for v in values})):
            known = {
                (row.appointment, row.recipient)
                for row in self._db.execute(
                    select(c.appointment, c.recipient).where(c.appointment.in_(chunk))
                )
            }
            for appointment, recipient in known & {(v["appointment"], v["recipient"]) for v in values}:
                self._db.execute(
                    delete(t.envelope).where(c.appointment == appointment, c.recipient == recipient)
                )
        self._db.execute(insert(t.envelope), values)

    def of_appointments(self, appointments: Sequence[AppointmentId]) -> Sequence[StoredEnvelope]:
        return [
            self._open(row)
            for chunk in chunks(appointments)
            for row in self._db.execute(_ENVELOPES, {"wanted": chunk}).mappings()
        ]

    def to_come(
        self, recipient: RecipientId, now: datetime
    ) -> Sequence[tuple[StoredAppointment, StoredEnvelope]]:
        a, e = t.appointment.c, t.envelope.c
        query = (
            select(t.envelope)
            .join(t.appointment, e.appointment == a.id)
            .where(e.recipient == recipient, a.past_after > now, or_(a.only.is_(None), a.only == recipient))
        )
        envelopes = [self._open(row) for row in self._db.execute(query).mappings()]
        rows = self._appointments.many(envelope.appointment for envelope in envelopes)
        return [(rows[envelope.appointment], envelope) for envelope in envelopes]

    def booked_for(
        self, recipients: Iterable[RecipientId], now: datetime
    ) -> Mapping[RecipientId, Sequence[StoredAppointment]]:
        pairs = [
            (RecipientId(recipient), AppointmentId(appointment))
            for chunk in chunks(recipients)
            for recipient, appointment in self._db.execute(_BOOKED, {"wanted": chunk, "now": now})
        ]
        rows = self._appointments.many({appointment for _, appointment in pairs})
        found: dict[RecipientId, list[StoredAppointment]] = defaultdict(list)
        for recipient, appointment in pairs:
            found[recipient].append(rows[appointment])
        return found

    def mark_told(self, appointment: AppointmentId, recipient: RecipientId, change: int) -> None:
        c = t.envelope.c
        query = update(t.envelope).where(c.appointment == appointment, c.recipient == recipient)
        self._db.execute(query.values(told=change))

    def purge(self, before: datetime) -> int:
        return int(
            self._db.execute(delete(t.envelope).where(t.envelope.c.appointment.in_(_past(before)))).rowcount
        )

    def remove_of(self, recipient: RecipientId) -> None:
        self._db.execute(delete(t.envelope).where(t.envelope.c.recipient == recipient))
