"""Date and time formats as an operator writes them (``%d/%m/%Y``, ``%H:%M``), compiled to a strict reader.

Not ``strptime``: that one depends on the process's locale (``%p`` is empty in French), takes digits of any
script, and does not object to a 12-hour clock without its half of the day.

Rules:

1. A 12-hour clock (``%I``) needs ``%p`` and the other way round; ``%H`` takes neither.
2. A date needs day, month and year; a time needs hours and minutes.
3. The whole text must match; digits are ASCII.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone

_PIECES = {
    "%d": r"(?P<d>[0-9]{1,2})",
    "%m": r"(?P<m>[0-9]{1,2})",
    "%Y": r"(?P<Y>[0-9]{4})",
    "%y": r"(?P<y>[0-9]{2})",
    "%H": r"(?P<H>[0-9]{1,2})",
    "%I": r"(?P<I>[0-9]{1,2})",
    "%M": r"(?P<M>[0-9]{2})",
    "%S": r"(?P<S>[0-9]{2})",
    "%p": r"(?P<p>[aApP])\.?[mM]\.?",
    "%z": r"(?P<z>Z|[+-][0-9]{2}:?[0-9]{2})",
    "%%": "%",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Format:
    """One compiled format. ``read_date`` and the others raise ``ValueError`` where the text does not fit."""

    text: str
    pattern: re.Pattern[str]
    has_date: bool
    has_time: bool

    def _match(self, text: str) -> dict[str, str]:
        found = self.pattern.fullmatch(text)
        if found is None:
            raise ValueError("another format")
        return {key: value for key, value in found.groupdict().items() if value is not None}

    def read_date(self, text: str) -> date:
        return _date(self._match(text))

    def read_time(self, text: str) -> time:
        return _time(self._match(text))

    def read(self, text: str) -> datetime:
        """Date and time together; aware only where the format has ``%z``."""
        parts = self._match(text)
        return datetime.combine(_date(parts), _time(parts), tzinfo=_offset(parts.get("z")))


def compile_format(text: str) -> Format:
    """Compile ``text``; raises ``ValueError`` saying which rule it breaks."""
    pieces = re.findall(r"%.|[^%]|%$", text, re.DOTALL)
    unknown = [piece for piece in pieces if piece.startswith("%") and piece not in _PIECES]
    if unknown:
        raise ValueError(f"unknown piece {unknown[0]} in a format; known are {', '.join(_PIECES)}")
    used = [piece for piece in pieces if piece in _PIECES and piece != "%%"]
    if not used or len(set(used)) != len(used) or {"%y", "%Y"} <= set(used) or {"%H", "%I"} <= set(used):
        raise ValueError("a format needs pieces like %d, each of them once")
    if ("%I" in used) != ("%p" in used):
        raise ValueError("a 12-hour clock is written %I with %p, a 24-hour clock %H without")
    has_date = bool({"%d", "%m", "%Y", "%y"} & set(used))
    has_time = bool({"%H", "%I", "%M", "%S"} & set(used))
    if has_date and not ({"%d", "%m"} <= set(used) and {"%Y", "%y"} & set(used)):
        raise ValueError("a date needs %d, %m and %Y")
    if has_time and not ("%M" in used and {"%H", "%I"} & set(used)):
        raise ValueError("a time needs %H and %M")
    if "%z" in used and not (has_date and has_time):
        raise ValueError("%z stands only beside a date and a time")
    pattern = re.compile("".join(_PIECES.get(piece, re.escape(piece)) for piece in pieces))
    return Format(text=text, pattern=pattern, has_date=has_date, has_time=has_time)


def _date(parts: dict[str, str]) -> date:
    year = int(parts["Y"]) if "Y" in parts else 2000 + int(parts["y"])
    return date(year, int(parts["m"]), int(parts["d"]))


def _time(parts: dict[str, str]) -> time:
    if "I" in parts:
        hour = int(parts["I"])
        if not 1 <= hour <= 12:
            raise ValueError("no such hour on a 12-hour clock")
        hour = hour % 12 + (12 if parts["p"].lower() == "p" else 0)
    else:
        hour = int(parts["H"])
    return time(hour, int(parts["M"]), int(parts.get("S", "0")))


def _offset(text: str | None) -> timezone | None:
    if text is None:
        return None
    if text == "Z":
        return UTC
    minutes = int(text[1:3]) * 60 + int(text[-2:])
    return timezone(timedelta(minutes=-minutes if text[0] == "-" else minutes))
