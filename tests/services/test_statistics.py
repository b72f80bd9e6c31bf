"""Counts by week: written with what they count, and given out without a way back to anybody."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, text

from bot.domain.choices import Level
from bot.errors import ChannelError
from bot.services.count_statistics import SMALLEST, CountStatistics, Hidden, Statistics, Week
from bot.services.purge import Purge
from bot.services.tallies import KEPT, NAME, WEEK, Counted, monday, tallied, tally
from config.nudge_settings import Nudges
from storage import tables as t
from tests.services.kit import NOW, PIN, WRONG_PIN, Practice, at, entry


def write(practice: Practice, counts: dict[int, int], what: Counted = Counted.NUDGED) -> None:
    """``counts``: by how many weeks ago."""
    for back, number in counts.items():
        with practice.uow() as uow:
            tally(uow, what, NOW - back * WEEK, number)
            uow.commit()


def shown(practice: Practice, weeks: int, *, now: datetime = NOW) -> Statistics:
    return CountStatistics(practice.uow)(weeks=weeks, now=now)


def test_counts_add_up_by_week(anywhere: Practice) -> None:
    write(anywhere, {2: 7, 1: 11})
    write(anywhere, {1: 4})
    write(anywhere, {1: 9}, Counted.OPENED)
    found = shown(anywhere, 3)
    assert [week.begins for week in found.weeks] == [monday(NOW) - n * WEEK for n in (3, 2, 1)]
    assert found.of(Counted.NUDGED) == (Hidden.UNKNOWN, 7, 15)
    assert found.of(Counted.OPENED) == (Hidden.UNKNOWN, Hidden.FEW, 9)


def test_rule_1_under_five_is_never_a_number_and_nothing_is_like_four(practice: Practice) -> None:
    write(practice, {5: 6, 4: 0, 3: 1, 2: 4, 1: 5})
    assert shown(practice, 4).of(Counted.NUDGED) == (Hidden.FEW, Hidden.FEW, Hidden.FEW, 5)


def test_rule_2_the_sum_is_that_of_what_is_shown(practice: Practice) -> None:
    write(practice, {3: 10, 2: 4, 1: 20})
    assert shown(practice, 3).at_least(Counted.NUDGED) == 30


@given(
    st.lists(st.integers(0, 12), min_size=1, max_size=8),
    st.lists(st.integers(0, 4), min_size=8, max_size=8),
)
def test_rule_2_other_hidden_counts_look_exactly_alike(counts: list[int], others: list[int]) -> None:
    """Whoever sees all that is given out cannot tell one small count from another."""

    def told(numbers: list[int]) -> tuple[object, ...]:
        weeks = tuple(
            Week(
                begins=date(2026, 9, 7) + n * WEEK,
                counts=dict.fromkeys(Counted, number if number >= SMALLEST else Hidden.FEW),
            )
            for n, number in enumerate(numbers)
        )
        found = Statistics(weeks=weeks)
        return found.of(Counted.MOVE), found.at_least(Counted.MOVE)

    swapped = [other if count < SMALLEST else count for count, other in zip(counts, others, strict=False)]
    assert told(counts) == told(swapped)


def test_rule_3_the_week_that_runs_is_not_shown(practice: Practice) -> None:
    write(practice, {1: 8, 0: 50})
    assert shown(practice, 1).of(Counted.NUDGED) == (8,)
    sunday = datetime.combine(monday(NOW) + timedelta(days=6), datetime.max.time(), UTC)
    assert shown(practice, 1, now=sunday).of(Counted.NUDGED) == (8,)
    assert shown(practice, 1, now=sunday + timedelta(seconds=1)).of(Counted.NUDGED) == (50,)


def test_rule_4_before_the_first_count_nothing_is_known(practice: Practice) -> None:
    assert set(shown(practice, 2).of(Counted.NUDGED)) == {Hidden.UNKNOWN}
    write(practice, {0: 50})
    assert set(shown(practice, 2).of(Counted.NUDGED)) == {Hidden.UNKNOWN}


# -- how they are kept ----------------------------------------------------------------------------------------------


def test_rule_1_of_the_tallies_one_sealed_value_without_a_name(practice: Practice) -> None:
    write(practice, {1: 123456})
    with practice.uow() as uow:
        kept = json.loads(uow.meta.get(NAME) or "")
    assert kept == {(monday(NOW) - WEEK).isoformat(): {"nudged": 123456}}
    with practice.home.engine.begin() as connection:
        row = connection.execute(select(t.meta).where(t.meta.c.name == NAME)).mappings().one()
    assert b"123456" not in row["value_enc"]
    assert b"nudged" not in row["value_enc"]


def test_rule_2_of_the_tallies_what_was_not_committed_was_not_counted(practice: Practice) -> None:
    with practice.uow() as uow:
        tally(uow, Counted.MOVE, NOW, 9)
    with practice.uow() as uow:
        assert tallied(uow) == {}


@pytest.mark.parametrize("damage", ["bytes", "json", "shape"])
def test_rule_3_of_the_tallies_damage_never_stops_what_they_count(practice: Practice, damage: str) -> None:
    write(practice, {1: 9})
    if damage == "bytes":
        with practice.home.engine.begin() as connection:
            connection.execute(text("UPDATE meta SET value_enc = x'00112233' WHERE name = 'weekly_counts'"))
    else:
        with practice.uow() as uow:
            uow.meta.set(NAME, "[" if damage == "json" else '{"2026-08-24": [1, 2]}')
            uow.commit()
    write(practice, {0: 7})
    with practice.uow() as uow:
        assert tallied(uow) == {monday(NOW): {Counted.NUDGED: 7}}


def test_rule_4_of_the_tallies_two_years_are_kept(practice: Practice) -> None:
    write(practice, {KEPT + 3: 9, KEPT: 9, KEPT - 1: 9, 0: 9})
    with practice.uow() as uow:
        assert sorted(tallied(uow)) == [monday(NOW) - (KEPT - 1) * WEEK, monday(NOW)]


# -- what is counted ------------------------------------------------------------------------------------------------


def counted(practice: Practice) -> dict[str, int]:
    """This week's."""
    with practice.uow() as uow:
        return {what.value: number for what, number in tallied(uow).get(monday(practice.now), {}).items()}


async def test_a_patients_week_is_counted(anywhere: Practice) -> None:
    anna = await anywhere.enrolled("P-1")
    anywhere.take(*(entry(f"u-{n}", f"2026-09-{10 + n} 10:00") for n in range(7)))
    assert counted(anywhere) == {}, "to be invited and imported is not counted"
    anywhere.clock.moment = at("2026-09-09 18:00")
    await anywhere.send_nudges()
    assert counted(anywhere) == {"nudged": 1}
    await anna.say(WRONG_PIN)
    assert counted(anywhere) == {"nudged": 1}, "nothing was opened"
    await anna.say(PIN)
    await anna.say("more")
    await anna.say("show")
    assert counted(anywhere) == {"nudged": 1, "opened": 1}, "however much of it was read"
    await anna.say("confirm 1")
    await anna.say("cancel 2")
    await anna.say("yes")
    await anna.say("move 3")
    await anna.say("yes")
    await anna.say("rather in the afternoon")
    found = counted(anywhere)
    assert {k: found[k] for k in ("nudged", "opened", "confirmed", "cancelled", "move")} == {
        "nudged": 1,
        "opened": 1,
        "confirmed": 1,
        "cancelled": 1,
        "move": 1,
    }


async def planned(practice: Practice) -> None:
    await practice.enrolled("P-1")
    practice.take(entry())
    practice.clock.moment = at("2026-09-09 18:00")


async def test_what_comes_too_late_is_counted_as_not_sent(practice: Practice) -> None:
    await planned(practice)
    practice.clock.moment = at("2026-09-10 08:00")
    await practice.send_nudges()
    assert counted(practice) == {"unreached": 1}


async def test_what_cannot_be_delivered_is_counted_as_not_sent(practice: Practice) -> None:
    await planned(practice)
    practice.channel.fault = lambda *_: ChannelError("refused", permanent=True)
    await practice.send_nudges()
    assert counted(practice) == {"unreached": 1}


async def test_what_is_tried_again_is_counted_once(practice: Practice) -> None:
    await planned(practice)
    practice.channel.fault = lambda *_: ChannelError("gone", permanent=False)
    await practice.send_nudges()
    assert counted(practice) == {}
    practice.channel.fault = lambda *_: None
    practice.clock.forward(minutes=10)
    await practice.send_nudges()
    assert counted(practice) == {"nudged": 1}


async def test_what_may_have_left_is_counted_as_not_surely_sent(practice: Practice) -> None:
    practice.nudges = Nudges(level=Level.PLAIN, days_before=(3,))
    practice.__post_init__()
    await practice.enrolled("P-1")
    practice.take(entry())
    practice.clock.moment = at("2026-09-07 18:00")
    practice.channel.fault = lambda *_: ChannelError("no answer", permanent=False)
    await practice.send_nudges()
    practice.channel.fault = lambda *_: None
    practice.clock.forward(hours=24)
    await practice.send_nudges()
    assert counted(practice) == {"unreached": 1}


async def test_the_statistics_outlive_what_they_count(practice: Practice) -> None:
    """Rows go after two days, answers with their appointment: the counts stay."""
    await planned(practice)
    await practice.send_nudges()
    before = practice.now
    practice.clock.forward(days=30)
    Purge(practice.uow, practice.keys)(practice.now)
    assert practice.nudge_rows() == []
    with practice.uow() as uow:
        assert tallied(uow)[monday(before)] == {Counted.NUDGED: 1}
