"""Is this machine's wall clock to be believed? It is held against one that is never set, and against what was noted.

A clock that was set wrong would have every nudge of months leave at once, or be dropped as too late. A look is the wall
clock beside a steady one: seconds since this machine was started, suspension included, comparable within one boot.

1. Within one boot the wall clock must have gone on as the steady one did, give or take :attr:`Tolerance.jump`: between
   two looks of one process, and across its restarts.
2. Across boots it must not lie before what was last noted, nor further ahead than :attr:`Tolerance.absence`.
3. What is doubtful is never noted as good: the last good look stands until the clock agrees with it again.
4. A doubt outlives a reboot. A clock that was ahead agrees again once it was set back to between the last good look and
   where it was when the doubt was last looked at.
5. Where nothing was noted yet there is nothing to hold the clock against: it is believed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class Clockwork(StrEnum):
    """What is thought of the wall clock."""

    GOOD = "good"
    BEHIND = "behind"
    AHEAD = "ahead"


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """``steady`` in seconds since the boot that ``boot`` names; an empty name is never the same boot."""

    wall: datetime
    steady: float
    boot: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Tolerance:
    """``jump`` within a boot and backwards; ``absence`` is the longest time for which a bot is away without doubt."""

    jump: timedelta = timedelta(minutes=10)
    absence: timedelta = timedelta(days=30)


@dataclass(frozen=True, kw_only=True, slots=True)
class Noted:
    """The last ``good`` look, and the last one ``doubted`` since then, if the clock is in doubt."""

    good: Look
    doubted: Look | None = None


def judge(known: Noted | None, look: Look, tolerance: Tolerance) -> Clockwork:
    """See the module."""
    if known is None:
        return Clockwork.GOOD  # rule 5
    good = known.good
    if good.boot and good.boot == look.boot:  # rule 1
        off = look.wall - (good.wall + timedelta(seconds=look.steady - good.steady))
        if abs(off) <= tolerance.jump:
            return Clockwork.GOOD
        return Clockwork.AHEAD if off > timedelta() else Clockwork.BEHIND
    if look.wall < good.wall - tolerance.jump:  # rule 2
        return Clockwork.BEHIND
    doubted = known.doubted
    still_ahead = doubted is not None and good.wall < doubted.wall <= look.wall  # rule 4
    ahead = still_ahead or look.wall > good.wall + tolerance.absence
    return Clockwork.AHEAD if ahead else Clockwork.GOOD


def noted(before: Noted | None, look: Look, tolerance: Tolerance) -> Noted:
    """What is to be remembered after ``look`` (rule 3)."""
    if before is None or judge(before, look, tolerance) is Clockwork.GOOD:
        return Noted(good=look)
    return Noted(good=before.good, doubted=look)
