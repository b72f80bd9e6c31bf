"""Rules of storage/signatures.py."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bot.domain.values import KeyId, RecipientId
from bot.errors import InvalidSeal
from storage.framing import frame
from storage.signatures import sign, sign_public_key, verify, verify_public_key
from tests.vectors import unhex, vectors

SIGNER = Ed25519PrivateKey.generate()
WHO, KEY, PUBLIC = RecipientId("r-1"), KeyId("k-1"), bytes(range(32))
SIGNATURE = sign_public_key(SIGNER, recipient=WHO, key_id=KEY, public=PUBLIC)


def _check(
    recipient: str = WHO, key_id: str = KEY, public: bytes = PUBLIC, signature: bytes = SIGNATURE
) -> bool:
    return verify_public_key(
        SIGNER.public_key(),
        recipient=RecipientId(recipient),
        key_id=KeyId(key_id),
        public=public,
        signature=signature,
    )


def test_rule_3_a_good_signature_is_true() -> None:
    assert _check() is True


@pytest.mark.parametrize(
    ("recipient", "key_id", "public"),
    [
        ("r-2", "k-1", PUBLIC),
        ("r-1", "k-2", PUBLIC),
        ("r-1", "k-1", PUBLIC[::-1]),
        ("r-1k", "-1", PUBLIC),
        ("r-1", "k-", b"1" + PUBLIC),
    ],
)
def test_rule_2_another_row_is_refused(recipient: str, key_id: str, public: bytes) -> None:
    with pytest.raises(InvalidSeal):
        _check(recipient, key_id, public)


def test_every_bit_of_a_signature_counts() -> None:
    for bit in range(8 * len(SIGNATURE)):
        flipped = bytearray(SIGNATURE)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(InvalidSeal):
            _check(signature=bytes(flipped))
    for signature in (b"", SIGNATURE[:-1], SIGNATURE + b"\0"):
        with pytest.raises(InvalidSeal):
            _check(signature=signature)


def test_rule_1_a_signature_for_one_purpose_does_not_pass_for_another() -> None:
    message = frame(WHO, KEY, PUBLIC)
    signature = sign(SIGNER, "pli/v1/envelope", message)
    assert verify(SIGNER.public_key(), "pli/v1/envelope", message, signature) is True
    with pytest.raises(InvalidSeal):
        _check(signature=signature)
    with pytest.raises(InvalidSeal):
        _check(signature=SIGNER.sign(message))


def test_another_signer_is_refused() -> None:
    foreign = sign_public_key(Ed25519PrivateKey.generate(), recipient=WHO, key_id=KEY, public=PUBLIC)
    with pytest.raises(InvalidSeal):
        _check(signature=foreign)


def test_published_ed25519_vector() -> None:
    v = vectors("published")["ed25519"]
    private, public, message, signature = unhex(v, "private", "public", "message", "signature")
    key = Ed25519PrivateKey.from_private_bytes(private)
    assert key.public_key().public_bytes_raw() == public
    assert key.sign(message) == signature


def test_pinned_signature() -> None:
    v = vectors("pli_v1")["public_key_signature"]
    signer, public, signature = unhex(v, "signer", "public", "signature")
    key = Ed25519PrivateKey.from_private_bytes(signer)
    signed = sign_public_key(
        key, recipient=RecipientId(v["recipient"]), key_id=KeyId(v["key_id"]), public=public
    )
    assert signed == signature
