"""People as they stand after enrolment, written straight into the stores: benches need thousands of them."""

from __future__ import annotations

from bot.app import Installation
from bot.domain.records import Patient, Recipient, RecipientState
from bot.domain.trust import Pin
from bot.domain.values import KeyId, Language, PatientId, RecipientId, new_id
from storage.keys import ImportKeys
from storage.sealed_box import new_key_pair
from storage.signatures import sign_public_key


def enrolled(keys: ImportKeys, pin: Pin | None = None) -> Recipient:
    """A recipient whose key the importer signed; nobody has its PIN, so nobody opens what is sealed to it."""
    recipient, key_id = RecipientId(new_id("r")), KeyId(new_id("k"))
    _, public = new_key_pair()
    return Recipient(
        id=recipient,
        language=Language.FR,
        state=RecipientState.ENROLLED,
        key_id=key_id,
        public_key=public,
        signature=sign_public_key(keys.signer, recipient=recipient, key_id=key_id, public=public),
        salt=b"",
        wrap=b"",
        generation=1,
        pin=pin,
    )


def add_people(home: Installation, references: list[str]) -> list[Recipient]:
    """One patient and one recipient for each reference, in one transaction."""
    keys = ImportKeys.load(home.import_dir)
    made = []
    with home.uow() as uow:
        for reference in references:
            patient, recipient = PatientId(new_id("p")), enrolled(keys)
            uow.patients.add(Patient(id=patient, reference=reference))
            uow.recipients.add(recipient)
            uow.patients.link(patient, recipient.id)
            made.append(recipient)
        uow.commit()
    return made
