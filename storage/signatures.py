"""The importer's Ed25519 signatures: over envelopes, and over each recipient's public key at the invitation.

1. A signature covers a domain label first, so that none made for one purpose passes for another.
2. A public key is bound to its recipient and key id: one that was put into somebody else's row is refused.
3. Verification returns True or raises :class:`bot.errors.InvalidSeal`, never anything between.
"""

from __future__ import annotations

from typing import Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from bot.domain.values import KeyId, RecipientId
from bot.errors import InvalidSeal
from storage.framing import frame

SIGNATURE_BYTES = 64
_PUBLIC_KEY = "pli/v1/recipient-key"


def sign(signer: Ed25519PrivateKey, label: str, message: bytes) -> bytes:
    """64 bytes over ``label`` (framed) and ``message``."""
    return signer.sign(frame(label) + message)


def verify(verifier: Ed25519PublicKey, label: str, message: bytes, signature: bytes) -> Literal[True]:
    """Raises :class:`InvalidSeal`."""
    try:
        verifier.verify(signature, frame(label) + message)
    except InvalidSignature:
        raise InvalidSeal from None
    return True


def sign_public_key(
    signer: Ed25519PrivateKey, *, recipient: RecipientId, key_id: KeyId, public: bytes
) -> bytes:
    """64 bytes that say: the importer gave this public key to this recipient under this key id."""
    return sign(signer, _PUBLIC_KEY, frame(recipient, key_id, public))


def verify_public_key(
    verifier: Ed25519PublicKey, *, recipient: RecipientId, key_id: KeyId, public: bytes, signature: bytes
) -> Literal[True]:
    """Raises :class:`InvalidSeal`. To be called before anything is sealed to ``public``."""
    return verify(verifier, _PUBLIC_KEY, frame(recipient, key_id, public), signature)
