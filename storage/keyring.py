"""The bot's side of recipients' keys: database row, vault and Argon2id together (:class:`bot.ports_keys.KeyRing`).

1. An attempt is counted in the vault before anything is compared; the vault alone counts.
2. The private key comes out only of the right secret and the vault's answer together, and is checked against the
   public key that the importer signed before it is used.
3. Each attempt takes four steps: the database notes the vault's serial, the vault counts, the database notes the new
   serial, the vault compares (:mod:`storage.vault` 11); none is called inside a unit of work. Order of a change:
   stage in the vault with the counted unlock, one database transaction by the caller, commit in the vault. After a
   crash :meth:`BotKeyRing.reconcile` lets the database decide.
4. Argon2id runs at most twice at once, so that guesses cannot eat the memory, and not at all for a PIN that comes
   during a wait: the vault would not compare it.
"""

from __future__ import annotations

import hmac
import threading
from dataclasses import replace
from typing import Literal

from bot.domain.appointment import Detail
from bot.domain.records import Invitation, Recipient, StoredAppointment, StoredEnvelope
from bot.domain.values import RecipientId, Secret, SecretBytes
from bot.errors import InvalidSeal, MustWait
from storage import envelope as envelopes
from storage.answer_box import seal_answer
from storage.keys import BotKeys
from storage.sealed_box import public_half
from storage.sealing_codes import relink_verifier
from storage.signatures import verify_public_key
from storage.vault import Reconciled
from storage.vault_port import AnyVault
from storage.wrap import RFC_9106_SECOND, Profile, hash_secret, new_salt, unwrap_key, wrap_key, wrapping_key

_AT_ONCE = 2


class BotKeyRing:
    """See the module."""

    def __init__(self, keys: BotKeys, vault: AnyVault, *, profile: Profile = RFC_9106_SECOND) -> None:
        self._keys, self._vault, self._profile = keys, vault, profile
        self._gate = threading.BoundedSemaphore(_AT_ONCE)

    def _hash(self, secret: Secret, salt: bytes) -> SecretBytes:
        with self._gate:
            return hash_secret(secret, salt, self._profile)

    def _unwrap(self, recipient: Recipient, r: SecretBytes, h: SecretBytes) -> SecretBytes:
        private = unwrap_key(
            recipient.wrap,
            wrapping_key(r, h),
            recipient=recipient.id,
            key_id=recipient.key_id,
            generation=recipient.generation,
        )
        verify_public_key(
            self._keys.importer,
            recipient=recipient.id,
            key_id=recipient.key_id,
            public=recipient.public_key,
            signature=recipient.signature,
        )
        if public_half(private) != recipient.public_key:
            raise InvalidSeal
        return private

    def _refuse_during_a_wait(self, recipient: Recipient) -> None:
        if (wait := self._vault.wait_seconds(recipient.id)) > 0:
            raise MustWait(wait_seconds=wait)

    def unlock(self, recipient: Recipient, secret: Secret) -> SecretBytes:
        self._refuse_during_a_wait(recipient)
        h = self._hash(secret, recipient.salt)
        r = self._vault.unlock(recipient.id, recipient.key_id, recipient.generation, h)
        return self._unwrap(recipient, r, h)

    def rewrap(self, recipient: Recipient, secret: Secret, new_pin: Secret) -> Recipient:
        self._refuse_during_a_wait(recipient)
        salt = new_salt()
        h, new_h = self._hash(secret, recipient.salt), self._hash(new_pin, salt)
        r, new_r, generation = self._vault.unlock_and_stage(
            recipient.id, recipient.key_id, recipient.generation, h, new_h
        )
        private = self._unwrap(recipient, r, h)
        wrap = wrap_key(
            private,
            wrapping_key(new_r, new_h),
            recipient=recipient.id,
            key_id=recipient.key_id,
            generation=generation,
        )
        return replace(recipient, salt=salt, wrap=wrap, generation=generation)

    def settle(self, recipient: Recipient) -> None:
        self._vault.commit(recipient.id, recipient.key_id, recipient.generation)

    def reconcile(self, recipient: Recipient) -> Literal["fits", "stale", "destroyed"]:
        found = self._vault.reconcile(recipient.id, recipient.key_id, recipient.generation)
        if found is Reconciled.DESTROYED:
            return "destroyed"
        return "stale" if found is Reconciled.STALE else "fits"

    def destroy(self, recipient: RecipientId) -> None:
        self._vault.destroy(recipient)

    def tries_left(self, recipient: RecipientId) -> int | None:
        return self._vault.tries_left(recipient)

    def open_envelope(
        self, row: StoredAppointment, envelope: StoredEnvelope, recipient: Recipient, private: SecretBytes
    ) -> Detail:
        """Raises :class:`InvalidSeal`; the row's own appointment, revision and key id must be the envelope's."""
        header = envelopes.Header(
            key_id=recipient.key_id, appointment=row.id, recipient=recipient.id, revision=row.revision
        )
        data = envelopes.open(envelope.blob, header, private, self._keys.importer)
        try:
            return Detail.decode(data)
        except ValueError:
            raise InvalidSeal from None

    def seal_answer(self, answer: str, recipient: RecipientId, content: bytes) -> bytes:
        return seal_answer(
            content, answer=answer, recipient=recipient, practice_public=self._keys.answer_public
        )

    def check_code(self, invitation: Invitation, secret: Secret) -> bool:
        with self._gate:
            verifier = relink_verifier(secret, invitation.salt, self._profile)
        return hmac.compare_digest(verifier, invitation.verifier)
