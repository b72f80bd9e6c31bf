"""Somebody who sees the nudges and guesses: as right as can be, and never more."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import pytest

from bot.domain.choices import Level
from bot.domain.leak import exact_bits, exact_success
from bot.domain.leak_attack import Attacker, Guessed, attack
from bot.domain.leak_trial import Agenda, Trial, visits, watch
from bot.domain.slots import NudgeRules

RULES = NudgeRules(zone=ZoneInfo("Europe/Paris"), level=Level.PLAIN)
DAYS = 12
MONDAY = date(2026, 6, 1)
ROW = Agenda(days=tuple(MONDAY + timedelta(days=n) for n in range(DAYS)))


@cache
def trial(level: Level, spread: int = 1, share: float = 0.0, watched: int = 1_500) -> Trial:
    rules = replace(RULES, level=level, spread_days=spread, decoy_share=share)
    return watch(rules, ROW, visits(rules, ROW, 3_000, 11), watched)


def windows(length: int) -> list[range]:
    return [range(day, day + length) for day in range(DAYS)]


@pytest.mark.parametrize(
    ("level", "spread", "share"),
    [
        (Level.PLAIN, 1, 0.0),
        (Level.DISCREET, 3, 0.0),
        (Level.PRIVATE, 1, 0.2),
        (Level.PRIVATE, 1, 0.6),
        (Level.PRIVATE, 2, 0.3),
    ],
)
def test_they_learn_what_is_to_be_learnt(level: Level, spread: int, share: float) -> None:
    found = attack(trial(level, spread, share), 1_000)
    assert found.bits == pytest.approx(exact_bits(windows(spread), share), abs=0.09)
    day = exact_success(windows(spread), share)
    assert found.day == pytest.approx(day, abs=0.04)
    assert found.half_day == pytest.approx(day / 2, abs=0.04)
    assert found.place == pytest.approx(day / 32, abs=0.006)


def test_where_all_are_nudged_they_learn_nothing() -> None:
    found = attack(trial(Level.CONSTANT), 1_000)
    assert found.bits == pytest.approx(0, abs=0.01)
    assert found.day == pytest.approx(1 / DAYS, abs=0.03)


def test_two_nudges_of_a_visit_are_both_used() -> None:
    """Of one lead of three days and another one the day stays open less than of one."""
    rules = replace(RULES, level=Level.DISCREET, spread_days=3, days_before=(1, 5))
    made = watch(rules, ROW, visits(rules, ROW, 6_000, 3), 1_500)
    both = attack(made, 1_000)
    assert both.bits > attack(trial(Level.DISCREET, 3), 1_000).bits + 0.5
    assert both.bits < exact_bits(windows(1), 0.0)
    assert both.day == pytest.approx(0.6, abs=0.12)


def test_an_hour_that_is_told_is_seen() -> None:
    """A nudge at noon for mornings, in the evening for afternoons: a bit more, and the half-day is known."""
    made = trial(Level.PLAIN)
    slots = tuple(sorted({slot + timedelta(hours=h) for slot in made.slots for h in (0, 6)}))
    told = [
        visit._replace(
            nudges=tuple((n, s + timedelta(hours=6 * (visit.place // 16))) for n, s in visit.nudges)
        )
        for visit in made.visits
    ]
    bit = {slot: 1 << n for n, slot in enumerate(slots)}
    seen = [sum(bit[s] for _, s in visit.nudges) for visit in told[: len(made.seen)]]
    found = attack(Trial(agenda=ROW, rules=made.rules, visits=told, slots=slots, seen=seen), 1_000)
    assert found.bits == pytest.approx(exact_bits(windows(1), 0.0) + 1, abs=0.06)
    assert found.half_day == 1.0
    assert found.place == pytest.approx(1 / 16)


def test_they_are_judged_on_what_they_did_not_learn_from() -> None:
    """The last of those who are seen, and no others: what is made of the others does not count."""
    made = trial(Level.PLAIN)
    misled = [0 if number < 1_000 else seen for number, seen in enumerate(made.seen)]
    whole = Trial(agenda=ROW, rules=made.rules, visits=made.visits, slots=made.slots, seen=misled)
    assert attack(whole, 500).day == 1.0
    blind = [seen if number < 1_000 else 0 for number, seen in enumerate(made.seen)]
    found = attack(replace(whole, seen=blind), 500)
    assert found.day == pytest.approx(1 / DAYS, abs=0.05)


def test_what_was_never_learnt_is_no_disaster() -> None:
    """Who knows of nobody believes nothing; a nudge that was never seen is not held for impossible."""
    made = trial(Level.PLAIN)
    nothing = Attacker(made, ()).guess(range(200))
    assert nothing.bits == pytest.approx(0, abs=0.02)
    few = Attacker(made, range(12)).guess(range(12, 400))
    assert 0 <= few.bits < exact_bits(windows(1), 0.0)
    assert isinstance(few, Guessed)


def test_a_belief_is_one() -> None:
    attacker = Attacker(trial(Level.PRIVATE, 2, 0.3), range(1_000))
    for seen in (0, 1, 0b1011, (1 << 13) - 1):
        belief = attacker._belief(seen)
        assert sum(belief.values()) == pytest.approx(1)
        assert min(belief.values()) >= 0.001 / 24 - 1e-12
        assert len(belief) == 24
