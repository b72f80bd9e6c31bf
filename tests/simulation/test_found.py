"""What the simulation found, each again by hand: the real planner, through the services."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from bot.domain.appointment import Status
from bot.domain.choices import Level
from bot.domain.records import OutboxState, ProblemKind
from bot.errors import ChannelError
from bot.services.keep_plans import KeepPlans
from config.nudge_settings import Nudges
from tests.services.kit import Practice, at, entry


@pytest.fixture
async def practice(tmp_path: Path) -> AsyncIterator[Practice]:
    made = Practice(tmp_path, nudges=Nudges(level=Level.PLAIN, days_before=(1,), slots=("18:00",)))
    await made.enrolled()
    yield made
    made.close()


def away(practice: Practice) -> None:
    practice.channel.fault = lambda *_: ChannelError("gone", permanent=False)


def back(practice: Practice) -> None:
    practice.channel.fault = lambda *_: None


async def test_failure_01_news_are_not_swallowed_by_a_nudge_that_left_before_a_crash(
    practice: Practice,
) -> None:
    """The homeserver knows the old transaction and would answer with its event: nobody would hear of the news."""
    practice.take(entry("a", "2026-09-10 10:00"), entry("b", "2026-09-11 15:00"))
    practice.clock.moment = at("2026-09-09 18:00")
    practice.deliver._settle = lambda *_: None  # type: ignore[method-assign]  # the process dies before it writes
    await practice.deliver.nudges_due()
    assert len(practice.channel.of("nudge")) == 1
    practice.start_bot()
    practice.deliver.recover()
    practice.clock.forward(seconds=1)
    practice.take(entry("b", "2026-09-11 15:00", status=Status.CANCELLED))
    await practice.send_nudges()
    assert len(practice.channel.of("nudge")) == 2
    (before,) = practice.nudge_rows(OutboxState.UNKNOWN)
    assert before.txn == practice.channel.of("nudge")[0].txn


async def test_failure_01_news_that_are_over_sooner_are_not_swallowed_either(practice: Practice) -> None:
    """What left before the crash is useful longer: that alone must not make it stand for both."""
    practice.nudges = Nudges(level=Level.PLAIN, days_before=(2,), slots=("18:00",))
    practice.__post_init__()
    practice.take(entry("a", "2026-09-11 15:00"), entry("b", "2026-09-10 10:00"))
    practice.clock.moment = at("2026-09-08 18:00")
    assert await practice.send_nudges() == 1
    practice.clock.moment = at("2026-09-09 18:00")
    practice.deliver._settle = lambda *_: None  # type: ignore[method-assign]  # the process dies before it writes
    await practice.deliver.nudges_due()
    assert len(practice.channel.of("nudge")) == 2
    practice.start_bot()
    practice.deliver.recover()
    practice.clock.forward(seconds=1)
    practice.take(entry("b", "2026-09-10 10:00", status=Status.CANCELLED))
    await practice.send_nudges()
    assert len(practice.channel.of("nudge")) == 3


async def test_failure_03_what_may_have_left_before_a_crash_counts_for_the_cap(practice: Practice) -> None:
    practice.nudges = Nudges(level=Level.PLAIN, daily_cap=1)
    practice.__post_init__()
    practice.take(entry("a", "2026-09-10 10:00"), entry("b", "2026-09-11 15:00"))
    practice.clock.moment = at("2026-09-09 18:00")
    practice.deliver._settle = lambda *_: None  # type: ignore[method-assign]  # the process dies before it writes
    await practice.deliver.nudges_due()
    practice.start_bot()
    practice.deliver.recover()
    practice.clock.forward(seconds=1)
    practice.take(entry("b", "2026-09-11 15:00", status=Status.CANCELLED))
    await practice.send_nudges()
    assert len(practice.channel.of("nudge")) == 1
    assert practice.problems() == [ProblemKind.CAPPED]


async def test_failure_04_a_nudge_a_day_is_not_one_too_many_for_the_seconds_of_yesterday(
    practice: Practice,
) -> None:
    """It never leaves in the very second of its slot: where the cap is filled each day, every next one was dropped."""
    practice.nudges = Nudges(level=Level.PLAIN, days_before=(1,), slots=("18:00",), daily_cap=1)
    practice.__post_init__()
    practice.take(entry("a", "2026-09-10 10:00"), entry("b", "2026-09-11 15:00"))
    practice.clock.moment = at("2026-09-09 18:00") + timedelta(seconds=2)
    assert await practice.send_nudges() == 1
    practice.clock.moment = at("2026-09-10 18:00")
    await practice.send_nudges()
    assert len(practice.channel.of("nudge")) == 1
    practice.clock.moment = at("2026-09-10 18:01")
    assert await practice.send_nudges() == 1
    assert len(practice.channel.of("nudge")) == 2
    assert practice.problems() == []


async def test_failure_04_a_merged_reminder_leaves_when_its_partner_may_not(practice: Practice) -> None:
    practice.nudges = Nudges(level=Level.PLAIN, days_before=(1,), slots=("09:00",))
    practice.__post_init__()
    practice.take(entry("a", "2026-09-10 10:00"))
    practice.nudges = practice.nudges.model_copy(update={"slots": ("09:00", "18:00")})
    practice.__post_init__()
    practice.clock.moment = at("2026-09-09 09:00")
    away(practice)
    await practice.send_nudges()
    practice.take(entry("b", "2026-09-13 15:00"))
    practice.take(entry("b", "2026-09-14 15:00"))  # news in the next slot, due while the reminder still waits
    practice.clock.moment = at("2026-09-09 18:05")
    await practice.send_nudges()
    practice.execute("DELETE FROM reminder WHERE kind = 'change'")  # nothing is left to say of the other
    back(practice)
    practice.clock.moment = at("2026-09-09 19:00")
    await practice.send_nudges()
    assert len(practice.channel.of("nudge")) == 1


async def test_failure_04_a_reason_that_is_over_is_reported_though_its_nudge_leaves(
    practice: Practice,
) -> None:
    """Two visits, one nudge; after an outage it helps for one of them only."""
    practice.nudges = Nudges(level=Level.PLAIN, days_before=(1,), slots=("18:00",))
    practice.__post_init__()
    practice.take(entry("early", "2026-09-10 00:30"), entry("late", "2026-09-10 19:00"))
    assert len(practice.nudge_rows()) == 1
    away(practice)
    practice.clock.moment = at("2026-09-09 18:00")
    await practice.send_nudges()
    back(practice)
    practice.clock.moment = at("2026-09-10 09:00")
    await practice.send_nudges()
    assert len(practice.channel.of("nudge")) == 1
    assert practice.problems() == [ProblemKind.TOO_LATE]


async def test_a_decoy_of_rules_that_were_edited_leaves_in_no_hour_of_theirs(practice: Practice) -> None:
    """It would be seen to be one: nothing else leaves at that hour any more."""
    rules = Nudges(level=Level.CONSTANT, slots=("18:00",))
    practice.nudges = rules
    practice.__post_init__()
    KeepPlans(practice.uow, practice.rules).decoys(practice.clock.now())
    (planned,) = practice.nudge_rows()
    practice.nudges = rules.model_copy(update={"slots": ("14:00",)})
    practice.__post_init__()
    practice.clock.moment = planned.due
    await practice.send_nudges()
    assert practice.channel.of("nudge") == []


# -- failures that had no nudge in their test yet -------------------------------------------------------------------


async def test_failure_02_no_nudge_for_the_old_time_after_a_move(practice: Practice) -> None:
    practice.take(entry("a", "2026-09-10 10:00"))
    practice.take(entry("a", "2026-09-17 10:00"))
    for day in (
        "2026-09-01 18:00",
        "2026-09-02 18:00",
    ):  # the move is told, and told again where it was not opened
        practice.clock.moment = at(day)
        assert await practice.send_nudges() == 1
    practice.clock.moment = at("2026-09-09 18:00")
    await practice.send_nudges()
    assert len(practice.channel.of("nudge")) == 2
    practice.clock.moment = at("2026-09-16 18:00")
    await practice.send_nudges()
    assert len(practice.channel.of("nudge")) == 3


@pytest.mark.parametrize(
    ("before", "changed", "after"),
    [("2026-10-20", "2026-10-25", "2026-10-26"), ("2027-03-23", "2027-03-28", "2027-03-29")],
)
async def test_failure_07_a_nudge_over_a_clock_change_and_a_restart(
    practice: Practice, before: str, changed: str, after: str
) -> None:
    """Planned before the clocks change, it leaves at six in the evening of the day on which they did."""
    practice.clock.moment = at(f"{before} 10:00")
    practice.take(entry("a", f"{after} 15:00"))
    practice.start_bot()
    practice.deliver.recover()
    practice.clock.moment = at(f"{changed} 17:59")
    assert await practice.send_nudges() == 0
    practice.clock.moment = at(f"{changed} 18:00")
    assert await practice.send_nudges() == 1


async def test_failure_08_a_first_import_of_years_nudges_nobody(practice: Practice) -> None:
    practice.take(*(entry(f"u-{n}", f"20{15 + n % 11}-08-{1 + n % 28:02} 10:00") for n in range(200)))
    assert practice.nudge_rows() == []
    practice.clock.forward(days=400)
    await practice.send_nudges()
    assert practice.channel.of("nudge") == []
