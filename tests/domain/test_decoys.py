"""For how long a decoy may be late: rules of :mod:`bot.domain.decoys` by number, over zones and clock changes."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.choices import Level, Shift, Wishes
from bot.domain.decoys import decoy_until, longest_use
from bot.domain.planning import Because, Person, plan, slots_between
from bot.domain.slots import NudgeRules
from tests.domain.test_planning import ANNA, MOMENTS, PEOPLE, RULE_SETS, local, rules, visits

TUESDAY = local("2026-09-08 18:00")
WEEKLY = {"slot_days": frozenset({1}), "spread_days": 1}
WORKED = {"slot_days": frozenset(range(5)), "spread_days": 1}
FRIDAY = local("2026-09-11 18:00")


@pytest.mark.parametrize(
    ("changes", "slot", "until"),
    [
        ({"spread_days": 1}, TUESDAY, "2026-09-10 00:00"),
        ({"spread_days": 3}, TUESDAY, "2026-09-12 00:00"),
        ({"spread_days": 3, "level": Level.PLAIN}, TUESDAY, "2026-09-10 00:00"),
        ({"spread_days": 1, "days_before": (7, 1)}, TUESDAY, "2026-09-16 00:00"),
        ({"spread_days": 1, "days_before": (0,)}, TUESDAY, "2026-09-09 00:00"),
        (WEEKLY, TUESDAY, "2026-09-16 00:00"),
        ({**WEEKLY, "shift": Shift.LATER}, TUESDAY, "2026-09-16 00:00"),
        (WORKED, TUESDAY, "2026-09-10 00:00"),
        (WORKED, FRIDAY, "2026-09-15 00:00"),
        ({**WORKED, "days_off": frozenset({local("2026-09-14 12:00").date()})}, FRIDAY, "2026-09-16 00:00"),
    ],
)
def test_rule_2_until_the_end_of_the_last_visit_that_it_could_be_for(
    changes: dict[str, object], slot: datetime, until: str
) -> None:
    private = rules(**{"level": Level.PRIVATE, **changes})
    assert decoy_until(slot, private, ANNA) == local(until)


def test_rule_2_by_the_recipients_own_days() -> None:
    asked = replace(ANNA, wishes=Wishes(days_before=(5,)))
    assert decoy_until(TUESDAY, rules(spread_days=1), asked) == local("2026-09-14 00:00")


def test_whoever_asked_for_no_reminder_has_decoys_until_the_next_slot() -> None:
    nothing = Person(id=ANNA.id, wishes=Wishes(days_before=(), level=Level.CONSTANT))
    assert decoy_until(TUESDAY, rules(), nothing) == TUESDAY + timedelta(days=1)


@given(rules=RULE_SETS, person=PEOPLE, now=MOMENTS)
def test_rule_1_a_decoy_may_be_late_and_not_for_ever(
    rules: NudgeRules, person: Person, now: datetime
) -> None:
    (slot, *_) = slots_between(now, now + timedelta(days=60), rules, person.wishes)
    assert slot < decoy_until(slot, rules, person) <= slot + longest_use(rules, person.wishes)


@given(data=st.data(), rules=RULE_SETS, person=PEOPLE, now=MOMENTS)
def test_rule_2_no_reminder_is_late_where_a_decoy_would_not_be(
    data: st.DataObject, rules: NudgeRules, person: Person, now: datetime
) -> None:
    """But for one that a cap or an hour that would be too late moved away from its day."""
    booked = [replace(visit, kind="") for visit in data.draw(visits(rules, now))]
    for nudge in plan(rules, person, booked, now).nudges:
        if nudge.because in (Because.LEAD, Because.QUIET, Because.DAY_OFF):
            assert nudge.until <= decoy_until(nudge.slot, rules, person)
