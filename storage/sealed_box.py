"""HPKE (RFC 9180) in base mode: X25519, HKDF-SHA-256, AES-256-GCM, with the plaintext's length hidden.

1. What a box is for goes into ``info``; a box opens under the same ``info`` only.
2. The plaintext is padded inside to a multiple of 512 bytes; padding that is not exactly ours is refused.
3. Every failure to open is the same :class:`bot.errors.InvalidSeal`.
"""

from __future__ import annotations

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from bot.domain.values import SecretBytes
from bot.errors import InvalidSeal
from storage.framing import pad, unpad

SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


def new_key_pair() -> tuple[SecretBytes, bytes]:
    """A fresh X25519 key pair, both halves raw (32 bytes each)."""
    key = X25519PrivateKey.generate()
    return SecretBytes(key.private_bytes_raw()), key.public_key().public_bytes_raw()


def public_half(private: SecretBytes) -> bytes:
    """The raw public key that belongs to ``private``."""
    return X25519PrivateKey.from_private_bytes(private.reveal()).public_key().public_bytes_raw()


def seal_box(data: bytes, public: bytes, info: bytes) -> bytes:
    """Encapsulated key (32 bytes), then ciphertext. Raises :class:`InvalidSeal` for an unusable key."""
    try:
        return SUITE.encrypt(pad(data), X25519PublicKey.from_public_bytes(public), info)
    except ValueError:  # a wrong length, or a point of low order
        raise InvalidSeal from None


def open_box(box: bytes, private: SecretBytes, info: bytes) -> bytes:
    """Raises :class:`InvalidSeal`."""
    try:
        key = X25519PrivateKey.from_private_bytes(private.reveal())
        return unpad(SUITE.decrypt(box, key, info))
    except (InvalidTag, ValueError):
        raise InvalidSeal from None
