"""What must not be found, taken from the agenda file itself: everything in it that says who, when, where, what for.

Long values are cut into phrases, so that a part of a note is found as well as the whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from icalendar import Calendar

from bot.agenda import read_agenda
from bot.demo.leaks import Canary
from bot.domain.appointment import Appointment, Detail
from bot.domain.codes import LENGTH, PUBLIC
from bot.domain.values import Language
from config import rendering
from config.agenda_settings import AgendaSettings
from config.catalogue import load

_PROPERTIES: Final = {"SUMMARY": "reason", "DESCRIPTION": "note", "LOCATION": "place", "UID": "agenda id"}
_TOLD: Final = {
    "patient": "patient",
    "practitioner": "practitioner",
    "place": "place",
    "note": "note",
    "given_name": "given name",
}
_SHORTEST_PHRASE: Final = 8
_CUT: Final = re.compile(r"[,.:;\n()]+")


def of_agenda(file: Path, *, zone: ZoneInfo, now: datetime) -> tuple[Canary, ...]:
    """Every text of an .ics file that says something of an appointment. ``now`` is aware."""
    found: dict[str, str] = {}

    def note(kind: str, *values: str) -> None:
        for value in values:
            for phrase in _phrases(value):
                found.setdefault(phrase, kind)

    for entry in Calendar.from_ical(file.read_bytes()).walk("VEVENT"):
        for name, kind in _PROPERTIES.items():
            note(kind, str(entry.get(name, "")))
    for read in read_agenda(file, AgendaSettings(), zone=zone, now=now):
        if isinstance(read, Appointment):
            for field, kind in _TOLD.items():
                note(kind, getattr(read.detail, field))
            for text in spellings(read.detail, zone):
                found.setdefault(text, "time")
    return tuple(Canary(kind=kind, text=text) for text, kind in found.items())


def spellings(detail: Detail, zone: ZoneInfo) -> Iterator[str]:
    """The exact start as programs and people write it. A whole day has no hour that could be told."""
    if detail.all_day:
        return
    for clock in (ZoneInfo(detail.zone), zone, UTC):
        local = detail.start.astimezone(clock)
        for form in ("%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M", "%Y%m%dT%H%M", "%d/%m/%Y %H:%M"):
            yield local.strftime(form)
    yield str(int(detail.start.timestamp()))
    for language in Language:
        yield rendering.when(detail, zone, load(language))


def of_code(code: str) -> Iterator[Canary]:
    """A one-time code, without the public part by which its invitation is found."""
    plain = code.replace("-", "")
    if len(plain) == LENGTH:
        yield Canary(kind="code", text=plain[PUBLIC:])
        yield Canary(kind="code", text="-".join(code.split("-")[2:]))


def _phrases(value: str) -> Iterator[str]:
    whole = value.strip()
    if whole:
        yield whole
    for phrase in _CUT.split(whole):
        if len(phrase.strip()) >= _SHORTEST_PHRASE:
            yield phrase.strip()
