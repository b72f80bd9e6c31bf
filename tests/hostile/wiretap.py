"""Everything that the bot sent, and what a set of private keys reads of it. On vodozemac alone: none of our own code
decides here what is readable.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import vodozemac

Json = dict[str, Any]
_REFUSED = (
    vodozemac.DecodeException,
    vodozemac.KeyException,
    vodozemac.MegolmDecryptionException,
    vodozemac.OlmDecryptionException,
    vodozemac.PkDecodeException,
    vodozemac.SessionCreationException,
    vodozemac.SessionKeyDecodeException,
    ValueError,
)


@dataclass(repr=False)
class Keys:
    """The private half of one device: its account, its Olm sessions, the Megolm sessions that it was given."""

    account: vodozemac.Account = field(default_factory=vodozemac.Account)
    olm: dict[str, list[vodozemac.Session]] = field(default_factory=dict)
    megolm: dict[str, vodozemac.InboundGroupSession] = field(default_factory=dict)
    _opened: dict[str, bytes] = field(default_factory=dict)

    @property
    def curve25519(self) -> str:
        return self.account.curve25519_key.to_base64()

    @property
    def ed25519(self) -> str:
        return self.account.ed25519_key.to_base64()

    def open_olm(self, sender_key: str, kind: int, body: str) -> Json | None:
        """One Olm message, whomever it is addressed to; a room key in it is kept.

        It opens only once, so what it says is remembered.
        """
        if body not in self._opened:
            plain = self._decrypt(sender_key, kind, body)
            if plain is None:
                return None
            self._opened[body] = plain
        payload: Json = json.loads(self._opened[body])
        if payload.get("type") == "m.room_key":
            content = payload["content"]
            session = vodozemac.InboundGroupSession(vodozemac.SessionKey(content["session_key"]))
            self.megolm.setdefault(content["session_id"], session)
        return payload

    def open_megolm(self, content: Json) -> Json | None:
        """The plaintext of an ``m.room.encrypted`` event."""
        session = self.megolm.get(str(content.get("session_id")))
        if session is None:
            return None
        try:
            message = vodozemac.MegolmMessage.from_base64(content["ciphertext"])
            payload: Json = json.loads(bytes(session.decrypt(message).plaintext))
        except _REFUSED:
            return None
        return payload

    def _decrypt(self, sender_key: str, kind: int, body: str) -> bytes | None:
        known = self.olm.setdefault(sender_key, [])
        try:
            message = vodozemac.AnyOlmMessage.from_parts(kind, _bytes(body))
            sender = vodozemac.Curve25519PublicKey.from_base64(sender_key)
        except _REFUSED:
            return None
        for session in known:
            try:
                return bytes(session.decrypt(message))
            except _REFUSED:
                continue
        first = message.to_pre_key()
        if first is None:
            return None
        try:
            session, plain = self.account.create_inbound_session(sender, first)
        except _REFUSED:
            return None
        known.append(session)
        return bytes(plain)


@dataclass(repr=False)
class Wiretap:
    """What left the bot, in order: to-device messages by (sender key, kind, body), and contents of room events."""

    olm: list[tuple[str, int, str]] = field(default_factory=list)
    events: list[tuple[str, Json]] = field(default_factory=list)
    clear: list[Json] = field(default_factory=list)

    def note(self, method: str, path: str, body: Json) -> None:
        """One request of the bot."""
        if method != "PUT":
            return
        if "/sendToDevice/" in path:
            for user in body["messages"].values():
                for content in user.values():
                    self._note_device(content)
        elif "/send/m.room.encrypted/" in path:
            self.events.append((unquote(path.split("/rooms/", 1)[1].split("/", 1)[0]), body))
        elif "/send/" in path:
            self.clear.append(body)

    def _note_device(self, content: Json) -> None:
        ciphertext = content.get("ciphertext")
        if not isinstance(ciphertext, dict):
            self.clear.append(content)
            return
        self.olm += [(content["sender_key"], one["type"], one["body"]) for one in ciphertext.values()]

    def read(self, keys: Keys) -> list[tuple[str, str]]:
        """(room, words) of everything that ``keys`` open, in the order in which it left."""
        for sender_key, kind, body in self.olm:
            keys.open_olm(sender_key, kind, body)
        opened = ((room, keys.open_megolm(content)) for room, content in self.events)
        return [(room, str(payload["content"]["body"])) for room, payload in opened if payload is not None]


def _bytes(body: str) -> bytes:
    return base64.b64decode(body + "=" * (-len(body) % 4))
