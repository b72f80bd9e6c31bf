"""The practice's agenda file: the sample of the project, with one appointment for tomorrow that comes and goes."""

from __future__ import annotations

import re
from datetime import date, datetime, time
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from bot.agenda.sample import write_sample
from bot.demo.stage import excerpt

ZONE: Final = ZoneInfo("Europe/Paris")
"""The zone of the sample's practice."""

_LINE_SHOWN: Final = 75
_END: Final = "END:VCALENDAR"
_UID: Final = "7be1d0c4-93aa-4f1e-8d27-5c40b7a91011@cabinet.example"
_ENTRY: Final = """\
BEGIN:VEVENT
UID:{uid}
DTSTAMP:{day}T050000Z
SEQUENCE:{sequence}
DTSTART;TZID=Europe/Paris:{day}T094000
DURATION:PT20M
SUMMARY:Prise de sang
ORGANIZER;CN="Dr Hélène Noël":mailto:secretariat@cabinet.example
LOCATION:Laboratoire des Tanneurs\\, rez-de-chaussée
X-PLI-PATIENT:P-1001
X-PLI-GIVEN-NAME:Odette
X-PLI-NOTE:Venez à jeun et buvez un verre d’eau avant de partir.
STATUS:{status}
END:VEVENT
"""


class Agenda:
    """``file`` as the calendar program exports it: anew each time, whole."""

    def __init__(self, file: Path, today: date) -> None:
        write_sample(file, today)
        self.file = file
        self._sample = file.read_bytes().decode()

    def book(self, day: date) -> datetime:
        """Add the appointment of that day; its start."""
        self._write(day, status="CONFIRMED", sequence=0)
        return datetime.combine(day, time(9, 40), tzinfo=ZONE)

    def cancel(self, day: date) -> None:
        self._write(day, status="CANCELLED", sequence=1)

    def lines(self, *names: str, entry: int = 0) -> str:
        """Properties of an entry, as they stand in the file; ``entry`` counts from 0, -1 is the last."""
        text = self.file.read_text(encoding="utf-8").replace("\n ", "")  # lines that were folded
        found = text.split("BEGIN:VEVENT\n")[1:][entry].splitlines()
        wanted = (line for line in found if re.split("[:;]", line, maxsplit=1)[0] in names)
        return "\n".join(excerpt(line.split(":mailto")[0], _LINE_SHOWN) for line in wanted)

    def _write(self, day: date, *, status: str, sequence: int) -> None:
        entry = _ENTRY.format(uid=_UID, day=day.strftime("%Y%m%d"), status=status, sequence=sequence)
        text = self._sample.replace(_END, entry.replace("\n", self._newline) + _END)
        self.file.write_bytes(text.encode())

    @property
    def _newline(self) -> str:
        return "\r\n" if "\r\n" in self._sample else "\n"
