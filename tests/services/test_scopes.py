"""Quiet hours, caps and slots of a kind and of a recipient, from planning to what leaves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import time, timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.domain.appointment import Appointment, Status
from bot.domain.choices import Level, Quiet, Scope, Wishes
from bot.domain.planning import Because
from bot.domain.records import OutboxState, ProblemKind
from bot.services.choose_times import ChooseTimes
from bot.services.plan_nudges import plan_decoys
from bot.services.preview_nudges import PreviewNudges
from config.nudge_settings import Kind, Nudges
from tests.services.kit import Practice, at, entry

EARLY = Quiet(time(17), time(10))


@pytest.fixture
def practice(tmp_path: Path) -> Iterator[Practice]:
    made = Practice(tmp_path)
    yield made
    made.close()


def set_rules(practice: Practice, *kinds: Kind, **changes: Any) -> None:
    practice.nudges = Nudges.model_validate({"level": Level.PLAIN, "kinds": kinds, **changes})
    practice.__post_init__()


def wish(practice: Practice, reference: str = "P-1", **changes: Any) -> None:
    ChooseTimes(practice.home.uow, practice.rules)(
        reference, lambda before: replace(before, **changes), practice.now
    )


def of_kind(name: str, start: str, source: str = "u-1", **values: Any) -> Appointment:
    return replace(entry(source, start, **values), type=name)


def slots(practice: Practice) -> list[Any]:
    return [row.slot for row in practice.nudge_rows(OutboxState.QUEUED)]


async def until(practice: Practice, moment: str) -> int:
    """Hour by hour; how many nudges left."""
    before = len(practice.channel.of("nudge"))
    while practice.now < at(moment):
        await practice.send_nudges()
        practice.clock.moment = min(at(moment), practice.now + timedelta(hours=1))
    await practice.send_nudges()
    return len(practice.channel.of("nudge")) - before


async def test_a_wish_moves_what_waits(practice: Practice) -> None:
    await practice.enrolled()
    practice.take(entry(start="2026-09-10 15:00"))
    assert slots(practice) == [at("2026-09-09 18:00")]
    wish(practice, quiet=EARLY)
    assert slots(practice) == [at("2026-09-09 10:00")]
    assert await until(practice, "2026-09-09 09:59") == 0
    assert await until(practice, "2026-09-09 10:00") == 1


async def test_failure_18_nothing_leaves_in_a_recipients_quiet_hours_after_an_outage(
    practice: Practice,
) -> None:
    await practice.enrolled()
    await practice.enrolled("P-2", name="ben")
    wish(practice, quiet=EARLY)
    practice.take(entry(start="2026-09-10 15:00"), entry("u-2", "2026-09-10 15:00", patient="P-2"))
    practice.clock.moment = at("2026-09-09 18:30")
    await practice.send_nudges()
    assert len(practice.channel.of("nudge")) == 1, "ben's, whose hours are the practice's"
    assert await until(practice, "2026-09-10 09:59") == 0
    assert await until(practice, "2026-09-10 10:00") == 1
    assert practice.problems() == []


async def test_failure_04_what_a_recipients_quiet_hours_make_too_late_is_reported(practice: Practice) -> None:
    await practice.enrolled()
    wish(practice, quiet=EARLY)
    practice.take(entry(start="2026-09-10 09:30"))
    practice.clock.moment = at("2026-09-09 18:30")
    assert await until(practice, "2026-09-10 10:00") == 0
    assert practice.problems() == [ProblemKind.TOO_LATE]


async def test_failure_18_urgent_news_wait_for_the_end_of_a_recipients_quiet_hours(
    practice: Practice,
) -> None:
    await practice.enrolled()
    wish(practice, quiet=EARLY)
    practice.take(entry(start="2026-09-02 15:00"))
    practice.clock.moment = at("2026-09-01 17:30")
    practice.take(entry(start="2026-09-02 15:00", status=Status.CANCELLED))
    assert slots(practice) == [at("2026-09-02 10:00")]
    assert await until(practice, "2026-09-02 09:59") == 0
    assert await until(practice, "2026-09-02 10:00") == 1


async def test_failure_04_news_are_too_late_for_those_alone_whose_quiet_hours_are_too_long(
    practice: Practice,
) -> None:
    anna = await practice.enrolled("P-1", name="anna")
    ben = await practice.enrolled("P-1", name="ben")
    wishing = replace(ben.recipient, wishes=Wishes(quiet=EARLY))
    with practice.uow() as uow:
        uow.recipients.save(wishing)
        uow.commit()
    practice.take(entry(start="2026-09-02 09:30"))
    practice.clock.moment = at("2026-09-01 17:30")
    practice.take(entry(start="2026-09-02 09:30", status=Status.CANCELLED))
    await practice.send_nudges()
    assert [s.to.user for s in practice.channel.of("nudge")] == [anna.room.user]
    with practice.uow() as uow:
        assert [(p.kind, p.recipient) for p in uow.problems.all()] == [(ProblemKind.TOO_LATE, wishing.id)]


async def test_a_kind_may_ring_in_the_practices_quiet_hours_and_nothing_else_does(practice: Practice) -> None:
    late = Kind(name="late", type="nuit", slots=("21:00",), quiet_from="22:00")
    set_rules(practice, late)
    anna = await practice.enrolled()
    await practice.enrolled("P-2", name="ben")
    practice.take(of_kind("nuit", "2026-09-10 15:00"), entry("u-2", "2026-09-10 15:00", patient="P-2"))
    practice.clock.moment = at("2026-09-09 21:00")  # ben's slot was at six: the bot was away
    await practice.send_nudges()
    assert [s.to.user for s in practice.channel.of("nudge")] == [anna.room.user]
    assert await until(practice, "2026-09-10 07:59") == 0
    assert await until(practice, "2026-09-10 08:00") == 1


async def test_rule_3_of_two_kinds_in_one_nudge_all_quiet_hours_hold(practice: Practice) -> None:
    kinds = (
        Kind(name="one", type="un", quiet_from="18:30", quiet_to="09:00"),
        Kind(name="two", type="deux", quiet_from="20:00", quiet_to="11:00"),
    )
    set_rules(practice, *kinds)
    await practice.enrolled()
    practice.take(of_kind("un", "2026-09-10 15:00"), of_kind("deux", "2026-09-10 16:00", "u-2"))
    assert slots(practice) == [at("2026-09-09 18:00")]
    practice.clock.moment = at("2026-09-09 18:30")  # late: the first one's hours have begun
    assert await until(practice, "2026-09-10 10:59") == 0, "the second one's last"
    assert await until(practice, "2026-09-10 11:00") == 1


async def test_rule_3_what_a_cap_moved_into_a_slot_takes_nothing_from_it(practice: Practice) -> None:
    """Three slots; the third is told in the second, which leaves although one left before it that day."""
    kinds = (
        Kind(name="a", type="a", slots=("09:00",)),
        Kind(name="b", type="b", slots=("12:00",)),
        Kind(name="c", type="c", slots=("18:00",), daily_cap=1),
    )
    set_rules(practice, *kinds)
    await practice.enrolled()
    practice.take(*(of_kind(name, "2026-09-10 15:00", f"u-{name}") for name in "abc"))
    assert sorted(slots(practice)) == [at("2026-09-09 09:00"), at("2026-09-09 12:00")]
    assert await until(practice, "2026-09-10 15:00") == 2
    assert practice.problems() == []


async def test_failure_03_the_cap_of_a_kind_holds(practice: Practice) -> None:
    """What the agenda's going to and fro has used up is used up for the kind with the lower cap alone."""
    set_rules(practice, Kind(name="one", type="un", daily_cap=1))
    await practice.enrolled()
    for number in range(2):
        practice.take(entry("u-1", f"2026-09-02 1{number}:00", sequence=number))
        await practice.send_nudges()
    assert len(practice.channel.of("nudge")) == 1
    practice.clock.forward(minutes=10)
    practice.take(of_kind("un", "2026-09-03 10:00", "u-2"))
    practice.take(of_kind("un", "2026-09-03 11:00", "u-2", sequence=1))
    await practice.send_nudges()
    assert len(practice.channel.of("nudge")) == 1
    assert practice.problems() == [ProblemKind.CAPPED]
    practice.clock.forward(minutes=10)
    practice.take(entry("u-1", "2026-09-02 12:00", sequence=2))
    await practice.send_nudges()
    assert len(practice.channel.of("nudge")) == 2


async def test_decoys_are_where_the_recipients_own_reminders_would_be(practice: Practice) -> None:
    set_rules(practice, level=Level.CONSTANT, slots=("12:00", "18:00"))
    await practice.enrolled()
    wish(practice, quiet=EARLY, slots=(time(18),))
    with practice.uow() as uow:
        plan_decoys(uow, practice.now, practice.rules)
        uow.commit()
    assert slots(practice) == [at("2026-09-02 10:00")]
    assert await until(practice, "2026-09-02 09:59") == 0
    assert await until(practice, "2026-09-02 10:00") == 1


async def test_the_preview_says_whose_rule_it_was(practice: Practice) -> None:
    kind = Kind(name="long", type="bilan", quiet_from="17:00", quiet_to="09:00", daily_cap=1)
    set_rules(practice, kind, slots=("18:00",))
    await practice.enrolled()
    await practice.enrolled("P-2", name="ben")
    wish(practice, "P-2", quiet=Quiet(time(11), time(18, 30)), daily_cap=1)
    practice.take(
        of_kind("bilan", "2026-09-10 10:00"),
        entry("u-2", "2026-09-10 10:00"),
        entry("u-3", "2026-09-10 10:00", patient="P-2"),
    )
    found = PreviewNudges(practice.home.uow, practice.rules)(days=14, now=practice.now)
    assert [
        (nudge.slot, reason.because, reason.scope) for nudge in found.nudges for reason in nudge.reasons
    ] == [
        (at("2026-09-09 09:00"), Because.QUIET, Scope.KIND),
        (at("2026-09-09 18:00"), Because.LEAD, Scope.PRACTICE),
        (at("2026-09-09 18:30"), Because.QUIET, Scope.RECIPIENT),
    ]
