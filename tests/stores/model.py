"""What must be true of one recipient in one vault: written from the rules, not from the code."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime, timedelta

TRIES = 10
WAITS = (0, 0, 0, 1, 5, 15, 60, 240, 720)  # minutes, as published

RIGHT, WRONG, WAIT, DESTROYED, STALE = "right", "wrong", "wait", "destroyed", "stale"
_KINDS = {
    "PIN_RIGHT": RIGHT,
    "PIN_WRONG": WRONG,
    "PIN_WRONG_WAIT": WRONG,
    "PIN_WRONG_TRIES": WRONG,
    "PIN_WAIT": WAIT,
    "PIN_DESTROYED": DESTROYED,
    "PIN_STALE": STALE,
}


def kind_of(outcome: str) -> str:
    """What came of a guess, without the shades of its wording."""
    return _KINDS[outcome]


@dataclass
class Guarded:
    """``pins``: which PIN opens each generation that must still be there; ``since``: when the running wait began."""

    pins: dict[int, str] = field(default_factory=dict)
    wrong: int = 0
    since: datetime | None = None
    dead: bool = False

    def waits(self, now: datetime) -> bool:
        """Looks at the clock: one that was set back begins the wait again."""
        if not 0 < self.wrong < TRIES or self.since is None:
            return False
        self.since = min(self.since, now)
        return now < self.since + timedelta(minutes=WAITS[self.wrong - 1])

    def guess(self, generation: int, now: datetime, *, right: bool) -> str:
        """What must come of a guess, and what it leaves behind."""
        if self.dead:
            return DESTROYED
        if self.waits(now):  # told before anything is hashed, whichever PIN it is
            return WAIT
        if generation not in self.pins:
            return STALE
        if right:
            self.wrong = 0
            return RIGHT
        self.wrong, self.since = self.wrong + 1, now
        if self.wrong == TRIES:
            self.die()
            return DESTROYED
        return WRONG

    def die(self) -> None:
        self.dead = True
        self.pins.clear()

    def keep_only(self, generation: int, pin: str) -> None:
        self.pins = {generation: pin}

    def copy(self) -> Guarded:
        return deepcopy(self)
