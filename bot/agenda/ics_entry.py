"""One VEVENT, read into values: when, for whom, in which version. Still without recurrence.

1. Only the properties that are needed are looked at; what nobody asked for (DESCRIPTION, attachments, alarms)
   is not even decoded.
2. The patient reference comes first: an entry without one is nobody's, and its other faults do not matter.
3. An unknown STATUS or METHOD is a fault: it might mean "cancelled".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from icalendar.prop import vDuration

from bot.agenda.fault import Fault
from bot.agenda.ics_lines import Line, logical_lines, name_of, parse_line
from bot.agenda.text import NAME_CHARS, NOTE_CHARS, PATIENT_CHARS, SOURCE_CHARS, TYPE_CHARS, clean
from bot.agenda.zones import Zone, Zones
from bot.domain.appointment import Status, Unmatched
from config.agenda_settings import AgendaSettings

_MAX_KEPT_LINES = 2000
_MAX_PATIENT_TEXT = 1000
_FIRST_YEAR, _LAST_YEAR = 1970, 2200
_ALWAYS = frozenset(
    {
        *("UID", "DTSTART", "DTEND", "DURATION", "RRULE", "RDATE", "EXDATE", "EXRULE", "RECURRENCE-ID"),
        *("SEQUENCE", "LAST-MODIFIED", "DTSTAMP", "STATUS"),
    }
)
_WHEN = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})(?:T([0-9]{2})([0-9]{2})([0-9]{2})?(Z)?)?")
_SPLIT = re.compile(r"(?<!\\),")
_NONE = timedelta(0)
_ONE_BY_ONE = "enter these appointments one by one"
_LISTS = frozenset({"CATEGORIES", "RESOURCES"})
_BOOKED_METHODS = frozenset({"", "PUBLISH", "REQUEST", "ADD"})
_BOOKED_STATUSES = frozenset({"", "CONFIRMED", "TENTATIVE"})
_CANCELLED_STATUSES = frozenset({"CANCELLED", "CANCELED"})


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class When:
    """A date or a local time as written: naive ``wall`` (midnight for a date) in ``zone``."""

    wall: datetime
    zone: Zone
    is_date: bool

    def at(self) -> datetime:
        return self.zone.moment(self.wall)

    def key(self) -> str:
        """As it stands in an identity: UTC in basic format, or the date."""
        if self.is_date:
            return f"{self.wall:%Y%m%d}"
        return f"{self.at():%Y%m%dT%H%M%SZ}"


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Entry:
    """A VEVENT with a patient. Length: ``nominal`` on the local clock, then ``exact`` in elapsed time."""

    where: str
    told_in: str
    uid: str
    original: When | None
    and_future: bool
    start: When
    nominal: timedelta
    exact: timedelta
    rules: tuple[str, ...]
    more: tuple[When, ...]
    without: tuple[When, ...]
    sequence: int
    modified: datetime | None
    status: Status
    patient: str
    practitioner: str
    place: str
    note: str
    given_name: str
    type: str

    def end_of(self, start: When) -> datetime:
        """The end, in UTC, of an instance that starts at ``start``."""
        begins = start.at()
        # Where the start was moved out of a gap, the length stays: the end is counted from the moved start.
        moved = start.zone.wall(begins) != start.wall
        ends = begins + self.nominal if moved else start.zone.moment(start.wall + self.nominal)
        return max(ends + self.exact, begins)


class EntryReader:
    """Reads the entries of one calendar."""

    def __init__(self, settings: AgendaSettings, zones: Zones, method: str) -> None:
        self._zones = zones
        self._method = method
        self._pattern = re.compile(settings.patient_pattern) if settings.patient_pattern else None
        self._patient = _split(settings.patient_property)
        self._practitioner = _split(settings.practitioner_property)
        self._place = _split(settings.place_property)
        self._note = _split(settings.note_property)
        self._given_name = _split(settings.given_name_property)
        self._type = _split(settings.type_property)
        told = (self._patient, self._practitioner, self._place, self._note, self._given_name, self._type)
        self._wanted = _ALWAYS | {name for name, _ in told if name}

    def lines(self, block: bytes) -> dict[str, list[Line]]:
        """The wanted properties of a VEVENT's bytes, nested components left out. Raises :class:`Fault`."""
        found: dict[str, list[Line]] = {}
        depth = kept = 0
        for raw in logical_lines(block):
            name = name_of(raw)
            if name == "BEGIN":
                depth += 1
            elif name == "END":
                depth -= 1
            elif depth == 1 and name in self._wanted:
                kept += 1
                if kept > _MAX_KEPT_LINES:
                    raise Fault(field=name, why="stands there too often", mend="export the agenda again")
                found.setdefault(name, []).append(parse_line(raw, name))
        return found

    def original(self, lines: dict[str, list[Line]]) -> When | None:
        """RECURRENCE-ID, read by itself: a bad override must still be known to replace its instance."""
        line = _single(lines, "RECURRENCE-ID")
        return self._when(line, "RECURRENCE-ID") if line else None

    def read(self, lines: dict[str, list[Line]], where: str) -> Entry | Unmatched:
        """Raises :class:`Fault`."""
        uid = self._uid(lines)
        patient = self._find_patient(lines)
        if not patient:
            return self._unmatched(lines, where, uid)
        start = self._when(_needed(lines, "DTSTART"), "DTSTART")
        nominal, exact = self._length(lines, start)
        original = _single(lines, "RECURRENCE-ID")
        if "EXRULE" in lines:
            raise Fault(
                field="EXRULE", why="is an outdated rule", mend="take the dates out one by one in the agenda"
            )
        return Entry(
            where=where,
            told_in=self._zones.practice.zone.key,
            uid=uid,
            original=self.original(lines),
            and_future=bool(original and original.params.get("RANGE", "").upper() == "THISANDFUTURE"),
            start=start,
            nominal=nominal,
            exact=exact,
            rules=tuple(dict.fromkeys(line.value for line in lines.get("RRULE", ()))),
            more=self._many(lines, "RDATE", (nominal, exact)),
            without=self._many(lines, "EXDATE"),
            sequence=_sequence(lines),
            modified=self._modified(lines),
            status=self._status(lines),
            patient=patient,
            practitioner=clean(self._text(lines, self._practitioner), self._practitioner[0], NAME_CHARS),
            place=clean(self._text(lines, self._place), self._place[0], NAME_CHARS),
            note=clean(self._text(lines, self._note), self._note[0], NOTE_CHARS, lines=True),
            given_name=clean(self._text(lines, self._given_name), self._given_name[0], PATIENT_CHARS),
            type=" ".join(self._texts(lines, self._type))[:TYPE_CHARS],
        )

    def _uid(self, lines: dict[str, list[Line]]) -> str:
        line = _single(lines, "UID")
        return clean(line.text(), "UID", SOURCE_CHARS) if line else ""

    def _unmatched(self, lines: dict[str, list[Line]], where: str, uid: str) -> Unmatched:
        try:
            original = self.original(lines)
            status = self._status(lines)
        except Fault:  # rule 2
            return Unmatched(where=where)
        return Unmatched(
            where=where, source=identity(uid, original), status=status, series="" if original else uid
        )

    def _find_patient(self, lines: dict[str, list[Line]]) -> str:
        name = self._patient[0]
        found = []
        for whole in self._texts(lines, self._patient):
            # An operator's pattern must not run over megabytes.
            text = whole[:_MAX_PATIENT_TEXT]
            if self._pattern is not None:
                hit = self._pattern.search(text)
                if hit is None:
                    continue
                text = (hit["ref"] if "ref" in self._pattern.groupindex else hit[1]) or ""
            found.append(clean(text, name, PATIENT_CHARS))
        distinct = sorted({text for text in found if text})
        if len(distinct) > 1:
            raise Fault(
                field=name,
                why="names more than one patient",
                mend="make one entry for each patient, or set a patient_pattern that finds one",
            )
        return distinct[0] if distinct else ""

    def _text(self, lines: dict[str, list[Line]], place: tuple[str, str]) -> str:
        return next((text for text in self._texts(lines, place) if text.strip()), "")

    def _texts(self, lines: dict[str, list[Line]], place: tuple[str, str]) -> list[str]:
        name, param = place
        found = []
        for line in lines.get(name, ()) if name else ():
            if param:
                found.append(line.params.get(param, ""))
            elif name in _LISTS:
                found += [Line(params={}, value=piece).text() for piece in _SPLIT.split(line.value)]
            else:
                found.append(line.text())
        return [re.sub(r"(?i)\A\s*mailto:", "", text) for text in found]

    def _when(self, line: Line, field: str) -> When:
        return self._when_text(line.value.strip(), line.params.get("TZID"), field)

    def _when_text(self, text: str, tzid: str | None, field: str) -> When:
        found = _WHEN.fullmatch(text)
        if found is None:
            raise Fault(
                field=field, why="is not a date or time", mend="set date and time again in the agenda"
            )
        year, month, day, hour, minute, second = (int(found[i] or 0) for i in range(1, 7))
        if not _FIRST_YEAR <= year < _LAST_YEAR:
            raise Fault(field=field, why="is too far away", mend="set date and time again in the agenda")
        try:
            # Naive on purpose: its zone stands beside it.
            wall = datetime(year, month, day, hour, minute, min(second, 59))  # noqa: DTZ001
        except ValueError:
            raise Fault(
                field=field, why="is no date that exists", mend="set date and time again in the agenda"
            ) from None
        if found[4] is None:
            return When(wall=wall, zone=self._zones.practice, is_date=True)
        if found[7]:
            return When(wall=wall, zone=self._zones.utc, is_date=False)
        zone = self._zones.get(tzid) if tzid else self._zones.practice
        return When(wall=wall, zone=zone, is_date=False)

    def _many(
        self, lines: dict[str, list[Line]], field: str, length: tuple[timedelta, timedelta] | None = None
    ) -> tuple[When, ...]:
        """A list of dates. Periods are taken where they last as long as the entry itself, ``length``."""
        found: list[When] = []
        for line in lines.get(field, ()):
            tzid = line.params.get("TZID")
            for text in filter(None, (piece.strip() for piece in line.value.split(","))):
                first, period, last = text.partition("/")
                when = self._when_text(first, tzid, field)
                if period:
                    until = _duration(last) if "P" in last else None
                    until = until or _between(when, self._when_text(last, tzid, field))
                    if length is None or sum(until, _NONE) != sum(length, _NONE):
                        raise Fault(field=field, why="holds a period of another length", mend=_ONE_BY_ONE)
                found.append(when)
                if len(found) > _MAX_KEPT_LINES:
                    raise Fault(field=field, why="holds too many dates", mend=_ONE_BY_ONE)
        return tuple(found)

    def _length(self, lines: dict[str, list[Line]], start: When) -> tuple[timedelta, timedelta]:
        end, duration = _single(lines, "DTEND"), _single(lines, "DURATION")
        if end is not None:
            length = _between(start, self._when(end, "DTEND"))
            if length < (_NONE, _NONE):
                raise Fault(
                    field="DTEND", why="lies before the start", mend="set the end again in the agenda"
                )
            if start.is_date and length == (_NONE, _NONE):
                return timedelta(days=1), _NONE
            return length
        if duration is not None:
            return _duration(duration.value.strip())
        return (timedelta(days=1) if start.is_date else _NONE), _NONE

    def _modified(self, lines: dict[str, list[Line]]) -> datetime | None:
        for field in ("LAST-MODIFIED", "DTSTAMP"):
            line = _single(lines, field)
            if line is not None:
                return self._when(line, field).at()
        return None

    def _status(self, lines: dict[str, list[Line]]) -> Status:
        line = _single(lines, "STATUS")
        word = line.value.strip().upper() if line else ""
        if self._method == "CANCEL" or word in _CANCELLED_STATUSES:
            return Status.CANCELLED
        if self._method not in _BOOKED_METHODS:
            raise Fault(
                field="METHOD", why="is an answer or a question, no agenda", mend="export the agenda itself"
            )
        if word not in _BOOKED_STATUSES:
            raise Fault(field="STATUS", why="is unknown", mend="use CONFIRMED, TENTATIVE or CANCELLED")
        return Status.BOOKED


def identity(uid: str, original: When | None) -> str:
    """UID, with the original start of an instance of a series; empty without UID."""
    return f"{uid}/{original.key()}" if uid and original else uid


def _split(name: str) -> tuple[str, str]:
    first, _, param = name.partition(";")
    return first, param


def _single(lines: dict[str, list[Line]], name: str) -> Line | None:
    found = lines.get(name)
    if not found:
        return None
    if any(line != found[0] for line in found[1:]):
        raise Fault(
            field=name, why="stands there twice", mend="the entry is damaged: save it again in the agenda"
        )
    return found[0]


def _needed(lines: dict[str, list[Line]], name: str) -> Line:
    line = _single(lines, name)
    if line is None:
        raise Fault(field=name, why="is missing", mend="set date and time again in the agenda")
    return line


def _sequence(lines: dict[str, list[Line]]) -> int:
    line = _single(lines, "SEQUENCE")
    text = line.value.strip() if line else "0"
    if not re.fullmatch("[0-9]{1,9}", text):
        raise Fault(field="SEQUENCE", why="is not a number", mend="save the entry again in the agenda")
    return int(text)


def _between(start: When, until: When) -> tuple[timedelta, timedelta]:
    """Nominal and exact length: on one clock where both are of one zone, else elapsed."""
    if until.zone is start.zone or until.is_date or start.is_date:
        return until.wall - start.wall, _NONE
    return _NONE, until.at() - start.at()


def _duration(text: str) -> tuple[timedelta, timedelta]:
    try:
        length = vDuration.from_ical(text)  # type: ignore[no-untyped-call]  # the library does not type it
    except ValueError:
        length = timedelta(days=-1)
    if not timedelta(0) <= length <= timedelta(days=366):
        raise Fault(field="DURATION", why="is not a length of time", mend="set the end again in the agenda")
    # Days are days of the calendar, hours are hours: P1D and PT24H differ when the clocks change.
    _, timed, hours = text.partition("T")
    exact = vDuration.from_ical(f"PT{hours}") if timed else _NONE  # type: ignore[no-untyped-call]  # as above
    return length - exact, exact
