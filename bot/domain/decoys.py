"""For how long a decoy may be late: as long as any nudge with a reason that was due in its slot. Pure.

1. After an outage what is of use still leaves late, once for each recipient. Decoys do so too: if they did not,
   whatever came late would have a reason.
2. A reminder is of use until its visit. A decoy is until the end of the last day of a visit for which the recipient's
   rules could have put a reminder into its slot: so none of these is late where a decoy would not be.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import Final

from bot.domain.choices import Wishes
from bot.domain.planning import Person, leaving_days
from bot.domain.slots import REACH, NudgeRules, at_local, next_slot
from bot.domain.timing import timing

_DAY: Final = timedelta(days=1)


def decoy_until(slot: datetime, rules: NudgeRules, person: Person) -> datetime:
    """Rule 2, in UTC, later than ``slot``."""
    last = _last_visit(slot.astimezone(rules.zone).date(), rules, person.wishes)
    if last is None:
        return next_slot(slot, rules, timing(rules, "", person.wishes).usual)
    return at_local(last + _DAY, time(0, 0), rules.zone)


def longest_use(rules: NudgeRules, wishes: Wishes) -> timedelta:
    """After so long no decoy is of use any more."""
    own = timing(rules, "", wishes)
    return (max(own.days_before, default=0) + own.spread + REACH) * _DAY


@lru_cache(maxsize=4096)
def _last_visit(day: date, rules: NudgeRules, wishes: Wishes) -> date | None:
    """The last day of a visit whose reminder may leave on ``day``; None where none does on that day, or at all."""
    own = timing(rules, "", wishes)
    wanted = [
        at
        for distance in range(-REACH, REACH + 1)
        if day in leaving_days(at := day + distance * _DAY, own.slot_days, rules.days_off, own.shift)
    ]
    if not wanted or not own.days_before:
        return None
    return max(wanted) + (max(own.days_before) + own.spread - 1) * _DAY
