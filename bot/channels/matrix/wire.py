"""What a message is made of: one size on the wire for every text.

1. The JSON that is encrypted has exactly :data:`PLAIN_BYTES` bytes, whatever is said: a field of filler,
   which clients ignore, makes up the rest. With a Megolm index below 128 the ciphertext then has exactly
   :data:`WIRE_CHARACTERS`.
2. Nudges and what the staff is told unasked are ``m.text``, everything else ``m.notice``, or a file; no relation, no
   mention, no format.
3. What is sent is checked to be Megolm and to have that size, or it does not leave.
"""

from __future__ import annotations

import json
from typing import Final

from bot.channels.matrix.olm import MEGOLM
from bot.channels.matrix.safejson import JsonObject
from bot.domain.values import RoomId
from bot.errors import ChannelError, WrongUse

PLAIN_BYTES: Final = 4096
MAX_TEXT_BYTES: Final = 2800
MAX_INDEX: Final = 100
"""A session is replaced before its index gets there; from 128 on the wire size would grow."""

FILLER: Final = "dev.pli.fill"

_VERSION, _INDEX_FIELD, _CIPHERTEXT_TAG, _LENGTH_VARINT, _MAC, _SIGNATURE = 1, 2, 1, 2, 8, 64
_BLOCK: Final = 16


def _base64_length(size: int) -> int:
    return (size * 4 + 2) // 3


WIRE_CHARACTERS: Final = _base64_length(
    _VERSION
    + _INDEX_FIELD
    + _CIPHERTEXT_TAG
    + _LENGTH_VARINT
    + (PLAIN_BYTES // _BLOCK + 1) * _BLOCK
    + _MAC
    + _SIGNATURE
)


def plaintext(room: RoomId, text: str, *, rings: bool) -> bytes:
    """The event to encrypt (rule 1). Raises :class:`WrongUse` for a text above :data:`MAX_TEXT_BYTES`."""
    if len(text.encode()) > MAX_TEXT_BYTES:
        raise WrongUse("the text is too long for one message")
    return padded(room, {"msgtype": "m.text" if rings else "m.notice", "body": text})


def padded(room: RoomId, content: JsonObject) -> bytes:
    """A message with that content, to be encrypted (rule 1). Raises :class:`WrongUse` where it is too long."""
    content = {**content, "m.mentions": {}, FILLER: ""}
    event = {"type": "m.room.message", "room_id": room, "content": content}
    missing = PLAIN_BYTES - len(_dump(event))
    if missing < 0:
        raise WrongUse("the text is too long for one message")
    content[FILLER] = "." * missing
    return _dump(event)


def checked(content: JsonObject) -> JsonObject:
    """``content`` of an ``m.room.encrypted`` event if it may leave (rule 3)."""
    fields = {"algorithm", "sender_key", "ciphertext", "session_id", "device_id"}
    if (
        set(content) != fields
        or content["algorithm"] != MEGOLM
        or not isinstance(content["ciphertext"], str)
        or len(content["ciphertext"]) != WIRE_CHARACTERS
    ):
        raise ChannelError("an event was not of the one shape that may leave", permanent=True)
    return content


def _dump(event: JsonObject) -> bytes:
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()
