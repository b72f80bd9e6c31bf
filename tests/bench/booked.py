"""People with a room, a key and an appointment, and nudges about it, without a conversation before."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from bot.app import Installation
from bot.domain.appointment import Detail, Status
from bot.domain.records import Patient, Reminder, ReminderKind, Room, StoredAppointment, StoredEnvelope
from bot.domain.trust import Pin
from bot.domain.values import AppointmentId, Language, PatientId, RecipientId, RoomId, UserId, new_id
from bot.ports_storage import UnitOfWork
from storage.keys import ImportKeys
from storage.sealing import ImportSealer
from tests.bench.people import enrolled

Booked = tuple[AppointmentId, RecipientId]


def book(home: Installation, user: UserId, pin: Pin, room: RoomId) -> Booked:
    """``user`` is enrolled in ``room``, and has an appointment in a week."""
    return book_all(home, [(user, pin, room)])[0]


def book_all(home: Installation, people: Sequence[tuple[UserId, Pin, RoomId]]) -> list[Booked]:
    """:meth:`book` for many in one transaction."""
    keys = ImportKeys.load(home.import_dir)
    with home.uow() as uow:
        booked = [_book(home, uow, keys, *person) for person in people]
        uow.commit()
    return booked


def _book(
    home: Installation, uow: UnitOfWork, keys: ImportKeys, user: UserId, pin: Pin, room: RoomId
) -> Booked:
    patient, recipient = PatientId(new_id("p")), enrolled(keys, pin)
    now = home.clock.now()
    source = new_id("s")
    sealer = ImportSealer(keys)
    row = StoredAppointment(
        id=AppointmentId(new_id("a")),
        patient=patient,
        source_index=sealer.source_index(source),
        pair_index=sealer.pair_index(patient, ""),
        day_tag=sealer.day_tag((now + timedelta(days=7)).date().isoformat()),
        digest="",
        when_digest="",
        sequence=0,
        modified=None,
        status=Status.BOOKED,
        revision=1,
        time_revision=1,
        change=1,
        past_after=now + timedelta(days=8),
        tell_until=now,  # nothing is planned of it but what a test or a bench plans
    )
    start = now + timedelta(days=7)
    detail = Detail(source=source, patient=patient, start=start, end=start, zone="UTC")
    envelope = StoredEnvelope(
        appointment=row.id,
        recipient=recipient.id,
        key_id=recipient.key_id,
        revision=1,
        blob=sealer.seal(detail, appointment=row.id, recipient=recipient, revision=1),
    )
    uow.patients.add(Patient(id=patient, reference=patient))
    uow.recipients.add(recipient)
    uow.patients.link(patient, recipient.id)
    uow.rooms.add(Room(id=new_id("room"), room=room, user=user, language=Language.FR, recipient=recipient.id))
    uow.appointments.add([row])
    uow.envelopes.put([envelope])
    return row.id, recipient.id


def plan(home: Installation, booked: Sequence[Booked], slot: datetime) -> None:
    """One nudge to everybody in ``slot``, useful for six hours from now."""
    until = home.clock.now() + timedelta(hours=6)
    with home.uow() as uow:
        uow.reminders.add(
            Reminder(appointment=a, recipient=r, kind=ReminderKind.REMIND, slot=slot, useful_until=until)
            for a, r in booked
        )
        uow.outbox.add_nudges({(recipient, slot): until for _, recipient in booked})
        uow.commit()
