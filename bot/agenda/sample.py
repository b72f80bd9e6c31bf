"""The agenda that ships with the project, moved to the days ahead. For the demo and for first trials.

Dates are moved by whole weeks, so that days of the week, the series and its exceptions stay what they are.
The series runs for 34 weeks: one change of the clocks falls into it, whatever the day.
"""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from importlib import resources
from pathlib import Path

FIRST_DAYS_AHEAD = 8
_FIRST_DAY = date(2026, 9, 8)
_ICS_DATE = re.compile(
    r"^((?:DTSTART|DTEND|RECURRENCE-ID|EXDATE|DTSTAMP|CREATED|LAST-MODIFIED)[^:\r\n]*:)([0-9]{8})",
    re.MULTILINE,
)
_CSV_DATE = re.compile(r"(;)([0-9]{2}/[0-9]{2}/[0-9]{4})")


def write_sample(path: Path, today: date) -> date:
    """Write the sample as ``path`` (``.csv`` gives the table, else the calendar); return its first day.

    That day lies 8 to 14 days after ``today``. Zone definitions stay where they are.
    """
    weeks = -((_FIRST_DAY - today - timedelta(days=FIRST_DAYS_AHEAD)).days // 7)
    shift = timedelta(weeks=weeks)
    table = path.suffix.casefold() == ".csv"
    name, pattern, form = (
        ("agenda.csv", _CSV_DATE, "%d/%m/%Y") if table else ("agenda.ics", _ICS_DATE, "%Y%m%d")
    )
    text = (resources.files("config") / "sample" / name).read_bytes().decode("utf-8")

    def moved(found: re.Match[str]) -> str:
        day = datetime.strptime(found[2], form).date()  # noqa: DTZ007 - a day, not a moment
        return found[1] + (day + shift).strftime(form)

    zones, mark, entries = text.rpartition("END:VTIMEZONE")
    path.write_bytes((zones + mark + pattern.sub(moved, entries)).encode("utf-8"))
    return _FIRST_DAY + shift
