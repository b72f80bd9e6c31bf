"""First pass over an .ics file: where the entries are, which belong together, which zones and methods it has.

Only positions are kept (32 bytes an entry), so that the second pass can hand out what stands alone without
holding the file in memory, and knows beforehand which entries must wait for others of the same UID.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import BinaryIO

from bot.agenda.fault import FILE, MAX_REFUSALS, Fault, cut_off
from bot.agenda.ics_lines import logical_lines, name_of, physical_lines
from bot.domain.appointment import Refusal
from bot.errors import AgendaError

_MAX_ZONE_BYTES = 65_536
_MAX_ZONES = 1000
_MAX_CALENDARS = 1000
_MAX_DEPTH = 20
_REPEATING = frozenset({"RRULE", "RDATE", "EXDATE", "EXRULE", "RECURRENCE-ID"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Block:
    """One VEVENT: where it lies, at which line it begins, and to which VCALENDAR of the file it belongs."""

    offset: int
    length: int
    line: int
    calendar: int

    @property
    def where(self) -> str:
        return f"line {self.line}"


@dataclass(kw_only=True, slots=True)
class Calendar:
    """What a VCALENDAR says about its entries; ``zones`` holds unfolded lines by TZID."""

    method: str = ""
    scale: str = "GREGORIAN"
    zones: dict[str, list[str]] = field(default_factory=dict)


@dataclass(kw_only=True, slots=True)
class Scan:
    """The result. ``together`` holds the UID digests whose entries must be read as one group."""

    calendars: list[Calendar] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    together: set[int] = field(default_factory=set)
    _rows: array[int] = field(default_factory=lambda: array("Q"))
    _uids: array[int] = field(default_factory=lambda: array("Q"))

    def __len__(self) -> int:
        return len(self._uids)

    def block(self, index: int) -> Block:
        offset, length, line, calendar = self._rows[4 * index : 4 * index + 4]
        return Block(offset=offset, length=length, line=line, calendar=calendar)

    def uid(self, index: int) -> int:
        """Digest of the UID, 0 where the entry has none."""
        return self._uids[index]

    def add(self, block: Block, uid: int) -> None:
        self._rows.extend((block.offset, block.length, block.line, block.calendar))
        self._uids.append(uid)

    def refuse_file(self, line: int) -> None:
        self.refusals.append(cut_off(f"line {line}"))

    def refuse(self, line: int, fault: Fault) -> None:
        if len(self.refusals) <= MAX_REFUSALS:
            self.refusals.append(fault.at(f"line {line}"))


def scan(handle: BinaryIO) -> Scan:
    """Read ``handle`` once, from its beginning. Raises :class:`AgendaError` where no calendar is in it."""
    scanner = _Scanner()
    number = 0
    for offset, number, raw in physical_lines(handle):
        scanner.feed(offset, number, raw)
    return scanner.finish(number)


class _Scanner:
    """One step a line. ``_open`` is the stack of components that have begun and not ended."""

    def __init__(self) -> None:
        self.result = Scan()
        self._open: list[str] = []
        self._seen: set[int] = set()
        self._begin: tuple[int, int] = (0, 0)
        self._uid = bytearray()
        self._in_uid = False
        self._repeats = False
        self._zone: list[bytes] = []
        self._zone_size = 0
        self._stray = False

    def feed(self, offset: int, number: int, raw: bytes) -> None:
        if number == 1:
            raw = raw.removeprefix(b"\xef\xbb\xbf")
        if "VTIMEZONE" in self._open and self._zone_size <= _MAX_ZONE_BYTES:
            self._zone.append(raw)
            self._zone_size += len(raw)
        if raw[:1] in (b" ", b"\t"):
            if self._in_uid:
                self._uid += raw[1:]
            return
        self._in_uid = False
        if not raw:
            return
        name = name_of(raw)
        if name == "BEGIN":
            self._begins(offset, number, _component(raw))
        elif name == "END":
            self._ends(offset + len(raw), number, _component(raw))
        elif not self._open:
            # Some disks leave padding behind; it is not text.
            if raw.strip(b" \t\x00\x1a"):
                self._stray_line(number)
        elif self._open[-1] == "VEVENT":
            self._property(name, raw)
        elif self._open[-1] == "VCALENDAR":
            self._of_calendar(name, raw)

    def finish(self, last: int) -> Scan:
        if not self.result.calendars:
            raise AgendaError(
                where=FILE, why="is not a calendar", mend="export the agenda as iCalendar (.ics)"
            )
        if self._open:
            self._leave_entry_open()
            self.result.refuse_file(last)
        return self.result

    def _begins(self, offset: int, number: int, component: str) -> None:
        if component == "VCALENDAR":
            if self._open:
                self._leave_entry_open()
                self.result.refuse_file(number)
            if len(self.result.calendars) >= _MAX_CALENDARS:
                raise AgendaError(where=FILE, why="holds too many calendars", mend="export the agenda as one")
            self._open = []
            self.result.calendars.append(Calendar())
        elif component in ("VEVENT", "VTIMEZONE"):
            if "VCALENDAR" not in self._open:
                self._stray_line(number)
                return
            self._leave_entry_open()
            self._open = ["VCALENDAR"]
            self._begin, self._uid, self._repeats = (offset, number), bytearray(), False
            self._zone, self._zone_size = [], 0
        if len(self._open) < _MAX_DEPTH:
            self._open.append(component)

    def _ends(self, end: int, number: int, component: str) -> None:
        if component not in self._open:
            if not self._open:
                self._stray_line(number)
            return
        at = len(self._open) - 1 - self._open[::-1].index(component)
        inner = self._open[at + 1 :]
        if component == "VEVENT":
            self._end_entry(end, whole=not inner)
        elif component == "VTIMEZONE":
            self._end_zone()
        elif "VEVENT" in inner:
            self._leave_entry_open()
        del self._open[at:]

    def _property(self, name: str, raw: bytes) -> None:
        if name == "UID" and not self._uid:
            self._uid += raw
            self._in_uid = True
        elif name in _REPEATING:
            self._repeats = True

    def _of_calendar(self, name: str, raw: bytes) -> None:
        value = raw.partition(b":")[2].strip().decode("ascii", "replace").upper()
        if name == "METHOD":
            self.result.calendars[-1].method = value
        elif name == "CALSCALE":
            self.result.calendars[-1].scale = value

    def _end_entry(self, end: int, *, whole: bool) -> None:
        offset, line = self._begin
        if not whole:
            self.result.refuse(line, _not_closed())
            return
        uid = int.from_bytes(blake2b(bytes(self._uid), digest_size=8).digest()) if self._uid else 0
        calendar = len(self.result.calendars) - 1
        self.result.add(Block(offset=offset, length=end - offset, line=line, calendar=calendar), uid)
        if uid and (self._repeats or uid in self._seen):
            self.result.together.add(uid)
        self._seen.add(uid)

    def _end_zone(self) -> None:
        zones = self.result.calendars[-1].zones
        if self._zone_size > _MAX_ZONE_BYTES or len(zones) >= _MAX_ZONES:
            return
        lines = [line.decode("utf-8", "replace") for line in logical_lines(b"\n".join(self._zone[:-1]))]
        for line in lines:
            name, _, value = line.partition(":")
            if name.split(";")[0].upper() == "TZID":
                zones.setdefault(value.strip(), lines)
                return

    def _leave_entry_open(self) -> None:
        if "VEVENT" in self._open:
            self.result.refuse(self._begin[1], _not_closed())

    def _stray_line(self, number: int) -> None:
        """There is something outside a calendar; said once."""
        if self._stray:
            return
        self._stray = True
        self.result.refuse(
            number,
            Fault(
                field=FILE,
                why="there is text outside the calendar",
                mend="export the agenda again, in one piece",
            ),
        )


def _component(raw: bytes) -> str:
    return raw.partition(b":")[2].strip().decode("ascii", "replace").upper()


def _not_closed() -> Fault:
    return Fault(field="END", why="the entry is not closed", mend="the file is damaged here: export it again")
