"""What the practice may know of the last weeks, without a way back to anybody.

1. A count under :data:`SMALLEST`, nothing included, is never given out as a number.
2. No total is given out but the sum of what is shown, so that what is hidden cannot be recomputed.
3. A week is shown once it is over: two looks at the same week are equal, and their difference tells nothing.
4. Weeks before the first count are not known, and are not shown as empty.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum
from typing import Final

from bot.ports_storage import UnitOfWorkFactory
from bot.services.tallies import KEPT, WEEK, Counted, monday, tallied

SMALLEST: Final = 5
MOST_WEEKS: Final = KEPT - 1


class Hidden(Enum):
    """Instead of a number: too few to be shown (rule 1), or not known (rule 4)."""

    FEW = "few"
    UNKNOWN = "unknown"


Shown = int | Hidden


@dataclass(frozen=True, kw_only=True, slots=True)
class Week:
    """``begins`` on a Monday."""

    begins: date
    counts: Mapping[Counted, Shown]


@dataclass(frozen=True, kw_only=True, slots=True)
class Statistics:
    """``weeks`` oldest first."""

    weeks: tuple[Week, ...]

    def of(self, what: Counted) -> tuple[Shown, ...]:
        return tuple(week.counts[what] for week in self.weeks)

    def at_least(self, what: Counted) -> int:
        """Rule 2."""
        return sum(count for count in self.of(what) if isinstance(count, int))


class CountStatistics:
    """See the module."""

    def __init__(self, uow: UnitOfWorkFactory) -> None:
        self._uow = uow

    def __call__(self, *, weeks: int, now: datetime) -> Statistics:
        """The last ``weeks`` that are over, 1 to :data:`MOST_WEEKS`."""
        with self._uow() as uow:
            found = tallied(uow)
        first, running = min(found, default=None), monday(now)
        shown = []
        for back in range(weeks, 0, -1):
            begins = running - back * WEEK
            known = first is not None and begins >= first
            counts = found.get(begins, {})
            shown.append(
                Week(
                    begins=begins,
                    counts={
                        what: _shown(counts.get(what, 0)) if known else Hidden.UNKNOWN for what in Counted
                    },
                )
            )
        return Statistics(weeks=tuple(shown))


def _shown(count: int) -> Shown:
    """Rule 1."""
    return count if count >= SMALLEST else Hidden.FEW
