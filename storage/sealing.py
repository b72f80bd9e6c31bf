"""The import side at work: index and seal an agenda, give birth to recipients, open what patients answered.

Never loaded by the bot's process.
"""

from __future__ import annotations

from datetime import date

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from bot.domain.appointment import Detail
from bot.domain.records import Recipient, RecipientState, StoredAnswer
from bot.domain.values import AppointmentId, KeyId, Language, RecipientId, Secret, new_id
from storage import envelope
from storage.answer_box import open_answer
from storage.keys import ImportKeys
from storage.sealed_box import new_key_pair
from storage.sealing_codes import relink_verifier
from storage.signatures import sign_public_key, verify_public_key
from storage.vault_port import AnyVault
from storage.wrap import RFC_9106_SECOND, Profile, hash_secret, new_salt, wrap_key, wrapping_key


class ImportSealer:
    """See :class:`bot.ports_keys.Sealer`. A public key that the importer did not sign is never sealed to."""

    def __init__(self, keys: ImportKeys) -> None:
        self._keys = keys
        self._verifier: Ed25519PublicKey = keys.signer.public_key()
        self._verified: set[tuple[RecipientId, KeyId, bytes]] = set()

    def source_index(self, source: str) -> str:
        return self._keys.source_index(source)

    def pair_index(self, patient: str, practitioner: str) -> str:
        return self._keys.pair_index(patient, practitioner)

    def day_tag(self, day: str) -> str:
        return self._keys.day_tag(date.fromisoformat(day))

    def digest(self, data: bytes) -> str:
        return self._keys.digest(data)

    def seal(
        self, detail: Detail, *, appointment: AppointmentId, recipient: Recipient, revision: int
    ) -> bytes:
        """Raises :class:`InvalidSeal` where the recipient's key is not signed."""
        known = (recipient.id, recipient.key_id, recipient.public_key)
        if known not in self._verified:
            verify_public_key(
                self._verifier,
                recipient=recipient.id,
                key_id=recipient.key_id,
                public=recipient.public_key,
                signature=recipient.signature,
            )
            self._verified.add(known)
        header = envelope.Header(
            key_id=recipient.key_id, appointment=appointment, recipient=recipient.id, revision=revision
        )
        return envelope.seal(detail.encode(), header, recipient.public_key, self._keys.signer)

    def open_answer(self, answer: StoredAnswer) -> bytes:
        """Raises :class:`InvalidSeal`."""
        return open_answer(
            answer.blob,
            answer=answer.id,
            recipient=answer.recipient,
            practice_private=self._keys.answer_private,
        )


class Registrar:
    """Gives birth to recipients: a key pair, its public half signed, its private half under the code."""

    def __init__(self, keys: ImportKeys, vault: AnyVault, *, profile: Profile = RFC_9106_SECOND) -> None:
        self._keys, self._vault, self._profile = keys, vault, profile

    def new_recipient(self, language: Language, code: Secret) -> Recipient:
        """A recipient in state invited, known to the vault; the caller saves the row."""
        recipient, key_id = RecipientId(new_id("r")), KeyId(new_id("k"))
        private, public = new_key_pair()
        salt = new_salt()
        h = hash_secret(code, salt, self._profile)
        kek = wrapping_key(self._vault.create(recipient, key_id, h), h)
        return Recipient(
            id=recipient,
            language=language,
            state=RecipientState.INVITED,
            key_id=key_id,
            public_key=public,
            signature=sign_public_key(self._keys.signer, recipient=recipient, key_id=key_id, public=public),
            salt=salt,
            wrap=wrap_key(private, kek, recipient=recipient, key_id=key_id, generation=0),
            generation=0,
        )

    def relink_code(self, code: Secret) -> tuple[bytes, bytes]:
        """Salt and verifier for an invitation that re-pins."""
        salt = new_salt()
        return salt, relink_verifier(code, salt, self._profile)
