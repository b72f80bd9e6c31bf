"""What a vault in a process of its own is asked, and how: frames of JSON over a local stream socket.

1. A frame is its length, four bytes, then so many bytes of JSON, at most :data:`LONGEST`; anything else ends the call.
2. One connection carries one call. Before its end the vault may ask, as often as it likes, what the database has
   noted (:mod:`storage.vault` 11): the caller does that, outside of any transaction of the vault.
3. Only what :data:`CALLS` names can be called, with values of exactly these types.

Values: text and whole numbers as they are; bytes as hexadecimal text.
"""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Mapping
from typing import Any, Final

from bot.domain.values import KeyId, RecipientId, SecretBytes
from bot.errors import (
    KeyDestroyed,
    MustWait,
    PliError,
    Refused,
    StaleGeneration,
    StorageError,
    WrongSecret,
    WrongUse,
)
from storage.vault import Reconciled, Staged

LONGEST: Final = 4096
_LENGTH: Final = struct.Struct(">I")
Frame = dict[str, Any]

_WHO: Final = (RecipientId,)
_BEGIN: Final = (RecipientId, KeyId, SecretBytes)
_GENERATION: Final = (RecipientId, KeyId, int)
CALLS: Final[Mapping[str, tuple[object, ...]]] = {
    "create": _BEGIN,
    "recreate": _BEGIN,
    "unlock": (*_GENERATION, SecretBytes),
    "unlock_and_stage": (*_GENERATION, SecretBytes, SecretBytes),
    "commit": _GENERATION,
    "reconcile": _GENERATION,
    "destroy": _WHO,
    "known": _WHO,
    "is_old": _WHO,
    "tries_left": _WHO,
    "wait_seconds": _WHO,
    "anchor": (),
    "set_anchor": (int, bytes),
}
_PLAIN: Final = {e.__name__: e for e in (KeyDestroyed, StaleGeneration)}
_WITH_TEXT: Final = {e.__name__: e for e in (Refused, StorageError, WrongUse)}


def send(stream: socket.socket, frame: Frame) -> None:
    """Raises ``OSError``."""
    body = json.dumps(frame).encode()
    stream.sendall(_LENGTH.pack(len(body)) + body)


def receive(stream: socket.socket) -> Frame:
    """Raises ``OSError`` or ``ValueError`` for what is no frame (rule 1)."""
    (length,) = _LENGTH.unpack(_exactly(stream, _LENGTH.size))
    if length > LONGEST:
        raise ValueError("a frame that is too long")
    frame = json.loads(_exactly(stream, length))
    if not isinstance(frame, dict):
        raise ValueError("no frame")  # noqa: TRY004 - one kind of error for all that is no frame
    return frame


def _exactly(stream: socket.socket, length: int) -> bytes:
    parts = bytearray()
    while len(parts) < length:
        part = stream.recv(length - len(parts))
        if not part:
            raise ConnectionResetError
        parts += part
    return bytes(parts)


def pack(value: object) -> object:
    """An argument or a result, as JSON knows it."""
    match value:
        case SecretBytes():
            return value.reveal().hex()
        case bytes():
            return value.hex()
        case tuple():
            return [pack(part) for part in value]
    return value


def arguments(name: object, given: object) -> list[Any]:
    """What was packed, for the call ``name``. Raises ``ValueError`` (rule 3)."""
    kinds = CALLS.get(name) if isinstance(name, str) else None
    if kinds is None or not isinstance(given, list) or len(given) != len(kinds):
        raise ValueError("no such call")
    return [_argument(kind, value) for kind, value in zip(kinds, given, strict=True)]


def _argument(kind: object, value: object) -> object:
    if kind is int:
        if type(value) is int:  # a bool is none
            return value
    elif isinstance(value, str):
        if kind is SecretBytes:
            return SecretBytes(bytes.fromhex(value))
        return bytes.fromhex(value) if kind is bytes else value
    raise ValueError("a value of another type")


def result(name: str, value: Any) -> Any:  # noqa: ANN401 - the type is that of the call
    """What a call gave back, from its packed form."""
    match name:
        case "create" | "recreate" | "unlock":
            return SecretBytes(bytes.fromhex(value))
        case "unlock_and_stage":
            old, new, generation = value
            return Staged(SecretBytes(bytes.fromhex(old)), SecretBytes(bytes.fromhex(new)), generation)
        case "reconcile":
            return Reconciled(value)
        case "anchor":
            return value[0], bytes.fromhex(value[1])
    return value


def pack_error(error: PliError) -> Frame:
    match error:
        case WrongSecret():
            return {
                "error": "WrongSecret",
                "tries_left": error.tries_left,
                "wait_seconds": error.wait_seconds,
            }
        case MustWait():
            return {"error": "MustWait", "wait_seconds": error.wait_seconds}
    name = type(error).__name__
    if name in _PLAIN:
        return {"error": name}
    name = name if name in _WITH_TEXT else StorageError.__name__
    return {"error": name, "message": str(error), "mend": error.mend}


def error_of(frame: Frame) -> PliError:
    """Raises ``KeyError`` for what no vault says."""
    match frame["error"]:
        case "WrongSecret":
            return WrongSecret(tries_left=frame["tries_left"], wait_seconds=frame["wait_seconds"])
        case "MustWait":
            return MustWait(wait_seconds=frame["wait_seconds"])
        case name if name in _PLAIN:
            return _PLAIN[name]()
    return _WITH_TEXT[frame["error"]](frame["message"], mend=frame["mend"])
