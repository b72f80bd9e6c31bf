"""What waits is kept in line with the rules: rules of :mod:`bot.services.keep_plans` by number."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from bot.domain.choices import Confirmed, KindRule, Late, Level, Shift
from bot.domain.records import OutboxState
from bot.domain.slots import NudgeRules
from bot.services.keep_plans import KeepPlans, fingerprint
from tests.services.kit import NOW, PARIS, Practice, at, entry

RULES = NudgeRules(zone=PARIS, kinds=(KindRule(name="k", type="x"),))


async def test_rule_1_other_rules_plan_everybody_anew_once(practice: Practice) -> None:
    people = [await practice.enrolled(f"P-{n}", name=f"p{n}") for n in range(3)]
    practice.take(*(entry(f"u-{n}", start="2026-09-20 15:00", patient=f"P-{n}") for n in range(3)))
    assert KeepPlans(practice.uow, practice.rules).apply_rules(NOW) == len(people)
    assert KeepPlans(practice.uow, practice.rules).apply_rules(NOW) == 0
    assert {r.slot for r in practice.nudge_rows()} == {at("2026-09-19 18:00")}
    changed = replace(practice.rules, days_before=(2,))
    assert KeepPlans(practice.uow, changed).apply_rules(NOW) == len(people)
    assert {r.slot for r in practice.nudge_rows(OutboxState.QUEUED)} == {at("2026-09-18 18:00")}
    assert len(practice.nudge_rows()) == len(people)


async def test_rule_1_a_zone_whose_clocks_change_plans_anew(practice: Practice) -> None:
    """As when an update of the zone data comes in between: the hour of the wall stays."""
    await practice.enrolled()
    practice.take(entry(start="2026-09-20 15:00"))
    KeepPlans(practice.uow, practice.rules).apply_rules(NOW)
    moved = replace(practice.rules, zone=ZoneInfo("Africa/Lagos"))  # an hour behind Paris in summer
    KeepPlans(practice.uow, moved).apply_rules(NOW)
    assert [r.slot for r in practice.nudge_rows()] == [at("2026-09-19 19:00")]


async def test_rule_2_interrupted_it_begins_again_and_changes_nothing(practice: Practice) -> None:
    await practice.enrolled()
    practice.take(entry(start="2026-09-20 15:00"))
    keep = KeepPlans(practice.uow, replace(practice.rules, level=Level.DISCREET))
    keep.apply_rules(NOW)
    before = practice.nudge_rows()
    with practice.uow() as uow:
        uow.meta.set("nudge_rules", "")
        uow.commit()
    assert keep.apply_rules(NOW) == 1
    assert practice.nudge_rows() == before


@pytest.mark.parametrize(
    "change",
    [
        {"days_before": (2,)},
        {"slots": (time(9),)},
        {"slot_days": frozenset({0})},
        {"days_off": frozenset({date(2026, 12, 25)})},
        {"shift": Shift.LATER},
        {"quiet_to": time(7)},
        {"daily_cap": 2},
        {"late": Late.NONE},
        {"confirmed": Confirmed.ALL},
        {"level": Level.PRIVATE},
        {"spread_days": 4},
        {"decoy_share": 0.3},
        {"urgent": timedelta(hours=1)},
        {"second_after": None},
        {"kinds": ()},
        {"kinds": (KindRule(name="k", type="x", slot_days=frozenset({0})),)},
        {"zone": ZoneInfo("Indian/Reunion")},
    ],
)
def test_every_rule_is_in_the_fingerprint(change: dict[str, Any]) -> None:
    assert fingerprint(replace(RULES, **change), NOW) != fingerprint(RULES, NOW)


def test_the_fingerprint_is_the_same_tomorrow_and_in_another_process() -> None:
    """Sets are told in order: what a process makes of them by chance must not count."""
    days = [date(2026, 1, 1) + timedelta(days=n) for n in range(50)]
    one, two = (replace(RULES, days_off=frozenset(some)) for some in (days, reversed(days)))
    assert fingerprint(one, NOW) == fingerprint(two, NOW + timedelta(days=1))


async def test_decoys_are_written_once_an_hour(practice: Practice) -> None:
    await practice.enrolled()
    keep = KeepPlans(practice.uow, replace(practice.rules, level=Level.CONSTANT))
    assert keep.decoys(NOW) == 1
    await practice.enrolled("P-2", name="ben")
    assert keep.decoys(NOW + timedelta(minutes=59)) == 0
    assert keep.decoys(NOW + timedelta(hours=1)) == 1
    assert keep.decoys(NOW) == 0  # a clock that was set back does not stop them


async def test_rule_3_decoys_that_nobody_wrote_are_written_once(practice: Practice) -> None:
    """Of the slots since those that were written, as long as they are of use; what was purged is not written again."""
    anna = await practice.enrolled()
    rules = replace(practice.rules, level=Level.CONSTANT, spread_days=2)
    keep = KeepPlans(practice.uow, rules)
    assert keep.decoys(NOW) == 1
    assert [r.slot for r in practice.nudge_rows()] == [at("2026-09-01 18:00")]
    back = at("2026-09-06 10:00")
    assert KeepPlans(practice.uow, rules).decoys(back) == 3
    assert {r.slot for r in practice.nudge_rows()} == {
        at("2026-09-01 18:00"),
        at("2026-09-04 18:00"),  # those of the second and the third are of no use any more
        at("2026-09-05 18:00"),
        at("2026-09-06 18:00"),
    }
    practice.execute("DELETE FROM outbox")
    assert KeepPlans(practice.uow, rules).decoys(back) == 1, "today's alone"
    assert {r.recipient for r in practice.nudge_rows()} == {anna.recipient.id}


async def test_rule_3_a_clock_that_was_set_back_writes_no_slot_twice(practice: Practice) -> None:
    """While it is in doubt none is written, and "up to here they are written" stays where it was."""
    await practice.enrolled()
    rules = replace(practice.rules, level=Level.CONSTANT, spread_days=5)
    trusted = [True]
    keep = KeepPlans(practice.uow, rules, trusted=lambda _: trusted[0])
    assert keep.decoys(NOW) == 1
    practice.execute("DELETE FROM outbox")  # sent, and purged
    trusted[0] = False
    assert keep.decoys(NOW - timedelta(days=30)) == 0
    trusted[0] = True
    keep.decoys(NOW + timedelta(hours=12))
    assert [r.slot for r in practice.nudge_rows()] == [at("2026-09-02 18:00")], "none of a slot that is over"


async def test_rule_3_a_clock_that_was_years_ahead_writes_few(practice: Practice) -> None:
    await practice.enrolled()
    rules = replace(practice.rules, level=Level.CONSTANT)
    keep = KeepPlans(practice.uow, rules)
    keep.decoys(NOW)
    assert keep.decoys(NOW + timedelta(days=4000)) < 10
    assert KeepPlans(practice.uow, rules).decoys(NOW + timedelta(hours=2)) == 0, "they are there"
