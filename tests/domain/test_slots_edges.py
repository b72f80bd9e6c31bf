"""Slots at their edges: moments are of UTC, days of the practice's zone, what is equal too late or just in time."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from bot.domain.choices import Confirmed
from bot.domain.slots import (
    REACH,
    NudgeRules,
    after_quiet,
    at_local,
    next_slot,
    past_after,
    plan_change,
    useful_until,
)
from bot.errors import WrongUse

HONOLULU = ZoneInfo("Pacific/Honolulu")
RULES = NudgeRules(zone=HONOLULU)
DAY = date(2026, 9, 30)
ONE = timedelta(days=1)


def at(hour: int, day: date = DAY) -> datetime:
    return datetime.combine(day, time(hour), tzinfo=HONOLULU).astimezone(UTC)


def test_moments_are_of_utc() -> None:
    assert at_local(DAY, time(18), HONOLULU).tzinfo is UTC
    for now, expected in ((at(12), at(12)), (at(22), at(8, DAY + ONE))):
        found = after_quiet(now.astimezone(HONOLULU), RULES)
        assert (found, found.tzinfo) == (expected, UTC)


def test_days_are_of_the_practices_zone() -> None:
    """An evening in Honolulu is the next day elsewhere."""
    assert past_after(at(23), HONOLULU) == at(0, DAY + ONE)
    assert useful_until(at(18, DAY - ONE), at(13), HONOLULU) == at(12)
    assert useful_until(at(18, DAY - ONE), at(12), HONOLULU) == at(12), "noon itself is in time"


def test_a_slot_is_looked_for_four_weeks_ahead() -> None:
    assert REACH == 28
    off = frozenset(DAY + n * ONE for n in range(REACH + 1))
    rules = replace(RULES, days_off=off)
    assert next_slot(at(0), rules) == at(18, DAY + (REACH + 1) * ONE)
    with pytest.raises(WrongUse):
        next_slot(at(0), replace(RULES, days_off=off | {DAY + (REACH + 1) * ONE}))


def test_news_of_a_visit_that_begins_in_the_next_slot_leave_at_once() -> None:
    rules = replace(RULES, urgent=timedelta(hours=1))
    assert [planned.slot for planned in plan_change(at(18), at(9), rules)] == [at(9)]


def test_news_are_not_told_again_when_the_visit_begins() -> None:
    rules = replace(RULES, urgent=timedelta(0))
    assert [planned.slot for planned in plan_change(at(18, DAY + ONE), at(9), rules)] == [at(18)]
    later = plan_change(at(19, DAY + ONE), at(9), rules)
    assert [planned.slot for planned in later] == [at(18), at(18, DAY + ONE)]


def test_after_a_confirmation_the_last_nudge_stays_unless_said() -> None:
    assert RULES.confirmed is Confirmed.LAST
