"""Find appointments again by what the import side can recompute: patient, practitioner, day, hour. No details needed.

1. The row holds keyed digests: of (patient, practitioner), of the day, of start and end. Whoever holds the import
   side's key can compute the digest of a guess; here the guesses are few: this day, these hours, usual durations.
2. A visit whose hour is not found that way (an unusual duration) is never taken for one of this half of the day: it is
   named as undecided.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from bot.domain.appointment import Status
from bot.domain.human_dates import NOON, Half
from bot.domain.records import StoredAppointment
from bot.domain.slots import at_local
from bot.ports_keys import Sealer
from bot.ports_storage import UnitOfWork

_MINUTE = timedelta(minutes=1)
_USUAL = (*range(0, 181, 5), *range(195, 601, 15))  # minutes
_EVERY = tuple(range(24 * 60 + 1))


def booked_on(
    uow: UnitOfWork, sealer: Sealer, days: Iterable[date], *, now: datetime
) -> list[StoredAppointment]:
    """What is booked on these days and not past."""
    rows = uow.appointments.by_days([sealer.day_tag(day.isoformat()) for day in days])
    return [row for row in rows if row.status is Status.BOOKED and row.past_after > now]


def begins_at(sealer: Sealer, rows: Sequence[StoredAppointment], start: datetime) -> list[StoredAppointment]:
    """Those of ``rows`` that begin then, whatever whole number of minutes they last, up to a day."""
    known = _digests(sealer, [start], _EVERY)
    return [row for row in rows if row.when_digest in known]


def in_half(
    sealer: Sealer, rows: Sequence[StoredAppointment], day: date, half: Half, zone: ZoneInfo
) -> tuple[list[StoredAppointment], list[StoredAppointment]]:
    """Those that begin in this half of the day, and those of which it cannot be told (rule 2)."""
    here = _digests(sealer, _starts(day, half, zone), _USUAL)
    other: Half = "afternoon" if half == "morning" else "morning"
    there = _digests(sealer, _starts(day, other, zone), _USUAL)
    unknown = [row for row in rows if row.when_digest not in here and row.when_digest not in there]
    return [row for row in rows if row.when_digest in here], unknown


def _starts(day: date, half: Half, zone: ZoneInfo) -> Iterator[datetime]:
    """Every five minutes."""
    noon = at_local(day, NOON, zone)
    first = at_local(day, time(0, 0), zone) if half == "morning" else noon
    last = noon if half == "morning" else at_local(day + timedelta(days=1), time(0, 0), zone)
    while first < last:
        yield first
        first += 5 * _MINUTE


def _digests(sealer: Sealer, starts: Iterable[datetime], minutes: Iterable[int]) -> set[str]:
    """As :class:`bot.services.judge_entry.Facts` makes them: in UTC, which is how agendas are read."""
    lengths = [n * _MINUTE for n in minutes]
    return {
        sealer.digest(f"{start.isoformat()}/{(start + length).isoformat()}".encode())
        for start in (s.astimezone(UTC) for s in starts)
        for length in lengths
    }
