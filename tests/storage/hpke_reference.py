"""HPKE's base mode for X25519 and HKDF-SHA256, written out from RFC 9180 §4 and §5 to check the library.

Takes the ephemeral key as an argument, so that whole envelopes can be pinned.
"""

from __future__ import annotations

import hashlib
import hmac

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_KEM = b"KEM" + (0x20).to_bytes(2, "big")


def _extract(suite: bytes, salt: bytes, label: bytes, ikm: bytes) -> bytes:
    return hmac.digest(salt or bytes(32), b"HPKE-v1" + suite + label + ikm, "sha256")


def _expand(suite: bytes, prk: bytes, label: bytes, info: bytes, length: int) -> bytes:
    labelled = length.to_bytes(2, "big") + b"HPKE-v1" + suite + label + info
    block, out, counter = b"", b"", 1
    while len(out) < length:
        block = hmac.new(prk, block + labelled + bytes([counter]), hashlib.sha256).digest()
        out, counter = out + block, counter + 1
    return out[:length]


def key_and_nonce(sk_e: bytes, pk_r: bytes, info: bytes, *, key_bytes: int) -> tuple[bytes, bytes, bytes]:
    """``enc``, the AEAD key and the base nonce. ``key_bytes``: 16 for AES-128-GCM, 32 for AES-256-GCM."""
    ephemeral = X25519PrivateKey.from_private_bytes(sk_e)
    enc = ephemeral.public_key().public_bytes_raw()
    shared = ephemeral.exchange(X25519PublicKey.from_public_bytes(pk_r))
    prk = _extract(_KEM, b"", b"eae_prk", shared)
    secret = _expand(_KEM, prk, b"shared_secret", enc + pk_r, 32)
    aead = {16: 1, 32: 2}[key_bytes]
    suite = b"HPKE" + b"".join(number.to_bytes(2, "big") for number in (0x20, 1, aead))
    context = b"\0" + _extract(suite, b"", b"psk_id_hash", b"") + _extract(suite, b"", b"info_hash", info)
    scheduled = _extract(suite, secret, b"secret", b"")
    key = _expand(suite, scheduled, b"key", context, key_bytes)
    return enc, key, _expand(suite, scheduled, b"base_nonce", context, 12)


def seal(sk_e: bytes, pk_r: bytes, info: bytes, aad: bytes, plaintext: bytes, *, key_bytes: int) -> bytes:
    """``enc``, then the ciphertext of the first message."""
    enc, key, nonce = key_and_nonce(sk_e, pk_r, info, key_bytes=key_bytes)
    return enc + AESGCM(key).encrypt(nonce, plaintext, aad)
