"""Coarse times: rules of :mod:`bot.domain.slots` by number, over both clock changes of several zones."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from bot.domain.slots import (
    URGENT,
    NudgeRules,
    after_quiet,
    at_local,
    days,
    next_slot,
    parse_hour,
    past_after,
    plan,
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


def test_the_day_before_at_the_hour() -> None:
    (only,) = plan(local("2026-09-10 10:00"), local("2026-09-01 10:00"), RULES)
    assert only.slot == local("2026-09-09 18:00")
    assert only.useful_until == local("2026-09-10 00:00")


def test_several_days_give_several_nudges() -> None:
    rules = NudgeRules(zone=PARIS, days_before=(7, 1))
    planned = plan(local("2026-09-20 15:00"), local("2026-09-01 10:00"), rules)
    assert [p.slot for p in planned] == [local("2026-09-13 18:00"), local("2026-09-19 18:00")]
    assert {p.useful_until for p in planned} == {local("2026-09-20 12:00")}


def test_all_slots_of_a_day_are_drawn() -> None:
    rules = NudgeRules(zone=PARIS, slots=hours("09:00", "13:00", "18:00"))
    drawn = {
        p.slot for _ in range(200) for p in plan(local("2026-09-10 10:00"), local("2026-09-01 10:00"), rules)
    }
    assert drawn == {local(f"2026-09-09 {h}") for h in ("09:00", "13:00", "18:00")}


@pytest.mark.parametrize("start", ["2026-09-01 10:00", "2026-09-01 09:59", "2020-01-01 10:00"])
def test_failure_08_what_began_plans_nothing(start: str) -> None:
    assert plan(local(start), local("2026-09-01 10:00"), RULES) == ()
    assert plan_change(local(start), local("2026-09-01 10:00"), RULES) is None


def test_a_late_booking_is_announced_in_the_next_slot() -> None:
    (only,) = plan(local("2026-09-02 20:30"), local("2026-09-01 19:00"), RULES)
    assert only.slot == local("2026-09-02 18:00")
    assert only.useful_until == local("2026-09-02 19:00")


def test_a_booking_too_late_for_any_slot_plans_nothing() -> None:
    assert plan(local("2026-09-02 10:00"), local("2026-09-01 19:00"), RULES) == ()


def test_the_same_day_before_the_first_slot_is_told_the_day_before() -> None:
    """Not months ahead, and not never: rule 5."""
    rules = NudgeRules(zone=PARIS, days_before=(0,))
    (only,) = plan(local("2026-12-10 10:00"), local("2026-09-01 10:00"), rules)
    assert only.slot == local("2026-12-09 18:00")


def test_a_reminder_that_could_outlast_the_start_gives_way_to_an_earlier_one() -> None:
    rules = NudgeRules(zone=PARIS, days_before=(0,), slots=hours("09:00", "18:00"))
    for _ in range(20):
        (only,) = plan(local("2026-09-10 18:30"), local("2026-09-01 10:00"), rules)
        assert only.slot == local("2026-09-10 09:00")
    (only,) = plan(local("2026-09-10 09:30"), local("2026-09-01 10:00"), rules)
    assert only.slot == local("2026-09-09 18:00")


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


@pytest.mark.parametrize("day", ["2026-03-29", "2026-03-30", "2026-10-25", "2026-10-26"])
def test_failure_07_the_eve_of_a_visit_around_a_clock_change(day: str) -> None:
    (only,) = plan(local(f"{day} 09:00"), local("2026-01-05 10:00"), RULES)
    assert only.slot.astimezone(PARIS).time() == time(18, 0)
    assert only.slot.astimezone(PARIS).date() == date.fromisoformat(day) - timedelta(days=1)


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
    planned = plan_change(now + URGENT, now, RULES)
    assert planned is not None
    assert planned.slot == now


def test_a_cancellation_later_than_that_waits_for_its_slot() -> None:
    now = local("2026-09-01 11:11")
    planned = plan_change(now + URGENT + timedelta(seconds=1), now, RULES)
    assert planned is not None
    assert planned.slot == local("2026-09-01 18:00")


def test_a_move_from_tomorrow_to_next_month_is_urgent() -> None:
    now = local("2026-09-01 11:11")
    planned = plan_change(local("2026-10-10 10:00"), now, RULES, earliest=local("2026-09-02 00:00"))
    assert planned is not None
    assert planned.slot == now


def test_failure_18_urgent_news_wait_for_the_end_of_quiet_hours() -> None:
    for now in ("2026-09-01 20:00", "2026-09-01 23:59", "2026-09-02 00:30", "2026-09-02 07:59"):
        planned = plan_change(local("2026-09-02 15:00"), local(now), RULES)
        assert planned is not None
        assert planned.slot == local("2026-09-02 08:00")


def test_news_that_quiet_hours_make_too_late_are_not_planned() -> None:
    assert plan_change(local("2026-09-02 07:30"), local("2026-09-01 22:00"), RULES) is None


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
def test_rule_3_a_reminder_leaves_in_time_outside_quiet_hours(
    rules: NudgeRules, now: datetime, ahead: timedelta
) -> None:
    start = now + ahead
    for planned in plan(start, now, rules):
        assert now < planned.slot < planned.useful_until <= start
        hour = planned.slot.astimezone(rules.zone).time()
        assert hour in rules.slots
        assert not rules.is_quiet_hour(hour)
        assert planned.slot > start - timedelta(days=max(rules.days_before) + 3)


@given(rules=RULE_SETS, now=MOMENTS, ahead=st.timedeltas(timedelta(days=17), timedelta(days=40)))
def test_every_appointment_far_enough_ahead_is_announced_once_for_each_day(
    rules: NudgeRules, now: datetime, ahead: timedelta
) -> None:
    assert 1 <= len(plan(now + ahead, now, rules)) <= len(set(rules.days_before))


@given(rules=RULE_SETS, now=MOMENTS, ahead=AHEAD)
def test_rule_3_only_half_days_are_kept(rules: NudgeRules, now: datetime, ahead: timedelta) -> None:
    """Two starts in one half-day that lie on the same side of every slot leave the same traces."""
    start = now + ahead
    where = start.astimezone(rules.zone)
    mark = at_local(where.date(), NOON if where.time() >= NOON else MIDNIGHT, rules.zone)
    for planned in plan(start, now, rules):
        assert planned.useful_until in (mark, planned.slot + timedelta(hours=1))
    change = plan_change(start, now, rules)
    if change is not None:
        assert now <= change.slot < start
        assert change.slot < change.useful_until
        assert change.useful_until in (
            mark,
            at_local(where.date(), MIDNIGHT, rules.zone),
            change.slot + timedelta(hours=1),
        )
    assert past_after(start, rules.zone).astimezone(rules.zone).date() > where.date()


@given(
    rules=RULE_SETS, now=MOMENTS, day=st.integers(2, 20), first=st.integers(0, 11), second=st.integers(0, 11)
)
def test_rule_3_the_hour_of_a_morning_leaves_no_trace(
    rules: NudgeRules, now: datetime, day: int, first: int, second: int
) -> None:
    rules = NudgeRules(zone=rules.zone, days_before=(1,), slots=rules.slots[:1])
    base = now.astimezone(rules.zone).date() + timedelta(days=day)
    one, two = (at_local(base, time(h, 0), rules.zone) for h in (first, second))
    assume(one.astimezone(rules.zone).date() == two.astimezone(rules.zone).date() == base)
    assert plan(one, now, rules) == plan(two, now, rules)
    assert past_after(one, rules.zone) == past_after(two, rules.zone)


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


def test_everything_is_in_utc() -> None:
    (nudge,) = plan(local("2026-09-10 10:00"), local("2026-09-01 10:00"), RULES)
    moments = [nudge.slot, nudge.useful_until, past_after(local("2026-09-10 10:00"), PARIS)]
    moments += [
        after_quiet(local("2026-09-10 10:00").astimezone(PARIS), RULES),
        after_quiet(local("2026-09-10 21:00"), RULES),
    ]
    assert {moment.tzinfo for moment in moments} == {UTC}


def test_rule_2_what_begins_now_began() -> None:
    now = local("2026-09-10 10:00")
    assert plan(now, now, RULES) == ()
    assert plan_change(now, now, RULES) is None


def test_a_slot_that_is_now_is_over() -> None:
    now = local("2026-09-10 18:00")
    assert next_slot(now, RULES) == local("2026-09-11 18:00")
    assert plan(local("2026-09-10 22:00"), now, NudgeRules(zone=PARIS, days_before=(0,))) == ()
    assert plan(local("2026-09-11 09:00"), now, NudgeRules(zone=PARIS, days_before=(0,))) == ()
    (late,) = plan(local("2026-09-11 20:00"), now, RULES)
    assert late.slot == local("2026-09-11 18:00")


def test_rule_3_a_slot_on_the_mark_is_useful_for_an_hour() -> None:
    assert useful_until(local("2026-09-10 12:00"), local("2026-09-10 15:00"), PARIS) == local(
        "2026-09-10 13:00"
    )


def test_rule_4_urgent_is_48_hours_and_no_more() -> None:
    now = local("2026-09-08 10:00")
    for ahead, urgent in ((timedelta(hours=48), True), (timedelta(hours=48, minutes=1), False)):
        told = plan_change(now + ahead, now, RULES)
        assert told is not None
        assert (told.slot == now) == urgent


def test_news_that_could_leave_only_at_the_start_are_not_planned() -> None:
    assert plan_change(local("2026-09-10 08:00"), local("2026-09-10 07:00"), RULES) is None


def test_quiet_is_judged_by_the_practices_own_clock() -> None:
    assert RULES.is_quiet(local("2026-09-10 21:00"))
    assert not RULES.is_quiet(local("2026-09-10 19:30"))


def test_rule_3_the_marks_are_those_of_the_practices_zone() -> None:
    """12:30 to 13:20 in Paris: no mark lies between, whatever the machine's own zone (midnight in Chatham, say)."""
    start, slots = local("2026-09-10 13:20"), hours("12:30")
    same_day = NudgeRules(zone=PARIS, slots=slots, days_before=(0,))
    assert plan(start, local("2026-09-10 08:00"), same_day) == ()
    assert plan(start, local("2026-09-09 13:00"), NudgeRules(zone=PARIS, slots=slots)) == ()
    (earlier,) = plan(start, local("2026-09-08 08:00"), same_day)
    assert earlier.slot == local("2026-09-09 12:30")
