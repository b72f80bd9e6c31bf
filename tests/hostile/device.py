"""A device's public side, made by hand: what a homeserver hands out for it, true or forged. On vodozemac alone."""

from __future__ import annotations

import base64
import copy
import json
from typing import Any

import vodozemac
from canonicaljson import encode_canonical_json

from tests.hostile.wiretap import Keys

Json = dict[str, Any]
OLM = "m.olm.v1.curve25519-aes-sha2"
MEGOLM = "m.megolm.v1.aes-sha2"


def signed(keys: Keys, value: Json, user: str, device_id: str) -> Json:
    """``value`` with the device's signature beside those that it has."""
    body = {name: part for name, part in value.items() if name not in {"signatures", "unsigned"}}
    made = copy.deepcopy(value)
    signature = keys.account.sign(encode_canonical_json(body)).to_base64()
    made.setdefault("signatures", {}).setdefault(user, {})[f"ed25519:{device_id}"] = signature
    return made


def device_keys(keys: Keys, user: str, device_id: str) -> Json:
    """The object of ``/keys/upload`` and ``/keys/query``."""
    public = {f"ed25519:{device_id}": keys.ed25519, f"curve25519:{device_id}": keys.curve25519}
    bare = {"user_id": user, "device_id": device_id, "algorithms": [OLM, MEGOLM], "keys": public}
    return signed(keys, bare, user, device_id)


def one_time_keys(keys: Keys, user: str, device_id: str, count: int) -> Json:
    """New ones, by name."""
    keys.account.generate_one_time_keys(count)
    made = {
        f"signed_curve25519:{name}": signed(keys, {"key": key.to_base64()}, user, device_id)
        for name, key in keys.account.one_time_keys.items()
    }
    keys.account.mark_keys_as_published()
    return made


def open_session(keys: Keys, curve25519: str, one_time_key: str) -> None:
    """A new Olm session with the device that has these keys."""
    theirs = vodozemac.Curve25519PublicKey.from_base64(curve25519)
    claimed = vodozemac.Curve25519PublicKey.from_base64(one_time_key)
    keys.olm.setdefault(curve25519, []).append(keys.account.create_outbound_session(theirs, claimed))


def to_device(keys: Keys, sender: str, bot: Json, kind: str, content: Json) -> Json:
    """The content of an Olm message to the bot, whose device object is ``bot``, in the newest session with it."""
    device_id = bot["device_id"]
    curve = bot["keys"][f"curve25519:{device_id}"]
    payload = {
        "type": kind,
        "content": content,
        "sender": sender,
        "recipient": bot["user_id"],
        "recipient_keys": {"ed25519": bot["keys"][f"ed25519:{device_id}"]},
        "keys": {"ed25519": keys.ed25519},
    }
    type_, body = keys.olm[curve][-1].encrypt(json.dumps(payload).encode()).to_parts()
    text = base64.b64encode(body).decode().rstrip("=")
    return {
        "algorithm": OLM,
        "sender_key": keys.curve25519,
        "ciphertext": {curve: {"type": type_, "body": text}},
    }


class Speaker:
    """Megolm sessions of one device: encrypts for a room, and says which key opens it."""

    def __init__(self, keys: Keys, device_id: str) -> None:
        self._keys, self._device_id = keys, device_id
        self.sessions: dict[str, vodozemac.GroupSession] = {}

    def session(self, room: str) -> vodozemac.GroupSession:
        return self.sessions.setdefault(room, vodozemac.GroupSession())

    def room_key(self, room: str) -> Json:
        session = self.session(room)
        return {
            "algorithm": MEGOLM,
            "room_id": room,
            "session_id": session.session_id,
            "session_key": session.session_key.to_base64(),
        }

    def encrypt(
        self, room: str, text: str, *, kind: str = "m.room.message", content: Json | None = None
    ) -> Json:
        """The content of an ``m.room.encrypted`` event."""
        session = self.session(room)
        payload = {"type": kind, "room_id": room, "content": content or {"msgtype": "m.text", "body": text}}
        return {
            "algorithm": MEGOLM,
            "sender_key": self._keys.curve25519,
            "device_id": self._device_id,
            "session_id": session.session_id,
            "ciphertext": session.encrypt(json.dumps(payload).encode()).to_base64(),
        }
