"""When nudges leave, and how many: rule 9 of :mod:`bot.services.deliver`.

While more wait than may leave, they gather until half a burst may: whatever leaves together is prepared in few
requests, and one at a time each would be prepared with requests of its own. Nobody waits for others who are not there:
fewer leave as soon as they may, and one alone at once. Nor does the first after a pause that the other side named.
"""

from __future__ import annotations

from collections.abc import Iterable

from bot.domain.pacing import Pace
from bot.errors import ChannelError
from bot.ports import Clock
from bot.services.settle_sent import LONGEST_HOLD, Sending


class PaceNudges:
    """One instance a process; ``channel`` as ``pace`` names it."""

    def __init__(self, pace: Pace, channel: str, clock: Clock) -> None:
        self._pace, self._channel, self._clock = pace, channel, clock
        self._behind = 0
        self.most_together = pace.half(channel)

    def at(self) -> float:
        """The next moment of the monotonic clock at which some may leave: now, or later."""
        return self._at(self._clock.monotonic())

    def room(self) -> int:
        """How many may leave now."""
        now = self._clock.monotonic()
        return 0 if self._at(now) > now else self._pace.room(self._channel, now)

    def leave(self, count: int, *, behind: int) -> None:
        """So many leave now; so many are ``behind`` them, as far as that is known."""
        self._pace = self._pace.taken(self._channel, count, self._clock.monotonic())
        self._behind = behind

    def slow_down(self, outcomes: Iterable[Sending]) -> None:
        """Hold all of them where the other side named a pause; then one tries alone."""
        named = [o.error.retry_after or 0.0 for o in outcomes if isinstance(o.error, ChannelError)]
        if pause := min(max(named, default=0.0), LONGEST_HOLD.total_seconds()):
            self._pace = self._pace.held(self._channel, self._clock.monotonic() + pause)
            self._behind = 0

    def _at(self, now: float) -> float:
        together = max(1, min(self._behind, self.most_together))
        return self._pace.permitted_at(self._channel, now, together)
