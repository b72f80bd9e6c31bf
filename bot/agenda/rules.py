"""Which recurrence rules are expanded. The library that expands them steps through time until it finds a
match: a rule that never matches keeps it busy to the year 9999, one that matches each second fills the
memory. So a rule is let through only in the shapes that calendar programs write, all of which are known to
match again and again.

1. Daily, weekly, monthly or yearly; at most four times a day.
2. No week numbers, days of the year, or scales; positions only among days of a month.
3. Days of the month exist in at least one of the months that the rule visits.
4. The interval is small and the count bounded.
"""

from __future__ import annotations

import re
from math import gcd

from bot.agenda.fault import Fault

_KEYS = frozenset(
    {
        *("FREQ", "INTERVAL", "COUNT", "UNTIL", "WKST", "BYSETPOS"),
        *("BYMONTH", "BYMONTHDAY", "BYDAY", "BYHOUR", "BYMINUTE", "BYSECOND"),
    }
)
_MAX_INTERVAL = {"DAILY": 366, "WEEKLY": 104, "MONTHLY": 60, "YEARLY": 10}
_MAX_COUNT = 10_000
_LONGEST = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_DAY = re.compile(r"([+-]?[0-9]{1,2})?(MO|TU|WE|TH|FR|SA|SU)")
_UNTIL = re.compile(r"[0-9]{8}(T[0-9]{6}Z?)?")


def parse_rule(text: str) -> dict[str, str]:
    """Split a rule into its parts, checked one by one; raises :class:`Fault`."""
    parts: dict[str, str] = {}
    for piece in re.sub(r"\s", "", text).upper().rstrip(";").split(";"):
        key, found, value = piece.partition("=")
        if not found or key not in _KEYS or key in parts or not value:
            raise _unreadable()
        parts[key] = value
    if parts.get("FREQ") not in _MAX_INTERVAL:
        raise _refused("repeats more often than daily, or in no known rhythm")
    if not 1 <= _number(parts.get("INTERVAL", "1")) <= _MAX_INTERVAL[parts["FREQ"]]:
        raise _refused("has an interval that no agenda uses")
    if not 1 <= _number(parts.get("COUNT", "1")) <= _MAX_COUNT:
        raise _refused("has a count that no agenda uses")
    if "UNTIL" in parts and ("COUNT" in parts or not _UNTIL.fullmatch(parts["UNTIL"])):
        raise _unreadable()
    if parts.get("WKST", "MO") not in ("MO", "TU", "WE", "TH", "FR", "SA", "SU"):
        raise _unreadable()
    return parts


def check_rule(parts: dict[str, str], *, start: tuple[int, int], timed: bool) -> None:
    """Rules 1 to 4 for a series whose first day is ``start`` (month, day); raises :class:`Fault`."""
    hours = _numbers(parts, "BYHOUR", 0, 23)
    minutes = _numbers(parts, "BYMINUTE", 0, 59)
    seconds = _numbers(parts, "BYSECOND", 0, 59)
    if (hours or minutes or seconds) and not timed:
        raise _unreadable()
    if max(len(hours), 1) * max(len(minutes), 1) * max(len(seconds), 1) > 4:
        raise _refused("repeats more than four times a day")
    check = {"DAILY": _daily, "WEEKLY": _weekly, "MONTHLY": _monthly, "YEARLY": _yearly}[parts["FREQ"]]
    check(parts, start)


def check_yearly(text: str) -> None:
    """The only shape that a VTIMEZONE needs; raises :class:`Fault`."""
    parts = parse_rule(text)
    if parts["FREQ"] != "YEARLY" or parts.get("INTERVAL", "1") != "1":
        raise _refused("does not repeat once a year")
    check_rule(parts, start=(1, 31), timed=True)  # 31: a month alone, without its day, is no change of time


def _daily(parts: dict[str, str], _start: tuple[int, int]) -> None:
    _without(parts, "BYMONTHDAY", "BYSETPOS")
    if _days(parts, ordinals=0) or "BYMONTH" in parts:
        _numbers(parts, "BYMONTH", 1, 12)
        if parts.get("INTERVAL", "1") != "1":
            raise _refused("counts days and names days of the week or months as well")


def _weekly(parts: dict[str, str], _start: tuple[int, int]) -> None:
    _without(parts, "BYMONTHDAY", "BYMONTH", "BYSETPOS")
    _days(parts, ordinals=0)


def _monthly(parts: dict[str, str], start: tuple[int, int]) -> None:
    step = gcd(int(parts.get("INTERVAL", "1")), 12)
    visited = {(start[0] - 1 + k * step) % 12 + 1 for k in range(12)}
    _of_months(parts, visited & (_numbers(parts, "BYMONTH", 1, 12) or visited), start[1])


def _yearly(parts: dict[str, str], start: tuple[int, int]) -> None:
    months = _numbers(parts, "BYMONTH", 1, 12)
    if _days(parts, ordinals=53) and not months and "BYMONTHDAY" not in parts:
        _without(parts, "BYSETPOS")
        return
    _of_months(parts, months or (set(range(1, 13)) if "BYMONTHDAY" in parts else {start[0]}), start[1])


def _of_months(parts: dict[str, str], months: set[int], first: int) -> None:
    """Days within months: of the month, of the week (first Tuesday), or the n-th of several.

    A rule that names no day means the day of the month on which it starts, ``first``.
    """
    days = _days(parts, ordinals=5)
    dates = _numbers(parts, "BYMONTHDAY", -31, 31) - {0}
    positions = _numbers(parts, "BYSETPOS", -5, 5)
    meant = dates if days or "BYMONTHDAY" in parts else {first}
    if ("BYMONTHDAY" in parts or not days) and not any(
        abs(d) <= _LONGEST[m - 1] for d in meant for m in months
    ):
        raise _refused("names a day that its months do not have")
    if not months:
        raise _refused("names months that it never visits")
    if dates and any(day[0] for day in days):
        raise _refused("names days twice over")
    if "BYSETPOS" in parts and (0 in positions or not days or dates or any(day[0] for day in days)):
        raise _refused("uses positions in an unusual way")


def _days(parts: dict[str, str], *, ordinals: int) -> list[tuple[int, str]]:
    days = []
    for piece in parts["BYDAY"].split(",") if "BYDAY" in parts else ():
        found = _DAY.fullmatch(piece)
        if found is None:
            raise _unreadable()
        ordinal = int(found[1] or 0)
        if abs(ordinal) > ordinals or (found[1] and not ordinal):
            raise _refused("names a day of the week that does not come")
        days.append((ordinal, found[2]))
    if len({bool(ordinal) for ordinal, _ in days}) > 1:
        raise _refused("names all days of the week and the first ones as well")
    return days


def _numbers(parts: dict[str, str], key: str, low: int, high: int) -> set[int]:
    numbers = {_number(piece) for piece in parts[key].split(",")} if key in parts else set()
    if any(not low <= number <= high for number in numbers):
        raise _unreadable()
    return numbers


def _number(text: str) -> int:
    if not re.fullmatch(r"[+-]?[0-9]{1,5}", text):
        raise _unreadable()
    return int(text)


def _without(parts: dict[str, str], *keys: str) -> None:
    if any(key in parts for key in keys):
        raise _refused("combines parts in an unusual way")


def _unreadable() -> Fault:
    return Fault(field="RRULE", why="the rule cannot be read", mend="set the repetition again in the agenda")


def _refused(why: str) -> Fault:
    return Fault(
        field="RRULE", why=f"the rule {why}", mend="enter these appointments one by one in the agenda"
    )
