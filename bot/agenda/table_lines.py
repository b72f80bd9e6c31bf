"""Records of a .csv file: quoted fields over lines, any line ends, a way back after a stray quote."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from bot.agenda.fault import Fault
from bot.agenda.ics_lines import physical_lines

_MAX_RECORD_LINES = 50
_MAX_RECORD_BYTES = 65_536


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Record:
    """One record: its fields, or the fault instead. ``open_end``: no line end follows it."""

    line: int
    offset: int
    fields: tuple[str, ...] = ()
    fault: Fault | None = None
    open_end: bool = False

    @property
    def where(self) -> str:
        return f"line {self.line}"


class Records:
    """Iterate over the records of ``handle``; blank lines are left out."""

    def __init__(self, handle: BinaryIO, *, separator: str, encoding: str) -> None:
        self._separator = separator
        self._encoding = encoding
        self._back: deque[tuple[int, int, bytes]] = deque()
        self._source = physical_lines(handle)
        handle.seek(0, 2)
        self._size = handle.tell()
        handle.seek(0)

    def __iter__(self) -> Iterator[Record]:
        while (first := self._next()) is not None:
            lines = [first]
            quotes, size = first[2].count(b'"'), len(first[2])
            while quotes % 2 and size <= _MAX_RECORD_BYTES and len(lines) < _MAX_RECORD_LINES:
                more = self._next()
                if more is None:
                    break
                lines.append(more)
                quotes, size = quotes + more[2].count(b'"'), size + len(more[2])
            if quotes % 2:
                # A stray quote must not swallow what follows: go on after the line that it stands in.
                self._back.extendleft(reversed(lines[1:]))
                lines = lines[:1]
            if any(line.strip() for _, _, line in lines):
                yield self._record(lines, whole=quotes % 2 == 0)

    def _next(self) -> tuple[int, int, bytes] | None:
        if self._back:
            return self._back.popleft()
        return next(self._source, None)

    def _record(self, lines: list[tuple[int, int, bytes]], *, whole: bool) -> Record:
        offset, line = lines[0][:2]
        last_offset, _, last = lines[-1]
        open_end = last_offset + len(last) >= self._size
        raw = b"\n".join(text for _, _, text in lines)
        try:
            fields = self._fields(raw, whole=whole)
        except Fault as fault:
            return Record(line=line, offset=offset, fault=fault, open_end=open_end)
        return Record(line=line, offset=offset, fields=fields, open_end=open_end)

    def _fields(self, raw: bytes, *, whole: bool) -> tuple[str, ...]:
        if not whole:
            raise Fault(
                field="line", why="a quotation mark is opened and not closed", mend="close or remove it"
            )
        if len(raw) > _MAX_RECORD_BYTES:
            raise Fault(
                field="line", why="is far too long", mend="check the separator and the quotation marks"
            )
        if b"\x00" in raw:
            raise Fault(
                field="line", why="holds a NUL byte", mend="the file is damaged here: export it again"
            )
        try:
            text = raw.decode(self._encoding)
        except UnicodeDecodeError:
            raise Fault(
                field="line",
                why="is written in another encoding than the profile says",
                mend='set encoding in the profile, for example "cp1252", or export as UTF-8',
            ) from None
        try:
            lines = (line + "\n" for line in text.split("\n"))
            rows = list(csv.reader(lines, delimiter=self._separator, strict=True))
        except csv.Error:
            raise Fault(
                field="line", why="quotation marks are in disorder", mend="double or remove them"
            ) from None
        if len(rows) != 1:
            raise Fault(field="line", why="quotation marks are in disorder", mend="double or remove them")
        return tuple(rows[0])
