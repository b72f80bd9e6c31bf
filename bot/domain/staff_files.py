"""Which files the staff room takes, judged by what their event says. Pure; the desk judges what is in them.

1. Name and media type both have to be those of an agenda: text in lines, or iCalendar.
2. The size has to be named, above nothing and within the limit.
3. A name is shown and never used as a path: what could be one is taken out of it.
"""

from __future__ import annotations

from typing import Final

from bot.domain.messages import Attachment
from bot.domain.staff import StaffSentence

ENDINGS: Final = (".ics", ".ical", ".csv", ".tsv", ".txt")
# What browsers and phones call them; Windows with an office suite calls CSV what the suite opens.
MEDIA_TYPES: Final = frozenset(
    {
        "text/calendar",
        "text/csv",
        "text/comma-separated-values",
        "text/tab-separated-values",
        "text/plain",
        "application/csv",
        "application/ics",
        "application/octet-stream",
        "application/vnd.ms-excel",
    }
)
_LONGEST_NAME: Final = 120


def why_not(described: Attachment, *, limit: int) -> StaffSentence | None:
    """What is wrong with it, or None (rules 1 and 2)."""
    if described.media_type not in MEDIA_TYPES or not described.name.lower().endswith(ENDINGS):
        return StaffSentence.FILE_TYPE
    if not 0 < described.size <= limit:
        return StaffSentence.FILE_SIZE
    return None


def shown_name(name: str) -> str:
    """Rule 3."""
    last = name.replace("\\", "/").rpartition("/")[2]
    return "".join(sign for sign in last if sign.isprintable()).strip()[-_LONGEST_NAME:] or "file"
