"""Days and hours as people write them, in French and in English: « 3/12 14h30 », « jeudi 3 décembre à 14 h 30 »,
« demain 9h », "tomorrow at 9", "3 dec 2pm", "2026-12-03T14:30". Pure.

1. The day comes before the month.
2. Without a year it is the next such day, today included, at most eleven months ahead; a later one wants its year. A
   day and hour that are over today are not read as those of next year. More than three years ahead is taken for a
   slip, unless it is written as programs write it (2031-12-03). Where what was is asked for (:func:`read_since`), it
   is the last such day, today included.
3. What contradicts itself or could be two days is refused: a weekday that is not that day's, a weekday alone that is
   today's name, "next Monday", an hour without "h", ":" or "at".
4. An hour that a clock change skips counts from after the change; one that comes twice is the first (the rule of
   agendas). Moments come out in UTC.
"""

from __future__ import annotations

import calendar
import re
import unicodedata
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, Literal
from zoneinfo import ZoneInfo

from bot.domain import date_words as words
from bot.errors import Unclear, require_aware

MONTHS_AHEAD: Final = 11
YEARS_AHEAD: Final = 3
MAX_RANGE_DAYS: Final = 93
NOON: Final = time(12)

Half = Literal["morning", "afternoon"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Days:
    """Whole days, both included, or one half of a single day, cut at noon."""

    first: date
    last: date
    half: Half | None = None


def read_moment(text: str, *, now: datetime, zone: ZoneInfo) -> datetime:
    """All of ``text`` as one moment, in UTC. Raises :class:`Unclear`."""
    moment, rest = take_moment(text, now=now, zone=zone)
    if rest:
        raise Unclear("rest")
    return moment


def take_moment(text: str, *, now: datetime, zone: ZoneInfo) -> tuple[datetime, str]:
    """The moment with which ``text`` begins, in UTC, and what stands behind it. Raises :class:`Unclear`."""
    text = unicodedata.normalize("NFC", text).strip()
    if (found := words.EXACT.match(text)) is not None:
        try:
            moment = datetime.fromisoformat(found.group().upper()).astimezone(UTC)
        except (ValueError, OverflowError):
            raise Unclear("no_such_day") from None
        return moment, _behind(text, found.end())
    scan = _Scan(text, now, zone)
    day, hour, end = scan.day_and_hour()
    return _moment(day, hour, zone), _behind(text, end)


def take_day(text: str, *, now: datetime, zone: ZoneInfo) -> tuple[date, str]:
    """The day with which ``text`` begins, and what stands behind it. Raises :class:`Unclear`."""
    text = unicodedata.normalize("NFC", text).strip()
    scan = _Scan(text, now, zone)
    read = scan.day(0)
    if read is None:
        raise Unclear("day")
    return scan.settle(read, None), _behind(text, read.end)


def read_since(text: str, *, now: datetime, zone: ZoneInfo) -> datetime:
    """All of ``text`` as the moment, in UTC, from which on something is asked for: the beginning of a day that was, or
    a moment as programs write it. Raises :class:`Unclear`.
    """
    text = unicodedata.normalize("NFC", text).strip()
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        scan = _Scan(text, now, zone, past=True)
        read = scan.day(0)
        if read is None:
            raise Unclear("day") from None
        if _behind(text, read.end):
            raise Unclear("rest") from None
        return _moment(scan.settle(read, None), time(), zone)
    try:
        return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)
    except OverflowError:
        raise Unclear("no_such_day") from None


def read_days(text: str, *, now: datetime, zone: ZoneInfo) -> Days:
    """All of ``text`` as days or half a day: "3/12", "3/12-5/12", "du 3 au 5 décembre", "ce matin".

    Raises :class:`Unclear`.
    """
    text = unicodedata.normalize("NFC", text).strip()
    return _Scan(text, now, zone).days()


def running_days(text: str, *, now: datetime, zone: ZoneInfo) -> Days:
    """:func:`read_days` of whole days that may have begun: "du 1/12 au 31/12" in December. Raises :class:`Unclear`."""
    found: list[Days] = []
    trouble: Unclear | None = None
    for moment in (now - timedelta(days=MAX_RANGE_DAYS), now):
        try:
            found.append(read_days(text, now=moment, zone=zone))
        except Unclear as unclear:
            trouble = unclear
    today = now.astimezone(zone).date()
    ahead = [days for days in found if days.last >= today]
    if not ahead:
        raise trouble or Unclear("far")
    if ahead[0].half is not None:
        raise Unclear("rest")
    return ahead[0]


def split_days(text: str, *, now: datetime, zone: ZoneInfo) -> tuple[str, Days]:
    """A name and the days behind it: "Dr Noël 3/12-5/12". Raises :class:`Unclear` as :func:`read_days` does."""
    text = unicodedata.normalize("NFC", text).strip()
    trouble: Unclear | None = None
    for start in (m.start() for m in re.finditer(r"(?<!\S)\S", text)):
        if start == 0:
            continue
        try:
            return text[:start].strip(" ,:"), read_days(text[start:], now=now, zone=zone)
        except Unclear as unclear:
            if unclear.place not in ("day", "rest"):
                raise  # a day was meant: what stands behind it is no other one
            trouble = unclear if trouble is None or trouble.place == "day" else trouble
    raise trouble or Unclear("day")


def _behind(text: str, end: int) -> str:
    return text[end:].lstrip(" ,\t")


def _moment(day: date, hour: time, zone: ZoneInfo) -> datetime:
    """Rule 4."""
    try:
        return datetime.combine(day, hour, tzinfo=zone).astimezone(UTC)
    except OverflowError:
        raise Unclear("no_such_day") from None


def _flat(text: str) -> str:
    """Lower case without accents, character by character, so that places in it are places in ``text``."""
    return "".join(_flat_one(char) for char in text)


def _flat_one(char: str) -> str:
    if char.isspace():
        return " "
    return unicodedata.normalize("NFD", char)[0].lower()  # a single character, whichever it is


@dataclass(frozen=True, kw_only=True, slots=True)
class _Day:
    """A day as it was read: ``exact``, or ``day`` and ``month`` without a year; ``end`` in the text.

    ``two_meant``: a weekday alone that is today's name. ``formal``: as programs write it.
    """

    end: int
    exact: date | None = None
    day: int = 0
    month: int = 0
    weekday: int | None = None
    two_meant: bool = False
    formal: bool = False


class _Scan:
    """``zone`` is that whose days and hours are read; ``past``: days that were are meant."""

    def __init__(self, text: str, now: datetime, zone: ZoneInfo, *, past: bool = False) -> None:
        self._text, self._now = _flat(text), require_aware(now, "now").astimezone(zone)
        self._past = past

    # -- a day and an hour ---------------------------------------------------------------------------------------

    def day_and_hour(self) -> tuple[date, time, int]:
        """Either may come first; the end of both in the text."""
        if (read := self.day(0)) is not None:
            gap = self._skip(words.GAP, read.end)
            found = self.hour(gap) if gap > read.end else None
            if found is None:
                raise Unclear("hour")
            return self.settle(read, found[0]), found[0], found[1]
        if (found := self.hour(0)) is not None:
            read = self.day(self._skip(words.GAP, found[1]))
            if read is not None:
                return self.settle(read, found[0]), found[0], read.end
        raise Unclear("day")

    def hour(self, start: int) -> tuple[time, int] | None:
        """The hour that begins there; after "at" the number alone will do (rule 3)."""
        at = self._skip(words.AT, start)
        found = self._first(words.HOURS, at)
        if found is None and at > start:
            found = words.PLAIN_HOUR.match(self._text, at)
        if found is None:
            return None
        return self._read_hour(found)

    def _read_hour(self, found: re.Match[str]) -> tuple[time, int]:
        groups = found.groupdict()
        if groups.get("noon"):
            return NOON, found.end()
        hour, minute = int(groups["hour"]), int(groups.get("minute") or 0)
        end, half, most = found.end(), (groups.get("half") or "")[:1], 12
        if not half and (part := words.PART_OF_DAY.match(self._text, end)) is not None:
            end = part.end()
            half, most = ("a", 12) if part["morning"] else ("p", 23)  # "14h de l'après-midi" says it twice
        if half:
            if not 1 <= hour <= most:
                raise Unclear("no_such_hour")
            hour = hour % 12 + {"a": 0, "p": 12}[half]
        if hour > 23 or minute > 59:
            raise Unclear("no_such_hour")
        return time(hour, minute), end

    # -- a day ---------------------------------------------------------------------------------------------------

    def day(self, start: int) -> _Day | None:
        """What is read there; a day that does not exist is found out by :meth:`settle`."""
        for pattern, ahead in words.RELATIVE:
            if (found := pattern.match(self._text, start)) is not None:
                return _Day(end=found.end(), exact=self._today + timedelta(days=ahead))
        if (found := self._first(words.DAYS, start)) is not None:
            return self._read_day(found)
        if words.NEXT.match(self._text, start) is not None:
            raise Unclear("next")
        if (found := words.FIRST.match(self._text, start)) is not None:
            weekday = words.WEEKDAY[found["weekday"]] if found["weekday"] else None
            return _Day(end=found.end(), exact=self._first_of_a_month(), weekday=weekday)
        if (found := words.ALONE.match(self._text, start)) is not None:
            ahead = (words.WEEKDAY[found["weekday"]] - self._today.weekday()) % 7
            away = timedelta(days=ahead - 7 if self._past else ahead)
            return _Day(end=found.end(), exact=self._today + away, two_meant=ahead == 0)
        return None

    def _first_of_a_month(self) -> date:
        """The next one, or the last one, today included."""
        first = self._today.replace(day=1)
        if self._past or first == self._today:
            return first
        return (first + timedelta(days=31)).replace(day=1)

    @staticmethod
    def _read_day(found: re.Match[str]) -> _Day:
        groups = found.groupdict()
        day = int(groups["day"])
        month = words.MONTH[groups["name"]] if groups.get("name") else int(groups["month"])
        weekday = words.WEEKDAY[groups["weekday"]] if groups.get("weekday") else None
        year = groups.get("year")
        if not year:
            return _Day(end=found.end(), day=day, month=month, weekday=weekday)
        full = int(year) + (2000 if len(year) == 2 else 0)
        formal = found.re is words.DAYS[0]
        return _Day(end=found.end(), exact=_real(full, month, day), weekday=weekday, formal=formal)

    def settle(self, read: _Day, hour: time | None) -> date:
        """Rules 2 and 3: the day itself. Raises :class:`Unclear`."""
        if read.two_meant:
            raise Unclear("which_week")
        day = read.exact or (self._last(read) if self._past else self._next(read, hour))
        if not read.formal and _years_on(self._today, YEARS_AHEAD) < day:
            raise Unclear("years")
        if read.weekday is not None and read.weekday != day.weekday():
            raise Unclear("weekday")
        return day

    def _last(self, read: _Day) -> date:
        _real(2000, read.month, read.day)
        for year in range(self._today.year, self._today.year - 5, -1):
            if read.day <= calendar.monthrange(year, read.month)[1]:
                day = date(year, read.month, read.day)
                if day <= self._today:
                    return day
        raise Unclear("no_such_day")

    def _next(self, read: _Day, hour: time | None, earliest: date | None = None) -> date:
        _real(2000, read.month, read.day)  # a leap year: whether there is such a day at all
        first = earliest or self._today
        if hour is not None and first == self._today and hour <= self._now.time():
            first += timedelta(days=1)
        latest = self._latest()
        for year in (first.year, first.year + 1):
            if read.day <= calendar.monthrange(year, read.month)[1]:
                day = date(year, read.month, read.day)
                if first <= day <= latest:
                    return day
        raise Unclear("far")

    def _latest(self) -> date:
        months = self._today.year * 12 + self._today.month - 1 + MONTHS_AHEAD
        year, month = months // 12, months % 12 + 1
        return date(year, month, min(self._today.day, calendar.monthrange(year, month)[1]))

    # -- days ----------------------------------------------------------------------------------------------------

    def days(self) -> Days:
        if (found := words.THIS_HALF.fullmatch(self._text)) is not None:
            return Days(first=self._today, last=self._today, half=_half(found))
        start = self._skip(words.FROM, 0)
        if (span := self._span(start)) is not None:
            return span
        read = self.day(start)
        if read is None:
            raise Unclear("day")
        found = words.HALF.fullmatch(self._text, read.end)
        if found is None and read.end < len(self._text):
            raise Unclear("rest")
        day = self.settle(read, None)
        return Days(first=day, last=day, half=_half(found) if found else None)

    def _span(self, start: int) -> Days | None:
        """Two days with a word or a dash between them; the first may leave its month to the second."""
        begin = self.day(start) or self._day_alone(start)
        between = words.TO.match(self._text, begin.end) if begin is not None else None
        if begin is None or between is None:
            return None
        end = self.day(between.end())
        if end is None or end.end != len(self._text):
            return None
        return self._from_to(begin, end)

    def _day_alone(self, start: int) -> _Day | None:
        found = words.DAY_ALONE.match(self._text, start)
        return _Day(end=found.end(), day=int(found["day"])) if found is not None else None

    def _from_to(self, begin: _Day, end: _Day) -> Days:
        if begin.exact is None and begin.month == 0:
            last = self.settle(end, None)
            first = _real(last.year, last.month, begin.day)
        else:
            first = self.settle(begin, None)
            later = end if end.exact else replace(end, exact=self._next(end, None, first))
            last = self.settle(later, None)
        if last < first:
            raise Unclear("backwards")
        if last - first > timedelta(days=MAX_RANGE_DAYS):
            raise Unclear("long")
        return Days(first=first, last=last)

    # ------------------------------------------------------------------------------------------------------------

    @property
    def _today(self) -> date:
        return self._now.date()

    def _first(self, patterns: tuple[re.Pattern[str], ...], start: int) -> re.Match[str] | None:
        found = (pattern.match(self._text, start) for pattern in patterns)
        return next((match for match in found if match is not None), None)

    def _skip(self, pattern: re.Pattern[str], start: int) -> int:
        found = pattern.match(self._text, start)
        return found.end() if found is not None else start


def _years_on(day: date, years: int) -> date:
    last = calendar.monthrange(day.year + years, day.month)[1]
    return day.replace(year=day.year + years, day=min(day.day, last))


def _half(found: re.Match[str]) -> Half:
    return "morning" if found["morning"] else "afternoon"


def _real(year: int, month: int, day: int) -> date:
    try:
        return date(year, month, day)
    except ValueError:
        raise Unclear("no_such_month" if not 1 <= month <= 12 else "no_such_day") from None
