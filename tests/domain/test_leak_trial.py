"""Made-up people on the real planner."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from math import log2
from zoneinfo import ZoneInfo

import pytest

from bot.domain.choices import KindRule, Level
from bot.domain.leak_trial import (
    PLACES,
    Agenda,
    Trial,
    Visit,
    at_level,
    reasons_each,
    slots_a_month,
    visits,
    watch,
)
from bot.domain.planning import Person, is_decoy
from bot.domain.slots import NudgeRules
from bot.domain.values import RecipientId

PARIS = ZoneInfo("Europe/Paris")
RULES = NudgeRules(zone=PARIS, level=Level.PLAIN)
MONDAY = date(2026, 6, 1)
WEEK = Agenda.after(MONDAY - timedelta(days=1), RULES, 5)


def evening(day: date) -> datetime:
    return datetime.combine(day, time(18, 0), tzinfo=PARIS).astimezone(UTC)


def test_an_agenda_is_of_working_days() -> None:
    assert WEEK.days == tuple(MONDAY + timedelta(days=n) for n in range(5))
    assert WEEK.bits == log2(5 * 32)
    whole = Agenda.after(MONDAY - timedelta(days=1), RULES)
    assert len(whole.days) == 60
    assert whole.days[-1] == MONDAY + timedelta(weeks=11, days=4)
    closed = replace(RULES, days_off=frozenset({MONDAY}), slot_days=frozenset({6}))
    assert Agenda.after(MONDAY - timedelta(days=1), closed, 1).days == (MONDAY + timedelta(days=1),)
    assert Agenda.after(MONDAY, RULES, 1).days == (MONDAY + timedelta(days=1),)


def test_places_are_as_many_before_noon_as_after() -> None:
    assert len(PLACES) == len(set(PLACES)) == 32
    assert sum(place < time(12) for place in PLACES) == 16
    assert {place.hour for place in PLACES} == {8, 9, 10, 11, 14, 15, 16, 17}
    assert {place.minute for place in PLACES} == {0, 15, 30, 45}
    assert {place.second for place in PLACES} == {0}


def test_rule_1_only_the_seed_decides() -> None:
    once, again, other = (visits(RULES, WEEK, 50, seed) for seed in (1, 1, 2))
    assert once == again != other
    assert len({visit.recipient for visit in once}) == 50
    assert all(visit.recipient.startswith("r-") and len(visit.recipient) == 18 for visit in once)
    assert {visit.day for visit in visits(RULES, WEEK, 200, 1)} == set(range(5))
    assert {visit.place for visit in visits(RULES, WEEK, 600, 1)} == set(range(32))


def test_visits_are_planned_by_the_rules() -> None:
    for visit in visits(RULES, WEEK, 100, 3):
        day = WEEK.days[visit.day]
        assert visit.nudges == ((1, evening(day - timedelta(days=1))),)
        noon = 12 if PLACES[visit.place] >= time(12) else 0
        assert visit.until == datetime.combine(day, time(noon), tzinfo=PARIS).astimezone(UTC)
    twice = visits(replace(RULES, days_before=(7, 1)), WEEK, 10, 3)
    assert all([lead for lead, _ in visit.nudges] == [7, 1] for visit in twice), "none is past already"
    long = replace(RULES, days_before=(60,), level=Level.DISCREET, spread_days=14)
    assert all(len(visit.nudges) == 1 for visit in visits(long, WEEK, 100, 3))
    assert {len(v.nudges) for v in visits(replace(RULES, days_before=()), WEEK, 5, 3)} == {0}


def test_a_kind_is_planned_by_its_own_rules() -> None:
    rules = replace(RULES, kinds=(KindRule(name="blood", type="x", days_before=(40,)),), days_before=(0,))
    for visit in visits(rules, WEEK, 20, 3, kind="blood"):
        assert visit.nudges == ((40, evening(WEEK.days[visit.day] - timedelta(days=40))),)


def test_rule_2_what_is_seen_are_slots_with_a_nudge() -> None:
    made = visits(RULES, WEEK, 40, 5)
    trial = watch(RULES, WEEK, made)
    assert trial.slots == tuple(evening(MONDAY + timedelta(days=n)) for n in range(-1, 4))
    assert list(trial.seen) == [1 << visit.day for visit in made]
    assert (trial.agenda, trial.rules, trial.visits) == (WEEK, RULES, made)


def test_decoys_are_the_planners() -> None:
    for level in (Level.PRIVATE, Level.CONSTANT):
        rules = replace(RULES, level=level, spread_days=1, decoy_share=0.4)
        made = visits(rules, WEEK, 30, 5)
        trial = watch(rules, WEEK, made, 20)
        assert len(trial.seen) == 20
        for visit, seen in zip(made, trial.seen, strict=False):
            who = Person(id=visit.recipient)
            drawn = {n for n, slot in enumerate(trial.slots) if is_decoy(rules, who, slot)}
            assert {n for n in range(8) if seen >> n & 1} == drawn | {visit.day}


def test_slots_of_a_kind_are_seen_and_have_no_decoys() -> None:
    noon = KindRule(name="noon", type="x", slots=(time(12, 0),))
    rules = replace(RULES, level=Level.CONSTANT, kinds=(noon,), spread_days=1)
    made = visits(rules, WEEK, 40, 5, kind="noon")
    trial = watch(rules, WEEK, made)
    assert len(trial.slots) == 5 + 4
    assert {seen.bit_count() for seen in trial.seen} == {5}


def test_without_a_nudge_nothing_is_seen() -> None:
    none = replace(RULES, days_before=(), level=Level.CONSTANT)
    trial = watch(none, WEEK, visits(none, WEEK, 4, 1), 3)
    assert (trial.slots, list(trial.seen)) == ((), [0, 0, 0])
    assert (trial.agenda, trial.rules, len(trial.visits)) == (WEEK, none, 4)


def test_places_that_are_the_same_to_the_planner() -> None:
    trial = watch(RULES, WEEK, visits(RULES, WEEK, 5, 1))
    assert set(trial.places.values()) == {16}
    assert {day for _, day in trial.places} == set(range(5))
    assert len(trial.places) == 10
    marked = replace(RULES, slots=(time(10, 0),))
    again = Trial(agenda=WEEK, rules=marked, visits=(), slots=(), seen=())
    assert sorted(n for (_, day), n in again.places.items() if day == 0) == [4, 12, 16]


def test_levels_and_shares() -> None:
    assert at_level(RULES, Level.PRIVATE) == replace(RULES, level=Level.PRIVATE)
    assert at_level(RULES, Level.PRIVATE, 0.0) == replace(RULES, level=Level.PRIVATE, decoy_share=0.0)


def test_how_many_slots_and_reasons() -> None:
    assert slots_a_month(RULES, MONDAY) == pytest.approx(365 / 12)
    weekly = replace(RULES, slot_days=frozenset({6}))
    assert slots_a_month(weekly, MONDAY) == pytest.approx(52 / 12)
    one, two = evening(MONDAY), evening(MONDAY + timedelta(days=1))

    def visit(*slots: datetime) -> Visit:
        return Visit(RecipientId("r"), 0, 0, two, tuple(enumerate(slots)))

    assert reasons_each([visit(one, two), visit(one, one), visit()]) == 1.0
    assert reasons_each([visit(one, two)]) == 2.0
    assert reasons_each([]) == 0.0
