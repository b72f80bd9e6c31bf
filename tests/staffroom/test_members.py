"""Members, the room, and whose devices count. Numbers name the rules of ``keep_staff_room`` and ``send``."""

from __future__ import annotations

import asyncio

import pytest

from bot.domain.staff import StaffSentence
from tests.rig.js_patient import JsPatient
from tests.rig.py_patient import PyPatient
from tests.rig.waiting import until
from tests.staffroom.desk import LONG
from tests.staffroom.seat import Staff


async def test_two_members_with_different_clients_each_give_an_order(staff: Staff) -> None:
    one = await staff.seat(JsPatient)
    other = await staff.seat(PyPatient, "administrator")
    assert one.room == other.room, "one room for all"
    assert await one.tell("aujourd’hui") == "heard: aujourd’hui"
    assert (await other.hear_until("heard: aujourd’hui")).decrypted
    assert await other.tell("stats") == "heard: stats"
    listed = await staff.listed()
    assert {user: member["role"] for user, member in listed.items()} == {
        one.user: "secretary",
        other.user: "administrator",
    }
    assert [done["member"] for done in staff.desk.done()] == [
        listed[one.user]["id"],
        listed[other.user]["id"],
    ]
    for seat in (one, other):
        assert listed[seat.user]["fingerprint"] == (await seat.client.identity()).master


async def test_every_message_has_one_size_and_long_ones_come_in_parts(staff: Staff) -> None:
    seat = await staff.seat(JsPatient)
    await seat.tell("x")
    await seat.say("long")
    parts = [await seat.hear()]
    while not (parts[-1].body or "").endswith("the end"):
        parts.append(await seat.hear())
    assert len(parts) > 1
    assert "\n".join(part.body or "" for part in parts) == LONG
    await seat.tell("leaflet")
    await seat.hear()
    assert len({m.wire_size for m in await seat.from_bot()}) == 1
    assert {m.shield for m in await seat.from_bot()} == {None}, "the bot's own identity vouches for all of it"


async def test_send_9_another_session_begins_whenever_the_readers_are_others(staff: Staff) -> None:
    seat = await staff.seat(PyPatient)
    sessions: list[str] = []

    async def say_twice() -> None:
        """One session, and not the one of before."""
        own = {await said() for _ in range(2)}
        assert len(own) == 1
        assert not own & set(sessions)
        sessions.extend(own)

    async def said() -> str:
        await seat.say("today")
        answer = await seat.hear_until("heard: today")
        return str(staff.raw_event(answer.event)["content"]["session_id"])

    await say_twice()
    other = await staff.seat(PyPatient)
    await say_twice()
    phone = await staff.stack.enter_async_context(await other.client.second_device())
    await other.client.sign_device(phone.device)
    await say_twice()
    await phone.logout()
    await say_twice()
    await other.client.leave(seat.room)
    await say_twice()


async def test_the_room_is_closed_and_neutral_from_its_first_event(staff: Staff) -> None:
    seat = await staff.seat(PyPatient)
    await seat.tell("x")
    rows = staff.practice.seen_by_homeserver(
        "SELECT e.type, j.json FROM events e JOIN event_json j ON j.event_id = e.event_id"
        " WHERE e.room_id = ? ORDER BY e.stream_ordering",
        seat.room,
    )
    kinds = [row["type"] for row in rows]
    assert kinds.index("m.room.encryption") < kinds.index("m.room.encrypted")
    assert "m.room.message" not in kinds
    text = " ".join(row["json"] for row in rows)
    for setting in ('"history_visibility":"joined"', '"join_rule":"invite"', '"guest_access":"forbidden"'):
        assert setting in text
    assert '"name":"Notes"' in text


async def test_send_9_a_device_that_nobody_vouched_for_gives_no_orders_and_reads_nothing(
    staff: Staff,
) -> None:
    seat = await staff.seat(PyPatient)
    ghost = await staff.stack.enter_async_context(await seat.client.second_device())

    async def there() -> bool:
        return seat.room in {m.room for m in await ghost.read()}

    await until(there, "the second device in the room")
    typed = await ghost.send(seat.room, "patient add P-1 Ghost")
    await seat.hear_until(staff.sentence(StaffSentence.UNKNOWN_DEVICE))
    await staff.wait_redacted(seat.room, typed)
    assert staff.desk.calls() == 0
    assert staff.audited("staff_refused") == 1
    assert await seat.tell("today") == "heard: today", "the device of before is heard as ever"
    said = await seat.from_bot()
    assert len(said) == 3
    for message in said:
        assert not await ghost.can_read(staff.raw_event(message.event), seat.room)
    assert await seat.client.can_read(staff.raw_event(said[-1].event), seat.room), "the control"


async def test_keep_2_a_stranger_is_sent_away_and_reads_nothing(staff: Staff) -> None:
    seat = await staff.seat(PyPatient)
    stranger, _ = await staff.account(PyPatient)
    await staff.let_in(seat.room, stranger.user)
    await staff.wait_membership(seat.room, stranger.user, "leave")
    await staff.wait_audited("staff_stranger", 1)
    assert staff.problems("staff_stranger") == 1
    assert await seat.tell("today") == "heard: today"
    assert staff.membership(seat.room, seat.user) == "join"


async def test_keep_2_a_stranger_who_was_in_before_the_bot_could_look(staff: Staff) -> None:
    """Joined while the bot was down: before anything is said, they are out, and what they said counts for nothing."""
    seat = await staff.seat(PyPatient)
    stranger, _ = await staff.account(PyPatient)
    staff.practice.kill()
    await staff.let_in(seat.room, stranger.user)
    assert await stranger.accept_invite() == seat.room
    await stranger.send(seat.room, "stop everything")
    await staff.start()
    assert (await seat.client.wait_message(since=seat.next, sender=stranger.user)).body == "stop everything"
    await staff.wait_membership(seat.room, stranger.user, "leave")
    await staff.wait_audited("staff_stranger", 1)
    assert staff.problems("staff_stranger") == 1
    await seat.say("today")
    answer = await seat.hear_until("heard: today")
    assert staff.desk.lines() == ["today"]
    assert not await stranger.can_read(staff.raw_event(answer.event), seat.room)


async def test_keep_3_another_identity_is_refused_until_it_is_pinned(staff: Staff) -> None:
    seat, other = await staff.seat(JsPatient), await staff.seat(PyPatient)
    before = (await staff.listed())[seat.user]
    assert await seat.tell("today") == "heard: today"
    await other.hear_until("heard: today")
    await seat.client.reset_identity()
    master = (await seat.client.identity()).master
    typed = await seat.say("patient list")
    await staff.wait_redacted(seat.room, typed)
    await staff.wait_audited("staff_identity", 1)
    assert staff.problems("staff_identity") == 1
    assert staff.audited("staff_refused") == 1
    assert staff.desk.lines() == ["today"]
    after = (await staff.listed())[seat.user]
    assert (after["state"], after["fingerprint"]) == ("refused", before["fingerprint"])
    assert after["other_fingerprint"] == master
    assert await other.tell("stats") == staff.sentence(StaffSentence.UNKNOWN_DEVICE)
    assert (await other.hear()).body == "heard: stats", "the others work on"
    await staff.practice.pli("staff", "repin", seat.user)
    assert (await staff.listed())[seat.user]["fingerprint"] == master
    seat.next = len(await seat.client.read())
    assert await seat.tell("answers") == "heard: answers"


async def test_who_is_removed_while_the_bot_runs_reads_nothing_more(staff: Staff) -> None:
    seat, other = await staff.seat(PyPatient), await staff.seat(PyPatient)
    await other.tell("first")
    last_read = await seat.hear_until("heard: first")
    await staff.practice.pli("staff", "remove", seat.user)
    await staff.wait_membership(seat.room, seat.user, "leave")
    await other.say("second")
    answer = await other.hear_until("heard: second")
    assert await seat.client.can_read(staff.raw_event(last_read.event), seat.room), "the control"
    assert not await seat.client.can_read(staff.raw_event(answer.event), seat.room)
    assert staff.problems("staff_stranger") == 0

    async def forgotten() -> bool:
        return seat.user not in await staff.listed()

    await until(forgotten, "the member to be forgotten")


async def test_who_was_removed_while_the_bot_was_down_is_out_before_anything_is_said(staff: Staff) -> None:
    seat, other = await staff.seat(PyPatient), await staff.seat(PyPatient)
    staff.practice.kill()
    await staff.practice.pli("staff", "remove", seat.user)
    await seat.say("one last order")
    await staff.start()
    await staff.wait_membership(seat.room, seat.user, "leave")
    await other.say("today")
    answer = await other.hear_until("heard: today")
    assert not await seat.client.can_read(staff.raw_event(answer.event), seat.room)
    assert staff.desk.lines() == ["today"]


async def test_without_a_member_nothing_runs(staff: Staff) -> None:
    assert (await asyncio.to_thread(staff.practice.health))[1]["desk"] == "unused"
    assert staff.practice.query("SELECT * FROM staff_room") == []
    assert staff.practice.query("SELECT * FROM meta WHERE name LIKE 'staff%'") == []


async def test_a_member_who_invites_the_bot_gets_no_patient_s_room(staff: Staff) -> None:
    seat = await staff.seat(PyPatient)
    before = staff.practice.query("SELECT * FROM room")
    own = await seat.client.create_dm(staff.practice.bot_user)
    await staff.wait_membership(own, staff.practice.bot_user, "leave")
    assert staff.practice.query("SELECT * FROM room") == before


async def test_an_account_that_is_not_there_is_no_member(
    staff: Staff, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The administrator is told so; the bot alone may not ask for everybody, and then that is said."""
    server = staff.practice.bot_user.partition(":")[2]
    client, _ = await staff.account(PyPatient)
    words = ("staff", "add", f"@nobody-at-all:{server}", "--role", "secretary")
    assert "Le serveur n’a pas ce compte" in (await staff.practice.pli(*words, expect=1)).err
    assert await staff.listed() == {}
    added = await staff.practice.pli("staff", "add", client.user, "--role", "secretary", "--json")
    assert added.json()["account_seen"] is True
    monkeypatch.setenv("PLI_HOMESERVER__ADMIN_TOKEN_FILE", "/nowhere")
    assert "le serveur n’a pas pu dire s’il a ce compte" in (await staff.practice.pli(*words)).err
