"""Local times and zones. Inside Pli moments are in UTC: arithmetic on them is elapsed time.

1. A TZID is an IANA name (any case, a vendor's prefix dropped), else a Windows name, else a VTIMEZONE of the
   file; anything else is a fault. It is never read as floating.
2. A time in a gap is moved forward by the gap; an ambiguous time is its first occurrence.
3. Moments come out in UTC, to be told in the practice's zone: one place, one clock. A zone in an entry is more often
   that of someone's travelling telephone than that of the visit.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import cache
from typing import cast
from zoneinfo import ZoneInfo, available_timezones

from icalendar import Timezone
from icalendar.timezone.windows_to_olson import WINDOWS_TO_OLSON

from bot.agenda.fault import Fault
from bot.agenda.rules import check_yearly

_DAY = timedelta(days=1)
_KEPT = ("BEGIN", "END", "DTSTART", "TZOFFSETFROM", "TZOFFSETTO", "RRULE", "RDATE")
_OFFSET = re.compile(r"[+-](0[0-9]|1[0-5])[0-5][0-9]([0-5][0-9])?")
_MAX_RDATES = 1000


@dataclass(frozen=True, kw_only=True, slots=True)
class NamedZone:
    """A zone of the IANA database."""

    zone: ZoneInfo

    def moment(self, wall: datetime) -> datetime:
        """The moment, in UTC, of a naive local time (rule 2)."""
        return wall.replace(tzinfo=self.zone, fold=0).astimezone(UTC)

    def wall(self, moment: datetime) -> datetime:
        """The naive local time of an aware one."""
        return moment.astimezone(self.zone).replace(tzinfo=None, fold=0)


@dataclass(frozen=True, kw_only=True, slots=True)
class DefinedZone:
    """A zone that the file defines; same methods."""

    zone: tzinfo
    _days: dict[date, timedelta | None] = field(default_factory=dict)

    def moment(self, wall: datetime) -> datetime:
        offset = self._offset(wall)
        before = self._offset(wall - _DAY)
        if offset > before and self._offset(wall - (offset - before)) == before:
            offset = before
        return (wall - offset).replace(tzinfo=UTC)

    def wall(self, moment: datetime) -> datetime:
        utc = moment.astimezone(UTC).replace(tzinfo=None)
        walls = sorted(utc + offset for offset in {self._offset(utc - _DAY), self._offset(utc + _DAY)})
        # None fits for the second of two equal local times: that is the one with the smaller offset.
        return next((wall for wall in walls if wall - self._offset(wall) == utc), walls[0])

    def _offset(self, wall: datetime) -> timedelta:
        """Offset at a local time as written; kept by the day (look-ups are slow)."""
        day = wall.date()
        if day not in self._days:
            midnight = datetime.combine(day, datetime.min.time())
            first, last = self._ask(midnight), self._ask(midnight + _DAY)
            self._days[day] = first if first == last else None
        known = self._days[day]
        return self._ask(wall) if known is None else known

    def _ask(self, wall: datetime) -> timedelta:
        return self.zone.utcoffset(wall) or timedelta(0)


Zone = NamedZone | DefinedZone


class Zones:
    """The zones of one calendar: ``definitions`` holds the unfolded lines of each VTIMEZONE by its TZID."""

    def __init__(self, practice: ZoneInfo, definitions: dict[str, list[str]]) -> None:
        self.practice = NamedZone(zone=practice)
        self.utc = NamedZone(zone=ZoneInfo("UTC"))
        self._definitions = definitions
        self._known: dict[str, Zone | Fault] = {}

    def get(self, tzid: str) -> Zone:
        """Rule 1; raises :class:`Fault`."""
        if tzid not in self._known:
            try:
                self._known[tzid] = self._find(tzid)
            except Fault as fault:
                self._known[tzid] = fault
        found = self._known[tzid]
        if isinstance(found, Fault):
            raise _unknown()
        return found

    def _find(self, tzid: str) -> Zone:
        name = iana_name(tzid)
        if name is not None:
            return NamedZone(zone=ZoneInfo(name))
        if tzid in self._definitions:
            return DefinedZone(zone=_define(self._definitions[tzid]))
        raise _unknown()


@cache
def _names() -> dict[str, str]:
    return {name.casefold(): name for name in available_timezones() if name != "Factory"}


def iana_name(tzid: str) -> str | None:
    """The IANA name that ``tzid`` stands for, None where it stands for none."""
    plain = tzid.strip().strip('"').strip("/")
    if plain in WINDOWS_TO_OLSON:
        return WINDOWS_TO_OLSON[plain]
    parts = plain.casefold().split("/")
    # Vendors prefix names: /example.org/20260101/Europe/Paris. The longest ending that is a name counts.
    return next(
        (_names()[tail] for i in range(len(parts)) if (tail := "/".join(parts[i:])) in _names()),
        None,
    )


def _define(lines: list[str]) -> tzinfo:
    """Build a zone from a VTIMEZONE, cut down to what makes one; rules are checked first."""
    kept = []
    rdates = 0
    for line in lines:
        name, _, value = line.partition(":")
        name = name.split(";")[0].upper()
        if name not in _KEPT:
            continue
        if name == "RRULE":
            check_yearly(value)
        if name.startswith("TZOFFSET") and not _OFFSET.fullmatch(value.strip()):
            raise _unknown()
        rdates += (value.count(",") + 1) if name == "RDATE" else 0
        kept.append(line)
    # Without a standard time the library has no answer for times before the first change.
    if rdates > _MAX_RDATES or not any(line.strip().upper() == "BEGIN:STANDARD" for line in kept):
        raise _unknown()
    # One constant TZID: the library remembers definitions by it, and one file's must not reach the next.
    text = "\r\n".join(("BEGIN:VTIMEZONE", "TZID:pli", *kept, "END:VTIMEZONE", ""))
    try:
        component = cast("Timezone", Timezone.from_ical(text))
        zone: tzinfo = component.to_tz(lookup_tzid=False)
        zone.utcoffset(datetime(2026, 1, 1))  # noqa: DTZ001 - local times are asked for naive
    except Exception:  # noqa: BLE001 - two foreign parsers over foreign text: whatever they raise
        raise _unknown() from None
    return zone


def _unknown() -> Fault:
    return Fault(
        field="TZID",
        why="the time zone is unknown and the file does not define it",
        mend="export with an IANA zone such as Europe/Paris, or with the VTIMEZONE",
    )
