"""The .csv reader: a heading line, then one appointment a line, as a named profile describes them.

1. A date has one reading only: the formats of the profile, tried in their order, the whole text (12-hour
   clocks where the profile names one).
2. A status that the profile does not know is a fault where the profile lists the words for "booked".
3. Without an id column an appointment is identified by patient, practitioner and start, and says so
   (``stable``).
4. The same identity twice with the same content counts once; with another content the second is refused.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, time, timedelta
from hashlib import blake2b
from typing import BinaryIO, TypeVar
from zoneinfo import ZoneInfo

from bot.agenda.fault import FILE, Fault, cut_off
from bot.agenda.table_lines import Record, Records
from bot.agenda.text import NAME_CHARS, NOTE_CHARS, PATIENT_CHARS, SOURCE_CHARS, TYPE_CHARS, clean, framed
from bot.agenda.zones import NamedZone
from bot.domain.appointment import Appointment, Detail, Refusal, Status, Unmatched
from bot.errors import AgendaError
from config.agenda_settings import CsvField, CsvProfile
from config.clock_formats import Format, compile_format

Told = Appointment | Refusal | Unmatched
_T = TypeVar("_T")
_HEADING_WITHIN = 20
_FIRST_YEAR, _LAST_YEAR = 1970, 2200
_MAX_MINUTES = 366 * 24 * 60


def read_csv(
    handle: BinaryIO, profile: CsvProfile, *, zone: ZoneInfo, progress: Callable[[int], None]
) -> Iterator[Told]:
    """Yield what the table in ``handle`` says; ``progress`` takes the position in the file.

    Raises :class:`AgendaError` where the heading line is not found.
    """
    bom = handle.read(3) == b"\xef\xbb\xbf"
    handle.seek(0)
    # A byte order mark is a better witness than the profile: cp1252 reads any UTF-8, wrongly.
    records = Records(handle, separator=profile.separator, encoding="utf-8" if bom else profile.encoding)
    rows = iter(records)
    heading, columns = _heading(rows, profile)
    reader = _RowReader(profile, columns, len(heading), NamedZone(zone=zone))
    seen: dict[bytes, tuple[bytes, int]] = {}
    for record in rows:
        progress(record.offset)
        if tuple(map(_folded, record.fields)) == heading:
            continue
        try:
            told = reader.read(record)
            if isinstance(told, Unmatched) or _first_time(seen, told, record.line):
                yield told
        except Fault as fault:
            yield cut_off(record.where) if record.open_end else fault.at(record.where)


def _heading(rows: Iterator[Record], profile: CsvProfile) -> tuple[tuple[str, ...], dict[CsvField, int]]:
    """The heading line and the place of each mapped field; titles above it are skipped."""
    missing = ["patient"]
    for count, record in enumerate(rows):
        heading = tuple(map(_folded, record.fields))
        columns: dict[CsvField, int] = {}
        for field, names in profile.columns.items():
            at = next((heading.index(name) for name in map(_folded, names) if name in heading), None)
            if at is not None:
                columns[field] = at
        if "patient" in columns:
            if "start" in columns or {"date", "time"} <= columns.keys():
                return heading, columns
            missing = [field for field in ("date", "time") if field not in columns]
        if count + 1 >= _HEADING_WITHIN:
            break
    raise AgendaError(
        where=FILE,
        why=f"no heading line with the column for {' and '.join(missing)}",
        mend="name the headings under columns in the profile, and check its separator and encoding",
    )


def _folded(text: str) -> str:
    return unicodedata.normalize("NFC", text).replace("\ufeff", "").strip().casefold()


def _first_time(seen: dict[bytes, tuple[bytes, int]], told: Appointment, line: int) -> bool:
    """Rule 4: True for a new identity, False for a repetition; raises :class:`Fault` for a contradiction."""
    key = blake2b(told.detail.source.encode(), digest_size=8).digest()
    content = blake2b(told.detail.encode() + told.status.encode(), digest_size=8).digest()
    before = seen.setdefault(key, (content, line))
    if before[0] != content:
        raise Fault(
            field="id" if told.stable else "patient",
            why=f"this appointment stands in line {before[1]} already, with another content",
            mend="remove one of the two lines",
        )
    return before[1] == line


class _RowReader:
    def __init__(
        self, profile: CsvProfile, columns: dict[CsvField, int], width: int, zone: NamedZone
    ) -> None:
        self._profile = profile
        self._columns = columns
        self._width = width
        self._zone = zone
        self._dates = [compile_format(text) for text in profile.dates]
        self._times = [compile_format(text) for text in profile.times]
        self._starts = [compile_format(text) for text in profile.starts]
        self._cancelled = frozenset(map(_folded, profile.cancelled))
        self._booked = frozenset(map(_folded, profile.booked))

    def read(self, record: Record) -> Appointment | Unmatched:
        """Raises :class:`Fault`."""
        if record.fault is not None:
            raise record.fault
        fields = record.fields
        if len(fields) < self._width or any(field.strip() for field in fields[self._width :]):
            raise Fault(
                field="line",
                why=f"has {len(fields)} columns where the heading has {self._width}",
                mend="check the separator, and put quotation marks around text that holds it",
            )
        own = self._text(fields, "id", SOURCE_CHARS)
        patient = self._text(fields, "patient", PATIENT_CHARS)
        status = self._status(fields)
        if not patient:
            return Unmatched(where=record.where, source=own, status=status)
        wall, all_day = self._start(fields)
        start = self._aware(wall)
        end = self._end(fields, wall, start, all_day=all_day)
        practitioner = self._text(fields, "practitioner", NAME_CHARS)
        if "id" in self._columns and not own:
            raise Fault(field="id", why="is empty", mend="export the number of the appointment as well")
        detail = Detail(
            source=own or framed(patient, practitioner, start.isoformat()),
            patient=patient,
            start=start,
            end=end,
            zone=self._zone.zone.key,
            all_day=all_day,
            practitioner=practitioner,
            place=self._text(fields, "place", NAME_CHARS),
            note=self._text(fields, "note", NOTE_CHARS, lines=True),
            given_name=self._text(fields, "given_name", PATIENT_CHARS),
        )
        return Appointment(
            detail=detail,
            status=status,
            stable=bool(own),
            where=record.where,
            type=self._raw(fields, "type")[:TYPE_CHARS],
        )

    def _raw(self, fields: tuple[str, ...], field: CsvField) -> str:
        at = self._columns.get(field)
        return fields[at].strip() if at is not None else ""

    def _text(self, fields: tuple[str, ...], field: CsvField, limit: int, *, lines: bool = False) -> str:
        return clean(self._raw(fields, field), field, limit, lines=lines)

    def _status(self, fields: tuple[str, ...]) -> Status:
        word = _folded(self._raw(fields, "status"))
        if word and word in self._cancelled:
            return Status.CANCELLED
        if self._booked and word not in self._booked:
            raise Fault(
                field="status", why="is not a word of the profile", mend="add it to booked or cancelled"
            )
        return Status.BOOKED

    def _start(self, fields: tuple[str, ...]) -> tuple[datetime, bool]:
        """The start, aware only where it says its own offset; True for a whole day."""
        text = self._raw(fields, "start")
        if text or not {"date", "time"} <= self._columns.keys():
            return _moment(self._starts, text, "start"), False
        day = _first(self._dates, Format.read_date, self._raw(fields, "date"), "date")
        clock = self._raw(fields, "time")
        if not clock and self._profile.empty_time == "all_day":
            return _ranged(datetime.combine(day, time()), "date"), True
        hour = _first(self._times, Format.read_time, clock, "time")
        return _ranged(datetime.combine(day, hour), "date"), False

    def _end(self, fields: tuple[str, ...], wall: datetime, start: datetime, *, all_day: bool) -> datetime:
        minutes, clock, text = (self._raw(fields, f) for f in ("duration", "end_time", "end"))
        if text:
            field, end = "end", self._aware(_moment(self._starts, text, "end"))
        elif clock:
            hour = _first(self._times, Format.read_time, clock, "end_time")
            field, end = "end_time", self._aware(datetime.combine(wall.date(), hour, tzinfo=wall.tzinfo))
            if wall.replace(hour=hour.hour, minute=hour.minute, second=hour.second) >= wall:
                end = max(end, start)  # the start may have been moved out of a gap
        elif minutes:
            return start + self._minutes(minutes)
        else:
            return self._aware(wall + timedelta(days=1)) if all_day else start
        if end < start:
            raise Fault(field=field, why="lies before the start", mend="set the end again in the agenda")
        return end

    def _minutes(self, text: str) -> timedelta:
        plain = text.replace(self._profile.decimal, ".", 1)
        if not plain.isascii() or not plain.replace(".", "", 1).isdigit() or float(plain) > _MAX_MINUTES:
            raise Fault(field="duration", why="is not a number of minutes", mend="write minutes, such as 30")
        return timedelta(minutes=float(plain))

    def _aware(self, moment: datetime) -> datetime:
        return self._zone.moment(moment) if moment.tzinfo is None else moment.astimezone(UTC)


def _first(formats: list[Format], read: Callable[[Format, str], _T], text: str, field: str) -> _T:
    """Rule 1."""
    for one in formats:
        try:
            return read(one, text)
        except ValueError:
            continue
    raise Fault(
        field=field,
        why="is empty" if not text else "is written in no format of the profile",
        mend="add its format to the profile, or set it again in the agenda",
    )


def _moment(formats: list[Format], text: str, field: str) -> datetime:
    return _ranged(_first(formats, Format.read, text, field), field)


def _ranged(moment: datetime, field: str) -> datetime:
    if not _FIRST_YEAR <= moment.year < _LAST_YEAR:
        raise Fault(field=field, why="is too far away", mend="set date and time again in the agenda")
    return moment
