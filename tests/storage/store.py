"""A migrated database with everything a unit of work needs, and values to put into it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import text

from bot.domain.appointment import Status
from bot.domain.records import (
    Patient,
    Recipient,
    RecipientState,
    Room,
    StoredAppointment,
    StoredEnvelope,
)
from bot.domain.trust import Pin
from bot.domain.values import (
    AppointmentId,
    KeyId,
    Language,
    PatientId,
    RecipientId,
    RoomId,
    SecretBytes,
    UserId,
)
from storage.audit_chain import AuditChain
from storage.columns import Columns
from storage.engine import connect
from storage.unit_of_work import SqlUnitOfWork, Watch
from tests.storage.migrated import migrated
from tests.storage.vault_rig import new_vault

NOW = datetime(2026, 9, 1, 8, 0, 0, 123456, tzinfo=UTC)
WHO, OTHER = RecipientId("r-who"), RecipientId("r-other")
P1, P2 = PatientId("p-1"), PatientId("p-2")
KEY = SecretBytes(bytes(range(32)))


class Store:
    """``uow()`` gives a unit of work; the rest looks behind it."""

    def __init__(self, folder: Path, url: str = "") -> None:
        self.folder = folder
        self.url = url or f"sqlite:///{folder / 'pli.db'}"
        self.engine = connect(self.url)
        migrated(self.engine)
        self.vault, self.clock = new_vault(folder)
        self.columns = Columns(KEY)
        self.watch = Watch()
        self.chain = AuditChain(SecretBytes(b"a" * 32))

    def uow(self) -> SqlUnitOfWork:
        return SqlUnitOfWork(
            self.engine,
            self.columns,
            chain=self.chain,
            anchor=self.vault.set_anchor,
            anchored=self.vault.anchor,
            watch=self.watch,
        )

    def rows(self, sql: str, **values: Any) -> list[tuple[Any, ...]]:
        with self.engine.begin() as db:
            return [tuple(row) for row in db.execute(text(sql), values)]

    def execute(self, sql: str, **values: Any) -> None:
        with self.engine.begin() as db:
            db.execute(text(sql), values)

    def people(self) -> None:
        """Two patients, two recipients, WHO for both and OTHER for the second; a room each."""
        with self.uow() as uow:
            uow.patients.add(Patient(id=P1, reference="P-1001", given_name="Léa"))
            uow.patients.add(Patient(id=P2, reference="P-1002"))
            for each in (WHO, OTHER):
                uow.recipients.add(recipient(each))
                uow.rooms.add(room(each))
            for patient, each in ((P1, WHO), (P2, WHO), (P2, OTHER)):
                uow.patients.link(patient, each)
            uow.commit()


def recipient(name: RecipientId = WHO) -> Recipient:
    return Recipient(
        id=name,
        language=Language.FR,
        state=RecipientState.ENROLLED,
        key_id=KeyId("k-1"),
        public_key=b"public" * 5,
        signature=b"signed",
        salt=b"salt",
        wrap=b"wrap",
        generation=3,
        reminders_on=False,
        changes_on=True,
        consent_version="2026-1",
        consented_at=NOW,
        pin=Pin(master_key=f"master of {name}"),
    )


def room(name: RecipientId = WHO) -> Room:
    return Room(
        id=f"room-{name}",
        room=RoomId(f"!canary-{name}:example.org"),
        user=UserId(f"@canary-{name}:example.org"),
        language=Language.EN,
        recipient=name,
    )


def appointment(name: str = "a-1", **values: Any) -> StoredAppointment:
    found = StoredAppointment(
        id=AppointmentId(name),
        patient=P1,
        source_index=f"source of {name}",
        pair_index="pair",
        day_tag="day",
        digest="digest",
        when_digest="when",
        sequence=7,
        modified=NOW,
        status=Status.BOOKED,
        revision=2,
        time_revision=1,
        change=3,
        past_after=datetime(2026, 9, 10, 22, tzinfo=UTC),
        tell_until=datetime(2026, 9, 10, 22, tzinfo=UTC),
        series_index="series",
    )
    return replace(found, **values)


def envelope(name: str = "a-1", to: RecipientId = WHO, **values: Any) -> StoredEnvelope:
    found = StoredEnvelope(
        appointment=AppointmentId(name), recipient=to, key_id=KeyId("k-1"), revision=2, blob=b"blob", told=1
    )
    return replace(found, **values)
