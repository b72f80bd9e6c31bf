"""Small agendas in, sorted results out."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

from bot.agenda import read_agenda
from bot.domain.appointment import Appointment, Refusal, Unmatched
from config.agenda_settings import AgendaSettings

PARIS = ZoneInfo("Europe/Paris")
NOW = datetime(2026, 9, 1, 8, tzinfo=UTC)
STANDARD = AgendaSettings()
HEADINGS = "id;patient;date;heure;durée;praticien;lieu;consignes;prénom;statut"


@dataclass(kw_only=True, slots=True)
class Told:
    """What a file gave, by kind and in its order."""

    appointments: list[Appointment] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    unmatched: list[Unmatched] = field(default_factory=list)

    @property
    def one(self) -> Appointment:
        assert not self.refusals, self.refusals
        (appointment,) = self.appointments
        return appointment

    @property
    def fault(self) -> tuple[str, str]:
        """Where and which field of the only refusal."""
        (refusal,) = self.refusals
        assert refusal.why
        assert refusal.mend
        return refusal.where, refusal.field

    @property
    def starts(self) -> list[str]:
        """Local starts in Paris, sorted."""
        return sorted(a.detail.start.astimezone(PARIS).isoformat() for a in self.appointments)


def read_file(
    path: Path,
    settings: AgendaSettings = STANDARD,
    *,
    zone: ZoneInfo = PARIS,
    now: datetime = NOW,
    kind: Literal["ics", "csv"] | None = None,
    profile: str | None = None,
) -> Told:
    told = Told()
    for one in read_agenda(path, settings, zone=zone, now=now, format=kind, profile=profile):
        if isinstance(one, Appointment):
            told.appointments.append(one)
        elif isinstance(one, Refusal):
            told.refusals.append(one)
        else:
            told.unmatched.append(one)
    return told


def read(
    data: bytes | str,
    settings: AgendaSettings = STANDARD,
    *,
    zone: ZoneInfo = PARIS,
    now: datetime = NOW,
    kind: Literal["ics", "csv"] = "ics",
    profile: str | None = None,
) -> Told:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"agenda.{kind}"
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return read_file(path, settings, zone=zone, now=now, kind=kind, profile=profile)


def event(*lines: str, uid: str = "u-1", patient: str = "P-1") -> str:
    """A VEVENT; ``DTSTART`` and what else matters in ``lines``."""
    named = [f"UID:{uid}"] if uid else []
    matched = [f"X-PLI-PATIENT:{patient}"] if patient else []
    return "\r\n".join(["BEGIN:VEVENT", *named, *lines, *matched, "END:VEVENT", ""])


def calendar(*parts: str, head: str = "") -> str:
    return "BEGIN:VCALENDAR\r\nVERSION:2.0\r\n" + head + "".join(parts) + "END:VCALENDAR\r\n"


def table(*rows: str, head: str = HEADINGS) -> str:
    return "\r\n".join([head, *rows, ""])
