"""What belongs together by its UID: versions of one entry, a series with its exceptions. Expanded once.

1. The identity of an instance is the UID and its *original* start, in UTC: moving it does not change it.
2. Of several versions the highest (SEQUENCE, then LAST-MODIFIED or DTSTAMP) counts.
3. A series is expanded on its local clock; each instance then gets its own offset. So 14:00 stays 14:00 when
   the clocks change.
4. An instance taken out of the series (EXDATE), or whose exception names no patient any more, is told as
   cancelled: whoever knew it must hear of it.
5. An exception that cannot be read still takes the place of its instance: better none than the old time.
6. Instances older than 31 days, and those beyond the horizon, are not told.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import icalendar
import recurring_ical_events  # type: ignore[import-untyped]  # the library ships no types

from bot.agenda.fault import Fault
from bot.agenda.ics_entry import Entry, EntryReader, When, identity
from bot.agenda.ics_lines import Line
from bot.agenda.rules import check_rule, parse_rule
from bot.agenda.text import framed
from bot.domain.appointment import Appointment, Detail, Refusal, Status, Unmatched

PAST_DAYS = 31
_OLDEST_YEARS = 20
_DAY = timedelta(days=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True, slots=True)
class Window:
    """Which instances are told; both ends aware."""

    first: datetime
    last: datetime


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Member:
    """One VEVENT of a group: its lines, the reader of its calendar, its place in the file."""

    where: str
    lines: dict[str, list[Line]]
    reader: EntryReader


Told = Appointment | Refusal | Unmatched


def appointment(
    entry: Entry, start: When, *, original: When | None, status: Status | None = None, whole: bool = False
) -> Appointment:
    """One instance of ``entry`` that starts at ``start``; ``original`` is None for what never repeats.

    ``whole``: the file gives all of the series, not one exception alone.
    """
    begins = start.at()
    source = identity(entry.uid, original)
    detail = Detail(
        source=source or framed(entry.patient, entry.practitioner, begins.isoformat()),
        patient=entry.patient,
        start=begins,
        end=entry.end_of(start),
        zone=entry.told_in,
        all_day=start.is_date,
        practitioner=entry.practitioner,
        place=entry.place,
        note=entry.note,
        given_name=entry.given_name,
    )
    return Appointment(
        detail=detail,
        status=status or entry.status,
        sequence=entry.sequence,
        modified=entry.modified,
        stable=bool(source),
        where=entry.where,
        series=entry.uid if whole else "",
        type=entry.type,
    )


def read_group(members: Iterable[Member], window: Window) -> Iterator[Told]:
    """Everything that the VEVENTs of one UID say."""
    masters: list[Entry] = []
    exceptions: dict[str, list[Entry]] = {}
    gone: list[When] = []
    lost: list[When] = []
    for member in members:
        original: When | None = None
        try:
            original = member.reader.original(member.lines)
            entry = member.reader.read(member.lines, member.where)
        except Fault as fault:
            yield fault.at(member.where)
            if original:
                lost.append(original)
            continue
        if isinstance(entry, Unmatched):
            yield entry
            if original:
                gone.append(original)
        elif entry.original:
            exceptions.setdefault(entry.original.key(), []).append(entry)
        else:
            masters.append(entry)
    chosen: list[Entry] = []
    for versions in exceptions.values():
        best, refusals = _newest(versions)
        chosen.append(best)
        yield from refusals
    if not masters:
        yield from (appointment(entry, entry.start, original=entry.original) for entry in chosen)
        return
    master, refusals = _newest(masters)
    yield from refusals
    if not (master.rules or master.more or chosen or gone or lost):
        yield appointment(master, master.start, original=None, whole=True)
        return
    try:
        yield from _expand(replace(master, without=(*master.without, *gone)), chosen, lost, window)
    except Fault as fault:
        yield fault.at(master.where)
        yield from (appointment(entry, entry.start, original=entry.original) for entry in chosen)


def _newest(versions: list[Entry]) -> tuple[Entry, list[Refusal]]:
    """Rule 2. Two versions of the same age that differ are in doubt: the first is kept, the other refused."""
    best, refusals = versions[0], []
    for entry in versions[1:]:
        if _age(entry) > _age(best):
            best = entry
        elif _age(entry) == _age(best) and replace(entry, where="") != replace(best, where=""):
            fault = Fault(
                field="UID",
                why=f"is that of {best.where}, in the same version but with another content",
                mend="delete one of the two in the agenda",
            )
            refusals.append(fault.at(entry.where))
    return best, refusals


def _age(entry: Entry) -> tuple[int, datetime]:
    return entry.sequence, entry.modified or _EPOCH


def _expand(master: Entry, exceptions: list[Entry], lost: list[When], window: Window) -> Iterator[Told]:
    walls = _walls(master, window)
    removed = {_instance(master, when).wall for when in master.without}
    replaced = {_instance(master, when).wall for when in lost}
    future: list[tuple[datetime, Entry]] = []
    for entry in exceptions:
        original = _instance(master, entry.original or entry.start)
        replaced.add(original.wall)
        if entry.and_future:
            future.append((original.wall, entry))
        if window.first <= max(entry.start.at(), original.at()):
            status = Status.CANCELLED if original.wall in removed else None
            yield appointment(entry, entry.start, original=original, status=status, whole=True)
    future.sort(key=lambda pair: pair[0])
    for wall in walls:
        if wall in replaced:
            continue
        original = replace(master.start, wall=wall)
        start, entry = original, master
        at = bisect_right(future, wall, key=lambda pair: pair[0])
        if at:
            since, entry = future[at - 1]
            start = replace(entry.start, wall=wall + (entry.start.wall - since))
        if window.first <= start.at() <= window.last:
            status = Status.CANCELLED if wall in removed else None
            yield appointment(entry, start, original=original, status=status, whole=True)


def _instance(master: Entry, when: When) -> When:
    """``when`` as an original start of this series: on its local clock, a date at the series' hour."""
    start = master.start
    if start.is_date or when.is_date:
        return replace(start, wall=datetime.combine(when.wall.date(), start.wall.time()))
    return replace(start, wall=when.wall if when.zone is start.zone else start.zone.wall(when.at()))


def _walls(master: Entry, window: Window) -> list[datetime]:
    """The local starts of the series in a span a little wider than ``window``."""
    start = master.start
    first, last = start.zone.wall(window.first) - _DAY, start.zone.wall(window.last) + _DAY
    if start.wall.year < first.year - _OLDEST_YEARS:
        raise Fault(
            field="DTSTART", why="is the start of a series too long ago", mend="begin the series anew"
        )
    if len(master.rules) > 1:
        raise Fault(field="RRULE", why="stands there twice", mend="make a series of its own for each rhythm")
    event = icalendar.Event()
    event.add("UID", "pli")
    event.add("DTSTART", start.wall)
    for text in master.rules:
        event.add("RRULE", icalendar.vRecur.from_ical(_local_rule(text, master)))
    if master.more:
        event.add("RDATE", [_instance(master, when).wall for when in master.more])
    calendar = icalendar.Calendar()
    calendar.add_component(event)
    try:
        found = recurring_ical_events.of(calendar).between(first, last)
        walls = {component["DTSTART"].dt for component in found}
    except Exception:  # noqa: BLE001 - a foreign library over a foreign rule: whatever it raises
        raise Fault(
            field="RRULE", why="the rule cannot be expanded", mend="enter these appointments one by one"
        ) from None
    return sorted(walls)


def _local_rule(text: str, master: Entry) -> str:
    """The rule, checked, with its end on the local clock of the series."""
    parts = parse_rule(text)
    wall = master.start.wall
    check_rule(parts, start=(wall.month, wall.day), timed=not master.start.is_date)
    until = parts.get("UNTIL")
    if until is not None:
        try:
            if len(until) == 8 or master.start.is_date:
                end = datetime.strptime(until[:8], "%Y%m%d").replace(hour=23, minute=59)  # noqa: DTZ007 - local
            else:
                end = datetime.strptime(until[:15], "%Y%m%dT%H%M%S")  # noqa: DTZ007 - local, or see below
                if until.endswith("Z"):
                    end = master.start.zone.wall(end.replace(tzinfo=UTC))
        except (ValueError, OverflowError):
            raise Fault(field="RRULE", why="ends on no date that exists", mend="set its end again") from None
        parts["UNTIL"] = f"{end:%Y%m%dT%H%M%S}"
    return ";".join(f"{key}={value}" for key, value in parts.items())
