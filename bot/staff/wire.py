"""What passes between the bot and the desk: frames of JSON with the bytes of files behind it. Pure but for the reading.

1. A frame says how long it is before it comes, and one that is too long is never read.
2. What a frame holds is of exactly the form that is written here; anything else is a :class:`DeskError`, whose text
   holds nothing of it.
3. A frame that has begun is read to its end within a set time, or not at all.

A frame: two unsigned 32-bit lengths, big-endian; a JSON object; the bytes of all files, one after the other.
"""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from bot.domain.staff import MemberId, StaffFile, StaffOrder, StaffReply
from bot.errors import DeskError

MAX_JSON: Final = 256 * 1024
MAX_NAME, MAX_LINE, MAX_FILES = 200, 8000, 8
FRAME_SECONDS = 30.0
_HEAD = struct.Struct(">II")

Json = dict[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Frame:
    """One message of either side."""

    head: Json = field(repr=False)
    blob: bytes = field(default=b"", repr=False)

    def encode(self) -> bytes:
        head = json.dumps(self.head, ensure_ascii=False, separators=(",", ":")).encode()
        return _HEAD.pack(len(head), len(self.blob)) + head + self.blob


async def read_frame(
    reader: asyncio.StreamReader, *, max_blob: int, seconds: float = FRAME_SECONDS
) -> Frame | None:
    """The next frame, waited for without end; None where the other side is gone. Rules 1 to 3."""
    first = await reader.read(1)
    if not first:
        return None
    try:
        async with asyncio.timeout(seconds):
            head_length, blob_length = _HEAD.unpack(first + await reader.readexactly(_HEAD.size - 1))
            if head_length > MAX_JSON or blob_length > max_blob:
                raise DeskError("a frame is too long")
            head = await reader.readexactly(head_length)
            blob = await reader.readexactly(blob_length)
    except (TimeoutError, asyncio.IncompleteReadError, ConnectionError):
        raise DeskError("a frame was not whole") from None
    try:
        found = json.loads(head)
    except (ValueError, RecursionError):
        raise DeskError("a frame is not what was agreed") from None
    if not isinstance(found, dict):
        raise DeskError("a frame is not what was agreed")
    return Frame(head=found, blob=blob)


def order_frame(order: StaffOrder) -> Frame:
    head: Json = {"do": "order", "member": order.member, "key": order.key, "line": order.line, "files": []}
    if order.file is None:
        return Frame(head=head)
    head["files"] = _described([order.file])
    return Frame(head=head, blob=order.file.data)


def order_of(frame: Frame) -> StaffOrder:
    """Rule 2."""
    if set(frame.head) != {"do", "member", "key", "line", "files"}:
        raise DeskError("a frame is not what was agreed")
    files = _files(frame)
    if len(files) > 1:
        raise DeskError("a frame is not what was agreed")
    return StaffOrder(
        member=MemberId(_text(frame.head["member"], 64)),
        key=_text(frame.head["key"], 512),
        line=_text(frame.head["line"], MAX_LINE, empty=True),
        file=files[0] if files else None,
    )


def reply_frame(reply: StaffReply) -> Frame:
    head: Json = {
        "texts": list(reply.texts),
        "private": reply.private,
        "token": reply.token,
        "files": _described(reply.files),
    }
    return Frame(head=head, blob=b"".join(file.data for file in reply.files))


def reply_of(frame: Frame) -> StaffReply:
    """Rule 2. Raises :class:`DeskError` for what the desk could not do as well."""
    if set(frame.head) == {"error"}:
        raise DeskError("the import side did not do it", mend="say it again later")
    if set(frame.head) != {"texts", "private", "token", "files"}:
        raise DeskError("a frame is not what was agreed")
    texts, private = frame.head["texts"], frame.head["private"]
    if not isinstance(texts, list) or not isinstance(private, bool):
        raise DeskError("a frame is not what was agreed")
    return StaffReply(
        texts=tuple(_text(text, MAX_LINE) for text in texts),
        files=tuple(_files(frame)),
        private=private,
        token=_text(frame.head["token"], 512, empty=True),
    )


def _described(files: Sequence[StaffFile]) -> list[Json]:
    return [{"name": f.name[:MAX_NAME], "type": f.media_type[:MAX_NAME], "size": len(f.data)} for f in files]


def _files(frame: Frame) -> list[StaffFile]:
    described = frame.head["files"]
    if not isinstance(described, list) or len(described) > MAX_FILES:
        raise DeskError("a frame is not what was agreed")
    found, start = [], 0
    for each in described:
        if not isinstance(each, dict) or set(each) != {"name", "type", "size"}:
            raise DeskError("a frame is not what was agreed")
        size = each["size"]
        if type(size) is not int or not 0 <= size <= len(frame.blob) - start:
            raise DeskError("a frame is not what was agreed")
        found.append(
            StaffFile(
                name=_text(each["name"], MAX_NAME, empty=True),
                media_type=_text(each["type"], MAX_NAME, empty=True),
                data=frame.blob[start : start + size],
            )
        )
        start += size
    if start != len(frame.blob):
        raise DeskError("a frame is not what was agreed")
    return found


def _text(value: object, longest: int, *, empty: bool = False) -> str:
    if not isinstance(value, str) or len(value) > longest or not (value or empty):
        raise DeskError("a frame is not what was agreed")
    return value
