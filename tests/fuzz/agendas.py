"""Agenda files, as whatever program exports them. What the reader may do with them: tests/agenda/test_fuzz.py."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

from bot.agenda.sample import write_sample
from bot.domain.appointment import Detail
from config.agenda_settings import AgendaSettings
from config.clock_formats import compile_format
from tests.agenda.helpers import calendar, event, table
from tests.agenda.test_fuzz import WIDE, must_be_told
from tests.fuzz.kind import Parser


def _ics(data: bytes) -> None:
    must_be_told(data, "ics", WIDE)


def _csv(data: bytes) -> None:
    must_be_told(data, "csv", AgendaSettings())


def _detail(data: bytes) -> None:
    detail = Detail.decode(data)
    assert Detail.decode(detail.encode()) == detail


def _formats(data: bytes) -> None:
    pattern, _, text = data.decode(errors="replace").partition("\n")
    compiled = compile_format(pattern)
    if compiled.has_date and compiled.has_time:
        compiled.read(text)


def _sample(kind: str) -> Callable[[], Sequence[bytes]]:
    def seeds() -> Sequence[bytes]:
        with TemporaryDirectory() as folder:
            path = Path(folder) / f"a.{kind}"
            write_sample(path, date(2026, 9, 1))
            sample = path.read_bytes()
        if kind == "csv":
            return sample, table("R-9;P-9;08/09/2026;15:00;20;;;;;").encode()
        series = event(
            "DTSTART;TZID=Europe/Paris:20260908T143000", "DURATION:PT1H", "RRULE:FREQ=WEEKLY;COUNT=4"
        )
        moved = event("RECURRENCE-ID:20260915T143000", "DTSTART:20260916T143000", "EXDATE:20260922T143000")
        return (
            sample,
            calendar(series, moved).encode(),
            calendar(event("DTSTART;VALUE=DATE:20260908")).encode(),
        )

    return seeds


def _details() -> Sequence[bytes]:
    return (
        b'{"all_day":false,"end":"2026-09-08T13:00:00+00:00","given_name":"Odette","note":"","patient":"P-1","place":"",'
        b'"practitioner":"","source":"u-1","start":"2026-09-08T12:30:00+00:00","zone":"Europe/Paris"}',
        b'{"all_day":true,"source":"u","patient":"p","zone":"UTC","start":"2026-09-08T12:30:00Z","end":"2026-09-08T12:30:00Z"}',
    )


def _format_seeds() -> Sequence[bytes]:
    return (
        b"%d/%m/%Y %H:%M\n08/09/2026 14:30",
        b"%Y-%m-%dT%H:%M:%S%z\n2026-09-08T14:30:00+02:00",
        b"%m/%d/%y %I:%M %p\n9/8/26 2:30 PM",
    )


PARSERS: dict[str, Parser] = {
    "agenda-ics": (_ics, _sample("ics"), (), 0.15),
    "agenda-csv": (_csv, _sample("csv"), (), 0.3),
    "agenda-formats": (_formats, _format_seeds, (ValueError,), 1.0),
    "detail": (_detail, _details, (ValueError,), 1.0),
}
