"""Content lines of iCalendar (RFC 5545 §3.1): split, unfold, take apart. Nothing is interpreted."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from icalendar.parser import Contentline

from bot.agenda.fault import Fault

MAX_LINE_BYTES = 65_536
_NAME = r"[A-Za-z0-9-]+"
_VALUE = r'(?:"[^"]*"|[^";:,]*)'
_PLAIN = re.compile(rf"({_NAME})((?:;{_NAME}={_VALUE}(?:,{_VALUE})*)*):(.*)", re.DOTALL)
_PARAM = re.compile(rf";({_NAME})=({_VALUE}(?:,{_VALUE})*)")
_ESCAPED = re.compile(r"\\([\\,;:nN])")
_NAME_BYTES = re.compile(rb"[A-Za-z0-9-]+")


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Line:
    """One property: upper-case parameter names; ``value`` is raw, :meth:`text` unescaped."""

    params: dict[str, str]
    value: str

    def text(self) -> str:
        return _ESCAPED.sub(lambda found: "\n" if found[1] in "nN" else found[1], self.value)


def name_of(raw: bytes) -> str:
    """The upper-case name that a line starts with, empty where it starts with none."""
    found = _NAME_BYTES.match(raw)
    return found[0].decode("ascii").upper() if found else ""


def physical_lines(handle: BinaryIO) -> Iterator[tuple[int, int, bytes]]:
    """Yield (offset, number from 1, line without its end). CRLF, LF, CR and CRCRLF all end a line."""
    offset = number = 0
    for raw in handle:
        body = raw.rstrip(b"\r\n")
        at = offset
        for piece in body.split(b"\r"):
            number += 1
            yield at, number, piece
            at += len(piece) + 1
        offset += len(raw)


def logical_lines(block: bytes) -> Iterator[bytes]:
    """Unfold ``block``. Beyond :data:`MAX_LINE_BYTES` a line is cut short; its length tells."""
    parts: list[bytes] = []
    size = 0
    for raw in re.split(rb"[\r\n]+", block):
        if raw[:1] in (b" ", b"\t"):
            if size <= MAX_LINE_BYTES:
                parts.append(raw[1:])
                size += len(raw)
            continue
        if parts:
            yield b"".join(parts)
        parts, size = [raw], len(raw)
    if parts:
        yield b"".join(parts)


def parse_line(raw: bytes, name: str) -> Line:
    """Take one unfolded line apart; ``name`` is for the fault alone. Raises :class:`Fault`."""
    if len(raw) > MAX_LINE_BYTES:
        raise Fault(field=name, why="is far too long", mend="shorten it in the agenda")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise Fault(field=name, why="is not UTF-8", mend="export the agenda as UTF-8") from None
    found = _PLAIN.fullmatch(text)
    if found:
        if not found[2]:
            return Line(params={}, value=found[3])
        params = {key.upper(): value.strip('"') for key, value in _PARAM.findall(found[2])}
        return Line(params=params, value=found[3])
    try:
        _, loose, value = Contentline(text).raw_parts()  # type: ignore[no-untyped-call]  # not typed there
        return Line(params={key.upper(): str(loose[key]) for key in loose}, value=value)
    except Exception:  # noqa: BLE001 - a foreign parser over foreign text: whatever it raises
        raise Fault(
            field=name, why="is not a property", mend="the file is damaged here: export it again"
        ) from None
