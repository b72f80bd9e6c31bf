"""How often something happened in a week: counts alone, written with what they count.

What is sent is forgotten after two days and answers go with their appointments, so nothing else tells of last month.

1. A count has no recipient, no appointment, no hour; all of them lie in one sealed value.
2. A count is written in the transaction that decided what it counts.
3. Counts never stop what they count: where they cannot be read, they begin anew.
4. Weeks are those of ISO 8601 in UTC; :data:`KEPT` of them are kept.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Final

from bot.errors import InvalidSeal
from bot.ports_storage import UnitOfWork

NAME: Final = "weekly_counts"  # of the sealed value
KEPT: Final = 105  # two years, and the week that runs
WEEK: Final = timedelta(days=7)


class Counted(StrEnum):
    """Notices sent; conversations opened with the PIN; answers by kind; notices that did not go out, or not surely."""

    NUDGED = "nudged"
    OPENED = "opened"
    CONFIRMED = "confirmed"
    CANCELLED = "cancelled"
    MOVE = "move"
    UNREACHED = "unreached"


Counts = Mapping[date, Mapping[Counted, int]]


def monday(moment: datetime) -> date:
    """The first day of the week of ``moment`` (rule 4)."""
    day = moment.astimezone(UTC).date()
    return day - timedelta(days=day.weekday())


def tally(uow: UnitOfWork, what: Counted, now: datetime, number: int = 1) -> None:
    """Add ``number`` to this week's count. The caller commits."""
    if number <= 0:
        return
    weeks = {week: dict(counts) for week, counts in tallied(uow).items()}
    this = weeks.setdefault(monday(now), {})
    this[what] = this.get(what, 0) + number
    oldest = monday(now) - (KEPT - 1) * WEEK
    kept = {week.isoformat(): counts for week, counts in sorted(weeks.items()) if week >= oldest}
    uow.meta.set(NAME, json.dumps(kept, separators=(",", ":")))


def tallied(uow: UnitOfWork) -> Counts:
    """Every count by the first day of its week; of a week without anything there is none."""
    try:
        found = json.loads(uow.meta.get(NAME) or "{}")
        return {
            date.fromisoformat(week): {Counted(what): int(number) for what, number in counts.items()}
            for week, counts in found.items()
        }
    except (InvalidSeal, ValueError, TypeError, AttributeError):  # rule 3
        return {}
