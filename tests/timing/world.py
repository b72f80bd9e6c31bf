"""The design's model: one visit on one of 60 days in a row, at one of 32 places; a daily slot in the evening."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cache
from zoneinfo import ZoneInfo

from bot.domain.choices import Level
from bot.domain.leak_attack import Guessed, attack
from bot.domain.leak_trial import Agenda, Trial, Visit, visits, watch
from bot.domain.slots import NudgeRules

MADE = 100_000
SEED = 20_260_302
MONDAY = date(2026, 3, 2)
DAYS = 60
EVENING = NudgeRules(zone=ZoneInfo("Europe/Paris"), level=Level.PLAIN)
IN_A_ROW = Agenda(days=tuple(MONDAY + timedelta(days=number) for number in range(DAYS)))
# As the design counts: sixty days of twelve working weeks.
WORKING = Agenda.after(MONDAY - timedelta(days=1), EVENING)


@dataclass(frozen=True, kw_only=True)
class Case:
    """A level, as rules; ``spread`` is how many days each nudge is drawn from."""

    level: Level
    spread: int = 1
    share: float = 0.0
    weekly: bool = False

    @property
    def rules(self) -> NudgeRules:
        return replace(
            EVENING,
            level=self.level,
            spread_days=self.spread,
            decoy_share=self.share,
            slot_days=frozenset({6}) if self.weekly else EVENING.slot_days,
        )

    @property
    def agenda(self) -> Agenda:
        return WORKING if self.weekly else IN_A_ROW


@cache
def _made(case: Case, number: int) -> Sequence[Visit]:
    return visits(case.rules, case.agenda, number, SEED)


@cache
def trial(case: Case, watched: int | None = None, made: int = MADE) -> Trial:
    """Visits of the real planner; decoys of the first ``watched``."""
    # Who has a decoy is asked for each slot, not when a visit is planned: one plan serves all shares.
    return watch(case.rules, case.agenda, _made(replace(case, share=0.0), made), watched)


@cache
def guessed(case: Case, watched: int, tried: int) -> Guessed:
    return attack(trial(case, watched), tried)
