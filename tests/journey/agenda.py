"""Agenda files for the journeys: iCalendar as a calendar program writes it."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

_STAMP = "%Y%m%dT%H%M%SZ"


def entry(
    uid: str,
    reference: str,
    start: datetime,
    *,
    practitioner: str = "Dr Quill",
    place: str = "Room 7",
    sequence: int = 0,
    cancelled: bool = False,
    given_name: str = "",
) -> str:
    """One VEVENT of half an hour; ``start`` in UTC."""
    lines = [
        "BEGIN:VEVENT",
        f"UID:{uid}",
        f"SEQUENCE:{sequence}",
        "DTSTAMP:20260101T000000Z",
        f"DTSTART:{start.strftime(_STAMP)}",
        "DURATION:PT30M",
        f'ORGANIZER;CN="{practitioner}":mailto:desk@practice.example',
        f"LOCATION:{place}",
        f"X-PLI-PATIENT:{reference}",
        f"STATUS:{'CANCELLED' if cancelled else 'CONFIRMED'}",
        *([f"X-PLI-GIVEN-NAME:{given_name}"] if given_name else []),
        "END:VEVENT",
    ]
    return "\r\n".join(lines)


def write_calendar(path: Path, *entries: str) -> str:
    """Write the entries as one calendar; the path as text."""
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//test//EN", *entries, "END:VCALENDAR", ""]
    path.write_bytes("\r\n".join(lines).encode())
    return str(path)
