"""A recipient's private key at rest: wrapped under what the patient types and what the vault answers.

1. ``h`` = Argon2id(secret as ASCII, salt), RFC 9106's second recommended parameter set; a weaker profile
   cannot be made except by the factory that says it is for testing.
2. The wrapping key is HKDF-SHA-256(r ‖ h): neither the vault's ``r`` alone nor the typed secret alone opens
   the wrap.
3. The wrap is AES-256-GCM-SIV bound to recipient, key id and generation: one put into another row does not
   open.
4. Every failure is the same :class:`bot.errors.InvalidSeal`.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Final, Self

from argon2.low_level import ARGON2_VERSION, Type, hash_secret_raw
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from bot.domain.values import KeyId, RecipientId, Secret, SecretBytes
from bot.errors import InvalidSeal, WrongUse
from storage.framing import frame

SALT_BYTES: Final = 16
_HASH_BYTES: Final = 32
_NONCE_BYTES: Final = 12


@dataclass(frozen=True, kw_only=True, slots=True)
class Profile:
    """Argon2id parameters; ``memory`` in KiB. ``name`` is what is stored beside a wrap."""

    name: str
    passes: int
    memory: int
    lanes: int
    for_testing: bool = False

    def __post_init__(self) -> None:
        if not self.for_testing and (self.passes < 3 or self.memory < 64 * 1024):
            raise WrongUse("weaker than RFC 9106's second recommended parameter set")

    @classmethod
    def testing(cls) -> Self:
        """Fast and worthless; for tests only."""
        return cls(name="testing", passes=1, memory=8, lanes=1, for_testing=True)


RFC_9106_SECOND: Final = Profile(name="rfc9106-2", passes=3, memory=64 * 1024, lanes=4)


def new_salt() -> bytes:
    return secrets.token_bytes(SALT_BYTES)


def hash_secret(secret: Secret, salt: bytes, profile: Profile = RFC_9106_SECOND) -> SecretBytes:
    """``h``, 32 bytes, from a PIN as ASCII digits or the secret part of a code. About 0.2 s and 64 MiB."""
    text = secret.reveal()
    if not text or not text.isascii():  # asked first: the encoder's own error would quote the text
        raise WrongUse("a secret is hashed as ASCII; map digits of other scripts first")
    if len(salt) != SALT_BYTES:
        raise WrongUse(f"a salt has {SALT_BYTES} bytes")
    return SecretBytes(
        hash_secret_raw(
            text.encode("ascii"),
            salt,
            time_cost=profile.passes,
            memory_cost=profile.memory,
            parallelism=profile.lanes,
            hash_len=_HASH_BYTES,
            type=Type.ID,
            version=ARGON2_VERSION,
        )
    )


def wrapping_key(r: SecretBytes, h: SecretBytes) -> SecretBytes:
    """KEK = HKDF-SHA-256(r ‖ h); both have 32 bytes, so that their border is fixed."""
    if len(r) != _HASH_BYTES or len(h) != _HASH_BYTES:
        raise WrongUse("r and h have 32 bytes each")
    kdf = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"pli/v1/wrapping-key")
    return SecretBytes(kdf.derive(r.reveal() + h.reveal()))


def wrap_key(
    private: SecretBytes, kek: SecretBytes, *, recipient: RecipientId, key_id: KeyId, generation: int
) -> bytes:
    """Nonce (12 bytes), then the wrapped key (48 bytes)."""
    nonce = secrets.token_bytes(_NONCE_BYTES)
    data = _associated(recipient, key_id, generation)
    return nonce + AESGCMSIV(kek.reveal()).encrypt(nonce, private.reveal(), data)


def unwrap_key(
    wrapped: bytes, kek: SecretBytes, *, recipient: RecipientId, key_id: KeyId, generation: int
) -> SecretBytes:
    """Raises :class:`InvalidSeal`."""
    nonce, sealed = wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:]
    try:
        data = _associated(recipient, key_id, generation)
        return SecretBytes(AESGCMSIV(kek.reveal()).decrypt(nonce, sealed, data))
    except (InvalidTag, ValueError):
        raise InvalidSeal from None


def _associated(recipient: RecipientId, key_id: KeyId, generation: int) -> bytes:
    return frame("pli/v1/wrap", recipient, key_id, str(generation))
