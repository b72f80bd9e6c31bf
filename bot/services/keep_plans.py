"""Keep what waits in line with the rules while nothing else changes: other rules, another zone, the next day's decoys.

1. Rules that are not those by which the last plans were made plan everybody anew, before anything leaves: in
   ``pli.toml``, in the holidays of the years to come, or in what the zone's clocks will do.
2. Whoever was planned before an interruption is planned again after it; that changes nothing.
3. Decoys are written a day ahead, reminders long before. Of the slots for which nobody was there to write decoys they
   are written later, before anything leaves: else all that is late would have a reason. A clock that is in doubt writes
   none: set back, it would have those of weeks written anew.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Final

from bot.domain.choices import KindRule
from bot.domain.records import RecipientState
from bot.domain.slots import NudgeRules
from bot.domain.values import RecipientId
from bot.ports_storage import UnitOfWorkFactory
from bot.services.plan_nudges import DECOYS_AHEAD, plan_decoys, plan_nudges

RULES: Final = "nudge_rules"  # the named value: by which rules the plans were made
DECOYS: Final = "decoys_until"  # the named value: up to which moment decoys were written
BATCH: Final = 200
DECOYS_EVERY: Final = timedelta(hours=1)
_YEARS: Final = 2


def fingerprint(rules: NudgeRules, now: datetime) -> str:
    """The same for the same rules in a zone whose clocks do the same, in this year and the next ones."""
    year = now.astimezone(rules.zone).year
    first = datetime(year, 1, 1, 12, tzinfo=UTC)
    days = (datetime(year + _YEARS, 1, 1, 12, tzinfo=UTC) - first).days
    offsets = [(first + timedelta(days=n)).astimezone(rules.zone).utcoffset() for n in range(days)]
    told = ([(f.name, _in_order(getattr(rules, f.name))) for f in fields(rules)], offsets)
    return blake2b(repr(told).encode(), digest_size=16).hexdigest()


def _in_order(value: object) -> object:
    """Sets have no order of their own."""
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, KindRule):
        return [(f.name, _in_order(getattr(value, f.name))) for f in fields(value)]
    return [_in_order(one) for one in value] if isinstance(value, tuple) else str(value)


class KeepPlans:
    """One a process. ``trusted`` says whether a moment of the wall clock may be believed."""

    def __init__(
        self,
        uow: UnitOfWorkFactory,
        rules: NudgeRules,
        *,
        trusted: Callable[[datetime], bool] = lambda _: True,
    ) -> None:
        self._uow, self._rules, self._trusted = uow, rules, trusted
        self._decoys_at = datetime.min.replace(tzinfo=UTC)

    def apply_rules(self, now: datetime) -> int:
        """Rules 1 and 2. How many recipients were planned anew."""
        mark = fingerprint(self._rules, now)
        with self._uow() as uow:
            if uow.meta.get(RULES) == mark:
                return 0
            people = [r.id for r in uow.recipients.all() if r.state is RecipientState.ENROLLED]
        for first in range(0, len(people), BATCH):
            self._plan(people[first : first + BATCH], now)
        with self._uow() as uow:
            uow.meta.set(RULES, mark)
            uow.commit()
        return len(people)

    def _plan(self, people: Sequence[RecipientId], now: datetime) -> None:
        with self._uow() as uow:
            plan_nudges(uow, people, now, self._rules)
            uow.commit()

    def decoys(self, now: datetime) -> int:
        """At most once an hour (rule 3); how many are new."""
        if self._decoys_at <= now < self._decoys_at + DECOYS_EVERY or not self._trusted(now):
            return 0
        with self._uow() as uow:
            written = uow.meta.get(DECOYS)
            since = min(now, datetime.fromisoformat(written)) if written else now
            new = plan_decoys(uow, now, self._rules, since=since)
            uow.meta.set(DECOYS, (now + DECOYS_AHEAD).isoformat())
            uow.commit()
        self._decoys_at = now
        return new
