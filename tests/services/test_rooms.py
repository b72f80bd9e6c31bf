"""Rooms: who is greeted, who gets one, what a patient who leaves the room leaves behind. :mod:`open_rooms`."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.domain.messages import OpenSentence
from bot.domain.records import OutboxKind, OutboxState, ProblemKind
from bot.domain.values import Language, RoomId, UserId
from bot.errors import ChannelError
from bot.services.open_rooms import FAREWELL, GREETINGS, ROOMS_EACH, STRANGERS_AN_HOUR, WITHIN
from tests.services.kit import PIN, Person, Practice, entry

EVE = UserId("@eve:example.org")
HELLO = OpenSentence.HELLO.value


def hellos(practice: Practice) -> int:
    return sum(r.template == HELLO for r in practice.outbox(OutboxKind.OPEN))


async def test_somebody_who_invites_the_bot_gets_a_room_and_is_greeted_when_they_come(
    anywhere: Practice,
) -> None:
    await anywhere.rooms.on_invited(EVE)
    (room,) = anywhere.channel.rooms
    assert await anywhere.rooms.opened_by_bot(room)
    assert not await anywhere.rooms.opened_by_bot(RoomId("!own:example.org"))
    assert hellos(anywhere) == 0
    await anywhere.rooms.on_joined(RoomId("!own:example.org"), EVE)
    assert hellos(anywhere) == 0
    await anywhere.rooms.on_joined(room, EVE)
    assert hellos(anywhere) == 1
    await anywhere.send_replies()
    assert [s.text for s in anywhere.channel.of("open")] == [f"{HELLO} fr"]


async def test_one_room_an_account_however_often_it_asks(practice: Practice) -> None:
    for _ in range(20):
        await practice.rooms.on_invited(EVE)
    assert len(practice.channel.rooms) == 1
    assert hellos(practice) == GREETINGS
    practice.clock.moment += WITHIN
    await practice.rooms.on_invited(EVE)
    assert hellos(practice) == GREETINGS + 1


async def test_coming_and_going_does_not_flood(practice: Practice) -> None:
    anna = practice.person()
    for _ in range(30):
        await practice.rooms.on_joined(anna.room.room, anna.room.user)
    assert hellos(practice) == GREETINGS


async def test_who_is_enrolled_is_not_greeted(practice: Practice) -> None:
    anna = await practice.enrolled()
    await practice.rooms.on_joined(anna.room.room, anna.room.user)
    await practice.rooms.on_invited(anna.room.user)
    assert hellos(practice) == 0
    assert practice.channel.rooms == []


async def test_strangers_are_limited_an_hour(practice: Practice) -> None:
    for n in range(STRANGERS_AN_HOUR + 10):
        await practice.rooms.on_invited(UserId(f"@s{n}:example.org"))
    assert len(practice.channel.rooms) == STRANGERS_AN_HOUR
    await practice.rooms.on_invited(UserId("@s0:example.org"))
    practice.clock.forward(hours=1, seconds=1)
    await practice.rooms.on_invited(UserId("@late:example.org"))
    assert len(practice.channel.rooms) == STRANGERS_AN_HOUR + 1


async def test_a_room_that_cannot_be_opened_is_not_remembered(practice: Practice) -> None:
    async def refuse(_user: UserId) -> RoomId:
        raise ChannelError("no", permanent=True)

    practice.channel.open_room = refuse  # type: ignore[method-assign, assignment]  # the homeserver refuses
    with pytest.raises(ChannelError):
        await practice.rooms.open(EVE, Language.FR)
    assert practice.everything()["room"] == []


async def test_a_patient_who_leaves_the_room_is_reported_once(practice: Practice) -> None:
    anna = await practice.enrolled()
    await practice.rooms.on_left(anna.room.room, UserId("@bot:example.org"))
    assert practice.problems() == []
    for _ in range(3):
        await practice.rooms.on_left(anna.room.room, anna.room.user)
    assert practice.problems() == [ProblemKind.ROOM_LEFT]


async def test_a_patient_who_left_the_room_and_asks_again_goes_on_in_a_new_one(practice: Practice) -> None:
    anna = await practice.enrolled()
    practice.take(entry())
    await practice.rooms.on_left(anna.room.room, anna.room.user)
    await practice.rooms.on_invited(anna.room.user)
    (room,) = practice.channel.rooms
    anna.room = replace(anna.room, room=room)
    assert await anna.say(PIN) == ["release"]
    assert practice.channel.of("private")[-1].to.room == room


async def test_what_was_released_in_the_room_that_was_left_is_taken_back_at_once(practice: Practice) -> None:
    """Another room could be opened within the ten minutes: the redaction would go there."""
    anna = await practice.enrolled()
    practice.take(entry())
    await anna.say(PIN)
    release = practice.channel.of("private")[-1]
    await practice.rooms.on_left(anna.room.room, anna.room.user)
    await practice.send_replies()
    (taken,) = [s for s in practice.channel.of("redact") if s.text == release.event]
    assert taken.to.room == anna.room.room


async def test_a_strangers_room_is_forgotten_when_they_leave_it(practice: Practice) -> None:
    eve = practice.person("eve")
    await practice.rooms.on_left(eve.room.room, eve.room.user)
    assert practice.everything()["room"] == []
    await practice.rooms.on_left(eve.room.room, eve.room.user)


async def test_a_strangers_room_stays_while_something_is_to_be_taken_back(practice: Practice) -> None:
    eve = practice.person("eve")
    await practice.converse.handle(eve.message(PIN))
    await practice.rooms.on_left(eve.room.room, eve.room.user)
    await practice.send_replies()
    assert practice.channel.redacted == [f"$typed-{eve.room.id}-1"]
    assert practice.nudge_rows(OutboxState.FAILED) == []


async def leave_and_ask(practice: Practice, user: UserId) -> None:
    with practice.home.uow() as uow:
        known = uow.rooms.by_user(user)
    if known is not None:
        await practice.rooms.on_left(known.room, user)
    await practice.rooms.on_invited(user)


async def test_rule_1_who_leaves_and_asks_again_does_not_use_up_the_rooms_of_others(
    practice: Practice,
) -> None:
    for _ in range(STRANGERS_AN_HOUR + 10):
        await leave_and_ask(practice, EVE)
    assert len(practice.channel.rooms) == ROOMS_EACH
    await practice.rooms.on_invited(UserId("@new:example.org"))
    assert len(practice.channel.rooms) == ROOMS_EACH + 1
    practice.clock.forward(hours=1, seconds=1)
    await leave_and_ask(practice, EVE)
    assert len(practice.channel.rooms) == ROOMS_EACH + 2


async def test_rule_1_a_crowd_of_strangers_keeps_no_patient_out(practice: Practice) -> None:
    anna = await practice.enrolled()
    for n in range(STRANGERS_AN_HOUR + 1):
        await practice.rooms.on_invited(UserId(f"@s{n}:example.org"))
    before = len(practice.channel.rooms)
    assert before == STRANGERS_AN_HOUR
    await leave_and_ask(practice, anna.room.user)
    assert len(practice.channel.rooms) == before + 1


async def test_rule_2_new_rooms_bring_no_new_greetings(practice: Practice) -> None:
    for _ in range(ROOMS_EACH):
        await leave_and_ask(practice, EVE)
        for _ in range(GREETINGS):
            await practice.rooms.on_joined(practice.channel.rooms[-1], EVE)
    assert hellos(practice) == GREETINGS


async def test_rule_3_the_bot_leaves_rooms_that_are_over(practice: Practice) -> None:
    anna = await practice.enrolled()
    await leave_and_ask(practice, anna.room.user)
    assert practice.channel.left == [anna.room.room], "replaced"
    await practice.rooms.on_invited(EVE)
    place = practice.channel.rooms[-1]
    await practice.rooms.on_left(place, EVE)
    assert practice.channel.left == [anna.room.room, place], "nobody's"


async def test_rule_3_a_room_that_cannot_be_left_stops_nothing(practice: Practice) -> None:
    anna = await practice.enrolled()

    async def refuse(_room: RoomId) -> None:
        raise ChannelError("no", permanent=False)

    practice.channel.leave_room = refuse  # type: ignore[method-assign, assignment]  # the homeserver refuses
    await leave_and_ask(practice, anna.room.user)
    assert anna.room.room != practice.channel.rooms[-1]
    with practice.home.uow() as uow:
        known = uow.rooms.by_user(anna.room.user)
    assert known is not None
    assert (known.room, known.left) == (practice.channel.rooms[-1], False)


async def test_rule_4_the_room_of_who_left_is_left_half_an_hour_after_the_last_words(
    anywhere: Practice,
) -> None:
    anna, bert = await anywhere.enrolled(), await anywhere.enrolled("P-2", name="bert")
    await anna.say("leave")
    assert await anna.say("yes") == ["reply.left"]
    anywhere.clock.moment += FAREWELL / 2
    assert await anna.say("hello") == [HELLO]
    anywhere.clock.moment += FAREWELL / 2
    await anywhere.rooms.close_left()
    assert anywhere.channel.left == [], "something was said since"
    anywhere.clock.moment += FAREWELL
    await anywhere.rooms.close_left()
    await anywhere.rooms.close_left()
    assert anywhere.channel.left == [anna.room.room]
    assert not await anywhere.rooms.opened_by_bot(anna.room.room)
    assert await anywhere.rooms.opened_by_bot(bert.room.room), "nobody else's"
    await anywhere.rooms.on_invited(anna.room.user)
    assert len(anywhere.channel.rooms) == 1, "another room for who comes back"


async def gone_for_long(practice: Practice) -> Person:
    """Somebody who left, with the last words and redactions an hour old."""
    anna = await practice.enrolled()
    await anna.say("leave")
    await anna.say("yes")
    practice.clock.moment += FAREWELL
    await practice.send_replies()
    practice.clock.moment += FAREWELL * 2
    return anna


async def test_rule_4_a_room_that_cannot_be_left_for_now_is_left_later(
    practice: Practice, monkeypatch: pytest.MonkeyPatch
) -> None:
    anna = await gone_for_long(practice)

    async def refuse(_: RoomId) -> None:
        raise ChannelError("away", permanent=False)

    with monkeypatch.context() as away:
        away.setattr(practice.channel, "leave_room", refuse)
        await practice.rooms.close_left()
    assert await practice.rooms.opened_by_bot(anna.room.room)
    await practice.rooms.close_left()
    assert not await practice.rooms.opened_by_bot(anna.room.room)


async def test_rule_4_a_code_typed_in_the_moment_of_leaving_keeps_its_owner_reachable(
    practice: Practice, monkeypatch: pytest.MonkeyPatch
) -> None:
    anna = await gone_for_long(practice)
    again = practice.invite()

    async def typed(_: RoomId) -> None:
        await anna.enrol(again)

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(practice.channel, "leave_room", typed)
        await practice.rooms.close_left()
    await practice.rooms.on_invited(anna.room.user)
    assert len(practice.channel.rooms) == 1
    assert anna.recipient.id == again.recipient
