"""The practice's rules, a kind's and a recipient's wishes: rules of :mod:`bot.domain.timing` by number."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from bot.domain.choices import KindRule, Quiet, Scope, Shift, Wishes, is_in, leaves_time, out_of
from bot.domain.planning import Because, Booked, Person, Planned, plan
from bot.domain.slots import NudgeRules, after_quiet, helps_until
from bot.domain.timing import timing, united
from bot.domain.values import AppointmentId, RecipientId

PARIS = ZoneInfo("Europe/Paris")
ANNA = RecipientId("r-anna")
NOON, SIX = time(12), time(18)
LONG = KindRule(
    name="long",
    type="bilan",
    shift=Shift.LATER,
    quiet_from=time(17),
    quiet_to=time(9, 30),
    daily_cap=2,
)
RULES = NudgeRules(zone=PARIS, slots=(NOON, SIX), kinds=(LONG,))


def local(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=PARIS).astimezone(UTC)


def nudges(
    *visits: tuple[str, str], rules: NudgeRules = RULES, now: str = "2026-09-01 10:00", **wishes: Any
) -> list[Planned]:
    """Of visits as kind and start."""
    person = Person(id=ANNA, wishes=Wishes(**wishes))
    booked = [
        Booked(id=AppointmentId(f"a-{n}"), kind=kind, until=helps_until(local(start), rules))
        for n, (kind, start) in enumerate(visits)
    ]
    return list(plan(rules, person, booked, local(now)).nudges)


def told(found: list[Planned]) -> list[tuple[str, Because, Scope]]:
    return [(f"{n.slot.astimezone(PARIS):%m-%d %H:%M}", n.because, n.scope) for n in found]


def test_rule_1_a_kinds_rules_take_the_place_of_the_practices() -> None:
    own = timing(RULES, "long", Wishes())
    assert own.quiet == (Quiet(time(17), time(9, 30)),)
    assert (own.daily_cap, own.cap_by) == (2, Scope.KIND)
    assert (own.shift, own.shift_by) == (Shift.LATER, Scope.KIND)
    for kind in ("", "gone"):
        other = timing(RULES, kind, Wishes())
        assert other.quiet == (Quiet(time(20), time(8)),)
        assert (other.daily_cap, other.cap_by) == (3, Scope.PRACTICE)
        assert (other.shift, other.shift_by) == (Shift.EARLIER, Scope.PRACTICE)
        assert (other.slots, other.moved) == (RULES.slots, ())
    half = replace(RULES, kinds=(replace(LONG, quiet_to=None),))
    assert timing(half, "long", Wishes()).quiet == (Quiet(time(17), time(8)),)


def test_rule_1_a_kinds_hours_may_be_longer_than_the_practices() -> None:
    late = KindRule(name="late", type="nuit", slots=(time(21),), quiet_from=time(22))
    rules = replace(RULES, kinds=(late,))
    assert told(nudges(("late", "2026-09-10 10:00"), rules=rules)) == [
        ("09-09 21:00", Because.LEAD, Scope.PRACTICE)
    ]
    evening = local("2026-09-09 21:00")
    assert rules.is_quiet(evening)
    assert not rules.is_quiet_for_all(evening)
    assert rules.is_quiet_for_all(local("2026-09-09 23:00"))
    assert not rules.is_quiet_for_all(local("2026-09-09 12:00"))


def test_rule_2_quiet_hours_of_a_recipient_are_added() -> None:
    own = timing(RULES, "", Wishes(quiet=Quiet(time(18), time(19))))
    assert own.quiet == (Quiet(time(20), time(8)), Quiet(time(18), time(19)))
    assert own.slots == (NOON, time(19))
    assert own.moved == ((time(19), Scope.RECIPIENT),)


@pytest.mark.parametrize(
    ("kind", "wish", "cap", "by"),
    [
        ("", None, 3, Scope.PRACTICE),
        ("", 1, 1, Scope.RECIPIENT),
        ("", 3, 3, Scope.PRACTICE),
        ("", 9, 3, Scope.PRACTICE),
        ("long", 2, 2, Scope.KIND),
        ("long", 1, 1, Scope.RECIPIENT),
    ],
)
def test_rule_2_the_lower_cap_counts(kind: str, wish: int | None, cap: int, by: Scope) -> None:
    own = timing(RULES, kind, Wishes(daily_cap=wish))
    assert (own.daily_cap, own.cap_by) == (cap, by)


def test_rule_2_of_the_slots_those_that_were_chosen() -> None:
    assert timing(RULES, "", Wishes(slots=(SIX,))).slots == (SIX,)
    assert timing(RULES, "", Wishes(slots=(SIX, NOON))).slots == (NOON, SIX)
    assert timing(RULES, "", Wishes(slots=(SIX,))).usual == (SIX,)


def test_rule_2_a_wish_that_leaves_nothing_counts_for_nothing() -> None:
    for slots in ((), (time(7),)):
        assert timing(RULES, "", Wishes(slots=slots)).slots == RULES.slots
    whole_day = timing(RULES, "", Wishes(quiet=Quiet(time(8), time(20))))
    assert whole_day.quiet == (Quiet(time(20), time(8)),)
    assert whole_day.slots == RULES.slots


def test_rule_3_a_slot_in_quiet_hours_is_at_their_end_on_that_day() -> None:
    assert told(nudges(("", "2026-09-10 10:00"), slots=(NOON,), quiet=Quiet(time(11), SIX))) == [
        ("09-09 18:00", Because.QUIET, Scope.RECIPIENT)
    ]
    assert told(nudges(("", "2026-09-10 10:00"), quiet=Quiet(time(11), SIX))) == [
        ("09-09 18:00", Because.LEAD, Scope.PRACTICE)  # where there is a slot too
    ]
    assert told(nudges(("", "2026-09-10 10:00"), slots=(NOON,), quiet=Quiet(time(11), time(15)))) == [
        ("09-09 15:00", Because.QUIET, Scope.RECIPIENT)
    ]
    evening = replace(RULES, slots=(SIX,))
    assert told(nudges(("long", "2026-09-10 10:00"), rules=evening)) == [
        ("09-09 09:30", Because.QUIET, Scope.KIND)
    ]
    # Both: the recipient's hours begin where the kind's end.
    assert told(nudges(("long", "2026-09-10 10:00"), rules=evening, quiet=Quiet(time(9), time(11)))) == [
        ("09-09 11:00", Because.QUIET, Scope.KIND)
    ]


def test_rule_3_a_moved_hour_counts_for_how_long_a_nudge_helps() -> None:
    midday = KindRule(name="long", type="bilan", quiet_from=time(11), quiet_to=time(15), days_before=(0,))
    rules = NudgeRules(zone=PARIS, slots=(NOON,), kinds=(midday,))
    assert helps_until(local("2026-09-10 17:00"), rules) == local("2026-09-10 16:00")
    assert told(nudges(("long", "2026-09-10 17:00"), rules=rules)) == [
        ("09-10 15:00", Because.QUIET, Scope.KIND)
    ]


def test_whose_rule_moves_a_day() -> None:
    rules = NudgeRules(zone=PARIS, slot_days=frozenset(range(5)), kinds=(LONG,), days_before=(2,))
    # Two days before the Tuesday is a Sunday.
    assert told(nudges(("", "2026-09-08 10:00"), rules=rules)) == [
        ("09-04 18:00", Because.DAY_OFF, Scope.PRACTICE)
    ]
    assert told(nudges(("long", "2026-09-08 10:00"), rules=rules)) == [
        ("09-07 09:30", Because.DAY_OFF, Scope.KIND)
    ]


def test_rule_4_the_lowest_cap_of_a_slot_counts() -> None:
    """Each on its own would leave; told together they leave once, earlier, by the kind's cap."""
    kinds = (
        KindRule(name="noon", type="midi", slots=(NOON,)),
        KindRule(name="six", type="soir", slots=(SIX,)),
        KindRule(name="one", type="un", slots=(SIX,), daily_cap=1),
    )
    rules = NudgeRules(zone=PARIS, slots=(NOON, SIX), kinds=kinds)
    two = [("noon", "2026-09-10 10:00"), ("six", "2026-09-10 11:00")]
    assert [slot for slot, *_ in told(nudges(*two, rules=rules))] == ["09-09 12:00", "09-09 18:00"]
    assert told(nudges(*two, ("one", "2026-09-10 11:30"), rules=rules)) == [
        ("09-09 12:00", Because.LEAD, Scope.PRACTICE),
        ("09-09 12:00", Because.CAP, Scope.KIND),
        ("09-09 12:00", Because.CAP, Scope.KIND),
    ]
    assert told(nudges(*two, rules=rules, daily_cap=1)) == [
        ("09-09 12:00", Because.LEAD, Scope.PRACTICE),
        ("09-09 12:00", Because.CAP, Scope.RECIPIENT),
    ]


def test_rule_4_what_is_told_earlier_takes_nothing_from_its_new_slot() -> None:
    """Of three slots the third goes into the second by its cap; the second stays where it is."""
    kinds = tuple(
        KindRule(name=name, type=name, slots=(hour,), daily_cap=cap)
        for name, hour, cap in (("a", time(9), 3), ("b", NOON, 3), ("c", SIX, 1))
    )
    rules = NudgeRules(zone=PARIS, slots=(SIX,), kinds=kinds)
    found = nudges(
        ("a", "2026-09-10 10:00"), ("b", "2026-09-10 11:00"), ("c", "2026-09-10 11:30"), rules=rules
    )
    assert told(found) == [
        ("09-09 09:00", Because.LEAD, Scope.PRACTICE),
        ("09-09 12:00", Because.LEAD, Scope.PRACTICE),
        ("09-09 12:00", Because.CAP, Scope.KIND),
    ]


def test_rule_4_united_quiet_hours_always_leave_time() -> None:
    day, night = Quiet(time(8), time(20)), Quiet(time(20), time(8))
    assert united((night, day, night)) == (night,)
    assert united((night, Quiet(time(9), time(9)))) == (night, Quiet(time(9), time(9)))
    assert not leaves_time((day, night))
    assert leaves_time(())
    assert leaves_time((Quiet(time(3), time(3)),))
    three = (Quiet(time(0), time(10)), Quiet(time(9), time(18)), Quiet(time(17), time(1)))
    assert not leaves_time(three)
    assert leaves_time(three[:2])


def test_quiet_hours_one_after_the_other() -> None:
    chain = (Quiet(time(20), time(8)), Quiet(time(8), time(10)), Quiet(time(18), time(20)))
    assert out_of(time(19), chain) == time(10)
    assert out_of(time(12), chain) == time(12)
    assert after_quiet(local("2026-09-09 18:30"), RULES, chain) == local("2026-09-10 10:00")
    assert after_quiet(local("2026-09-09 12:00"), RULES, chain) == local("2026-09-09 12:00")
    assert not is_in(time(10), chain)


def test_news_keep_the_practices_slots_and_the_kinds_quiet_hours() -> None:
    own = timing(replace(RULES, kinds=(replace(LONG, slots=(time(10),)),)), "long", Wishes())
    assert own.slots == (time(10),)
    assert own.usual == (NOON, time(9, 30))


@pytest.mark.parametrize("gone", ["IRM (tête", "[", "*", "long gone"])
def test_a_kind_that_the_rules_no_longer_name_is_timed_as_the_practices(gone: str) -> None:
    """Whatever it was called: its name is no pattern."""
    assert timing(RULES, gone, Wishes()) == timing(RULES, "", Wishes())


@pytest.mark.parametrize("order", [1, -1])
def test_rule_4_the_lowest_cap_of_a_slot_counts_in_whatever_order_its_reasons_come(order: int) -> None:
    """Two reasons share the later slot; the one with the cap of one moves both to the slot before it."""
    kinds = (
        KindRule(name="early", type="a", slots=(NOON,)),
        KindRule(name="strict", type="b", slots=(SIX,), daily_cap=1),
        KindRule(name="loose", type="c", slots=(SIX,), daily_cap=5),
    )
    visits = [
        ("early", "2026-09-10 10:00"),
        *[("strict", "2026-09-10 11:00"), ("loose", "2026-09-10 15:00")][::order],
    ]
    found = nudges(*visits, rules=replace(RULES, kinds=kinds, days_before=(1,), spread_days=1))
    assert {n.slot for n in found} == {local("2026-09-09 12:00")}
