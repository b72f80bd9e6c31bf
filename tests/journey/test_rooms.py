"""The bot talks in rooms that it opened, and accepts codes nowhere else."""

from __future__ import annotations

from bot.domain.codes import PUBLIC
from bot.domain.messages import OpenSentence
from bot.domain.templates import Template
from tests.journey.practice import Practice
from tests.journey.talk import People, Talk
from tests.rig.waiting import until


async def test_whoever_invites_the_bot_is_invited_to_a_room_of_the_bots(
    people: People, practice: Practice
) -> None:
    await people.add("R-1")
    code = (await practice.pli("invite", "R-1", "--lang", "en", "--json")).json()["code"]
    user, password = await practice.homeserver.new_user()
    phone = await people.client({"user": user, "password": password})
    own = await phone.create_dm(practice.bot_user)
    await phone.send(own, code)
    talk = await Talk.enter(phone, practice)
    assert talk.room != own

    async def declined() -> bool:
        return practice.membership(own) == "leave"

    await until(declined, "the bot to decline")
    assert practice.query("SELECT id FROM invitation WHERE redeemed_by != '' AND id = ?", _public(code)) == []
    assert not [
        m for m in await phone.read() if m.room == own and m.sender == practice.bot_user and m.encrypted
    ]
    assert await talk.tell(code) == talk.text(Template.CONSENT)


async def test_a_second_invitation_is_answered_in_the_first_room(people: People, practice: Practice) -> None:
    await people.add("R-2")
    talk, _ = await people.arrive("R-2")
    before = len(practice.query("SELECT id FROM room"))
    await talk.patient.create_dm(practice.bot_user)
    assert (await talk.hear()).body == practice.sentence(OpenSentence.HELLO)
    assert len(practice.query("SELECT id FROM room")) == before


async def test_what_comes_in_clear_is_taken_back_and_not_acted_on(people: People, practice: Practice) -> None:
    await people.add("R-3")
    talk, code = await people.arrive("R-3")
    event = await talk.patient.send_clear(talk.room, "m.room.message", {"msgtype": "m.text", "body": code})
    assert (await talk.hear()).body == practice.sentence(OpenSentence.UNENCRYPTED)
    await talk.wait_redacted(event)
    rows = practice.query("SELECT redeemed_by FROM invitation WHERE recipient = ?", talk.recipient)
    assert [r["redeemed_by"] for r in rows] == [""]
    await talk.enrol(code)
    event = await talk.patient.send_clear(talk.room, "m.room.message", {"msgtype": "m.text", "body": "leave"})
    assert (await talk.hear()).body == practice.sentence(OpenSentence.UNENCRYPTED)
    assert await talk.tell("yes") == talk.text(Template.NO_QUESTION)


async def test_whoever_left_the_room_is_told_on_and_can_come_back(people: People, practice: Practice) -> None:
    talk = await people.enrolled("R-4")
    await talk.patient.leave(talk.room)

    async def reported() -> bool:
        problems = (await practice.pli("problems", "--json")).json()
        return any(p["kind"] == "room_left" and p["recipient"] == talk.recipient for p in problems)

    await until(reported, "a line for the staff", every=0.5)
    await talk.patient.create_dm(practice.bot_user)
    again = await Talk.enter(talk.patient, practice, greeted=False)
    assert again.room != talk.room
    assert "Nothing new" in await again.unlock(), "key and PIN are what they were"


async def test_the_room_of_who_left_is_over_and_its_keys_are_gone(people: People, practice: Practice) -> None:
    """With the last words half an hour old, neither the room nor a session of it is left with the bot."""
    talk = await people.enrolled("R-5")
    await talk.ask("leave")
    assert await talk.tell("yes") == talk.text(Template.LEFT)
    await practice.settled()
    practice.bring_forward("redact")
    await practice.settled()
    practice.kill()
    room = practice.query("SELECT id FROM room WHERE recipient = ?", talk.recipient)[0]["id"]
    practice.query("UPDATE outbox SET settled_at = '2000-01-01T00:00:00.000000Z' WHERE room = ?", room)
    before = practice.sessions()
    await practice.start()

    async def over() -> bool:
        left = practice.membership(talk.room) == "leave" and practice.sessions() < before
        return left and practice.query("SELECT id FROM room WHERE id = ?", room) == []

    await until(over, "the bot to leave the room and forget its keys and it")


def _public(code: str) -> str:
    """The part of a code by which its invitation is found."""
    return code.replace("-", "")[:PUBLIC]
