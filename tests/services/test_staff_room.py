"""Keeping the staff room, hearing, saying: what cannot be had from a real homeserver at will."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text

from bot.domain.late import MEANT_FOR
from bot.domain.messages import Attachment, Oddity
from bot.domain.records import OutboxKind, OutboxState, ProblemKind
from bot.domain.staff import HeardOrder, StaffSentence
from bot.domain.values import RoomId, UserId
from bot.errors import ChannelError, Untrusted
from bot.services.keep_staff_room import INVITE_AGAIN, OPEN_AGAIN
from tests.services.kit import Practice
from tests.services.staff_kit import CAMILLE, DANA, Duty

S = StaffSentence
STRANGER = UserId("@stranger:x")


@pytest.fixture
def duty(practice: Practice) -> Duty:
    return Duty(practice)


def identities(practice: Practice) -> list[str]:
    return [kind for kind in practice.audited() if kind.startswith("staff_")]


async def test_without_a_member_no_room_is_opened_and_the_desk_is_asked_nothing(duty: Duty) -> None:
    await duty.tick()
    assert (duty.channel.rooms, duty.desk.asked, duty.duty.desk) == ({}, [], "unused")
    duty.add(CAMILLE)
    await duty.tick()
    assert duty.channel.invited == [CAMILLE]
    assert duty.desk.asked == [], "nobody could be told"


async def test_keep_1_who_leaves_is_invited_again_after_a_day(duty: Duty) -> None:
    await duty.joined(CAMILLE)
    del duty.channel.rooms[duty.room][CAMILLE]
    await duty.duty.on_moved()
    assert duty.channel.invited == [CAMILLE]
    duty.practice.clock.moment += INVITE_AGAIN
    await duty.tick()
    assert duty.channel.invited == [CAMILLE, CAMILLE]


async def test_keep_2_strangers_go_and_those_who_were_removed_are_forgotten(duty: Duty) -> None:
    await duty.joined(CAMILLE, DANA)
    duty.channel.rooms[duty.room][STRANGER] = False
    await duty.tick()
    assert duty.channel.removed == [STRANGER]
    assert duty.practice.problems() == [ProblemKind.STAFF_STRANGER]
    duty.practice.execute("UPDATE staff_member SET leaving = 1 WHERE id = 'm-dan'")
    await duty.tick()
    assert duty.channel.removed == [STRANGER, DANA]
    assert duty.practice.problems() == [ProblemKind.STAFF_STRANGER]
    with duty.practice.home.uow() as uow:
        assert [m.user for m in uow.staff.all()] == [CAMILLE]


async def test_keep_3_the_first_identity_is_pinned_and_another_told_once(duty: Duty) -> None:
    await duty.joined(CAMILLE)
    first = duty.member(CAMILLE)
    assert first.pin is not None
    assert first.pin.master_key == f"key of {CAMILLE}"
    assert duty.channel.texts == [S.WELCOME]
    for key in ("other", "other", f"key of {CAMILLE}", "other"):
        duty.channel.keys[CAMILLE] = key
        await duty.duty.on_moved()
    assert (duty.member(CAMILLE).pin, duty.member(CAMILLE).other) == (first.pin, "other")
    assert duty.practice.problems() == [ProblemKind.STAFF_IDENTITY] * 2, "once each time it comes up"
    assert identities(duty.practice) == ["staff_pinned", "staff_identity", "staff_identity"]


async def test_keep_4_a_room_that_is_unfit_is_replaced_once_an_hour(duty: Duty) -> None:
    await duty.joined(CAMILLE)
    first = duty.room
    duty.channel.unfit = Untrusted("room")
    await duty.duty.on_moved()
    await duty.duty.on_moved()
    assert len(duty.channel.rooms) == 1, "it was opened within the hour"
    duty.practice.clock.moment += OPEN_AGAIN
    await duty.duty.on_moved()
    assert len(duty.channel.rooms) == 2
    duty.channel.unfit = None
    await duty.duty.on_moved()
    assert duty.duty.is_room(duty.room)
    assert not duty.duty.is_room(first)
    assert duty.channel.invited == [CAMILLE, CAMILLE]
    assert duty.practice.problems() == [ProblemKind.STAFF_ROOM]
    duty.restart()
    assert duty.duty.is_room(duty.room)


async def test_a_homeserver_that_is_away_is_asked_again(duty: Duty) -> None:
    duty.add(CAMILLE)
    duty.channel.unfit = ChannelError("away", permanent=False)
    await duty.tick()
    assert duty.channel.invited == []
    duty.channel.unfit = None
    duty.practice.clock.forward(seconds=6)
    await duty.tick()
    assert duty.channel.invited == [CAMILLE]
    assert len(duty.channel.rooms) == 1


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"oddity": Oddity.UNENCRYPTED}, S.UNENCRYPTED),
        ({"oddity": Oddity.UNDECRYPTABLE}, S.UNREADABLE),
        ({"device": None}, S.UNKNOWN_DEVICE),
    ],
)
async def test_hear_1_what_is_refused(duty: Duty, values: dict[str, object], why: StaffSentence) -> None:
    await duty.joined(CAMILLE)
    await duty.duty.on_message(replace(duty.message(CAMILLE), **values))  # type: ignore[arg-type]  # fields
    assert duty.channel.texts == [S.WELCOME, why]
    assert duty.desk.orders == []
    assert [row.due for row in duty.practice.outbox(OutboxKind.REDACT)] == [duty.practice.clock.now()]


@pytest.mark.parametrize("key", [None, "another"])
async def test_hear_1_only_the_pinned_identity_gives_orders(duty: Duty, key: str | None) -> None:
    await duty.joined(CAMILLE)
    assert await duty.tell(CAMILLE, device=duty.device(CAMILLE, key)) == [S.UNKNOWN_DEVICE]
    assert duty.desk.orders == []
    assert await duty.tell(CAMILLE) == ["heard: today"]


async def test_hear_1_somebody_who_is_no_member_or_not_there(duty: Duty) -> None:
    await duty.joined(CAMILLE, DANA)
    assert await duty.tell(STRANGER) == [S.UNKNOWN_DEVICE]
    duty.channel.rooms[duty.room][DANA] = False
    assert await duty.tell(DANA) == [], "said a moment ago"
    duty.channel.rooms[duty.room][DANA] = True
    duty.practice.execute("UPDATE staff_member SET leaving = 1 WHERE id = 'm-dan'")
    assert await duty.tell(DANA) == []
    assert duty.desk.orders == []
    assert duty.practice.audited().count("staff_refused") == 1, "once a minute"
    duty.practice.clock.forward(minutes=1)
    assert await duty.tell(STRANGER) == [S.UNKNOWN_DEVICE]
    with duty.practice.home.engine.begin() as db:
        counts = db.execute(
            text("SELECT count FROM audit WHERE kind = 'staff_refused' ORDER BY seq")
        ).scalars()
        assert list(counts) == [1, 3], "with those that were not written"


async def test_hear_2_the_place_in_the_session_is_the_key(duty: Duty) -> None:
    await duty.joined(CAMILLE)
    message = duty.message(CAMILLE, "cancel 3")
    await duty.duty.on_message(message)
    await duty.duty.on_message(message)
    assert await duty.tell(CAMILLE, "cancel 3", replay_key=message.replay_key) == []
    assert [order.key for order in duty.desk.orders] == [message.replay_key]


async def test_hear_3_too_late_to_be_meant(duty: Duty) -> None:
    await duty.joined(CAMILLE)
    now = duty.practice.clock.now()
    assert await duty.tell(CAMILLE, at=now - MEANT_FOR) == ["heard: today"]
    assert await duty.tell(CAMILLE, at=now - MEANT_FOR - timedelta(seconds=1)) == [S.TOO_LATE]
    assert len(duty.desk.orders) == 1


async def test_hear_3_what_a_crash_left_is_answered_if_it_does_not_come_again(duty: Duty) -> None:
    await duty.joined(CAMILLE)
    message = duty.message(CAMILLE)
    assert message.replay_key is not None
    with duty.practice.home.uow() as uow:
        now = duty.practice.clock.now()
        uow.heard_orders.add(HeardOrder(key=message.replay_key, event=message.event, at=now))
        uow.commit()
    duty.practice.clock.forward(minutes=6)
    duty.restart()
    await duty.tick()
    assert S.AGAIN not in duty.channel.texts, "it may come again at once"
    duty.practice.clock.forward(seconds=15)
    await duty.tick()
    assert duty.channel.texts[-1] == S.AGAIN
    assert await duty.tell(CAMILLE, replay_key=message.replay_key) == [], "too late now"
    assert duty.desk.orders == []
    assert {row.event for row in duty.practice.outbox(OutboxKind.REDACT)} >= {message.event}


@pytest.mark.parametrize(
    ("attachment", "told"),
    [
        (("a.ics", 10, "there"), "heard: "),
        (("a.ics", 1001, "there"), S.FILE_SIZE),
        (("a.exe", 10, "there"), S.FILE_TYPE),
        (("a.ics", 10, "broken"), S.FILE_BROKEN),
        (("a.ics", 10, "gone"), S.FILE_GONE),
    ],
)
async def test_hear_4_files(duty: Duty, attachment: tuple[str, int, str], told: str) -> None:
    await duty.joined(CAMILLE)
    name, size, url = attachment
    described = Attachment(
        name=name, media_type="text/calendar", size=size, url=url, key="k", iv="i", sha256="s"
    )
    assert await duty.tell(CAMILLE, "", attachment=described, oddity=Oddity.NOT_TEXT) == [told]
    assert [order.file.data for order in duty.desk.orders if order.file] == (
        [b"x" * size] if told == "heard: " else []
    )


async def test_say_2_both_sides_are_to_be_taken_back_after_the_set_time(duty: Duty) -> None:
    await duty.joined(CAMILLE)
    message = duty.message(CAMILLE)
    await duty.duty.on_message(message)
    rows = duty.practice.outbox(OutboxKind.REDACT)
    assert {row.event for row in rows} >= {message.event}
    assert len(rows) == 2
    assert {row.due for row in rows} == {duty.practice.clock.now() + timedelta(minutes=60)}
    assert {row.state for row in rows} == {OutboxState.QUEUED}


async def test_say_1_who_was_removed_is_no_longer_spoken_to(duty: Duty) -> None:
    await duty.joined(CAMILLE, DANA)
    duty.practice.execute("UPDATE staff_member SET leaving = 1 WHERE id = 'm-dan'")
    await duty.tell(CAMILLE)
    assert duty.channel.readers[-1] == {CAMILLE}, "before anybody looked at the room"


async def test_say_3_a_stranger_is_seen_to_before_anything_is_said(duty: Duty) -> None:
    await duty.joined(CAMILLE)
    duty.channel.rooms[duty.room][STRANGER] = True
    duty.channel.fails = [Untrusted("membership")]
    assert await duty.tell(CAMILLE) == ["heard: today"]
    assert duty.channel.removed == [STRANGER]


@pytest.mark.parametrize(
    "error", [Untrusted("own_device"), Untrusted("room"), ChannelError("no", permanent=True)]
)
async def test_an_answer_that_cannot_be_given_is_told(duty: Duty, error: Untrusted | ChannelError) -> None:
    await duty.joined(CAMILLE)
    duty.channel.fails = [error]
    message = duty.message(CAMILLE)
    await duty.duty.on_message(message)
    assert duty.practice.problems() == [ProblemKind.STAFF_UNTOLD]
    await duty.duty.on_message(message)
    assert len(duty.desk.orders) == 1


async def test_a_member_is_known_when_they_invite_the_bot(duty: Duty) -> None:
    duty.add(CAMILLE)
    duty.add(DANA, leaving=True)
    assert await duty.duty.on_invited(CAMILLE)
    assert not await duty.duty.on_invited(DANA)
    assert not await duty.duty.on_invited(STRANGER)
    assert not duty.duty.is_room(RoomId("!any"))


async def test_the_room_says_welcome_once_in_all(duty: Duty) -> None:
    await duty.joined(CAMILLE)
    await duty.joined(DANA)
    assert duty.member(DANA).pin is not None
    assert duty.channel.texts.count(S.WELCOME) == 1
