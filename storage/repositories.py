"""Repositories of people: patients, recipients, invitations, rooms. Each seals what identifies before it is stored."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, bindparam, delete, insert, or_, select, update

from bot.domain.choices import Wishes
from bot.domain.records import Invitation, InvitationKind, Patient, Recipient, RecipientState, Room, Signs
from bot.domain.trust import Pin
from bot.domain.values import KeyId, Language, PatientId, RecipientId, RoomId, UserId
from storage import tables as t
from storage.chunks import chunks
from storage.columns import Columns
from storage.vault_serial import is_later
from storage.wishes_text import read_wishes, write_wishes

Values = Mapping[str, Any]  # what SQLAlchemy binds

# Made once, since each claim and each turn of the upkeep asks them: making the question costs more than the answer.
_r = t.recipient.c
_ALL = select(t.recipient)
_ONE = _ALL.where(_r.id == bindparam("wanted"))
_MANY = _ALL.where(_r.id.in_(bindparam("wanted", expanding=True)))
_SERIAL = select(_r.vault_serial).where(_r.id == bindparam("wanted"))
_SIGNS = select(_r.id, _r.paused, _r.nudged_at, _r.seen_at, _r.off_since).where(
    _r.id.in_(bindparam("wanted", expanding=True))
)
_ROOMS = {
    name: select(t.room).where(t.room.c[name] == bindparam("wanted"))
    for name in ("id", "room_idx", "user_idx", "recipient")
}
_ROOMS_OF = select(t.room).where(t.room.c.recipient.in_(bindparam("wanted", expanding=True)))
_RECIPIENTS_OF = (
    select(t.patient_recipient.c.patient, t.patient_recipient.c.recipient)
    .where(t.patient_recipient.c.patient.in_(bindparam("wanted", expanding=True)))
    .order_by(t.patient_recipient.c.recipient)
)


class PatientRows:
    """Patients and who answers for them."""

    def __init__(self, connection: Connection, columns: Columns) -> None:
        self._db, self._columns = connection, columns

    def _open(self, row: RowMapping) -> Patient:
        return Patient(
            id=PatientId(row["id"]),
            reference=self._columns.open(
                row["reference_enc"], table="patient", column="reference", row=row["id"]
            ),
            given_name=self._columns.open(
                row["given_name_enc"], table="patient", column="given_name", row=row["id"]
            ),
        )

    def add(self, patient: Patient) -> None:
        seal, row = self._columns.seal, patient.id
        self._db.execute(
            insert(t.patient).values(
                id=row,
                reference_idx=self._columns.index("patient", patient.reference),
                reference_enc=seal(patient.reference, table="patient", column="reference", row=row),
                given_name_enc=seal(patient.given_name, table="patient", column="given_name", row=row),
            )
        )

    def get(self, patient: PatientId) -> Patient | None:
        row = self._db.execute(select(t.patient).where(t.patient.c.id == patient)).mappings().one_or_none()
        return self._open(row) if row else None

    def by_reference(self, reference: str) -> Patient | None:
        index = self._columns.index("patient", reference)
        query = select(t.patient).where(t.patient.c.reference_idx == index)
        row = self._db.execute(query).mappings().one_or_none()
        return self._open(row) if row else None

    def by_references(self, references: Iterable[str]) -> Mapping[str, Patient]:
        c = t.patient.c.reference_idx
        indexes = {self._columns.index("patient", reference): reference for reference in references}
        return {
            indexes[row["reference_idx"]]: self._open(row)
            for chunk in chunks(indexes)
            for row in self._db.execute(select(t.patient).where(c.in_(chunk))).mappings()
        }

    def all(self) -> Sequence[Patient]:
        return [self._open(row) for row in self._db.execute(select(t.patient)).mappings()]

    def remove(self, patient: PatientId) -> None:
        self._db.execute(delete(t.patient).where(t.patient.c.id == patient))

    def link(self, patient: PatientId, recipient: RecipientId) -> None:
        if recipient not in self.recipients_of(patient):
            self._db.execute(insert(t.patient_recipient).values(patient=patient, recipient=recipient))

    def unlink(self, recipient: RecipientId) -> None:
        self._db.execute(delete(t.patient_recipient).where(t.patient_recipient.c.recipient == recipient))

    def recipients_of(self, patient: PatientId) -> Sequence[RecipientId]:
        c = t.patient_recipient.c
        query = select(c.recipient).where(c.patient == patient).order_by(c.recipient)
        return [RecipientId(r) for r in self._db.execute(query).scalars()]

    def recipients_of_many(self, patients: Iterable[PatientId]) -> Mapping[PatientId, Sequence[RecipientId]]:
        found: dict[PatientId, list[RecipientId]] = defaultdict(list)
        for chunk in chunks(patients):
            for patient, recipient in self._db.execute(_RECIPIENTS_OF, {"wanted": chunk}):
                found[PatientId(patient)].append(RecipientId(recipient))
        return found

    def patients_of(self, recipient: RecipientId) -> Sequence[PatientId]:
        c = t.patient_recipient.c
        query = select(c.patient).where(c.recipient == recipient).order_by(c.patient)
        return [PatientId(r) for r in self._db.execute(query).scalars()]


class RecipientRows:
    """Recipients; whom they are pinned to be is sealed."""

    def __init__(self, connection: Connection, columns: Columns) -> None:
        self._db, self._columns = connection, columns

    def _values(self, r: Recipient) -> Values:
        pin = json.dumps(asdict(r.pin)) if r.pin else None
        return {
            "id": r.id,
            "language": r.language.value,
            "state": r.state.value,
            "key_id": r.key_id,
            "public_key": r.public_key,
            "signature": r.signature,
            "salt": r.salt,
            "wrap": r.wrap,
            "generation": r.generation,
            "reminders_on": r.reminders_on,
            "changes_on": r.changes_on,
            "consent_version": r.consent_version,
            "consented_at": r.consented_at,
            "left_at": r.left_at,
            "pin_enc": self._columns.seal(pin, table="recipient", column="pin", row=r.id) if pin else None,
            "wishes_enc": self._seal_wishes(r) if r.wishes else None,
        }

    def _seal_wishes(self, r: Recipient) -> bytes:
        text = write_wishes(r.wishes)
        return self._columns.seal(text, table="recipient", column="wishes", row=r.id)

    def _wishes(self, sealed: bytes, row: str) -> Wishes:
        return read_wishes(self._columns.open(sealed, table="recipient", column="wishes", row=row))

    def _open(self, row: RowMapping) -> Recipient:
        values = dict(row)
        for name in ("vault_serial", "paused", "nudged_at", "seen_at", "off_since"):
            del values[name]  # noted on their own: a row that is saved never sets them
        sealed, wishes = values.pop("pin_enc"), values.pop("wishes_enc")
        pin = self._columns.open(sealed, table="recipient", column="pin", row=row["id"]) if sealed else None
        values |= {
            "id": RecipientId(row["id"]),
            "language": Language(row["language"]),
            "state": RecipientState(row["state"]),
            "key_id": KeyId(row["key_id"]),
        }
        return Recipient(
            **values,
            pin=Pin(**json.loads(pin)) if pin else None,
            wishes=self._wishes(wishes, row["id"]) if wishes else Wishes(),
        )

    def add(self, recipient: Recipient) -> None:
        self._db.execute(insert(t.recipient).values(self._values(recipient)))

    def get(self, recipient: RecipientId) -> Recipient | None:
        row = self._db.execute(_ONE, {"wanted": recipient}).mappings().one_or_none()
        return self._open(row) if row else None

    def many(self, recipients: Iterable[RecipientId]) -> Mapping[RecipientId, Recipient]:
        return {
            row["id"]: self._open(row)
            for chunk in chunks(recipients)
            for row in self._db.execute(_MANY, {"wanted": chunk}).mappings()
        }

    def save(self, recipient: Recipient) -> None:
        query = update(t.recipient).where(t.recipient.c.id == recipient.id)
        self._db.execute(query.values(self._values(recipient)))

    def note_serial(self, recipient: RecipientId, serial: int) -> int | None:
        before: int | None = self._db.execute(_SERIAL, {"wanted": recipient}).scalar_one_or_none()
        if before is not None and is_later(serial, before):
            query = update(t.recipient).where(t.recipient.c.id == recipient)
            self._db.execute(query.values(vault_serial=serial))
        return before

    def signs(self, recipients: Iterable[RecipientId]) -> Mapping[RecipientId, Signs]:
        return {
            RecipientId(row.id): Signs(
                paused=row.paused, nudged_at=row.nudged_at, seen_at=row.seen_at, off_since=row.off_since
            )
            for chunk in chunks(recipients)
            for row in self._db.execute(_SIGNS, {"wanted": chunk})
        }

    def pause(self, recipient: RecipientId, *, paused: bool) -> None:
        query = update(t.recipient).where(t.recipient.c.id == recipient)
        self._db.execute(query.values(paused=paused))

    def note_nudged(self, recipients: Iterable[RecipientId], now: datetime | None) -> None:
        for chunk in chunks(recipients):
            self._db.execute(update(t.recipient).where(t.recipient.c.id.in_(chunk)).values(nudged_at=now))

    def note_seen(self, recipient: RecipientId, at: datetime) -> None:
        minute = at.replace(second=0, microsecond=0)
        c = t.recipient.c
        later = or_(c.seen_at.is_(None), c.seen_at < minute)
        self._db.execute(update(t.recipient).where(c.id == recipient, later).values(seen_at=minute))

    def switch_off(self, recipient: RecipientId, now: datetime) -> bool:
        c = t.recipient.c
        query = update(t.recipient).where(c.id == recipient, c.off_since.is_(None))
        return bool(self._db.execute(query.values(off_since=now)).rowcount)

    def switch_on(self, recipient: RecipientId) -> bool:
        c = t.recipient.c
        query = update(t.recipient).where(c.id == recipient, c.off_since.is_not(None))
        return bool(self._db.execute(query.values(off_since=None)).rowcount)

    def all(self) -> Sequence[Recipient]:
        return [self._open(row) for row in self._db.execute(_ALL).mappings()]

    def remove(self, recipient: RecipientId) -> None:
        self._db.execute(delete(t.recipient).where(t.recipient.c.id == recipient))


class InvitationRows:
    """Invitations, by the public part of their code."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    @staticmethod
    def _values(i: Invitation) -> Values:
        return {
            "id": i.id,
            "recipient": i.recipient,
            "kind": i.kind.value,
            "expires": i.expires,
            "salt": i.salt,
            "verifier": i.verifier,
            "redeemed_by": i.redeemed_by,
            "closed": i.closed,
        }

    @staticmethod
    def _open(row: RowMapping) -> Invitation:
        values = dict(row) | {
            "recipient": RecipientId(row["recipient"]),
            "kind": InvitationKind(row["kind"]),
        }
        return Invitation(**values)

    def add(self, invitation: Invitation) -> None:
        self._db.execute(insert(t.invitation).values(self._values(invitation)))

    def get(self, public: str) -> Invitation | None:
        query = select(t.invitation).where(t.invitation.c.id == public)
        row = self._db.execute(query).mappings().one_or_none()
        return self._open(row) if row else None

    def save(self, invitation: Invitation) -> None:
        query = update(t.invitation).where(t.invitation.c.id == invitation.id)
        self._db.execute(query.values(self._values(invitation)))

    def purge(self, before: datetime) -> int:
        c = t.invitation.c
        unused = or_(c.closed.is_(True), c.redeemed_by == "")
        return int(self._db.execute(delete(t.invitation).where(c.expires < before, unused)).rowcount)

    def open_for(self, recipient: RecipientId) -> Sequence[Invitation]:
        c = t.invitation.c
        query = select(t.invitation).where(c.recipient == recipient, c.closed.is_(False))
        return [self._open(row) for row in self._db.execute(query).mappings()]


class RoomRows:
    """Rooms that the bot opened, one an account."""

    def __init__(self, connection: Connection, columns: Columns) -> None:
        self._db, self._columns = connection, columns

    def _values(self, r: Room) -> Values:
        seal = self._columns.seal
        return {
            "id": r.id,
            "room_idx": self._columns.index("room", r.room),
            "room_enc": seal(r.room, table="room", column="room", row=r.id),
            "user_idx": self.user_index(r.user),
            "user_enc": seal(r.user, table="room", column="user", row=r.id),
            "language": r.language.value,
            "left": r.left,
            "recipient": r.recipient,
        }

    def _open(self, row: RowMapping) -> Room:
        unseal = self._columns.open
        return Room(
            id=row["id"],
            room=RoomId(unseal(row["room_enc"], table="room", column="room", row=row["id"])),
            user=UserId(unseal(row["user_enc"], table="room", column="user", row=row["id"])),
            language=Language(row["language"]),
            left=bool(row["left"]),
            recipient=RecipientId(row["recipient"]) if row["recipient"] else None,
        )

    def _one(self, by: str, wanted: str) -> Room | None:
        row = self._db.execute(_ROOMS[by], {"wanted": wanted}).mappings().one_or_none()
        return self._open(row) if row else None

    def user_index(self, user: UserId) -> str:
        return self._columns.index("user", user)

    def add(self, room: Room) -> None:
        self._db.execute(insert(t.room).values(self._values(room)))

    def save(self, room: Room) -> None:
        self._db.execute(update(t.room).where(t.room.c.id == room.id).values(self._values(room)))

    def get(self, room_id: str) -> Room | None:
        return self._one("id", room_id)

    def by_room(self, room: RoomId) -> Room | None:
        return self._one("room_idx", self._columns.index("room", room))

    def by_user(self, user: UserId) -> Room | None:
        return self._one("user_idx", self.user_index(user))

    def by_recipient(self, recipient: RecipientId) -> Room | None:
        return self._one("recipient", recipient)

    def by_recipients(self, recipients: Iterable[RecipientId]) -> Mapping[RecipientId, Room]:
        return {
            row["recipient"]: self._open(row)
            for chunk in chunks(recipients)
            for row in self._db.execute(_ROOMS_OF, {"wanted": chunk}).mappings()
        }

    def remove(self, room_id: str) -> None:
        self._db.execute(delete(t.room).where(t.room.c.id == room_id))
