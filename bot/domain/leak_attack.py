"""Somebody who sees all nudges of one recipient and guesses when the visit is, as well as can be learnt.

1. They have tried the rules on as many people as they like, and know how often a nudge with a reason leaves in which
   slot for which visit, and how often any other slot has a decoy, by its distance in days. Here they learn from most
   visits of a trial and guess at the others.
2. What their belief is worth in bits is never more than what the times tell, and as much where they believe the truth.
   So a number above a policy's exact value is no skill of theirs: the planner tells more than the policy.
3. Hours are told apart by nudges with a reason alone; decoys do not know a visit.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import exp, log, log2
from typing import Final

from bot.domain.leak_trial import Trial

_FAR: Final = 7  # days; what is farther from a visit is one to whoever learns
_DOUBT: Final = 0.001  # that they do not trust what they learnt
_LEAST: Final = 1e-6  # of a rate, so that nothing is held for impossible
_AT_ONCE: Final = 8  # slots that are looked up together
_NOON: Final = 12


@dataclass(frozen=True, kw_only=True, slots=True)
class Guessed:
    """``bits`` of those that there are; how often the best guess names the day, the half-day, the very place."""

    bits: float
    day: float
    half_day: float
    place: float


@dataclass(frozen=True, kw_only=True, slots=True)
class _Cell:
    """Visits that are the same to the planner: ``places`` of the agenda's.

    ``reasons``, a lead each: how often it gives no nudge; else in which slot (as a bit), and how much that is worth.
    """

    until: datetime
    day: int
    half_day: tuple[int, bool]
    places: int
    reasons: tuple[tuple[float, tuple[tuple[int, float], ...]], ...]

    def fits(self, seen: int) -> float:
        worth = 1.0
        for never, slots in self.reasons:
            worth *= never + sum(weight for bit, weight in slots if seen & bit)
        return worth


def attack(trial: Trial, tried: int) -> Guessed:
    """Guess at the last ``tried`` of the visits whose decoys are seen, having learnt from all others."""
    seen, made = len(trial.seen), len(trial.visits)
    known = [*range(seen - tried), *range(seen, made)]
    return Attacker(trial, known).guess(range(seen - tried, seen))


class Attacker:
    """See the module; ``known`` are the numbers of the visits that are learnt from."""

    def __init__(self, trial: Trial, known: Iterable[int]) -> None:
        self._trial = trial
        known = tuple(known)
        zone = trial.rules.zone
        days_of_slots = [slot.astimezone(zone).date() for slot in trial.slots]
        distances = [
            [max(-_FAR, min(_FAR, (of_slot - day).days)) for of_slot in days_of_slots]
            for day in trial.agenda.days
        ]
        rates = _decoy_rates(trial, known, distances)
        odds = {distance: rate / (1 - rate) for distance, rate in rates.items()}
        self._bases = [
            _Base(
                without=sum(log(1 - rates[distance]) for distance in row),
                each=[log(odds[distance]) for distance in row],
            )
            for row in distances
        ]
        worth = [[1 / odds[distance] for distance in row] for row in distances]
        self._cells = _cells(trial, known, worth)
        self._places = sum(cell.places for cell in self._cells.values())

    def guess(self, visits: Iterable[int]) -> Guessed:
        bits: list[float] = []
        days = half_days = places = 0.0
        for number in visits:
            visit, seen = self._trial.visits[number], self._trial.seen[number]
            true = self._cells[visit.until]
            belief = self._belief(seen)
            bits.append(log2(belief[visit.until] * self._places / true.places))
            by_day: dict[int, float] = defaultdict(float)
            by_half: dict[tuple[int, bool], float] = defaultdict(float)
            for until, chance in belief.items():
                cell = self._cells[until]
                by_day[cell.day] += chance
                by_half[cell.half_day] += chance
            best = max(belief, key=lambda until: belief[until] / self._cells[until].places)
            days += max(by_day, key=by_day.__getitem__) == true.day
            half_days += max(by_half, key=by_half.__getitem__) == true.half_day
            places += (best == true.until) / true.places
        number = len(bits)
        return Guessed(
            bits=max(sum(bits) / number, 0.0),
            day=days / number,
            half_day=half_days / number,
            place=places / number,
        )

    def _belief(self, seen: int) -> dict[datetime, float]:
        """How likely each moment is, given what is seen."""
        parts = [seen >> first & (1 << _AT_ONCE) - 1 for first in range(0, len(self._trial.slots), _AT_ONCE)]
        found = {
            until: (fits, cell.day, cell.places)
            for until, cell in self._cells.items()
            if (fits := cell.fits(seen)) > 0
        }
        bases = {day: self._bases[day].of(parts) for day in {day for _, day, _ in found.values()}}
        highest = max(bases.values(), default=0.0)
        scores = {
            until: places * fits * exp(bases[day] - highest) for until, (fits, day, places) in found.items()
        }
        whole = sum(scores.values())
        return {
            until: _DOUBT * cell.places / self._places
            + (1 - _DOUBT) * (scores.get(until, 0.0) / whole if whole else cell.places / self._places)
            for until, cell in self._cells.items()
        }


class _Base:
    """The logarithm of how likely a set of decoys is. ``each``: what a slot that is in it adds."""

    def __init__(self, *, without: float, each: Sequence[float]) -> None:
        self._without = without
        self._sums = []
        for first in range(0, len(each), _AT_ONCE):
            chosen = each[first : first + _AT_ONCE]
            sums = [0.0] * (1 << len(chosen))
            for mask in range(1, len(sums)):
                lowest = mask & -mask
                sums[mask] = sums[mask ^ lowest] + chosen[lowest.bit_length() - 1]
            self._sums.append(sums)

    def of(self, parts: Sequence[int]) -> float:
        return self._without + sum(sums[part] for sums, part in zip(self._sums, parts, strict=True))


def _decoy_rates(trial: Trial, known: Iterable[int], distances: Sequence[Sequence[int]]) -> dict[int, float]:
    """By distance: of the slots without a reason, the share that was seen all the same."""
    bit = {slot: number for number, slot in enumerate(trial.slots)}
    asked: Counter[int] = Counter()
    drawn: Counter[int] = Counter()
    for number in known:
        if number >= len(trial.seen):
            continue
        visit, seen = trial.visits[number], trial.seen[number]
        own = {bit[slot] for _, slot in visit.nudges}
        row = distances[visit.day]
        for slot, distance in enumerate(row):
            if slot not in own:
                asked[distance] += 1
                drawn[distance] += seen >> slot & 1
    everywhere = {distance for row in distances for distance in row}
    return {d: min(max(drawn[d] / max(asked[d], 1), _LEAST), 1 - _LEAST) for d in everywhere}


def _cells(trial: Trial, known: Iterable[int], worth: Sequence[Sequence[float]]) -> dict[datetime, _Cell]:
    """By the moment until which a nudge helps: what was learnt of it, or nothing."""
    bit = {slot: number for number, slot in enumerate(trial.slots)}
    zone = trial.rules.zone
    tried: Counter[datetime] = Counter()
    chosen: dict[datetime, dict[int, Counter[int]]] = defaultdict(lambda: defaultdict(Counter))
    for number in known:
        visit = trial.visits[number]
        tried[visit.until] += 1
        for lead, slot in visit.nudges:
            chosen[visit.until][lead][bit[slot]] += 1
    found = {}
    for (until, day), places in sorted(trial.places.items()):
        number = max(tried[until], 1)
        reasons = tuple(
            (
                1 - slots.total() / number,
                tuple((1 << slot, count / number * worth[day][slot]) for slot, count in slots.items()),
            )
            for _, slots in sorted(chosen[until].items())
        )
        found[until] = _Cell(
            until=until,
            day=day,
            half_day=(day, until.astimezone(zone).hour >= _NOON),
            places=places,
            reasons=reasons,
        )
    return found
