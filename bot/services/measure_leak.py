"""What the times of a practice's nudges tell, at each level: its own rules, tried on people who do not exist.

1. One visit at a time: whoever has several, confirms, cancels or is told of a change gives more away than is measured.
2. Nothing of anybody is read but how many visits are stored of how many people.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from bot.domain.choices import Level
from bot.domain.leak import measured_bits
from bot.domain.leak_attack import attack
from bot.domain.leak_trial import (
    Agenda,
    Trial,
    Visit,
    at_level,
    reasons_each,
    slots_a_month,
    visits,
    watch,
)
from bot.domain.records import RecipientState
from bot.domain.slots import NudgeRules
from bot.errors import WrongUse
from bot.ports_storage import UnitOfWorkFactory

SHARES: Final = (0.05, 0.1, 0.2, 0.3, 0.5, 0.8)  # of decoys, where several are compared
SEED: Final = 5
_AHEAD: Final = timedelta(days=60)
_MONTH: Final = 365 / 12
_ASSUMED: Final = 1.0  # visits a patient and month, where none is stored
_MADE, _WATCHED, _TRIED = (
    20_000,
    2_400,
    1_600,
)  # made-up people; whose decoys are drawn too; who is guessed at


@dataclass(frozen=True, kw_only=True, slots=True)
class Point:
    """``share`` of decoys at the level that has them. ``nudges``: a patient and month, decoys with them.

    ``day``, ``half_day``, ``place``: how often the best guess names it. ``own``: as the practice is set.
    """

    level: Level
    share: float | None
    bits: float
    day: float
    half_day: float
    place: float
    nudges: float
    own: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Leak:
    """``known``: the bits that there are. ``visits``: a patient and month; ``stored``: counted, not assumed."""

    known: float
    visits: float
    stored: bool
    points: tuple[Point, ...]


class MeasureLeak:
    """See the module."""

    def __init__(self, uow: UnitOfWorkFactory, rules: NudgeRules) -> None:
        self._uow, self._rules = uow, rules

    def __call__(
        self,
        *,
        now: datetime,
        levels: Sequence[Level] = tuple(Level),
        shares: Sequence[float] = (),
        kind: str = "",
    ) -> Leak:
        """``shares`` of decoys beside the practice's own.

        Raises :class:`WrongUse` for a ``kind`` that the rules do not name.
        """
        if kind and kind not in {k.name for k in self._rules.kinds}:
            raise WrongUse("no kind has this name", mend="see [[nudges.kinds]] in pli.toml")
        density = self._density(now)
        agenda = Agenda.after(now.astimezone(self._rules.zone).date(), self._rules)
        points = []
        for level in levels:
            wanted = (self._rules.decoy_share, *shares) if level is Level.PRIVATE else (None,)
            made = visits(at_level(self._rules, level), agenda, _MADE, SEED, kind=kind)
            for share in sorted({round(s, 4) for s in wanted if s is not None}) or (None,):
                rules = at_level(self._rules, level, share)
                point = _measure(rules, agenda, share, made, _ASSUMED if density is None else density)
                own = level is self._rules.level and share in (None, self._rules.decoy_share)
                points.append(replace(point, own=own))
        return Leak(
            known=agenda.bits,
            visits=_ASSUMED if density is None else density,
            stored=density is not None,
            points=tuple(points),
        )

    def _density(self, now: datetime) -> float | None:
        """To a tenth; None where nobody is enrolled or nothing is booked."""
        with self._uow() as uow:
            enrolled = [r.id for r in uow.recipients.all() if r.state is RecipientState.ENROLLED]
            booked = uow.envelopes.booked_for(enrolled, now)
        number = sum(row.tell_until <= now + _AHEAD for rows in booked.values() for row in rows)
        return round(number / len(enrolled) / _AHEAD.days * _MONTH, 1) or None if enrolled else None


def _measure(
    rules: NudgeRules, agenda: Agenda, share: float | None, made: Sequence[Visit], density: float
) -> Point:
    decoys = rules.level in (Level.PRIVATE, Level.CONSTANT)
    trial = watch(rules, agenda, made, _WATCHED if decoys else None)
    told = attack(trial, _TRIED)
    plain = None if decoys else _counted(trial)
    slots = slots_a_month(rules, agenda.days[0])
    reasons = min(density * reasons_each(made), slots)
    extra = {Level.PRIVATE: rules.decoy_share, Level.CONSTANT: 1.0}.get(rules.level, 0.0)
    return Point(
        level=rules.level,
        share=share,
        bits=told.bits if plain is None else plain,
        day=told.day,
        half_day=told.half_day,
        place=told.place,
        nudges=reasons + extra * (slots - reasons),
        own=False,
    )


def _counted(trial: Trial) -> float | None:
    """By counting, which is exact to some hundredths where each combination comes often enough; else None."""
    pairs = [(visit.until, seen) for visit, seen in zip(trial.visits, trial.seen, strict=True)]
    return measured_bits(pairs) if 10 * len(set(pairs)) <= len(pairs) else None
