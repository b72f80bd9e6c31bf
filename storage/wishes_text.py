"""What a recipient asked for of the times of their nudges, as a text to be sealed. Older texts lack what is newer."""

from __future__ import annotations

import json
from datetime import time
from typing import Any

from bot.domain.choices import Confirmed, Level, Quiet, Wishes


def write_wishes(wishes: Wishes) -> str:
    """As :func:`read_wishes` reads it."""
    return json.dumps(
        {
            "level": wishes.level,
            "days_before": wishes.days_before,
            "confirmed": wishes.confirmed,
            "slots": None if wishes.slots is None else [_hour(slot) for slot in wishes.slots],
            "quiet": None if wishes.quiet is None else [_hour(wishes.quiet.begins), _hour(wishes.quiet.ends)],
            "daily_cap": wishes.daily_cap,
        }
    )


def read_wishes(text: str) -> Wishes:
    """Raises ``KeyError`` or ``ValueError`` for what was never written here."""
    found: dict[str, Any] = json.loads(text)
    slots, quiet = found.get("slots"), found.get("quiet")
    return Wishes(
        level=Level(found["level"]) if found["level"] else None,
        days_before=None if found["days_before"] is None else tuple(found["days_before"]),
        confirmed=Confirmed(found["confirmed"]) if found["confirmed"] else None,
        slots=None if slots is None else tuple(time.fromisoformat(slot) for slot in slots),
        quiet=None if quiet is None else Quiet(*(time.fromisoformat(hour) for hour in quiet)),
        daily_cap=found.get("daily_cap"),
    )


def _hour(hour: time) -> str:
    return hour.isoformat("minutes")
