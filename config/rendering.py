"""Appointments in words: lists and single lines. The only place where dates and times become text.

1. Dates and times are written by CLDR's styles in the appointment's own zone; the zone is named where its
   clock differs from the practice's, the season where an hour occurs twice.
2. Values from an agenda become one line of visible characters: no line breaks, controls, marks of direction.
3. In a right-to-left language every value is isolated (FSI … PDI).
4. A list fits its budget of UTF-8 bytes: the longest notes are cut first, then other values, never a date.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from datetime import datetime, time
from math import ceil
from zoneinfo import ZoneInfo

from babel.dates import format_time, get_timezone_location, get_timezone_name
from babel.units import format_unit

from bot.domain.appointment import Detail
from bot.domain.templates import Listed, Mark, Template
from bot.errors import WrongUse
from config.catalogue import Catalogue
from config.day_format import day_in_words

MAX_LISTED = 5
_ELLIPSIS = "…"
_JOINERS = "\u200c\u200d"
# Bytes allowed to a note, and to each other value, in the order in which they are tried.
_CAPS = (
    (1200, 240),
    (600, 200),
    (400, 160),
    (300, 120),
    (220, 100),
    (160, 80),
    (110, 60),
    (80, 50),
    (50, 40),
    (25, 25),
)
_ONE_LINE_CAP = 120


def plain(value: str, limit: int) -> str:
    """Rule 2, and at most ``limit`` UTF-8 bytes, an ellipsis included."""
    visible = []
    for char in unicodedata.normalize("NFC", value):
        category = unicodedata.category(char)
        if char.isspace() or category in {"Cc", "Zl", "Zp"}:
            visible.append(" ")
        elif category not in {"Cf", "Cs", "Co", "Cn"} or char in _JOINERS:
            visible.append(char)
    text = " ".join("".join(visible).split())
    if len(text.encode()) <= limit:
        return text
    room = limit - len(_ELLIPSIS.encode())
    return text.encode()[: max(0, room)].decode(errors="ignore").rstrip(" " + _JOINERS) + _ELLIPSIS


def isolate(value: str, catalogue: Catalogue) -> str:
    """Rule 3."""
    if catalogue.locale.text_direction != "rtl":
        return value
    return f"\u2068{value}\u2069"


def clock(moment: datetime, zone: ZoneInfo, catalogue: Catalogue) -> str:
    """The hour of an aware moment on the clocks of ``zone``."""
    return format_time(moment.astimezone(zone), "short", tzinfo=zone, locale=catalogue.locale)


def hour(of_day: time, catalogue: Catalogue) -> str:
    """An hour of any day, on the practice's clocks."""
    return format_time(of_day, "short", locale=catalogue.locale)


def duration(seconds: float, catalogue: Catalogue) -> str:
    """A wait in words, rounded up: minutes up to 90, then hours. Never less than a minute."""
    minutes = max(1, ceil(seconds / 60))
    if minutes <= 90 and minutes != 60:
        return format_unit(minutes, "duration-minute", locale=catalogue.locale)
    return format_unit(ceil(minutes / 60), "duration-hour", locale=catalogue.locale)


def when(detail: Detail, practice_zone: ZoneInfo, catalogue: Catalogue) -> str:
    """Day and hour (rule 1); the day alone where it lasts all day."""
    zone = ZoneInfo(detail.zone)
    start = detail.start.astimezone(zone)
    day = day_in_words(start.date(), "full", catalogue.locale)
    if detail.all_day:
        return catalogue.fill("part.all_day", day=day)
    hour = format_time(start, "short", tzinfo=zone, locale=catalogue.locale)
    told = catalogue.fill("part.day_and_time", day=day, time=hour)
    if start.utcoffset() != detail.start.astimezone(practice_zone).utcoffset():
        city = get_timezone_location(zone, locale=catalogue.locale, return_city=True)
        return catalogue.fill("part.in_zone", when=told, zone=isolate(city, catalogue))
    if start.replace(fold=0).utcoffset() != start.replace(fold=1).utcoffset() and _is_real(start, zone):
        season = get_timezone_name(start, locale=catalogue.locale)
        return catalogue.fill("part.in_season", when=told, season=season)
    return told


def _is_real(start: datetime, zone: ZoneInfo) -> bool:
    """Whether both readings of a repeated hour exist (in a gap neither does)."""
    other = start.replace(fold=1 - start.fold)
    back = other.astimezone(ZoneInfo("UTC")).astimezone(zone)
    return back.replace(tzinfo=None, fold=0) == other.replace(tzinfo=None, fold=0)


def one(detail: Detail, practice_zone: ZoneInfo, catalogue: Catalogue, *, several_patients: bool) -> str:
    """One appointment in one line: when, with whom, where, for whom."""
    parts = [when(detail, practice_zone, catalogue)]
    named = [("part.one_practitioner", detail.practitioner), ("", detail.place)]
    if several_patients:
        named.append(("part.one_patient", detail.given_name))
    for identifier, value in named:
        if text := plain(value, _ONE_LINE_CAP):
            text = isolate(text, catalogue)
            parts.append(catalogue.fill(identifier, name=text) if identifier else text)
    return ", ".join(parts)


def page(
    listed: Sequence[Listed],
    practice_zone: ZoneInfo,
    catalogue: Catalogue,
    *,
    several_patients: bool,
    until: datetime,
    more: bool,
    max_bytes: int,
) -> str:
    """A page of at most five within ``max_bytes`` (rule 4); or that there is nothing.

    Raises :class:`bot.errors.WrongUse` for more than five, or where not even the shortest form fits.
    """
    if len(listed) > MAX_LISTED:
        raise WrongUse(f"a list holds at most {MAX_LISTED}")
    alone = [each.number for each in listed] == [1] and not more
    example = next((each.number for each in listed if each.mark is not Mark.CANCELLED), None)
    for note_cap, cap in _CAPS:
        items = [
            item(
                each,
                practice_zone,
                catalogue,
                lead=f"{each.number}. ",
                several_patients=several_patients,
                note_cap=note_cap,
                cap=cap,
            )
            for each in listed
        ]
        text = _frame(items, practice_zone, catalogue, until=until, more=more, alone=alone, example=example)
        if len(text.encode()) <= max_bytes:
            return text
    raise WrongUse("the list does not fit its size")


def _frame(
    items: Sequence[str],
    practice_zone: ZoneInfo,
    catalogue: Catalogue,
    *,
    until: datetime,
    more: bool,
    alone: bool,
    example: int | None,
) -> str:
    """``example``: the number of one that can be answered, if there is one."""
    title, nothing = (catalogue.fill(t) for t in (Template.LIST, Template.LIST_EMPTY))
    foot = [catalogue.fill("part.until", time=clock(until, practice_zone, catalogue))]
    if example is not None:
        text = "part.answer_one" if alone else "part.answer_first" if example == 1 else "part.answer_several"
        foot.insert(0, catalogue.fill(text, number=str(example)))
    if more:
        foot.insert(0, catalogue.fill("part.more"))
    return "\n\n".join([title if items else nothing, *items, "\n".join(foot)])


def item(
    listed: Listed,
    practice_zone: ZoneInfo,
    catalogue: Catalogue,
    *,
    lead: str,
    several_patients: bool,
    note_cap: int,
    cap: int,
) -> str:
    """One appointment in a few lines, the first behind ``lead``; no value longer than its cap of bytes."""
    detail = listed.detail
    lines = [f"{lead}{when(detail, practice_zone, catalogue)}"]
    if listed.mark is not None:
        lines.append(catalogue.fill(listed.mark))
    named = [("part.practitioner", detail.practitioner), ("part.place", detail.place)]
    if several_patients:
        named.insert(0, ("part.patient", detail.given_name))
    for identifier, value in named:
        if text := plain(value, cap):
            lines.append(catalogue.fill(identifier, name=isolate(text, catalogue)))
    if note := plain(detail.note, note_cap):
        lines.append(catalogue.fill("part.note", note=isolate(note, catalogue)))
    return "\n".join(lines)
