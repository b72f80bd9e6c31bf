"""The planner at its edges: a slot at the very moment, the longest holidays, another zone, draws that stay drawn."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from bot.domain.choices import Late, Level, Shift, Wishes
from bot.domain.planning import LATE_LEAD, Because, Booked, Person, Plan, WhyNot, is_decoy, plan
from bot.domain.slots import REACH, NudgeRules
from bot.domain.timing import timing
from bot.domain.values import AppointmentId, RecipientId

HONOLULU = ZoneInfo("Pacific/Honolulu")
RULES = NudgeRules(zone=HONOLULU, level=Level.PLAIN, late=Late.NONE)
ANNA = Person(id=RecipientId("r-anna"))
VISIT = date(2026, 9, 30)
EARLY = datetime(2026, 1, 1, tzinfo=UTC)
PINNED = [[0, 0], [0, 1], [3, 0], [3, 2], [2, 3], [3, 2], [3, 3], [2, 1], [1, 3], [1, 3], [2, 2], [1, 2]]
PINNED_DECOYS = [0, 2, 11, 14, 21, 24, 26, 28, 31, 36, 37]


def at(day: date, hour: int) -> datetime:
    return datetime.combine(day, time(hour), tzinfo=HONOLULU).astimezone(UTC)


def booked(until: datetime, number: int = 1) -> Booked:
    return Booked(id=AppointmentId(f"a-{number}"), until=until)


def days(first: int, last: int, of: date = VISIT) -> frozenset[date]:
    """From so many days before ``of`` to so many before it."""
    return frozenset(of - timedelta(days=n) for n in range(last, first + 1))


def slots(found: Plan) -> list[tuple[datetime, Because]]:
    return [(nudge.slot, nudge.because) for nudge in found.nudges]


def test_nothing_is_assumed_of_whom_nothing_is_said() -> None:
    it = booked(at(VISIT, 12))
    assert (it.revision, it.kind, it.confirmed, it.declined, it.done) == (1, "", False, False, frozenset())
    assert it.confirmed is False
    assert it.declined is False
    assert ANNA.reminders_on is True
    assert ANNA.paused is False
    assert Plan() == Plan(nudges=(), skipped=())
    assert LATE_LEAD == -1, "it is stored"


def test_leads_are_taken_from_the_earliest_nudge_on() -> None:
    assert timing(replace(RULES, days_before=(1, 7, 3, 7)), "", Wishes()).days_before == (7, 3, 1)


def test_what_is_not_planned_names_its_appointment_and_lead() -> None:
    rules = replace(RULES, days_before=(1, 7))

    def skipped(it: Booked, person: Person = ANNA, now: datetime = EARLY) -> list[tuple[str, int, WhyNot]]:
        return [(s.appointment, s.lead, s.why) for s in plan(rules, person, [it], now).skipped]

    it = booked(at(VISIT, 12))
    assert skipped(it, replace(ANNA, reminders_on=False)) == [("a-1", n, WhyNot.STOPPED) for n in (7, 1)]
    assert skipped(replace(it, done=frozenset({7, 1}))) == [("a-1", n, WhyNot.DONE) for n in (7, 1)]
    assert skipped(replace(it, confirmed=True)) == [("a-1", 7, WhyNot.CONFIRMED)]
    assert skipped(it, now=at(VISIT, 8)) == [("a-1", n, WhyNot.PAST) for n in (7, 1)]


def test_a_slot_at_the_very_moment_is_too_late() -> None:
    noon = replace(RULES, slots=(time(12),), days_before=(0,))
    the_day_before = at(VISIT - timedelta(days=1), 12)
    assert slots(plan(noon, ANNA, [booked(at(VISIT, 12))], EARLY)) == [
        (the_day_before, Because.HOUR_TOO_LATE)
    ]
    late = replace(noon, late=Late.NEXT, days_before=(1,))
    assert slots(plan(late, ANNA, [booked(at(VISIT, 12))], at(VISIT, 10))) == []
    (one,) = plan(late, ANNA, [booked(at(VISIT, 13))], at(VISIT, 10)).nudges
    assert (one.slot, one.because, one.lead) == (at(VISIT, 12), Because.LATE, LATE_LEAD)


Ask = Callable[[Iterable[date]], list[tuple[datetime, Because]]]


def _by_lead(off: Iterable[date]) -> list[tuple[datetime, Because]]:
    """The day before the visit is off."""
    rules = replace(RULES, days_off=frozenset(off), days_before=(1,))
    return slots(plan(rules, ANNA, [booked(at(VISIT + timedelta(days=1), 12))], EARLY))


def _by_hour(off: Iterable[date]) -> list[tuple[datetime, Because]]:
    """The hour of the visit's own day would be too late."""
    rules = replace(RULES, days_off=frozenset(off), days_before=(0,))
    return slots(plan(rules, ANNA, [booked(at(VISIT, 12))], EARLY))


@pytest.mark.parametrize(("ask", "first"), [(_by_lead, 0), (_by_hour, 1)])
def test_days_are_looked_for_as_far_as_it_is_said(ask: Ask, first: int) -> None:
    found = VISIT - timedelta(days=REACH)
    because = Because.DAY_OFF if ask is _by_lead else Because.HOUR_TOO_LATE
    assert ask(days(REACH - 1, first)) == [(at(found, 18), because)]
    assert ask(days(REACH, first)) == []


def test_a_late_booking_looks_as_far_ahead() -> None:
    now, visit = at(VISIT, 19), VISIT + timedelta(days=50)
    rules = replace(RULES, late=Late.NEXT, days_before=(49,))

    def ask(last: int) -> list[tuple[datetime, Because]]:
        off = frozenset(VISIT + timedelta(days=n) for n in range(1, last + 1))
        return slots(plan(replace(rules, days_off=off), ANNA, [booked(at(visit, 12))], now))

    assert ask(REACH - 1) == [(at(VISIT + timedelta(days=REACH), 18), Because.LATE)]
    assert ask(REACH) == []


def test_the_day_is_the_practices_own() -> None:
    """In Honolulu it is still today when it is tomorrow elsewhere."""
    rules = replace(RULES, late=Late.NEXT, days_before=(5,))
    found = plan(rules, ANNA, [booked(at(VISIT + timedelta(days=1), 12))], at(VISIT, 17))
    assert slots(found) == [(at(VISIT, 18), Because.LATE)]


def test_a_day_off_gives_way_by_one_day_where_one_is_enough() -> None:
    rules = replace(RULES, shift=Shift.LATER, days_before=(2,), days_off=days(2, 2))
    assert slots(plan(rules, ANNA, [booked(at(VISIT, 12))], EARLY)) == [
        (at(VISIT - timedelta(days=1), 18), Because.DAY_OFF)
    ]
    eve = replace(rules, days_before=(1,), days_off=days(1, 1))
    assert slots(plan(eve, ANNA, [booked(at(VISIT, 12))], EARLY)) == [
        (at(VISIT - timedelta(days=2), 18), Because.DAY_OFF)
    ]


def test_rule_2_what_was_drawn_stays_drawn() -> None:
    """Pinned: another way to draw would move every nudge that waits, once, for all to see."""
    rules = replace(RULES, level=Level.DISCREET, spread_days=4, days_before=(1, 8))
    drawn = [
        [
            (VISIT - nudge.slot.astimezone(HONOLULU).date()).days - nudge.lead
            for nudge in plan(rules, ANNA, [booked(at(VISIT, 12), number)], EARLY).nudges
        ]
        for number in range(12)
    ]
    assert drawn == PINNED


def test_rule_7_decoys_stay_drawn() -> None:
    rules = replace(RULES, level=Level.PRIVATE, decoy_share=0.3)
    drawn = [n for n in range(40) if is_decoy(rules, ANNA, at(VISIT + timedelta(days=n), 18))]
    assert drawn == PINNED_DECOYS
