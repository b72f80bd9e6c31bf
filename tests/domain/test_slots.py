"""Coarse times: rules of :mod:`bot.domain.slots` by number, over both clock changes of several zones."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.choices import KindRule
from bot.domain.slots import (
    URGENT,
    NudgeRules,
    after_quiet,
    at_local,
    days,
    helps_until,
    next_slot,
    parse_hour,
    past_after,
    plan_change,
    useful_until,
)
from bot.errors import WrongUse

PARIS = ZoneInfo("Europe/Paris")
ZONES = [
    ZoneInfo(name)
    for name in (
        "Europe/Paris",
        "America/New_York",
        "Australia/Lord_Howe",  # half an hour
        "America/Sao_Paulo",
        "Africa/Cairo",  # clocks change at midnight
        "Asia/Kathmandu",
        "UTC",
        "Pacific/Auckland",
    )
]
RULES = NudgeRules(zone=PARIS)
NOON, MIDNIGHT = time(12, 0), time(0, 0)


def local(text: str, zone: ZoneInfo = PARIS) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(UTC)


def hours(*texts: str) -> tuple[time, ...]:
    return tuple(parse_hour(t) for t in texts)


@pytest.mark.parametrize("start", ["2026-09-01 10:00", "2026-09-01 09:59", "2020-01-01 10:00"])
def test_failure_08_what_began_plans_nothing(start: str) -> None:
    assert plan_change(local(start), local("2026-09-01 10:00"), RULES) == ()


@pytest.mark.parametrize("hour", ["7", "25:00", "18h00", "", "noon", "18:00:30"])
def test_an_hour_is_written_so(hour: str) -> None:
    with pytest.raises(WrongUse):
        parse_hour(hour)


@pytest.mark.parametrize(
    "bad",
    [
        {"slots": ()},
        {"days_before": (-1,)},
        {"slots": (time(21, 0),)},
        {"slots": (time(7, 59),)},
        {"slots": (time(13, 0),), "quiet_from": time(12, 0), "quiet_to": time(14, 0)},
    ],
)
def test_rules_that_cannot_work_are_refused(bad: dict[str, tuple[time, ...]]) -> None:
    with pytest.raises(WrongUse):
        NudgeRules(zone=PARIS, **bad)  # type: ignore[arg-type]  # wrong on purpose


def test_equal_quiet_hours_are_none() -> None:
    rules = NudgeRules(zone=PARIS, slots=(time(3, 0),), quiet_from=time(8, 0), quiet_to=time(8, 0))
    night = local("2026-09-02 03:30")
    assert after_quiet(night, rules) == night


# -- rule 1 ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("zone", "day", "hour", "utc"),
    [
        ("Europe/Paris", "2026-03-28", "18:00", "2026-03-28T17:00"),
        ("Europe/Paris", "2026-03-29", "18:00", "2026-03-29T16:00"),
        ("Europe/Paris", "2026-03-29", "02:30", "2026-03-29T01:30"),  # skipped: 03:30
        ("Europe/Paris", "2026-10-25", "18:00", "2026-10-25T17:00"),
        ("Europe/Paris", "2026-10-25", "02:30", "2026-10-25T00:30"),  # twice: the first
        ("America/New_York", "2026-03-08", "02:30", "2026-03-08T07:30"),
        ("America/New_York", "2026-11-01", "01:30", "2026-11-01T05:30"),
        ("Australia/Lord_Howe", "2026-10-04", "02:15", "2026-10-03T15:45"),
        ("Pacific/Auckland", "2026-04-05", "18:00", "2026-04-05T06:00"),
    ],
)
def test_failure_07_an_hour_of_the_day_stays_that_hour(zone: str, day: str, hour: str, utc: str) -> None:
    moment = at_local(date.fromisoformat(day), parse_hour(hour), ZoneInfo(zone))
    assert moment == datetime.fromisoformat(utc).replace(tzinfo=UTC)


def test_the_first_slot_is_the_earlier_one_in_the_night_in_which_an_hour_is_skipped() -> None:
    rules = NudgeRules(zone=PARIS, slots=hours("02:30", "03:00"), quiet_from=time(0), quiet_to=time(0))
    assert next_slot(local("2026-03-29 01:00"), rules) == local("2026-03-29 03:00")


@pytest.mark.parametrize(
    ("end", "past"), [("2026-09-10 10:30", "2026-09-11"), ("2026-09-10 00:00", "2026-09-11")]
)
def test_past_after_is_the_next_midnight(end: str, past: str) -> None:
    assert past_after(local(end), PARIS) == local(f"{past} 00:00")


# -- rule 4 ---------------------------------------------------------------------------------------------------------


def test_a_cancellation_within_48_hours_is_told_at_once() -> None:
    now = local("2026-09-01 11:11")
    planned, *_ = plan_change(now + URGENT, now, RULES)
    assert planned.slot == now


def test_a_cancellation_later_than_that_waits_for_its_slot() -> None:
    now = local("2026-09-01 11:11")
    planned, *_ = plan_change(now + URGENT + timedelta(seconds=1), now, RULES)
    assert planned.slot == local("2026-09-01 18:00")


def test_a_move_from_tomorrow_to_next_month_is_urgent() -> None:
    now = local("2026-09-01 11:11")
    planned, *_ = plan_change(local("2026-10-10 10:00"), now, RULES, earliest=local("2026-09-02 00:00"))
    assert planned.slot == now


def test_failure_18_urgent_news_wait_for_the_end_of_quiet_hours() -> None:
    for now in ("2026-09-01 20:00", "2026-09-01 23:59", "2026-09-02 00:30", "2026-09-02 07:59"):
        planned, *_ = plan_change(local("2026-09-02 15:00"), local(now), RULES)
        assert planned.slot == local("2026-09-02 08:00")


def test_news_that_quiet_hours_make_too_late_are_not_planned() -> None:
    assert plan_change(local("2026-09-02 07:30"), local("2026-09-01 22:00"), RULES) == ()


def test_quiet_hours_that_end_in_the_hour_that_comes_twice() -> None:
    rules = NudgeRules(zone=PARIS, quiet_to=time(2, 30), quiet_from=time(22, 0))
    second_time = datetime(2026, 10, 25, 1, 10, tzinfo=UTC)  # 02:10 in winter time
    assert after_quiet(second_time, rules) == datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    assert after_quiet(second_time - timedelta(hours=1), rules) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


# -- properties -----------------------------------------------------------------------------------------------------

MOMENTS = st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001 - Hypothesis adds the zone
RULE_SETS = st.builds(
    NudgeRules,
    zone=st.sampled_from(ZONES),
    days_before=st.lists(st.integers(0, 14), min_size=1, max_size=3).map(tuple),
    slots=st.lists(
        st.sampled_from(hours("08:00", "10:15", "12:00", "13:30", "18:00", "19:59")), min_size=1
    ).map(tuple),
)
AHEAD = st.timedeltas(timedelta(seconds=1), timedelta(days=40))


@given(rules=RULE_SETS, now=MOMENTS, ahead=AHEAD)
def test_rule_3_only_half_days_are_kept(rules: NudgeRules, now: datetime, ahead: timedelta) -> None:
    """Two starts in one half-day that lie on the same side of every slot leave the same traces."""
    start = now + ahead
    where = start.astimezone(rules.zone)
    mark = at_local(where.date(), NOON if where.time() >= NOON else MIDNIGHT, rules.zone)
    until = helps_until(start, rules)
    ends = {at_local(where.date(), hour, rules.zone) + timedelta(hours=1) for hour in rules.slots}
    assert mark <= until <= start
    assert until in {mark, *ends}
    for change in plan_change(start, now, rules):
        assert now <= change.slot < start
        assert change.slot < change.useful_until
        assert change.useful_until in (
            mark,
            at_local(where.date(), MIDNIGHT, rules.zone),
            change.slot + timedelta(hours=1),
        )
    assert past_after(start, rules.zone).astimezone(rules.zone).date() > where.date()


@given(rules=RULE_SETS, now=MOMENTS)
def test_failure_18_nothing_urgent_leaves_in_quiet_hours(rules: NudgeRules, now: datetime) -> None:
    leaves = after_quiet(now, rules)
    assert now <= leaves < now + timedelta(hours=26)
    assert not rules.is_quiet_hour(leaves.astimezone(rules.zone).time())


@given(rules=RULE_SETS, now=MOMENTS)
def test_the_next_slot_is_the_next(rules: NudgeRules, now: datetime) -> None:
    found = next_slot(now, rules)
    assert now < found < now + timedelta(hours=26)
    assert found.astimezone(rules.zone).time() in rules.slots


@given(zone=st.sampled_from(ZONES), slot=MOMENTS, ahead=AHEAD)
def test_useful_until_lies_after_the_slot(zone: ZoneInfo, slot: datetime, ahead: timedelta) -> None:
    assert slot < useful_until(slot, slot + ahead, zone)


def test_days_are_counted_with_both_ends() -> None:
    assert days("2026-02-27", "2026-03-01") == tuple(
        date.fromisoformat(d) for d in ("2026-02-27", "2026-02-28", "2026-03-01")
    )


def test_the_defaults_are_a_nudge_the_evening_before_and_three_a_day() -> None:
    assert (RULES.days_before, RULES.slots, RULES.daily_cap) == ((1,), (time(18),), 3)
    assert (RULES.quiet_from, RULES.quiet_to) == (time(20), time(8))


def test_quiet_hours_hold_their_first_moment_and_not_their_last() -> None:
    for quiet in (("01:00", "06:00"), ("20:00", "08:00")):
        first, last = hours(*quiet)
        rules = NudgeRules(zone=PARIS, quiet_from=first, quiet_to=last)
        assert rules.is_quiet_hour(first)
        assert not rules.is_quiet_hour(last)
        assert not rules.is_quiet_hour(time(12))


def test_rule_2_what_begins_now_began() -> None:
    now = local("2026-09-10 10:00")
    assert plan_change(now, now, RULES) == ()


def test_rule_3_a_slot_on_the_mark_is_useful_for_an_hour() -> None:
    assert useful_until(local("2026-09-10 12:00"), local("2026-09-10 15:00"), PARIS) == local(
        "2026-09-10 13:00"
    )


def test_rule_4_urgent_is_48_hours_and_no_more() -> None:
    now = local("2026-09-08 10:00")
    for ahead, urgent in ((timedelta(hours=48), True), (timedelta(hours=48, minutes=1), False)):
        told, *_ = plan_change(now + ahead, now, RULES)
        assert (told.slot == now) == urgent


def test_news_that_could_leave_only_at_the_start_are_not_planned() -> None:
    assert plan_change(local("2026-09-10 08:00"), local("2026-09-10 07:00"), RULES) == ()


def test_quiet_is_judged_by_the_practices_own_clock() -> None:
    assert RULES.is_quiet(local("2026-09-10 21:00"))
    assert not RULES.is_quiet(local("2026-09-10 19:30"))


# -- days (rule 5), and news that are told again --------------------------------------------------------------------


def test_the_next_slot_skips_days_on_which_none_leaves() -> None:
    rules = NudgeRules(zone=PARIS, slot_days=frozenset({0, 3}), days_off=frozenset({date(2026, 9, 3)}))
    assert next_slot(local("2026-09-01 10:00"), rules) == local("2026-09-07 18:00")


def test_rules_without_a_day_within_four_weeks_say_so() -> None:
    off = frozenset(date(2026, 9, 1) + timedelta(days=n) for n in range(60))
    with pytest.raises(WrongUse):
        next_slot(local("2026-09-01 10:00"), NudgeRules(zone=PARIS, days_off=off))


def test_rule_3_a_reminder_helps_until_an_hour_after_the_last_slot_that_leaves_an_hour() -> None:
    rules = NudgeRules(zone=PARIS, slots=hours("09:00", "18:00"))
    for start, until in (
        ("2026-09-10 08:00", "2026-09-10 00:00"),
        ("2026-09-10 09:59", "2026-09-10 00:00"),
        ("2026-09-10 10:00", "2026-09-10 10:00"),
        ("2026-09-10 11:59", "2026-09-10 10:00"),
        ("2026-09-10 12:00", "2026-09-10 12:00"),
        ("2026-09-10 19:00", "2026-09-10 19:00"),
    ):
        assert helps_until(local(start), rules) == local(until), start


def test_rule_3_the_slots_of_kinds_count_too() -> None:
    kinds = (KindRule(name="k", type="x", slots=hours("14:00")),)
    assert helps_until(local("2026-09-10 16:00"), NudgeRules(zone=PARIS, kinds=kinds)) == local(
        "2026-09-10 15:00"
    )


def test_rule_4_news_are_told_again_a_day_later_before_what_they_concern() -> None:
    now = local("2026-09-01 11:11")
    for concerns, again in (
        ("2026-09-10 10:00", ["2026-09-01 18:00", "2026-09-02 18:00"]),
        ("2026-09-03 10:00", ["2026-09-01 11:11", "2026-09-02 18:00"]),
        ("2026-09-02 10:00", ["2026-09-01 11:11"]),
    ):
        assert [p.slot for p in plan_change(local(concerns), now, RULES)] == [local(t) for t in again]
    once = NudgeRules(zone=PARIS, second_after=None)
    assert len(plan_change(local("2026-09-10 10:00"), now, once)) == 1


def test_rule_4_what_is_urgent_is_the_practices_to_say() -> None:
    now = local("2026-09-01 11:11")
    rules = NudgeRules(zone=PARIS, urgent=timedelta(0))
    assert plan_change(local("2026-09-02 20:00"), now, rules)[0].slot == local("2026-09-01 18:00")


@pytest.mark.parametrize(
    "bad",
    [
        {"slot_days": frozenset[int]()},
        {"slot_days": frozenset({7})},
        {"decoy_share": 1.1},
        {"decoy_share": -0.1},
        {"spread_days": 0},
        {"kinds": (KindRule(name="a", type="x"), KindRule(name="a", place="y"))},
        {"kinds": (KindRule(name="a", type="x", slots=(time(21),)),)},
        {"kinds": (KindRule(name="a", type="x", slots=()),)},
        {"kinds": (KindRule(name="a", type="x", days_before=(-1,)),)},
        {"kinds": (KindRule(name="a", type="x", slot_days=frozenset()),)},
    ],
)
def test_rules_of_times_that_cannot_work_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(WrongUse):
        NudgeRules(zone=PARIS, **bad)
