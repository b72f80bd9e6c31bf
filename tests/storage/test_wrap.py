"""Rules of storage/wrap.py."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from bot.domain.values import KeyId, RecipientId, Secret, SecretBytes
from bot.errors import InvalidSeal, WrongUse
from storage.sealed_box import new_key_pair
from storage.wrap import RFC_9106_SECOND, Profile, hash_secret, new_salt, unwrap_key, wrap_key, wrapping_key
from tests.vectors import unhex, vectors

WHO, KEY = RecipientId("r-1"), KeyId("k-1")
CHEAP = Profile.testing()
PRIVATE, _ = new_key_pair()
KEK = SecretBytes(bytes(range(32)))
WRAPPED = wrap_key(PRIVATE, KEK, recipient=WHO, key_id=KEY, generation=1)


def _unwrap(
    wrapped: bytes = WRAPPED,
    kek: SecretBytes = KEK,
    recipient: str = WHO,
    key_id: str = KEY,
    generation: int = 1,
) -> bytes:
    return unwrap_key(
        wrapped, kek, recipient=RecipientId(recipient), key_id=KeyId(key_id), generation=generation
    ).reveal()


def test_what_was_wrapped_is_unwrapped() -> None:
    assert _unwrap() == PRIVATE.reveal()


@pytest.mark.parametrize(
    ("recipient", "key_id", "generation"),
    [
        ("r-2", "k-1", 1),
        ("r-1", "k-2", 1),
        ("r-1", "k-1", 2),
        ("r-1", "k-1", 0),
        ("r-1k", "-1", 1),
        ("r-1", "k-", 11),
    ],
)
def test_rule_3_another_row_does_not_open_it(recipient: str, key_id: str, generation: int) -> None:
    with pytest.raises(InvalidSeal):
        _unwrap(recipient=recipient, key_id=key_id, generation=generation)


def test_rule_4_every_bit_flip_and_every_cut_is_refused() -> None:
    flips = [
        WRAPPED[:n] + bytes((WRAPPED[n] ^ 1 << bit,)) + WRAPPED[n + 1 :]
        for n in range(len(WRAPPED))
        for bit in range(8)
    ]
    for changed in (*flips, *(WRAPPED[:end] for end in range(len(WRAPPED))), WRAPPED + b"\0"):
        with pytest.raises(InvalidSeal):
            _unwrap(changed)


def test_rule_2_it_takes_both_the_vaults_answer_and_the_hash() -> None:
    r, h, other = (SecretBytes(bytes((n,)) * 32) for n in (1, 2, 3))
    keks = {wrapping_key(a, b).reveal() for a, b in ((r, h), (r, other), (other, h), (h, r))}
    assert len(keks) == 4
    wrapped = wrap_key(PRIVATE, wrapping_key(r, h), recipient=WHO, key_id=KEY, generation=1)
    assert _unwrap(wrapped, wrapping_key(r, h)) == PRIVATE.reveal()
    for kek in (wrapping_key(r, other), wrapping_key(other, h)):
        with pytest.raises(InvalidSeal):
            _unwrap(wrapped, kek)
    with pytest.raises(WrongUse):
        wrapping_key(SecretBytes(b"short"), h)


def test_rule_1_the_default_profile_is_rfc_9106s_second() -> None:
    secret, salt = Secret("493028"), bytes(range(16))
    expected = Argon2id(salt=salt, length=32, iterations=3, lanes=4, memory_cost=64 * 1024)
    assert hash_secret(secret, salt).reveal() == expected.derive(b"493028")
    assert (RFC_9106_SECOND.passes, RFC_9106_SECOND.memory, RFC_9106_SECOND.lanes) == (3, 65536, 4)


@pytest.mark.parametrize(("passes", "memory"), [(2, 65536), (3, 65535), (1, 8)])
def test_rule_1_a_weaker_profile_cannot_be_made(passes: int, memory: int) -> None:
    with pytest.raises(WrongUse):
        Profile(name="weak", passes=passes, memory=memory, lanes=4)


def test_hashes_differ_by_secret_and_by_salt() -> None:
    salt, other = new_salt(), new_salt()
    hashes = {
        hash_secret(secret, by, CHEAP).reveal()
        for secret in (Secret("1"), Secret("2"))
        for by in (salt, other)
    }
    assert len(hashes) == 4
    assert len(hash_secret(Secret("1"), salt, CHEAP)) == 32


@pytest.mark.parametrize("text", ["", "٣٤٥٦٧٨", "12345é"])
def test_a_secret_that_is_not_ascii_is_misuse_and_is_not_quoted(text: str) -> None:
    with pytest.raises(WrongUse) as caught:
        hash_secret(Secret(text), new_salt(), CHEAP)
    assert caught.value.__context__ is None
    assert not text or text not in str(caught.value)


@pytest.mark.parametrize("salt", [b"", bytes(15), bytes(17)])
def test_a_salt_of_another_size_is_misuse(salt: bytes) -> None:
    with pytest.raises(WrongUse):
        hash_secret(Secret("123456"), salt, CHEAP)


def test_published_argon2id_vector() -> None:
    v = vectors("published")["argon2id"]
    password, salt, secret, associated, tag = unhex(v, "password", "salt", "secret", "associated", "tag")
    kdf = Argon2id(salt=salt, length=32, iterations=3, lanes=4, memory_cost=32, ad=associated, secret=secret)
    assert kdf.derive(password) == tag


@pytest.mark.parametrize("case", vectors("published")["gcm_siv"]["cases"])
def test_published_gcm_siv_vectors(case: dict[str, str]) -> None:
    key, nonce, aad, plaintext, result = unhex(case, "key", "nonce", "aad", "plaintext", "result")
    assert AESGCMSIV(key).encrypt(nonce, plaintext, aad) == result
    assert AESGCMSIV(key).decrypt(nonce, result, aad) == plaintext


def test_published_hkdf_vector() -> None:
    ikm, okm = unhex(vectors("published")["hkdf"], "ikm", "okm")
    assert HKDF(algorithm=SHA256(), length=42, salt=None, info=b"").derive(ikm) == okm


def test_pinned_wrap() -> None:
    v = vectors("pli_v1")["wrap"]
    r, h, kek, private, wrapped = unhex(v, "r", "h", "kek", "private", "wrapped")
    assert wrapping_key(SecretBytes(r), SecretBytes(h)).reveal() == kek
    opened = _unwrap(wrapped, SecretBytes(kek), v["recipient"], v["key_id"], v["generation"])
    assert opened == private


def test_pinned_hash() -> None:
    v = vectors("pli_v1")["hash"]
    salt, cheap = unhex(v, "salt", "testing_profile")
    assert hash_secret(Secret(v["secret"]), salt, CHEAP).reveal() == cheap


def test_the_names_of_the_profiles_are_stored_and_stay() -> None:
    assert (RFC_9106_SECOND.name, Profile.testing().name) == ("rfc9106-2", "testing")
