"""Is the wall clock believed; the rules by number are those of :mod:`bot.domain.clock_watch`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.clock_watch import Clockwork, Look, Noted, Tolerance, judge, noted

T0 = datetime(2026, 9, 1, 8, 0, tzinfo=UTC)
RULES = Tolerance(jump=timedelta(minutes=10), absence=timedelta(days=30))
GOOD, BEHIND, AHEAD = Clockwork.GOOD, Clockwork.BEHIND, Clockwork.AHEAD
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


def look(wall: timedelta, steady: timedelta | None = None, boot: str = "b1") -> Look:
    """``wall`` since T0, ``steady`` the same where it is not given."""
    ran = wall if steady is None else steady
    return Look(wall=T0 + wall, steady=1000.0 + ran.total_seconds(), boot=boot)


START = Noted(good=look(timedelta()))


@pytest.mark.parametrize(
    ("wall", "ran", "thinks"),
    [
        (timedelta(days=3), timedelta(days=3), GOOD),
        (timedelta(days=300), timedelta(days=300), GOOD),
        (11 * MINUTE, MINUTE, GOOD),
        (11 * MINUTE + timedelta(seconds=1), MINUTE, AHEAD),
        (3 * DAY, MINUTE, AHEAD),
        (-9 * MINUTE, MINUTE, GOOD),
        (-9 * MINUTE - timedelta(seconds=1), MINUTE, BEHIND),
        (-3 * DAY, MINUTE, BEHIND),
        (timedelta(), DAY, BEHIND),
    ],
)
def test_rule_1_within_a_boot_against_the_steady_clock(
    wall: timedelta, ran: timedelta, thinks: Clockwork
) -> None:
    """Suspension is in both clocks: a laptop that slept for three days did not jump."""
    assert judge(START, look(wall, ran), RULES) is thinks


@pytest.mark.parametrize(
    ("wall", "thinks"),
    [
        (-10 * MINUTE, GOOD),
        (-10 * MINUTE - timedelta(seconds=1), BEHIND),
        (-5 * DAY, BEHIND),
        (timedelta(), GOOD),
        (2 * DAY, GOOD),
        (30 * DAY, GOOD),
        (30 * DAY + timedelta(seconds=1), AHEAD),
        (400 * DAY, AHEAD),
    ],
)
@pytest.mark.parametrize("boot", ["b2", ""])
def test_rule_2_across_boots_against_what_was_noted(wall: timedelta, thinks: Clockwork, boot: str) -> None:
    assert judge(START, look(wall, timedelta(), boot), RULES) is thinks


def test_rule_2_an_unnamed_boot_is_never_the_same() -> None:
    nameless = Noted(good=look(timedelta(), boot=""))
    assert judge(nameless, look(2 * DAY, MINUTE, boot=""), RULES) is GOOD


@given(st.lists(st.integers(-20, 20), max_size=40))
def test_rule_3_small_steps_are_followed_and_never_add_up_to_a_doubt(steps: list[int]) -> None:
    """A clock that is slewed by seconds a minute for hours."""
    known, off = START, timedelta()
    for number, step in enumerate(steps, start=1):
        off += timedelta(seconds=step)
        seen = look(number * MINUTE + off, number * MINUTE)
        assert judge(known, seen, RULES) is GOOD
        known = noted(known, seen, RULES)
        assert known == Noted(good=seen)


@given(st.integers(11, 10_000), st.booleans(), st.integers(1, 500), st.integers(0, 9))
def test_rule_3_a_doubt_lasts_until_the_clock_agrees_again(
    minutes: int, forwards: bool, looks: int, off: int
) -> None:
    jump = minutes * MINUTE * (1 if forwards else -1)
    known = START
    for number in range(1, min(looks, 20) + 1):
        seen = look(number * MINUTE + jump, number * MINUTE)
        assert judge(known, seen, RULES) is (AHEAD if forwards else BEHIND)
        known = noted(known, seen, RULES)
        assert (known.good, known.doubted) == (START.good, seen)
    back = look(40 * MINUTE + off * MINUTE, 40 * MINUTE)
    assert judge(known, back, RULES) is GOOD
    assert noted(known, back, RULES) == Noted(good=back)


def test_rule_4_a_doubt_outlives_a_reboot() -> None:
    known = noted(START, look(3 * DAY, MINUTE), RULES)
    assert judge(known, look(3 * DAY + MINUTE, boot="b2"), RULES) is AHEAD, (
        "three days would do without the doubt"
    )
    assert judge(known, look(2 * MINUTE, boot="b2"), RULES) is GOOD, "it was set back"
    behind = noted(START, look(-3 * DAY, MINUTE), RULES)
    assert judge(behind, look(-3 * DAY + MINUTE, boot="b2"), RULES) is BEHIND
    assert judge(behind, look(2 * MINUTE, boot="b2"), RULES) is GOOD


@given(st.integers(-(10**6), 10**6))
def test_rule_5_the_first_look_is_believed(minutes: int) -> None:
    seen = look(minutes * MINUTE)
    assert judge(None, seen, RULES) is GOOD
    assert noted(None, seen, RULES) == Noted(good=seen)
