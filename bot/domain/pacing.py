"""How fast nudges leave: a token bucket for all channels together, one more for a channel that has its own rate.

A bucket is a value: it is asked with the moment at hand and answers with numbers and moments, and nothing here waits.
Moments are seconds of a clock that is never set (:meth:`bot.ports.Clock.monotonic`).

1. In any stretch of ``t`` seconds at most ``burst + t * per_second`` leave, whatever gathered before.
2. What may leave at :meth:`Bucket.permitted_at` may not leave any earlier, and waits no longer than that: one, or
   several together.
3. After a pause that the other side named the first to leave is one alone: the rest follows at the rate.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from bot.errors import WrongUse

_ROUNDING: Final = 1e-6  # of a nudge: sums of seconds are not exact, after weeks of them least of all


@dataclass(frozen=True, kw_only=True, slots=True)
class Bucket:
    """``per_second`` nudges a second (infinite: no limit), ``burst`` of them at once after a pause.

    ``full_at`` is the moment from which the whole burst may leave again.
    """

    per_second: float
    burst: int
    full_at: float = -math.inf

    def __post_init__(self) -> None:
        if not self.per_second > 0 or self.burst < 1:
            raise WrongUse("a rate is more than nothing", mend="set [delivery] nudges_per_second")

    def room(self, now: float) -> int:
        """How many may leave now."""
        if self.full_at <= now:
            return self.burst
        missing = (self.full_at - now) * self.per_second
        return max(0, math.floor(self.burst - missing + _ROUNDING)) if math.isfinite(missing) else 0

    def permitted_at(self, now: float, count: int = 1) -> float:
        """The next moment at which ``count`` may leave, or the whole burst where that is less: ``now``, or later
        (rule 2).
        """
        return max(now, self.full_at - max(0, self.burst - count) / self.per_second)

    def taken(self, count: int, now: float) -> Bucket:
        """After ``count`` left."""
        return replace(self, full_at=max(self.full_at, now) + count / self.per_second) if count else self

    def held(self, until: float) -> Bucket:
        """Nothing leaves before ``until`` (rule 3)."""
        return replace(self, full_at=max(self.full_at, until + (self.burst - 1) / self.per_second))


def bucket(per_second: float) -> Bucket:
    """One that lets a second's worth leave at once, and no less than one."""
    return Bucket(per_second=per_second, burst=max(1, math.floor(per_second)))


@dataclass(frozen=True, kw_only=True, slots=True)
class Pace:
    """``overall`` for everything, ``own`` by the name of a channel that has one."""

    overall: Bucket
    own: Mapping[str, Bucket] = field(default_factory=dict)

    def room(self, channel: str, now: float) -> int:
        """How many may leave now on ``channel``."""
        return min(bucket.room(now) for bucket in self._of(channel))

    def permitted_at(self, channel: str, now: float, count: int = 1) -> float:
        """The next moment at which ``count`` may leave on ``channel``, or as many as ever may at once."""
        return max(bucket.permitted_at(now, count) for bucket in self._of(channel))

    def half(self, channel: str) -> int:
        """Half of what may leave at once on ``channel`` after a rest, and one at least."""
        return max(1, min(bucket.burst for bucket in self._of(channel)) // 2)

    def taken(self, channel: str, count: int, now: float) -> Pace:
        own = {**self.own, channel: self.own[channel].taken(count, now)} if channel in self.own else self.own
        return Pace(overall=self.overall.taken(count, now), own=own)

    def held(self, channel: str, until: float) -> Pace:
        """Nothing leaves on ``channel`` before ``until``; other channels go on, where this one has its own rate."""
        if channel not in self.own:
            return replace(self, overall=self.overall.held(until))
        return replace(self, own={**self.own, channel: self.own[channel].held(until)})

    def _of(self, channel: str) -> list[Bucket]:
        return [self.overall, self.own[channel]] if channel in self.own else [self.overall]


UNPACED: Final = Pace(overall=Bucket(per_second=math.inf, burst=1_000_000))
