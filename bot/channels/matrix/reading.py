"""What an event says: from the raw event to :class:`~bot.domain.messages.Incoming`. Pure.

1. Only a decrypted event whose payload names the same room is text; the clear part adds nothing to it.
2. State, reactions, calls and verification inside encryption say nothing to the bot and change nothing.
3. What is not plain text says so in ``oddity``; an edit or a reply keeps its text, so that a PIN in it can be
   redacted.
4. A file counts only where its event was encrypted and describes an encrypted attachment (version 2, AES-256-CTR).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from bot.channels.matrix.olm import Decrypted
from bot.channels.matrix.safejson import JsonObject, as_object, as_text
from bot.domain.messages import Attachment, Oddity
from bot.domain.values import EventId, RoomId, Secret, UserId

_MESSAGE: Final = "m.room.message"
_ENCRYPTED: Final = "m.room.encrypted"
_SAID_OTHERWISE: Final = frozenset({_MESSAGE, "m.sticker", "m.poll.start", "org.matrix.msc3381.poll.start"})
_SILENT_MESSAGES: Final = frozenset({"m.notice", "m.key.verification.request"})
_FILES: Final = frozenset({"m.file", "m.image"})
_LAST_MOMENT: Final = 253_402_300_799_000


@dataclass(frozen=True, kw_only=True, slots=True)
class RoomEvent:
    """The parts of a room event that count; ``content`` as the homeserver gave it."""

    room: RoomId
    sender: UserId
    event: EventId
    at: datetime
    content: JsonObject
    encrypted: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Said:
    text: Secret
    oddity: Oddity | None
    attachment: Attachment | None = None


def room_event(room: RoomId, raw: JsonObject) -> RoomEvent | None:
    """None for everything that is not a message: state, redacted events, reactions, malformed ones."""
    kind = raw.get("type")
    sender, event = as_text(raw.get("sender")), as_text(raw.get("event_id"))
    content = as_object(raw.get("content"))
    if "state_key" in raw or kind not in (_MESSAGE, _ENCRYPTED) or not sender or not event or not content:
        return None
    return RoomEvent(
        room=room,
        sender=UserId(sender),
        event=EventId(event),
        at=_moment(raw.get("origin_server_ts")),
        content=content,
        encrypted=kind == _ENCRYPTED,
    )


def read_receipts(events: Iterable[object]) -> Mapping[UserId, datetime]:
    """Who read something, and when at the latest: of a room's ephemeral events, in clear, the homeserver's word."""
    found: dict[UserId, datetime] = {}
    for raw in map(as_object, events):
        if raw.get("type") != "m.receipt":
            continue
        for each in as_object(raw.get("content")).values():
            for user, receipt in as_object(as_object(each).get("m.read")).items():
                at = _moment(as_object(receipt).get("ts"))
                if user and at > found.get(UserId(user), _moment(0)):
                    found[UserId(user)] = at
    return found


def said_in_clear(event: RoomEvent) -> Said | None:
    said = _said(_MESSAGE, event.content, event.content)
    return said and Said(text=said.text, oddity=Oddity.UNENCRYPTED)


def said_encrypted(event: RoomEvent, decrypted: Decrypted) -> Said | None:
    """None where nothing was said (rule 2). A payload of another room is undecryptable to us (rule 1)."""
    payload = decrypted.payload
    if payload.get("room_id") != event.room:
        return Said(text=Secret(""), oddity=Oddity.UNDECRYPTABLE)
    content = as_object(payload.get("content"))
    said = _said(as_text(payload.get("type")), content, event.content)
    if said is not None and said.oddity is Oddity.NOT_TEXT and payload.get("type") == _MESSAGE:
        return replace(said, attachment=_attachment(content))  # rule 4
    return said


def replay_key(room: RoomId, curve25519: str, session_id: str, index: int) -> str:
    """SHA-256 over (room, sender key, session, index): the same ciphertext under any event id."""
    parts = [room, curve25519, session_id, index]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _said(kind: str, content: JsonObject, clear: JsonObject) -> Said | None:
    if kind not in _SAID_OTHERWISE or as_text(content.get("msgtype")) in _SILENT_MESSAGES:
        return None
    relation = as_object(content.get("m.relates_to")) or as_object(clear.get("m.relates_to"))
    if relation.get("rel_type") == "m.replace":
        new = as_object(content.get("m.new_content")) or content
        return Said(text=Secret(as_text(new.get("body"))), oddity=Oddity.EDIT)
    body = as_text(content.get("body"))
    if kind != _MESSAGE or content.get("msgtype") != "m.text" or not body:
        return Said(text=Secret(""), oddity=Oddity.NOT_TEXT)
    if relation:
        return Said(text=Secret(_without_quote(body)), oddity=Oddity.REPLY)
    return Said(text=Secret(body), oddity=None)


def _attachment(content: JsonObject) -> Attachment | None:
    """Rule 4."""
    file, info = as_object(content.get("file")), as_object(content.get("info"))
    key, size = as_object(file.get("key")), info.get("size")
    found = Attachment(
        name=as_text(content.get("filename")) or as_text(content.get("body")),
        media_type=as_text(info.get("mimetype")).partition(";")[0].strip().lower(),
        size=size if type(size) is int else -1,
        url=as_text(file.get("url")),
        key=as_text(key.get("k")),
        iv=as_text(file.get("iv")),
        sha256=as_text(as_object(file.get("hashes")).get("sha256")),
    )
    fit = as_text(content.get("msgtype")) in _FILES and file.get("v") == "v2"
    fit = fit and (key.get("kty"), key.get("alg")) == ("oct", "A256CTR")
    return found if fit and found.url and found.key and found.iv and found.sha256 else None


def _without_quote(body: str) -> str:
    """``body`` without the quotation that older clients put in front of a reply."""
    lines = body.split("\n")
    while lines and lines[0].startswith("> "):
        lines.pop(0)
    return "\n".join(lines).strip()


def _moment(milliseconds: object) -> datetime:
    known = milliseconds if type(milliseconds) is int else 0
    return datetime.fromtimestamp(min(max(known, 0), _LAST_MOMENT) / 1000, UTC)
