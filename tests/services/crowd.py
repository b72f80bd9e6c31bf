"""Many enrolled people at once, without their conversations."""

from __future__ import annotations

from dataclasses import replace

from bot.domain.codes import new_code
from bot.domain.records import Patient, RecipientState, Room
from bot.domain.trust import Pin
from bot.domain.values import Language, PatientId, RoomId, UserId, new_id
from tests.services.kit import Practice, phone


def crowd(practice: Practice, number: int) -> list[UserId]:
    """Patients ``C-0``… with one enrolled recipient each; their accounts, in this order."""
    users = [UserId(f"@c{n:04}:example.org") for n in range(number)]
    born = [practice.registrar.new_recipient(Language.EN, new_code().secret) for _ in users]
    with practice.home.uow() as uow:
        for n, (user, recipient) in enumerate(zip(users, born, strict=True)):
            patient = Patient(id=PatientId(new_id("p")), reference=f"C-{n}")
            uow.patients.add(patient)
            pin = Pin.of(phone(user, "PHONE"))
            uow.recipients.add(replace(recipient, state=RecipientState.ENROLLED, pin=pin))
            uow.patients.link(patient.id, recipient.id)
            uow.rooms.add(
                Room(
                    id=new_id("room"),
                    room=RoomId(f"!c{n}:example.org"),
                    user=user,
                    language=Language.EN,
                    recipient=recipient.id,
                )
            )
        uow.commit()
    return users
