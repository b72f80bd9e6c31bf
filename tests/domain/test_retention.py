"""How long things are kept, and when the night's purge is due."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from bot.domain.retention import Retention, is_due

PARIS = ZoneInfo("Europe/Paris")
HOUR = time(3, 30)


def paris(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=PARIS).astimezone(UTC)


@pytest.mark.parametrize(
    ("now", "last", "due"),
    [
        ("2026-09-02 03:29", "2026-09-01 03:30", False),
        ("2026-09-02 03:30", "2026-09-01 03:30", True),
        ("2026-09-02 03:31", "2026-09-02 03:30", False),
        ("2026-09-02 12:00", "2026-09-01 12:00", True),  # slept through the night
        ("2026-09-02 02:00", "2026-08-30 12:00", True),  # and the one before
        ("2026-10-25 03:30", "2026-10-24 03:30", True),  # the clocks go back that night
        ("2026-10-25 04:00", "2026-10-25 03:30", False),
        ("2026-03-29 03:30", "2026-03-28 03:30", True),  # and forward
        ("2026-03-29 09:00", "2026-03-29 03:30", False),
    ],
)
def test_once_a_night_and_made_up_for(now: str, last: str, due: bool) -> None:
    assert is_due(paris(now), paris(last), hour=HOUR, zone=PARIS) is due


def test_the_day_is_that_of_the_practice() -> None:
    late = time(23, 30)
    last = paris("2026-09-01 23:30")
    assert not is_due(paris("2026-09-02 14:00"), last, hour=late, zone=PARIS), "tomorrow in the Pacific"
    assert is_due(paris("2026-09-02 23:30"), last, hour=late, zone=PARIS)


def test_a_practice_that_never_purged_does_so_at_once() -> None:
    assert is_due(paris("2026-09-02 12:00"), None, hour=HOUR, zone=PARIS)


def test_how_long_unless_the_practice_says_otherwise() -> None:
    days = {
        "appointments": 7,
        "envelopes": 7,
        "answers": 7,
        "nudges": 2,
        "messages": 2,
        "marks": 60,
        "codes": 1,
        "invitations": 30,
        "left": 0,
    }
    for name, number in days.items():
        assert getattr(Retention(), name) == timedelta(days=number), name
    assert Retention().problems is None
    assert Retention().audit is None
