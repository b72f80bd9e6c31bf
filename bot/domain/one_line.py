"""An appointment in one line, as somebody types it: when, with whom, where, what to mind. Pure.

``3/12 14h30 Dr Noël @ Laboratoire des Tanneurs : à jeun``

1. The day and the hour come first (:mod:`bot.domain.human_dates`); a length in minutes may follow: ``45 min``.
2. What stands behind " : " is the note; before it, what stands behind "@", "à", "chez" or "at" is the place. An "@"
   goes before the words.
3. Each part has a most; what is longer is refused rather than cut, as nobody would see what is missing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from bot.domain.human_dates import take_moment
from bot.errors import WrongUse

USUAL: Final = timedelta(minutes=30)
MOST_MINUTES: Final = 1440
MOST: Final = {"practitioner": 200, "place": 200, "note": 600}

_NOTE: Final = re.compile(r"\s*:(?:\s+|$)")
_AT: Final = re.compile(r"\s*@\s*")
_WORD: Final = re.compile(r"(?i)(?:^|\s+)(?:à|chez|at)\s+")
_LENGTH: Final = re.compile(r"(?i)(?P<minutes>\d{1,4})\s*min(?:utes?)?\b[\s,]*")


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class OneLine:
    """``start`` in UTC; a part that is not there is empty."""

    start: datetime
    length: timedelta
    practitioner: str
    place: str
    note: str


def read_line(text: str, *, now: datetime, zone: ZoneInfo) -> OneLine:
    """Raises :class:`bot.errors.Unclear`, or :class:`WrongUse` for rule 3."""
    head, note = _parted(_NOTE, text)
    start, rest = take_moment(head, now=now, zone=zone)
    length = USUAL
    if (found := _LENGTH.match(rest)) is not None:
        minutes = int(found["minutes"])
        if not 1 <= minutes <= MOST_MINUTES:
            raise WrongUse("length: at most a day", mend="write it like 45 min")
        length, rest = timedelta(minutes=minutes), rest[found.end() :]
    practitioner, place = _parted(_AT if "@" in rest else _WORD, rest)
    parts = {"practitioner": practitioner, "place": place, "note": note}
    for name, value in parts.items():
        if len(value) > MOST[name]:
            raise WrongUse(f"{name}: it is too long", mend=f"at most {MOST[name]} letters")
    return OneLine(start=start, length=length, **parts)


def _parted(pattern: re.Pattern[str], text: str) -> tuple[str, str]:
    found = pattern.search(text)
    if found is None:
        return " ".join(text.split()), ""
    return " ".join(text[: found.start()].split()), " ".join(text[found.end() :].split())
