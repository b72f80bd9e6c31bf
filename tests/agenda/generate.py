"""Big agendas for benches and tests: ordinary entries as a calendar program writes them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from pathlib import Path

PATIENTS = 20_000
_PLACES_A_DAY = 32
_ROOMS = 40


def _starts(n: int, today: date) -> Iterator[datetime]:
    """Local starts from tomorrow on: 32 places of 15 minutes a day in each of 40 rooms."""
    for i in range(n):
        place, day = i % _PLACES_A_DAY, i // (_PLACES_A_DAY * _ROOMS)
        yield datetime.combine(today + timedelta(days=1 + day), time(8)) + timedelta(minutes=15 * place)


def write_big_ics(path: Path, n: int, today: date, *, series: int = 0) -> None:
    """``n`` single appointments, and ``series`` weekly ones of ten weeks each, over 20,000 patients."""
    with path.open("w", encoding="utf-8", newline="\r\n") as out:
        out.write("BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//Cabinet//Agenda//FR\n")
        for i, start in enumerate(_starts(n + series, today)):
            out.write(
                f"BEGIN:VEVENT\nUID:{i:08x}-4f1c-4b0a-8c11-6e5d4c3b@cabinet.example\nDTSTAMP:20260101T000000Z\n"
                f"DTSTART;TZID=Europe/Paris:{start:%Y%m%dT%H%M%S}\nDURATION:PT15M\n"
                + ("RRULE:FREQ=WEEKLY;COUNT=10\n" if i >= n else "")
                + f"SEQUENCE:{i % 3}\nSUMMARY:Consultation\nSTATUS:CONFIRMED\n"
                f'ORGANIZER;CN="Dr Hélène Noël":mailto:secretariat@cabinet.example\n'
                f"LOCATION:Cabinet\\, 12 rue des Tanneurs\\, salle {i % _ROOMS}\n"
                f"X-PLI-PATIENT:P-{i % PATIENTS:05}\n"
                "X-PLI-NOTE:Apportez vos derniers résultats.\nEND:VEVENT\n"
            )
        out.write("END:VCALENDAR\n")


def write_big_csv(path: Path, n: int, today: date) -> None:
    """``n`` appointments under the headings of the standard profile."""
    with path.open("w", encoding="utf-8-sig", newline="\r\n") as out:
        out.write("id;date;heure;durée;patient;praticien;lieu;consignes;statut\n")
        for i, start in enumerate(_starts(n, today)):
            out.write(
                f"R-{i};{start:%d/%m/%Y};{start:%H:%M};15;P-{i % PATIENTS:05};Dr Hélène Noël;"
                f'"Cabinet; salle {i % _ROOMS}";Apportez vos derniers résultats.;confirmé\n'
            )
