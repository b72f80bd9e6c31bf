"""The one place where the practice's rules, those of a kind and a recipient's wishes become rules for a nudge. Pure.

1. A kind's rule takes the place of the practice's, of its quiet hours each on its own; what it does not name is the
   practice's. So do a recipient's days and what is left once they confirmed.
2. What else a recipient asked for only makes the rules stricter: their quiet hours are added to those that there are,
   the lower cap counts, the stricter level, and of the hours of slots those that they chose. Where nothing would be
   left, no hour of the day or no slot, that wish counts for nothing.
3. A slot in quiet hours is, on the same day, at their end. So it is for a nudge without a reason too, or one could be
   told from the other.
4. Where several reasons share one nudge the strictest rules of any of them hold: all of their quiet hours, and the
   lowest cap when it is planned. What the cap of one moved into the slot of another goes along there, and takes
   nothing from it: when a nudge leaves, it may if it may for one of its reasons.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import time
from functools import lru_cache

from bot.domain.choices import (
    Confirmed,
    KindRule,
    Late,
    Level,
    Quiet,
    Scope,
    Shift,
    Wishes,
    is_in,
    leaves_time,
    out_of,
)
from bot.domain.slots import NudgeRules


@dataclass(frozen=True, kw_only=True, slots=True)
class Timing:
    """The rules for one kind of appointment and one recipient.

    Each lead is a day, or one of ``spread`` that end with it.
    ``moved``: of ``slots`` those that quiet hours moved, and whose. ``usual``: the practice's own slots, as they are
    outside of these quiet hours: of news and, without a kind, of decoys. ``cap_by`` and ``shift_by``: whose they are.
    """

    days_before: tuple[int, ...]
    slots: tuple[time, ...]
    slot_days: frozenset[int]
    late: Late
    confirmed: Confirmed
    spread: int
    shift: Shift
    shift_by: Scope
    quiet: tuple[Quiet, ...]
    moved: tuple[tuple[time, Scope], ...]
    usual: tuple[time, ...]
    daily_cap: int
    cap_by: Scope


def level_of(rules: NudgeRules, wishes: Wishes) -> Level:
    """The stricter of what the practice set and what the recipient asked for."""
    return max(rules.level, wishes.level or rules.level, key=lambda level: level.strictness)


@lru_cache(maxsize=4096)
def timing(rules: NudgeRules, kind: str, wishes: Wishes) -> Timing:
    """Rules 1 to 3. A kind that the rules do not name (any more) is timed as the practice's."""
    own = next((k for k in rules.kinds if k.name == kind), KindRule(name=kind, type="-"))
    days = next(d for d in (wishes.days_before, own.days_before, rules.days_before) if d is not None)
    set_quiet = (rules.quiet_of(own),)
    quiet = united((*set_quiet, wishes.quiet)) if wishes.quiet is not None else set_quiet
    hours = _wished(rules.slots if own.slots is None else own.slots, wishes)
    cap = rules.daily_cap if own.daily_cap is None else own.daily_cap
    cap_by = Scope.PRACTICE if own.daily_cap is None else Scope.KIND
    if wishes.daily_cap is not None and wishes.daily_cap < cap:
        cap, cap_by = wishes.daily_cap, Scope.RECIPIENT
    return Timing(
        days_before=tuple(sorted(set(days), reverse=True)),
        slots=tuple(dict.fromkeys(out_of(hour, quiet) for hour in hours)),
        slot_days=rules.slot_days if own.slot_days is None else own.slot_days,
        late=own.late or rules.late,
        confirmed=wishes.confirmed or own.confirmed or rules.confirmed,
        spread=1 if level_of(rules, wishes) is Level.PLAIN else rules.spread_days,
        shift=own.shift or rules.shift,
        shift_by=Scope.PRACTICE if own.shift is None else Scope.KIND,
        quiet=quiet,
        moved=tuple(
            {
                out_of(hour, quiet): Scope.KIND if is_in(hour, set_quiet) else Scope.RECIPIENT
                for hour in hours
                if is_in(hour, quiet) and out_of(hour, quiet) not in hours
            }.items()
        ),
        usual=tuple(dict.fromkeys(out_of(hour, quiet) for hour in _wished(rules.slots, wishes))),
        daily_cap=cap,
        cap_by=cap_by,
    )


def _wished(hours: tuple[time, ...], wishes: Wishes) -> tuple[time, ...]:
    """Rule 2."""
    return tuple(hour for hour in hours if wishes.slots is None or hour in wishes.slots) or hours


def united(quiet: Iterable[Quiet]) -> tuple[Quiet, ...]:
    """All of them (rule 4), but those that would leave no time together with the ones before."""
    found: tuple[Quiet, ...] = ()
    for span in quiet:
        if span not in found and leaves_time((*found, span)):
            found = (*found, span)
    return found
