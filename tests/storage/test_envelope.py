"""Envelope v1: rules of storage/envelope.py, storage/sealed_box.py and storage/framing.py."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cryptography.hazmat.bindings._rust import openssl as library
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.values import AppointmentId, KeyId, RecipientId, SecretBytes
from bot.errors import InvalidSeal, WrongUse
from storage import envelope
from storage.envelope import Header
from storage.framing import frame, pad, unpad
from storage.sealed_box import new_key_pair, open_box, public_half, seal_box
from storage.signatures import sign
from tests.storage import hpke_reference
from tests.vectors import unhex, vectors

HEADER = Header(
    key_id=KeyId("k-1"), appointment=AppointmentId("a-1"), recipient=RecipientId("r-1"), revision=3
)
DETAIL = '{"patient":"Élodie","place":"Lyon"}'.encode()
SIGNER = Ed25519PrivateKey.generate()
VERIFIER = SIGNER.public_key()
PRIVATE, PUBLIC = new_key_pair()


def _open(blob: bytes, header: Header = HEADER) -> bytes:
    return envelope.open(blob, header, PRIVATE, VERIFIER)


def test_what_was_sealed_is_opened() -> None:
    blob = envelope.seal(DETAIL, HEADER, PUBLIC, SIGNER)
    assert _open(blob) == DETAIL
    assert envelope.verify(blob, HEADER, VERIFIER) is True


def test_every_single_bit_flip_is_refused() -> None:
    blob = envelope.seal(DETAIL, HEADER, PUBLIC, SIGNER)
    for bit in range(8 * len(blob)):
        flipped = bytearray(blob)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(InvalidSeal):
            envelope.verify(bytes(flipped), HEADER, VERIFIER)
        with pytest.raises(InvalidSeal):
            _open(bytes(flipped))


def test_every_cut_and_every_addition_is_refused() -> None:
    blob = envelope.seal(DETAIL, HEADER, PUBLIC, SIGNER)
    for changed in (*(blob[:end] for end in range(len(blob))), blob + b"\0", b"\0" + blob, blob + blob):
        with pytest.raises(InvalidSeal):
            _open(changed)


def test_rule_1_every_swap_of_two_rows_is_refused() -> None:
    """All rows that differ in one field or more, each envelope in every row, under the same key."""
    headers = [
        Header(key_id=KeyId(k), appointment=AppointmentId(a), recipient=RecipientId(r), revision=n)
        for k in ("k-1", "k-2")
        for a in ("a-1", "a-2")
        for r in ("r-1", "r-2")
        for n in (0, 1)
    ]
    blobs = [envelope.seal(DETAIL, header, PUBLIC, SIGNER) for header in headers]
    for i, header in enumerate(headers):
        for j, blob in enumerate(blobs):
            if i == j:
                assert _open(blob, header) == DETAIL
            else:
                with pytest.raises(InvalidSeal):
                    _open(blob, header)


def test_rule_1_fields_cannot_lend_each_other_characters() -> None:
    shifted = replace(HEADER, key_id=KeyId("k-1a"), appointment=AppointmentId("-1"))
    blob = envelope.seal(DETAIL, HEADER, PUBLIC, SIGNER)
    with pytest.raises(InvalidSeal):
        _open(blob, shifted)


def test_rule_2_another_signer_is_refused_though_the_box_would_open() -> None:
    blob = envelope.seal(DETAIL, HEADER, PUBLIC, Ed25519PrivateKey.generate())
    for attempt in (lambda: _open(blob), lambda: envelope.verify(blob, HEADER, VERIFIER)):
        with pytest.raises(InvalidSeal):
            attempt()


def test_rule_3_a_box_under_another_header_is_refused_though_signed() -> None:
    """A signer that puts one appointment's box behind another's header does not make it open."""
    blob = envelope.seal(DETAIL, HEADER, PUBLIC, SIGNER)
    other = replace(HEADER, appointment=AppointmentId("a-2"))
    box = blob[len(HEADER.encode()) : -64]
    forged = other.encode() + box
    forged += sign(SIGNER, "pli/v1/envelope", forged)
    assert envelope.verify(forged, other, VERIFIER) is True
    with pytest.raises(InvalidSeal):
        _open(forged, other)


def test_another_private_key_does_not_open() -> None:
    blob = envelope.seal(DETAIL, HEADER, PUBLIC, SIGNER)
    for private in (new_key_pair()[0], SecretBytes(b"short"), SecretBytes(bytes(32))):
        with pytest.raises(InvalidSeal):
            envelope.open(blob, HEADER, private, VERIFIER)


@pytest.mark.parametrize(
    "public", [b"", b"short", bytes(32), PUBLIC + b"\0"], ids=["empty", "short", "zero", "long"]
)
def test_an_unusable_public_key_is_refused(public: bytes) -> None:
    with pytest.raises(InvalidSeal):
        envelope.seal(DETAIL, HEADER, public, SIGNER)


def test_rule_4_the_length_shows_in_steps_of_512_only() -> None:
    sizes = {n: len(envelope.seal(b"x" * n, HEADER, PUBLIC, SIGNER)) for n in (0, 1, 508, 509, 1020, 1021)}
    assert sizes[0] == sizes[1] == sizes[508] == sizes[509] - 512
    assert sizes[509] == sizes[1020] == sizes[1021] - 512


def test_rule_5_no_error_says_what_was_wrong() -> None:
    blob = envelope.seal(DETAIL, HEADER, PUBLIC, SIGNER)
    texts = set()
    for changed in (
        b"",
        blob[:-1],
        bytes((blob[0] ^ 1,)) + blob[1:],
        blob[:-1] + bytes((blob[-1] ^ 1,)),
    ):
        with pytest.raises(InvalidSeal) as caught:
            _open(changed)
        texts.add(str(caught.value))
    with pytest.raises(InvalidSeal) as caught:
        envelope.open(blob, HEADER, new_key_pair()[0], VERIFIER)
    assert texts == {str(caught.value)}


def test_two_envelopes_of_the_same_details_differ() -> None:
    assert len({envelope.seal(DETAIL, HEADER, PUBLIC, SIGNER) for _ in range(20)}) == 20


@pytest.mark.parametrize("revision", [-1, 1 << 63])
def test_a_revision_outside_its_range_is_misuse(revision: int) -> None:
    with pytest.raises(WrongUse):
        replace(HEADER, revision=revision)


def test_sealed_box_rule_2_padding_that_is_not_ours_is_refused() -> None:
    info = b"info"
    for padded in (
        b"",
        frame(b"abc"),  # not padded
        frame(b"abc") + bytes(512 - 8) + b"\1",  # not zero
        frame(b"abc") + bytes(1024 - 7),  # a block too many
        b"\xff\xff\xff\xff" + bytes(508),  # longer than there is
    ):
        with pytest.raises(ValueError, match=r"padded|short"):
            unpad(padded)
        suite = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
        box = suite.encrypt(padded, X25519PublicKey.from_public_bytes(PUBLIC), info)
        with pytest.raises(InvalidSeal):
            open_box(box, PRIVATE, info)


@given(st.binary(max_size=1500), st.sampled_from((64, 512)))
def test_padding_is_undone_exactly(data: bytes, block: int) -> None:
    padded = pad(data, block)
    assert len(padded) % block == 0
    assert unpad(padded, block) == data


@given(st.lists(st.binary(max_size=6), max_size=4), st.lists(st.binary(max_size=6), max_size=4))
def test_two_lists_of_fields_never_read_alike(left: list[bytes], right: list[bytes]) -> None:
    assert (frame(*left) == frame(*right)) == (left == right)


def test_published_hpke_vector_opens_in_the_library() -> None:
    v = vectors("published")["hpke"]
    info, sk_r, enc, aad, plaintext, ciphertext = unhex(
        v, "info", "sk_r", "enc", "aad", "plaintext", "ciphertext"
    )
    suite = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_128_GCM)
    private = X25519PrivateKey.from_private_bytes(sk_r)
    opened = library.hpke._decrypt_with_aad(suite, enc + ciphertext, private, info, aad)
    assert opened == plaintext


def test_published_hpke_vector_comes_out_of_the_reference() -> None:
    v = vectors("published")["hpke"]
    info, sk_e, pk_r, aad, plaintext = unhex(v, "info", "sk_e", "pk_r", "aad", "plaintext")
    enc, key, nonce = hpke_reference.key_and_nonce(sk_e, pk_r, info, key_bytes=16)
    assert (enc.hex(), key.hex(), nonce.hex()) == (v["enc"], v["key"], v["base_nonce"])
    assert (
        hpke_reference.seal(sk_e, pk_r, info, aad, plaintext, key_bytes=16).hex()
        == v["enc"] + v["ciphertext"]
    )


@given(st.binary(max_size=100), st.binary(max_size=600))
def test_our_suite_opens_what_the_reference_seals(info: bytes, data: bytes) -> None:
    """RFC 9180 publishes no X25519 vector with AES-256-GCM; the reference that passed A.1.1 stands in."""
    ephemeral = X25519PrivateKey.generate().private_bytes_raw()
    box = hpke_reference.seal(ephemeral, PUBLIC, info, b"", pad(data), key_bytes=32)
    assert open_box(box, PRIVATE, info) == data
    assert len(seal_box(data, PUBLIC, info)) == len(box)


def test_pinned_envelope_opens_and_is_built_as_documented() -> None:
    v = vectors("pli_v1")["envelope"]
    signer, private, ephemeral, detail, blob = unhex(v, "signer", "private", "ephemeral", "detail", "blob")
    key = Ed25519PrivateKey.from_private_bytes(signer)
    header = Header(
        key_id=KeyId(v["key_id"]),
        appointment=AppointmentId(v["appointment"]),
        recipient=RecipientId(v["recipient"]),
        revision=v["revision"],
    )
    assert envelope.open(blob, header, SecretBytes(private), key.public_key()) == detail
    assert header.encode().hex() == v["header"]
    box = hpke_reference.seal(
        ephemeral,
        public_half(SecretBytes(private)),
        b"pli/v1/detail" + header.encode(),
        b"",
        pad(detail),
        key_bytes=32,
    )
    preceding = header.encode() + len(box).to_bytes(4, "big") + box
    label = b"pli/v1/envelope"
    assert blob == preceding + key.sign(len(label).to_bytes(4, "big") + label + preceding)
    fresh = envelope.seal(detail, header, public_half(SecretBytes(private)), key)
    assert (fresh[: len(header.encode()) + 4], len(fresh)) == (
        preceding[: len(header.encode()) + 4],
        len(blob),
    )
