"""Our own check of a raw ``/keys/query`` answer. Pure: no clock, no memory of earlier answers, no I/O.

1. An object counts only where the server put it: its own ``user_id`` and ``device_id`` say the same.
2. Keys and signatures are canonical unpadded base64 of the right length; any other spelling is no key.
3. A cross-signing key object holds exactly one key, ``ed25519:<key>``, and names the role it is used in.
4. The self-signing key counts only with the master key's signature; the three keys of a chain differ.
5. A device counts only with its own signature over its own keys.
6. A device has ``master_key`` only if the self-signing key signed that very object and rules 1 to 5 hold.
7. A device whose id is one of the user's cross-signing keys is dropped (its signature could pass for that
   key's).
8. Devices of one user that share an Ed25519 or a Curve25519 key are all dropped: which one spoke cannot be
   told.
9. What is malformed costs only itself: the other devices and users of the answer are read.
10. A one-time key counts only with the signature of the device as checked here.
"""

from __future__ import annotations

import base64
import binascii
from collections import Counter
from typing import Final, Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from bot.channels.matrix.safejson import JsonObject, as_list, as_object, as_text, canonical
from bot.domain.trust import Device
from bot.domain.values import UserId

Role = Literal["master", "self_signing", "user_signing"]

_KEY_LENGTH: Final = 32
_SIGNATURE_LENGTH: Final = 64


def devices_of(answer: JsonObject, user: UserId) -> list[Device]:
    """Every device of ``user`` that counts, by device id. An empty list where nothing does."""
    chain = _chain(answer, user)
    found: list[Device] = []
    listed = as_object(as_object(answer.get("device_keys")).get(user))
    for device_id in sorted(key for key in listed if as_text(key)):
        device = _device(as_object(listed[device_id]), user, device_id, chain)
        if device is not None:
            found.append(device)
    signing = Counter(device.ed25519 for device in found)
    identity = Counter(device.curve25519 for device in found)
    return [d for d in found if signing[d.ed25519] == 1 and identity[d.curve25519] == 1]  # rule 8


def listed_devices(answer: JsonObject, user: UserId) -> frozenset[str]:
    """The ids of every device that the server lists for ``user``, whether it counts or not."""
    return frozenset(as_object(as_object(answer.get("device_keys")).get(user)))


def master_key_of(answer: JsonObject, user: UserId) -> str | None:
    """The master key under which a chain could verify now; None where there is no chain."""
    chain = _chain(answer, user)
    return chain[0] if chain else None


def answered(answer: JsonObject, user: UserId) -> bool:
    """Whether the server said anything about ``user``: silence is not an empty list of devices."""
    return isinstance(as_object(answer.get("device_keys")).get(user), dict)


def one_time_key(claimed: JsonObject, device: Device) -> str | None:
    """The Curve25519 key in a ``/keys/claim`` answer's entry for ``device``; None if it does not count (rule
    10).
    """
    for name, value in claimed.items():
        key = as_object(value)
        if not name.startswith("signed_curve25519:"):
            continue
        text = as_text(key.get("key"))
        if is_key(text) and is_signed(key, device.user, device.device_id, device.ed25519):
            return text
    return None


def is_signed(signed: JsonObject, user: str, key_id: str, key: str) -> bool:
    """Whether ``signed`` carries a valid signature of ``ed25519:<key_id>`` of ``user``, made with ``key``."""
    signatures = as_object(as_object(signed.get("signatures")).get(user))
    signature = as_text(signatures.get(f"ed25519:{key_id}"))
    if not is_key(key) or not _is_base64(signature, _SIGNATURE_LENGTH):
        return False
    body = {name: value for name, value in signed.items() if name not in {"signatures", "unsigned"}}
    try:
        Ed25519PublicKey.from_public_bytes(_decode(key)).verify(_decode(signature), canonical(body))
    except (InvalidSignature, ValueError):
        return False
    return True


def is_key(text: str) -> bool:
    """Whether ``text`` is 32 bytes in canonical unpadded base64 (rule 2)."""
    return _is_base64(text, _KEY_LENGTH)


def cross_signing_key(answer: JsonObject, user: UserId, role: Role) -> tuple[str, JsonObject] | None:
    """The public key and its object in that role, rules 1 to 3; None where there is none that fits."""
    found = as_object(as_object(answer.get(f"{role}_keys")).get(user))
    if found.get("user_id") != user or role not in as_list(found.get("usage")):
        return None
    keys = as_object(found.get("keys"))
    if len(keys) != 1:
        return None
    name, value = next(iter(keys.items()))
    text = as_text(value)
    if name != f"ed25519:{text}" or not is_key(text):
        return None
    return text, found


def _chain(answer: JsonObject, user: UserId) -> tuple[str, str] | None:
    """(master key, self-signing key) where rule 4 holds."""
    master = cross_signing_key(answer, user, "master")
    self_signing = cross_signing_key(answer, user, "self_signing")
    if master is None or self_signing is None or master[0] == self_signing[0]:
        return None
    if not is_signed(self_signing[1], user, master[0], master[0]):
        return None
    return master[0], self_signing[0]


def _device(listed: JsonObject, user: UserId, device_id: str, chain: tuple[str, str] | None) -> Device | None:
    if listed.get("user_id") != user or listed.get("device_id") != device_id:  # rule 1
        return None
    if chain and device_id in chain:  # rule 7
        return None
    keys = as_object(listed.get("keys"))
    ed25519 = as_text(keys.get(f"ed25519:{device_id}"))
    curve25519 = as_text(keys.get(f"curve25519:{device_id}"))
    if not is_key(ed25519) or not is_key(curve25519):
        return None
    if chain and ed25519 in chain:
        return None
    if not is_signed(listed, user, device_id, ed25519):  # rule 5
        return None
    vouched = chain is not None and is_signed(listed, user, chain[1], chain[1])  # rule 6
    return Device(
        user=user,
        device_id=device_id,
        ed25519=ed25519,
        curve25519=curve25519,
        master_key=chain[0] if chain and vouched else None,
    )


def _is_base64(text: str, length: int) -> bool:
    try:
        data = _decode(text)
    except (binascii.Error, ValueError):
        return False
    return len(data) == length and base64.b64encode(data).rstrip(b"=").decode() == text


def _decode(text: str) -> bytes:
    return base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), validate=True)
