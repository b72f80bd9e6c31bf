"""What is told unasked, at a clock moved by hand. Rules: ``tell_staff``."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.domain.staff import StaffReply, StaffSentence
from bot.errors import ChannelError
from bot.services.tell_staff import ASK_EVERY, ASK_SOON, AWAY_FOR
from tests.services.kit import Practice, at
from tests.services.staff_kit import CAMILLE, Duty

S = StaffSentence
URGENT = StaffReply(texts=("locked",), private=True, token="u-1")
REST = StaffReply(texts=("confirmed",), private=True, token="r-1")


@pytest.fixture
async def duty(practice: Practice) -> Duty:
    """Ten in the morning: the day's line is said, and the slots are at noon and at six."""
    made = Duty(practice)
    await made.joined(CAMILLE)
    await made.tick()
    made.channel.said.clear()
    made.desk.asked.clear()
    return made


async def moved(duty: Duty, moment: str) -> list[str]:
    """What is said by then."""
    before = len(duty.channel.said)
    duty.practice.clock.moment = at(moment)
    await duty.tick()
    return duty.channel.texts[before:]


async def test_1_what_is_urgent_comes_within_a_minute_or_when_something_happened(duty: Duty) -> None:
    duty.desk.urgent = URGENT
    duty.practice.clock.forward(seconds=10)
    await duty.tick()
    assert duty.channel.texts == []
    duty.duty.wake()
    await duty.tick()
    assert duty.channel.texts == ["locked"]
    assert duty.desk.heard[-1] == "u-1"
    duty.desk.urgent = StaffReply(texts=("again",), token="u-2")
    duty.duty.wake()
    await duty.tick()
    assert duty.channel.texts == ["locked"], "not at once again"
    duty.practice.clock.moment += ASK_SOON
    await duty.tick()
    assert duty.channel.texts == ["locked", "again"]
    duty.desk.urgent = StaffReply(texts=("third",), token="u-3")
    duty.practice.clock.moment += ASK_EVERY
    await duty.tick()
    assert duty.channel.texts == ["locked", "again", "third"]


async def test_1_the_rest_comes_in_its_slot_once(duty: Duty) -> None:
    duty.desk.rest = REST
    assert await moved(duty, "2026-09-01 11:59") == []
    assert await moved(duty, "2026-09-01 12:00") == ["confirmed"]
    duty.desk.rest = StaffReply(texts=("later",), token="r-2")
    assert await moved(duty, "2026-09-01 17:59") == []
    duty.restart()
    assert await moved(duty, "2026-09-01 21:00") == ["later"], "late, after a stop"
    assert duty.desk.asked.count("all") == 4, "in each slot until there is no more"


async def test_1_a_slot_tells_all_there_is(duty: Duty) -> None:
    """A piece holds so much: after an outage there are several."""
    duty.desk.rest, duty.desk.urgent = REST, URGENT
    assert await moved(duty, "2026-09-01 12:00") == ["confirmed", "locked"]


async def test_2_what_the_desk_did_not_hear_of_is_not_said_twice(duty: Duty) -> None:
    duty.desk.rest = REST
    duty.channel.fails = [ChannelError("away", permanent=False)]
    assert await moved(duty, "2026-09-01 12:00") == []
    assert duty.desk.heard == ["m"]
    assert await moved(duty, "2026-09-01 12:01") == ["confirmed"], "the slot is still to be served"
    assert duty.desk.heard == ["m", "r-1"]
    duty.desk.heard.clear()
    duty.restart()
    duty.practice.execute("DELETE FROM meta WHERE name = 'staff_slot'")
    await duty.tick()
    assert await moved(duty, "2026-09-01 18:00") == [], "the same transaction id: the homeserver drops it"
    assert duty.desk.heard == ["r-1"]


async def test_4_the_morning_s_line_once_a_day_late_if_need_be(duty: Duty) -> None:
    assert await moved(duty, "2026-09-02 07:59") == []
    assert await moved(duty, "2026-09-02 08:00") == ["counts"]
    duty.restart()
    assert await moved(duty, "2026-09-02 08:01") == []
    assert await moved(duty, "2026-09-03 15:00") == ["counts"]
    assert await moved(duty, "2026-10-25 08:00") == ["counts"], "the clocks went back that night"


async def test_5_a_desk_that_is_away_is_told_of_once_and_once_when_it_is_back(duty: Duty) -> None:
    duty.desk.away = True
    duty.practice.clock.moment += ASK_EVERY
    await duty.tick()
    assert (duty.channel.texts, duty.duty.desk) == ([], "away")
    for _ in range(4):
        duty.practice.clock.moment += AWAY_FOR
        await duty.tick()
    assert duty.channel.texts == [S.DESK_AWAY]
    duty.desk.away = False
    duty.practice.clock.moment += ASK_EVERY
    await duty.tick()
    assert (duty.channel.texts, duty.duty.desk) == ([S.DESK_AWAY, S.DESK_BACK], "there")
    duty.practice.clock.moment += ASK_EVERY
    await duty.tick()
    assert len(duty.channel.texts) == 2


async def test_5_a_desk_that_is_back_at_once_is_not_told_of(duty: Duty) -> None:
    duty.desk.away = True
    assert await duty.tell(CAMILLE) == [S.NOT_DONE]
    assert duty.duty.desk == "away"
    duty.desk.away = False
    duty.practice.clock.moment += ASK_EVERY
    await duty.tick()
    assert (duty.channel.texts, duty.duty.desk) == ([S.NOT_DONE], "there")


async def test_6_nothing_rings_within_the_quiet_hours(duty: Duty) -> None:
    duty.desk.urgent = URGENT
    assert await moved(duty, "2026-09-01 23:00") == ["locked"]
    duty.desk.urgent = StaffReply(texts=("day",), token="u-2")
    await moved(duty, "2026-09-02 09:00")
    assert [rings for _, rings in duty.channel.said.values()] == [False, True, True]


async def test_3_no_text_rests_in_the_database(duty: Duty) -> None:
    duty.desk.urgent = StaffReply(texts=("the gamekeeper is locked",), private=True, token="u-9")
    duty.practice.clock.moment += timedelta(minutes=2)
    await duty.tick()
    assert "gamekeeper" in str(duty.channel.texts)
    assert "gamekeeper" not in str(duty.practice.everything())
