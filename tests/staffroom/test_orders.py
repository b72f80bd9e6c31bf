"""What is heard in the staff room, once, and what is refused. Numbers name the rules of ``hear_staff``."""

from __future__ import annotations

import asyncio
import signal

from bot.domain.staff import StaffSentence
from tests.rig.js_patient import JsPatient
from tests.rig.py_patient import PyPatient
from tests.staffroom.seat import Staff


async def test_hear_1_what_is_not_encrypted_is_refused_and_taken_back(staff: Staff) -> None:
    seat = await staff.seat(PyPatient)
    typed = await seat.client.send_clear(
        seat.room, "m.room.message", {"msgtype": "m.text", "body": "pause all"}
    )
    assert (await seat.hear()).body == staff.sentence(StaffSentence.UNENCRYPTED)
    await staff.wait_redacted(seat.room, typed)
    assert (staff.desk.calls(), staff.audited("staff_refused")) == (0, 1)


async def test_hear_5_refusals_are_answered_and_audited_once_a_minute(staff: Staff) -> None:
    seat = await staff.seat(PyPatient)
    content = {"msgtype": "m.text", "body": "pause all"}
    typed = [await seat.client.send_clear(seat.room, "m.room.message", content) for _ in range(5)]
    await staff.wait_redacted(seat.room, *typed)
    assert await seat.tell("today") == staff.sentence(StaffSentence.UNENCRYPTED)
    assert (await seat.hear()).body == "heard: today"
    assert staff.audited("staff_refused") == 1
    assert staff.desk.lines() == ["today"]


async def test_hear_2_a_copy_under_another_event_is_heard_once_also_after_a_restart(staff: Staff) -> None:
    seat = await staff.seat(PyPatient)
    first = await seat.say("cancel 3")
    await seat.hear_until("heard: cancel 3")
    ciphertext = staff.raw_event(first)["content"]
    await seat.client.send_clear(seat.room, "m.room.encrypted", ciphertext)
    assert await seat.tell("today") == "heard: today"
    await staff.wait_settled()  # an order whose end was not noted is asked of the desk again
    staff.practice.kill()
    await staff.start()
    await seat.client.send_clear(seat.room, "m.room.encrypted", ciphertext)
    assert await seat.tell("stats") == "heard: stats"
    assert staff.desk.lines() == ["cancel 3", "today", "stats"]
    assert staff.desk.calls() == 3


async def test_hear_3_an_order_whose_answer_a_crash_took_is_answered_and_done_once(staff: Staff) -> None:
    seat = await staff.seat(JsPatient)
    await seat.say("die")
    assert await staff.practice.died() == -signal.SIGKILL
    assert staff.desk.lines() == ["die"]
    await staff.start()
    await seat.hear_until("heard: die")
    assert await seat.tell("today") == "heard: today"
    assert (staff.desk.lines(), staff.desk.calls()) == (["die", "today"], 3)
    assert [m.body for m in await seat.from_bot()].count("heard: die") == 1
    await staff.wait_settled()


async def test_hear_3_what_does_not_come_again_is_answered_with_a_plain_sentence(staff: Staff) -> None:
    """The event is gone from the homeserver when the bot comes back: no silence all the same."""
    seat = await staff.seat(PyPatient)
    typed = await seat.say("die")
    assert await staff.practice.died() == -signal.SIGKILL
    await seat.client.redact(seat.room, typed)
    staff.practice.query("UPDATE heard_order SET at = '2000-01-01T00:00:00.000000Z'")
    await staff.start()
    assert (await seat.hear(seconds=90)).body == staff.sentence(StaffSentence.AGAIN)
    assert staff.desk.calls() == 1
    await staff.wait_settled()


async def test_an_order_is_not_carried_out_while_the_desk_is_away(staff: Staff) -> None:
    seat = await staff.seat(PyPatient)
    staff.desk.set_away(away=True)
    assert await seat.tell("today") == staff.sentence(StaffSentence.NOT_DONE)
    await staff.practice.wait_ready(ready=False)
    assert (await asyncio.to_thread(staff.practice.health))[1]["desk"] == "away"
    staff.desk.set_away(away=False)
    assert await seat.tell("today") == "heard: today"
    await staff.practice.wait_ready()


async def test_what_is_no_order(staff: Staff) -> None:
    seat = await staff.seat(PyPatient)
    first = await seat.say("plain")
    assert (await seat.hear()).body == "nothing in it"
    edit = {
        "msgtype": "m.text",
        "body": "* cancel 4",
        "m.new_content": {"msgtype": "m.text", "body": "cancel 4"},
        "m.relates_to": {"rel_type": "m.replace", "event_id": first},
    }
    await seat.client.send_raw(seat.room, "m.room.message", edit)
    assert (await seat.hear()).body == staff.sentence(StaffSentence.EDITED)
    await seat.client.send_raw(seat.room, "m.room.message", {"msgtype": "m.emote", "body": "waves"})
    assert (await seat.hear()).body == staff.sentence(StaffSentence.NOT_TEXT)
    await seat.say("nothing")
    assert await seat.tell("today") == "heard: today"
    assert staff.desk.lines() == ["plain", "nothing", "today"]
    assert staff.audited("staff_refused") == 0


async def test_both_sides_of_what_is_private_are_taken_back_also_after_a_restart(staff: Staff) -> None:
    seat = await staff.seat(JsPatient)
    plain = await seat.say("plain")
    kept = await seat.hear()
    typed = await seat.say("today")
    answer = await seat.hear()
    file = await seat.say("leaflet")
    shown = [await seat.hear(), await seat.hear()]
    await staff.practice.settled()
    assert staff.practice.redacted(seat.room) == set()
    staff.practice.kill()
    assert staff.practice.bring_forward("redact") == 5
    await staff.start()
    gone = {typed, answer.event, file, *(m.event for m in shown)}
    await staff.wait_redacted(seat.room, *gone)
    for event in gone:
        await seat.client.wait_redacted(event)
    assert not {plain, kept.event} & staff.practice.redacted(seat.room)
