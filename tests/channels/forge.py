"""Identities and ``/keys/query`` answers made by hand, true or forged."""

from __future__ import annotations

import base64
import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from bot.channels.matrix.safejson import canonical
from bot.domain.values import UserId

Json = dict[str, Any]
ALICE = UserId("@alice:pli.localhost")


def b64(data: bytes) -> str:
    return base64.b64encode(data).rstrip(b"=").decode()


@dataclass
class Signer:
    """An Ed25519 key."""

    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)

    @property
    def public(self) -> str:
        return b64(self.key.public_key().public_bytes_raw())

    def sign(self, value: Json, user: str, key_id: str) -> Json:
        """``value`` with one more signature."""
        body = {name: part for name, part in value.items() if name not in {"signatures", "unsigned"}}
        signed = copy.deepcopy(value)
        signature = b64(self.key.sign(canonical(body)))
        signed.setdefault("signatures", {}).setdefault(user, {})[f"ed25519:{key_id}"] = signature
        return signed


@dataclass
class Person:
    """A user with three cross-signing keys and devices."""

    user: UserId = ALICE
    master: Signer = field(default_factory=Signer)
    self_signing: Signer = field(default_factory=Signer)
    devices: dict[str, Signer] = field(default_factory=lambda: {"PHONE": Signer()})
    curves: dict[str, str] = field(default_factory=dict)
    unsigned: set[str] = field(default_factory=set)

    def curve(self, device_id: str) -> str:
        fresh = b64(X25519PrivateKey.generate().public_key().public_bytes_raw())
        return self.curves.setdefault(device_id, fresh)

    def master_object(self) -> Json:
        return self._cross("master", self.master)

    def self_signing_object(self) -> Json:
        return self.master.sign(self._cross("self_signing", self.self_signing), self.user, self.master.public)

    def device(self, device_id: str) -> Json:
        signer = self.devices[device_id]
        keys = {f"ed25519:{device_id}": signer.public, f"curve25519:{device_id}": self.curve(device_id)}
        bare: Json = {"user_id": self.user, "device_id": device_id, "algorithms": [], "keys": keys}
        made = signer.sign(bare, self.user, device_id)
        if device_id in self.unsigned:
            return made
        return self.self_signing.sign(made, self.user, self.self_signing.public)

    def answer(self, change: Callable[[Json], None] = lambda _: None) -> Json:
        """A ``/keys/query`` answer; ``change`` forges it."""
        made: Json = {
            "master_keys": {self.user: self.master_object()},
            "self_signing_keys": {self.user: self.self_signing_object()},
            "device_keys": {self.user: {name: self.device(name) for name in self.devices}},
            "failures": {},
        }
        change(made)
        return made

    def _cross(self, usage: str, signer: Signer) -> Json:
        keys = {f"ed25519:{signer.public}": signer.public}
        return {"user_id": self.user, "usage": [usage], "keys": keys}
