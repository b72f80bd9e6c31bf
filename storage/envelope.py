"""Envelope v1: one appointment's details, readable by one recipient, signed by the importer.

::

    magic "PLIENV" | version 1 | suite 1 | framed: key id, appointment, recipient, revision (8)   the header
    framed: HPKE box of the padded details, info = "pli/v1/detail" | header
    Ed25519 signature under the label "pli/v1/envelope" over every preceding byte (64 bytes)

1. The header is never parsed: the reader says what the row names, and the bytes must be exactly those. So an
   envelope in another row, of another recipient, key or revision is refused.
2. The signature is checked before anything is decrypted, covers every byte before it, and is the end.
3. The header is bound into the encryption too, so that no signature can move a box to another header.
4. The length of the details is hidden in steps of 512 bytes.
5. Every failure is the same :class:`bot.errors.InvalidSeal`, which does not say what was wrong.

Not promised: an older envelope of the same appointment, put back together with its older row, still opens.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from bot.domain.values import AppointmentId, KeyId, RecipientId, SecretBytes
from bot.errors import InvalidSeal, WrongUse
from storage.framing import frame
from storage.sealed_box import open_box, seal_box
from storage.signatures import SIGNATURE_BYTES, sign
from storage.signatures import verify as verify_signature

_MAGIC: Final = b"PLIENV"
_VERSION: Final = 1
_X25519_HKDF_SHA256_AES_256_GCM: Final = 1
_INFO: Final = b"pli/v1/detail"
_LABEL: Final = "pli/v1/envelope"
_LENGTH_BYTES: Final = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class Header:
    """What an envelope belongs to. ``revision`` counts up from 0 and fits 63 bits."""

    key_id: KeyId
    appointment: AppointmentId
    recipient: RecipientId
    revision: int

    def __post_init__(self) -> None:
        if not 0 <= self.revision < 1 << 63:
            raise WrongUse("a revision counts up from 0")

    def encode(self) -> bytes:
        revision = self.revision.to_bytes(8, "big")
        return (
            _MAGIC
            + bytes((_VERSION, _X25519_HKDF_SHA256_AES_256_GCM))
            + frame(self.key_id, self.appointment, self.recipient, revision)
        )


def seal(detail: bytes, header: Header, recipient_public: bytes, signer: Ed25519PrivateKey) -> bytes:
    """Seal ``detail`` to a raw X25519 public key whose signature the caller has verified."""
    head = header.encode()
    preceding = head + frame(seal_box(detail, recipient_public, _INFO + head))
    return preceding + sign(signer, _LABEL, preceding)


def verify(blob: bytes, expected: Header, verifier: Ed25519PublicKey) -> Literal[True]:
    """All that can be checked without the recipient's key (rules 1 and 2). Raises :class:`InvalidSeal`."""
    _checked_box(blob, expected, verifier)
    return True


def open(  # noqa: A001  # read as envelope.open, the opposite of envelope.seal
    blob: bytes, expected: Header, private: SecretBytes, verifier: Ed25519PublicKey
) -> bytes:
    """The details. Raises :class:`InvalidSeal`."""
    return open_box(_checked_box(blob, expected, verifier), private, _INFO + expected.encode())


def sign_again(blob: bytes, expected: Header, verifier: Ed25519PublicKey, signer: Ed25519PrivateKey) -> bytes:
    """The same box under another signature, nothing opened. Raises :class:`InvalidSeal` if the present one is not."""
    _checked_box(blob, expected, verifier)
    preceding = blob[:-SIGNATURE_BYTES]
    return preceding + sign(signer, _LABEL, preceding)


def _checked_box(blob: bytes, expected: Header, verifier: Ed25519PublicKey) -> bytes:
    head = expected.encode()
    preceding, signature = blob[:-SIGNATURE_BYTES], blob[-SIGNATURE_BYTES:]
    box = preceding[len(head) + _LENGTH_BYTES :]
    if preceding != head + frame(box):
        raise InvalidSeal
    verify_signature(verifier, _LABEL, preceding, signature)
    return box
