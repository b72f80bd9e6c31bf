"""Whoever has the bot's whole folder and every ciphertext ever sent. On vodozemac alone: none of our own code decides
here what is readable.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import re
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import vodozemac

Json = dict[str, Any]
_REFUSED = (
    vodozemac.DecodeException,
    vodozemac.KeyException,
    vodozemac.MegolmDecryptionException,
    vodozemac.OlmDecryptionException,
    vodozemac.PickleException,
    vodozemac.SessionCreationException,
    vodozemac.SessionKeyDecodeException,
    ValueError,
)
_INBOUND_LENGTHS = range(860, 1000)
"""Characters of an inbound session's pickle, which varies with the digits in it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class OlmMessage:
    """One to-device ciphertext, whoever it was meant for."""

    sender_key: str
    kind: int
    body: str


@dataclass(repr=False)
class Recorded:
    """Every ciphertext that crossed between the bot and its homeserver, either way; nothing is ever redacted here."""

    olm: dict[OlmMessage, None] = field(default_factory=dict)
    events: dict[str, Json] = field(default_factory=dict)

    def asked(self, _method: str, path: str, body: Json) -> None:
        """A request of the bot's."""
        if "/sendToDevice/" in path:
            for devices in body["messages"].values():
                for content in devices.values():
                    self._note(content)
        elif "/send/m.room.encrypted/" in path:
            self._note(body)

    def told(self, answer: Json) -> Json:
        """An answer to ``/sync``; given back as it is."""
        for event in answer.get("to_device", {}).get("events", []):
            self._note(event["content"])
        for room in answer.get("rooms", {}).get("join", {}).values():
            for event in room["timeline"]["events"]:
                self._note(event["content"])
        return answer

    def stored(self, homeserver: Path) -> int:
        """Add what lies in the homeserver's database now; how many events that are."""
        with contextlib.closing(sqlite3.connect(homeserver, timeout=30)) as database:
            rows = database.execute("SELECT json FROM event_json").fetchall()
        for (text,) in rows:
            self._note(json.loads(text)["content"])
        return len(rows)

    def _note(self, content: Json) -> None:
        ciphertext = content.get("ciphertext")
        if isinstance(ciphertext, str):
            self.events[ciphertext] = content
        elif isinstance(ciphertext, dict):
            for one in ciphertext.values():
                self.olm[OlmMessage(sender_key=content["sender_key"], kind=one["type"], body=one["body"])] = (
                    None
                )


@dataclass(repr=False)
class Thief:
    """Tries every key on every ciphertext. ``accounts`` and ``sessions`` are pickles, unpickled for each try: what one
    try uses up is there for the next.
    """

    key: bytes
    accounts: list[str] = field(default_factory=list)
    sessions: list[str] = field(default_factory=list)
    megolm: dict[str, list[vodozemac.InboundGroupSession]] = field(default_factory=dict)

    @classmethod
    def with_disk(cls, folder: Path) -> Thief:
        """``folder`` is a copy of the bot's whole folder, keys and write-ahead log included."""
        stored = next(folder.rglob("pickle.key")).read_bytes()
        self = cls(hashlib.sha256(stored.hex().encode()).digest())
        files = next(folder.rglob("olm.db")).parent
        self._carve(b"".join(path.read_bytes() for path in sorted(files.iterdir())))
        with tempfile.TemporaryDirectory() as place:
            for path in files.glob("olm.db*"):
                shutil.copy(path, place)
            with contextlib.closing(sqlite3.connect(Path(place) / "olm.db")) as database:
                self.accounts = [_text(row) for row in database.execute("SELECT account FROM accounts")]
                self.sessions = [_text(row) for row in database.execute("SELECT session FROM olmsessions")]
                for row in database.execute("SELECT session FROM megolminboundsessions"):
                    self._keep(vodozemac.InboundGroupSession.from_pickle(_text(row), self.key))
        return self

    def read(self, recorded: Recorded) -> list[str]:
        """Every word that can be read: Olm messages first, then, with the room keys found in them, the rooms."""
        for payload in self._olm(recorded):
            if payload.get("type") == "m.room_key":
                key = vodozemac.SessionKey(payload["content"]["session_key"])
                self._keep(vodozemac.InboundGroupSession(key))
        return [words for content in recorded.events.values() for words in self._words(content)]

    def _olm(self, recorded: Recorded) -> Iterator[Json]:
        """What the stored keys open, and then the sessions made with them, until nothing new is found."""
        opened: set[OlmMessage] = set()
        found = True
        while found:
            found = False
            for message in recorded.olm:
                if message in opened:
                    continue
                plain = self._open(message)
                if plain is not None:
                    opened.add(message)
                    found = True
                    yield json.loads(plain)

    def _open(self, message: OlmMessage) -> bytes | None:
        body = base64.b64decode(message.body + "=" * (-len(message.body) % 4))
        sealed = vodozemac.AnyOlmMessage.from_parts(message.kind, body)
        for pickle in self.sessions:
            with contextlib.suppress(*_REFUSED):
                return bytes(vodozemac.Session.from_pickle(pickle, self.key).decrypt(sealed))
        first = sealed.to_pre_key()
        if first is None:
            return None
        sender = vodozemac.Curve25519PublicKey.from_base64(message.sender_key)
        for pickle in self.accounts:
            with contextlib.suppress(*_REFUSED):
                account = vodozemac.Account.from_pickle(pickle, self.key)
                session, plain = account.create_inbound_session(sender, first)
                self.sessions.append(session.pickle(self.key))
                return bytes(plain)
        return None

    def _words(self, content: Json) -> Iterator[str]:
        for session in self.megolm.get(str(content.get("session_id")), []):
            with contextlib.suppress(*_REFUSED):
                message = vodozemac.MegolmMessage.from_base64(content["ciphertext"])
                payload = json.loads(bytes(session.decrypt(message).plaintext))
                yield str(payload["content"].get("body"))
                return

    def _carve(self, data: bytes) -> None:
        """Inbound sessions from raw bytes, whatever the database says of them: their pickles all begin alike."""
        sample = vodozemac.InboundGroupSession(vodozemac.GroupSession().session_key).pickle(self.key)
        for place in re.finditer(re.escape(sample[:21].encode()), data):
            for length in _INBOUND_LENGTHS:
                with contextlib.suppress(*_REFUSED):
                    pickle = data[place.start() : place.start() + length].decode("ascii")
                    self._keep(vodozemac.InboundGroupSession.from_pickle(pickle, self.key))
                    break

    def _keep(self, session: vodozemac.InboundGroupSession) -> None:
        """Earliest first."""
        known = self.megolm.setdefault(session.session_id, [])
        known.append(session)
        known.sort(key=lambda one: one.first_known_index)


def _text(row: tuple[bytes]) -> str:
    return bytes(row[0]).decode()
