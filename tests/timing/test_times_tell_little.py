"""P7: the times of the nudges say as little as the design's table, measured on the real planner.

Without decoys every pair of visit and nudges is counted (plug-in, Miller and Madow's correction): whatever the planner
gave away, by day or by hour, would be in the count. With decoys there are more sets of nudges than could be counted;
what is measured is what an attacker's belief is worth who learnt the planner's habits: the true bits are no fewer.
"""

from __future__ import annotations

from collections import Counter

import pytest

from bot.domain.choices import Level
from bot.domain.leak import exact_bits, exact_success, measured_bits
from bot.domain.leak_attack import attack
from tests.timing.world import DAYS, MADE, Case, guessed, trial

CLOSE = 0.1  # bits
WATCHED, TRIED = 5_000, 3_500
EVERYBODY_TRIED = 50_000

PLAIN = Case(level=Level.PLAIN)
WEEKLY = Case(level=Level.PLAIN, weekly=True)
DISCREET = Case(level=Level.DISCREET, spread=3)
FROM_FIVE = Case(level=Level.DISCREET, spread=5)
PRIVATE = Case(level=Level.PRIVATE, spread=3, share=0.2)
CONSTANT = Case(level=Level.CONSTANT, spread=3)


def decoys(share: float) -> Case:
    return Case(level=Level.PRIVATE, share=share)


def windows(length: int) -> list[range]:
    return [range(day, day + length) for day in range(DAYS)]


def exact(case: Case) -> tuple[float, float]:
    """Bits, and how often the day is guessed."""
    return exact_bits(windows(case.spread), case.share), exact_success(windows(case.spread), case.share)


@pytest.mark.parametrize(
    ("case", "bits"), [(PLAIN, 5.91), (DISCREET, 4.35), (FROM_FIVE, 3.64), (WEEKLY, 3.58)], ids=str
)
def test_p7_without_decoys_the_bits_are_the_designs(case: Case, bits: float) -> None:
    made = trial(case)
    pairs = [((v.day, v.place), seen) for v, seen in zip(made.visits, made.seen, strict=True)]
    assert len(pairs) == MADE
    assert measured_bits(pairs) == pytest.approx(bits, abs=CLOSE)
    if case is not WEEKLY:
        assert exact(case)[0] == pytest.approx(bits, abs=0.006), "the table is rounded"


@pytest.mark.parametrize(
    ("case", "bits"),
    [(decoys(0.1), 3.21), (decoys(0.2), 2.27), (decoys(0.5), 0.99), (PRIVATE, 1.07)],
    ids=str,
)
def test_p7_with_decoys_the_bits_are_the_designs(case: Case, bits: float) -> None:
    assert guessed(case, WATCHED, TRIED).bits == pytest.approx(bits, abs=CLOSE)
    assert exact(case)[0] == pytest.approx(bits, abs=0.006), "the table is rounded"


def test_p7_where_everyone_is_nudged_every_slot_nothing_is_told() -> None:
    made = trial(CONSTANT, 2_000, 20_000)
    assert len(set(made.seen)) == 1
    assert made.seen[0] == (1 << len(made.slots)) - 1
    assert attack(made, 1_000).bits == pytest.approx(0, abs=0.01)


@pytest.mark.parametrize("case", [PLAIN, DISCREET, decoys(0.1), decoys(0.2), decoys(0.5), PRIVATE], ids=str)
def test_p7_who_guesses_is_right_as_often_as_can_be(case: Case) -> None:
    """The day; of the half-days and places in it nothing is known, so that chance halves it, and divides it by 32."""
    found = guessed(case, WATCHED, TRIED)
    day = exact(case)[1]
    assert found.day == pytest.approx(day, abs=4 * _deviation(day) + 0.01)
    assert found.half_day == pytest.approx(day / 2, abs=4 * _deviation(day / 2) + 0.01)
    assert found.place == pytest.approx(day / 32, abs=0.004)


def _deviation(share: float) -> float:
    return float((share * (1 - share) / TRIED) ** 0.5)


def test_p7_decoys_do_not_know_the_visit() -> None:
    """As many before it as after it, at every distance, and on every day of the week."""
    made = trial(PRIVATE, WATCHED)
    bit = {slot: number for number, slot in enumerate(made.slots)}
    asked: Counter[tuple[str, int]] = Counter()
    drawn: Counter[tuple[str, int]] = Counter()
    for visit, seen in zip(made.visits, made.seen, strict=False):
        own = {bit[slot] for _, slot in visit.nudges}
        for slot in range(len(made.slots)):
            if slot in own:
                continue
            for key in (("distance", max(-9, min(9, slot - visit.day))), ("weekday", slot % 7)):
                asked[key] += 1
                drawn[key] += seen >> slot & 1
    assert len(asked) == 26
    for key, number in asked.items():
        deviation = (0.2 * 0.8 / number) ** 0.5
        assert drawn[key] / number == pytest.approx(0.2, abs=5 * deviation), key


def test_p7_decoys_are_independent_of_one_another() -> None:
    """The number of a recipient's decoys spreads as that of independent draws does."""
    made = trial(decoys(0.2), WATCHED)
    numbers = [seen.bit_count() - 1 for seen in made.seen]
    mean = sum(numbers) / len(numbers)
    variance = sum((n - mean) ** 2 for n in numbers) / len(numbers)
    others = len(made.slots) - 1
    assert mean == pytest.approx(0.2 * others, rel=0.02)
    assert variance == pytest.approx(0.2 * 0.8 * others, rel=0.1)


def test_p7_the_draw_is_even() -> None:
    """Each of the days that a nudge is drawn from is as likely, for visits in the morning as for others."""
    made = trial(DISCREET)
    zone, days = made.rules.zone, made.agenda.days
    day_of = {slot: slot.astimezone(zone).date() for slot in made.slots}
    found = Counter(
        ((days[visit.day] - day_of[visit.nudges[0][1]]).days, visit.place < 16) for visit in made.visits
    )
    assert {ahead for ahead, _ in found} == {1, 2, 3}
    for key, number in found.items():
        assert number == pytest.approx(MADE / 6, rel=0.03), key


def test_the_measure_would_see_an_hour() -> None:
    """Otherwise nothing above could fail: slots that tell the half-day give away one bit more."""
    made = trial(DISCREET)
    pairs = [
        ((v.day, v.place), (seen, v.place // 16)) for v, seen in zip(made.visits, made.seen, strict=True)
    ]
    assert measured_bits(pairs) == pytest.approx(exact(DISCREET)[0] + 1, abs=CLOSE)


@pytest.mark.nightly
@pytest.mark.parametrize("case", [decoys(0.1), decoys(0.2), decoys(0.5), PRIVATE], ids=str)
def test_p7_the_same_with_the_decoys_of_all(case: Case) -> None:
    found = guessed(case, MADE, EVERYBODY_TRIED)
    bits, day = exact(case)
    assert found.bits == pytest.approx(bits, abs=0.04)
    assert found.day == pytest.approx(day, abs=0.01)
