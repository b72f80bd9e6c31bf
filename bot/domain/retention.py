"""How long each kind of thing is kept, and when the night's purge is due. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

DAY = timedelta(days=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Retention:
    """None: kept for good.

    ``envelopes``, ``answers`` and ``appointments`` count from the midnight after which an appointment is past; an
    appointment stays as long as an answer to it is open. ``nudges``, ``messages`` and ``marks`` (of what was seen)
    count from when they were settled or seen, ``codes`` from the last wrong one, ``invitations`` from their expiry,
    ``problems`` and ``audit`` from when they were written, ``left`` from the last words.
    """

    appointments: timedelta = 7 * DAY
    envelopes: timedelta = 7 * DAY
    answers: timedelta = 7 * DAY
    nudges: timedelta = 2 * DAY
    messages: timedelta = 2 * DAY
    marks: timedelta = 60 * DAY
    codes: timedelta = DAY  # longer than any wait; of links to Telegram: from when they expired
    invitations: timedelta | None = 30 * DAY
    problems: timedelta | None = None
    left: timedelta = timedelta()
    audit: timedelta | None = None


def is_due(now: datetime, last: datetime | None, *, hour: time, zone: ZoneInfo) -> bool:
    """Whether the hour of the night has come since ``last``; a night that was slept through is made up for."""
    local = now.astimezone(zone)
    tonight = datetime.combine(local.date(), hour, zone)
    scheduled = tonight if tonight <= local else datetime.combine(local.date() - DAY, hour, zone)
    return last is None or last < scheduled
