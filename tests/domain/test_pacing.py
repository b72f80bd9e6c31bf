"""The token bucket; the rules by number are those of :mod:`bot.domain.pacing`."""

from __future__ import annotations

import math
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.pacing import UNPACED, Bucket, Pace, bucket
from bot.errors import WrongUse

RATES = st.floats(min_value=0.05, max_value=200)
BURSTS = st.integers(min_value=1, max_value=300)
STEPS = st.lists(st.floats(min_value=0, max_value=30), min_size=1, max_size=60)
A_MOMENT = 1e-6


def leaves(of: Bucket, steps: list[float], greed: list[int]) -> list[tuple[float, int]]:
    """At each moment as many as may leave, at most ``greed``."""
    left = []
    for now, most in zip(accumulate(steps), greed, strict=True):
        count = min(of.room(now), most)
        of = of.taken(count, now)
        left.append((now, count))
    return left


@given(RATES, BURSTS, st.data())
def test_rule_1_no_stretch_of_time_sees_more_than_the_burst_and_the_rate(
    rate: float, burst: int, data: st.DataObject
) -> None:
    steps = data.draw(STEPS)
    greed = data.draw(st.lists(st.integers(0, 400), min_size=len(steps), max_size=len(steps)))
    left = leaves(Bucket(per_second=rate, burst=burst), steps, greed)
    for first in range(len(left)):
        for last in range(first, len(left)):
            stretch = left[last][0] - left[first][0]
            assert sum(count for _, count in left[first : last + 1]) <= burst + rate * stretch + 1e-3


@given(RATES, BURSTS, st.floats(0, 1e6), st.integers(0, 400))
def test_rule_2_the_permitted_moment_is_the_earliest(rate: float, burst: int, now: float, count: int) -> None:
    after = Bucket(per_second=rate, burst=burst).taken(min(count, burst), now)
    permitted = after.permitted_at(now)
    assert after.room(permitted + A_MOMENT) >= 1
    if permitted > now:
        assert after.room(permitted - 0.01 / rate) == 0
    else:
        assert after.room(now) >= 1


@given(RATES, BURSTS, st.floats(0, 1e6), st.integers(0, 400), st.integers(1, 400))
def test_rule_2_several_together_as_well(
    rate: float, burst: int, now: float, count: int, together: int
) -> None:
    after = Bucket(per_second=rate, burst=burst).taken(min(count, burst), now)
    permitted, together = after.permitted_at(now, together), min(together, burst)
    assert after.room(permitted + A_MOMENT) >= together
    if permitted > now:
        assert after.room(permitted - 0.01 / rate) < together
    else:
        assert after.room(now) >= together


@given(RATES, BURSTS, st.floats(0, 1e6))
def test_rule_2_nobody_waits_for_ever(rate: float, burst: int, now: float) -> None:
    """Whoever takes each as soon as it may leave is given them at the rate."""
    of = Bucket(per_second=rate, burst=burst)
    for _ in range(burst + 50):
        now = of.permitted_at(now)
        of = of.taken(1, now)
    began = now
    for _ in range(20):
        now = of.permitted_at(now)
        of = of.taken(1, now)
    assert math.isclose(now - began, 20 / rate, rel_tol=1e-3, abs_tol=1e-4)


@given(RATES, BURSTS, st.floats(0, 1e6), st.floats(0.001, 3600))
def test_rule_3_after_a_pause_one_leaves_first(rate: float, burst: int, now: float, pause: float) -> None:
    held = Bucket(per_second=rate, burst=burst).held(now + pause)
    assert held.permitted_at(now) == pytest.approx(now + pause)
    assert held.room(now + pause + A_MOMENT) == 1
    assert held.room(now + pause - min(pause, 0.01 / rate)) == 0
    assert held.held(now).full_at == held.full_at, "a shorter pause takes nothing from a longer one"


@given(BURSTS, st.floats(0, 1e6), st.integers(0, 400))
def test_without_a_limit_all_may_leave_but_for_a_named_pause(burst: int, now: float, count: int) -> None:
    free = Bucket(per_second=math.inf, burst=burst)
    assert free.taken(count, now).room(now) == burst
    held = free.held(now + 10)
    assert (held.room(now), held.room(now + 10)) == (0, burst)
    assert held.permitted_at(now) == now + 10


def test_a_second_s_worth_leaves_at_once_and_one_at_least() -> None:
    assert (bucket(20.7).burst, bucket(0.2).burst) == (20, 1)


@pytest.mark.parametrize(("rate", "burst"), [(0.0, 1), (-1.0, 1), (math.nan, 1), (1.0, 0)])
def test_a_rate_that_would_never_let_go_is_refused(rate: float, burst: int) -> None:
    with pytest.raises(WrongUse, match="more than nothing"):
        Bucket(per_second=rate, burst=burst)


def test_a_channel_of_its_own_rate_is_under_both_and_slows_no_other_down() -> None:
    pace = Pace(overall=bucket(10), own={"slow": bucket(2)})
    assert (pace.room("slow", 0.0), pace.room("other", 0.0)) == (2, 10)
    pace = pace.taken("slow", 2, 0.0)
    assert (pace.room("slow", 0.0), pace.room("other", 0.0)) == (0, 8)
    assert pace.permitted_at("slow", 0.0) == 0.5
    held = pace.held("slow", 60.0)
    assert (held.room("slow", 59.0), held.room("other", 59.0)) == (0, 10)
    pace = pace.taken("other", 8, 0.0)
    assert pace.room("slow", 0.5) == 1, "the common rate has room again by then"
    assert pace.taken("slow", 1, 0.5).room("other", 0.5) == 4


def test_half_of_what_may_leave_at_once_is_that_of_the_slower_and_one_at_least() -> None:
    pace = Pace(overall=bucket(21), own={"slow": bucket(4), "slowest": bucket(0.5)})
    assert [pace.half(channel) for channel in ("other", "slow", "slowest")] == [10, 2, 1]
    assert pace.taken("slow", 4, 0.0).permitted_at("slow", 0.0, 2) == 0.5
    assert pace.taken("slow", 4, 0.0).permitted_at("slow", 0.0, 100) == 1.0


def test_a_channel_without_one_is_held_by_the_common_bucket() -> None:
    held = Pace(overall=bucket(10)).held("matrix", 5.0)
    assert (held.room("matrix", 4.9), held.permitted_at("matrix", 0.0)) == (0, 5.0)
    assert UNPACED.held("matrix", 5.0).room("matrix", 1.0) == 0


@pytest.mark.parametrize("weeks", [1, 10, 100])
def test_rule_2_also_after_weeks(weeks: int) -> None:
    """What may leave at that moment does, whatever is left of the digits of a clock that counts from long ago."""
    now = weeks * 7 * 86_400.0 + 0.123
    full = bucket(25)
    for taken in range(1, 200):
        full = full.taken(1, now)
        now = full.permitted_at(now)
        assert full.room(now) >= 1, taken
