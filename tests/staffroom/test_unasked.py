"""News, the morning's line, a desk that is away. Numbers name the rules of ``tell_staff``."""

from __future__ import annotations

import signal

from tests.rig.js_patient import JsPatient
from tests.rig.py_patient import PyPatient
from tests.rig.waiting import until
from tests.staffroom.desk import MORNING
from tests.staffroom.seat import Staff


async def told(staff: Staff, *tokens: str) -> None:
    async def arrived() -> bool:
        return list(staff.desk.told_tokens()) == list(tokens)

    await until(arrived, "the desk to hear what arrived", seconds=90)


async def test_tell_1_what_is_urgent_comes_by_itself_and_the_rest_in_its_slot(staff: Staff) -> None:
    seat = await staff.seat(JsPatient)
    staff.desk.set_news("n-1", "P-1 cancelled", urgent=True)
    news = await seat.hear(seconds=90)
    assert (news.body, news.msgtype) == ("P-1 cancelled", "m.text")
    assert news.notify, "it rings"
    await told(staff, "n-1")
    assert (
        len(staff.practice.query("SELECT * FROM outbox WHERE kind = 'redact' AND event = ?", news.event)) == 1
    )
    staff.desk.set_news("n-2", "P-2 confirms", urgent=False)
    assert await seat.tell("today") == "heard: today"
    staff.practice.kill()
    # a slot has come since the one that was served last
    staff.practice.query("DELETE FROM meta WHERE name = 'staff_slot'")
    await staff.start()
    assert await seat.tell("stats") == "heard: stats", "the first start waits for the next slot"
    assert list(staff.desk.told_tokens()) == ["n-1"]


async def test_tell_1_a_slot_that_came_while_the_bot_was_down_is_served_late(staff: Staff) -> None:
    seat = await staff.seat(PyPatient)
    staff.desk.set_news("n-2", "P-2 confirms", urgent=False)
    assert await seat.tell("today") == "heard: today"

    async def noted() -> bool:
        return bool(staff.practice.query("SELECT * FROM meta WHERE name = 'staff_slot'"))

    await until(noted, "the bot to know of the slots")
    staff.practice.kill()
    with staff.practice.home.uow() as uow:
        uow.meta.set("staff_slot", "2026-01-01T00:00:00+00:00")
        uow.commit()
    await staff.start()
    assert (await seat.hear()).body == "P-2 confirms"
    await told(staff, "n-2")


async def test_tell_2_news_that_arrived_and_were_not_noted_come_once(staff: Staff) -> None:
    seat = await staff.seat(PyPatient)
    staff.desk.die_when_told()
    staff.desk.set_news("n-1", "P-1 cancelled", urgent=True)
    staff.practice.kill()
    staff.spawn()  # it asks at its start, and then once a minute
    assert await staff.practice.died(seconds=90) == -signal.SIGKILL
    assert list(staff.desk.told_tokens()) == []
    await staff.start()
    await told(staff, "n-1")
    assert await seat.tell("today") == "P-1 cancelled"
    assert (await seat.hear()).body == "heard: today"
    assert [m.body for m in await seat.from_bot()].count("P-1 cancelled") == 1


async def test_tell_4_the_morning_s_line_comes_once_a_day_across_a_kill(staff: Staff) -> None:
    """Killed after the line has arrived and before the day is noted; then stopped and started once more."""
    seat = await staff.seat(JsPatient)
    assert await staff.practice.stop() == 0
    staff.desk.die_when_told()
    staff.spawn(PLI_STAFF__MORNING="00:00")
    assert await staff.practice.died(seconds=90) == -signal.SIGKILL
    assert (await seat.hear()).body == MORNING
    await staff.start(PLI_STAFF__MORNING="00:00")
    await told(staff, "morning")
    assert await seat.tell("today") == "heard: today"
    assert staff.desk.mornings() == 2, "it was asked for again"
    staff.practice.kill()
    await staff.start(PLI_STAFF__MORNING="00:00")
    assert await seat.tell("stats") == "heard: stats"
    assert [m.body for m in await seat.from_bot()].count(MORNING) == 1
    assert staff.desk.mornings() == 2
