"""What the bot hears, from whom, and what is no speech. Rules: ``hearing``, ``reading``, ``client``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from bot.channels.matrix.channel import MatrixChannel
from bot.channels.matrix.http import CLIENT, Http, segment
from bot.domain.messages import Incoming, Oddity, OpenSentence
from bot.domain.values import Language, RoomId, UserId
from bot.errors import StorageError
from tests.channels.bot_rig import Bot, Ears, address, new_txn
from tests.channels.hand import Hand
from tests.rig.py_patient import PyPatient
from tests.rig.waiting import until

NewHand = Callable[[], Awaitable[Hand]]
NewPyPatient = Callable[[], Awaitable[PyPatient]]


async def room_with(channel: MatrixChannel, ears: Ears, hand: Hand) -> RoomId:
    room = await channel.open_room(hand.user)
    await hand.join(room)
    await ears.wait_joined(room)
    return room


async def test_a_message_tells_who_spoke_when_and_with_which_device(bot: Bot, new_hand: NewHand) -> None:
    hand = await new_hand()
    async with bot.running() as (channel, ears):
        room = await room_with(channel, ears, hand)
        await hand.share(room, bot.session.user)
        event = await hand.say(room, "bonjour")
        heard = await ears.wait_text("bonjour")
    assert (heard.room, heard.user, heard.event, heard.oddity) == (room, hand.user, event, None)
    assert heard.replay_key is not None
    assert heard.device is not None
    assert heard.device.curve25519 == hand.machine.curve25519
    assert heard.device.master_key is not None


async def test_a_key_that_begins_after_the_message_does_not_read_it(bot: Bot, new_hand: NewHand) -> None:
    hand = await new_hand()
    async with bot.running() as (channel, ears):
        room = await room_with(channel, ears, hand)
        early = hand.encrypt(room, text("early"))
        await hand.share(room, bot.session.user)
        await hand.put(room, early)
        await hand.say(room, "later")
        await ears.wait_text("later")
    assert [message.oddity for message in ears.heard] == [Oddity.UNDECRYPTABLE, None]


async def test_a_late_key_makes_a_waiting_message_readable(bot: Bot, new_hand: NewHand) -> None:
    hand = await new_hand()
    async with bot.running(grace_seconds=30) as (channel, ears):
        room = await room_with(channel, ears, hand)
        session = hand.session(room)
        key = session.session_key.to_base64()
        await hand.say(room, "late")
        await hand.put(room, {"msgtype": "m.text", "body": "marker"}, kind="m.room.message")
        other = await room_with(channel, ears, hand)
        await hand.put(other, {"msgtype": "m.text", "body": "elsewhere"}, kind="m.room.message")
        await ears.wait_text("elsewhere")  # no room waits for another
        assert len(ears.heard) == 1
        await hand.give(bot.session.user, room, session.session_id, key)
        heard = await ears.wait_text("late")
        await ears.wait_text("marker")
    assert heard.oddity is None
    assert heard.device is not None
    assert [m.text.reveal() for m in ears.heard] == ["elsewhere", "late", "marker"]


async def test_a_message_whose_key_never_comes_is_told_as_undecryptable(bot: Bot, new_hand: NewHand) -> None:
    hand = await new_hand()
    async with bot.running(grace_seconds=0.2) as (channel, ears):
        room = await room_with(channel, ears, hand)
        event = await hand.say(room, "never")
        heard = await ears.wait_heard(lambda _: True)
    assert (heard.event, heard.oddity, heard.device) == (event, Oddity.UNDECRYPTABLE, None)
    assert heard.text.reveal() == ""


def text(body: str, **more: Any) -> dict[str, Any]:
    return {"msgtype": "m.text", "body": body, **more}


SAID: dict[str, tuple[dict[str, Any], str, Oddity | None]] = {
    "edit": (
        text(
            "* 12",
            **{"m.new_content": text("12"), "m.relates_to": {"rel_type": "m.replace", "event_id": "$x"}},
        ),
        "12",
        Oddity.EDIT,
    ),
    "reply": (
        text("> <@a:b> quoted\n> more\n\n1234", **{"m.relates_to": {"m.in_reply_to": {"event_id": "$x"}}}),
        "1234",
        Oddity.REPLY,
    ),
    "thread": (
        text("42", **{"m.relates_to": {"rel_type": "m.thread", "event_id": "$x"}}),
        "42",
        Oddity.REPLY,
    ),
    "picture": ({"msgtype": "m.image", "body": "x.jpg", "url": "mxc://x/y"}, "", Oddity.NOT_TEXT),
    "voice": ({"msgtype": "m.audio", "body": "voice", "org.matrix.msc3245.voice": {}}, "", Oddity.NOT_TEXT),
    "emote": ({"msgtype": "m.emote", "body": "waves"}, "", Oddity.NOT_TEXT),
    "no body": ({"msgtype": "m.text"}, "", Oddity.NOT_TEXT),
    "body is a list": ({"msgtype": "m.text", "body": ["1"]}, "", Oddity.NOT_TEXT),
    "msgtype is a list": ({"msgtype": ["m.text"], "body": "1"}, "", Oddity.NOT_TEXT),
    "relation is text": (text("plain", **{"m.relates_to": "x"}), "plain", None),
}


async def test_what_is_not_plain_text_says_so(bot: Bot, new_hand: NewHand) -> None:
    hand = await new_hand()
    async with bot.running() as (channel, ears):
        room = await room_with(channel, ears, hand)
        await hand.share(room, bot.session.user)
        events = {name: await hand.put(room, hand.encrypt(room, said[0])) for name, said in SAID.items()}
        await hand.say(room, "end")
        await ears.wait_text("end")
    heard = {message.event: (message.text.reveal(), message.oddity) for message in ears.heard}
    assert {name: heard[event] for name, event in events.items()} == {
        name: (said[1], said[2]) for name, said in SAID.items()
    }


SILENT: list[tuple[str, dict[str, Any]]] = [
    ("m.room.message", {"msgtype": "m.notice", "body": "I am a bot too"}),
    ("m.room.message", {"msgtype": "m.key.verification.request", "body": "verify me"}),
    ("m.reaction", {"m.relates_to": {"rel_type": "m.annotation", "key": "+", "event_id": "$x"}}),
    ("m.key.verification.start", {"from_device": "X"}),
    ("m.call.invite", {"offer": {}}),
    ("m.room.redaction", {"redacts": "$x"}),
    ("", {}),
]


async def test_what_says_nothing_is_answered_with_silence(bot: Bot, new_hand: NewHand) -> None:
    hand = await new_hand()
    async with bot.running() as (channel, ears):
        room = await room_with(channel, ears, hand)
        await hand.share(room, bot.session.user)
        for kind, content in SILENT:
            await hand.put(room, hand.encrypt(room, content, kind=kind))
        await hand.put(room, {"m.relates_to": {"rel_type": "m.annotation"}}, kind="m.reaction")
        await hand.say(room, "end")
        await ears.wait_text("end")
    assert len(ears.heard) == 1


async def test_an_encrypted_member_event_changes_nothing(bot: Bot, new_hand: NewHand) -> None:
    """``rooms``: membership comes from clear state alone."""
    hand = await new_hand()
    async with bot.running() as (channel, ears):
        room = await room_with(channel, ears, hand)
        await hand.share(room, bot.session.user)
        forged = {"membership": "join"}
        content = hand.encrypt(room, forged, kind="m.room.member")
        await hand.put(room, {**content, "state_key": "@mallory:pli.localhost"})
        await hand.say(room, "end")
        await ears.wait_text("end")
        await channel.say_open(address(room, hand.user), OpenSentence.HELLO, Language.FR, new_txn())
    assert ears.joined == [(room, hand.user)]


async def test_a_payload_of_another_room_is_not_read(bot: Bot, new_hand: NewHand) -> None:
    hand = await new_hand()
    async with bot.running() as (channel, ears):
        room = await room_with(channel, ears, hand)
        await hand.share(room, bot.session.user)
        session = hand.sessions[room]
        hand.sessions[RoomId("!elsewhere:x")] = session
        await hand.put(room, hand.encrypt(RoomId("!elsewhere:x"), text("moved")))
        heard = await ears.wait_heard(lambda _: True)
    assert (heard.oddity, heard.text.reveal(), heard.device) == (Oddity.UNDECRYPTABLE, "", None)


async def test_the_same_ciphertext_again_has_the_same_replay_key(bot: Bot, new_hand: NewHand) -> None:
    hand = await new_hand()
    async with bot.running() as (channel, ears):
        room = await room_with(channel, ears, hand)
        await hand.share(room, bot.session.user)
        ciphertext = hand.encrypt(room, text("1234"))
        events = [await hand.put(room, ciphertext) for _ in range(2)]
        await hand.say(room, "end")
        await ears.wait_text("end")
    again = [message for message in ears.heard if message.text.reveal() == "1234"]
    assert [message.event for message in again] == events
    assert len({message.replay_key for message in again}) == 1
    assert len({message.replay_key for message in ears.heard}) == 2


async def test_a_replay_after_a_restart_is_unreadable_and_known(bot: Bot, new_hand: NewHand) -> None:
    """Rule 4: nio's replay cache is in memory; here the key itself has moved on."""
    hand = await new_hand()
    async with bot.running() as (channel, ears):
        room = await room_with(channel, ears, hand)
        await hand.share(room, bot.session.user)
        ciphertext = hand.encrypt(room, text("1234"))
        await hand.put(room, ciphertext)
        typed = await ears.wait_text("1234")
    async with bot.running() as (_, ears):
        await hand.put(room, ciphertext)
        await hand.say(room, "end")
        await ears.wait_text("end")
    again = ears.heard[0]
    assert (again.oddity, again.text.reveal(), again.device) == (Oddity.UNDECRYPTABLE, "", None)
    assert again.replay_key == typed.replay_key


async def test_somebody_else_s_session_does_not_lend_their_device(bot: Bot, new_hand: NewHand) -> None:
    """Events that reuse someone's Megolm session under another sender reach nio's callbacks as ordinary text."""
    hand, mallory = await new_hand(), await new_hand()
    async with bot.running() as (channel, ears):
        room = await room_with(channel, ears, hand)
        await invite(bot, room, mallory.user)
        await mallory.join(room)
        await hand.share(room, bot.session.user)
        mallory.sessions[room] = hand.sessions[room]  # the key was given to mallory as to every member
        await mallory.say(room, "1234")
        heard = await ears.wait_text("1234")
    assert heard.user == mallory.user
    assert heard.device is None


async def invite(bot: Bot, room: RoomId, user: UserId) -> None:
    http = Http(bot.session.homeserver, bot.session.token.reveal())
    await http.call("POST", f"{CLIENT}/rooms/{segment(room)}/invite", {"user_id": user})
    await http.close()


async def test_rooms_of_others_are_declined_and_told(bot: Bot, new_py_patient: NewPyPatient) -> None:
    patient = await new_py_patient()
    async with bot.running() as (_, ears):
        room = await patient.create_dm(bot.session.user)

        async def declined() -> bool:
            return await membership(patient, room, bot.session.user) == "leave"

        await until(declined, "the invitation declined")
    assert ears.invited == [patient.user]


async def membership(patient: PyPatient, room: str, user: str) -> str:
    state = await patient._client.room_get_state_event(room, "m.room.member", user)
    return str(state.content.get("membership"))


async def test_rooms_that_are_not_in_the_book_are_not_listened_to(bot: Bot, new_hand: NewHand) -> None:
    hand = await new_hand()
    async with bot.running() as (channel, ears):
        ours = await room_with(channel, ears, hand)
        foreign = await room_with(channel, ears, hand)
        ears.foreign.add(foreign)
        for room in (foreign, ours):
            await hand.put(room, text("clear"), kind="m.room.message")
        await ears.wait_heard(lambda message: message.room == ours)
    assert {message.room for message in ears.heard} == {ours}


async def test_leaving_is_told(bot: Bot, new_py_patient: NewPyPatient) -> None:
    patient = await new_py_patient()
    async with bot.running() as (channel, ears):
        room = await channel.open_room(UserId(patient.user))
        await patient.accept_invite()
        await ears.wait_joined(room)
        await patient.leave(room)

        async def told() -> bool:
            return ears.left == [(room, patient.user)]

        await until(told, "the leave told")


async def test_a_burst_while_the_bot_was_down_is_heard_whole_and_in_order(
    bot: Bot, new_hand: NewHand
) -> None:
    """More than one sync's worth: the gap is filled."""
    hand = await new_hand()
    async with bot.running() as (channel, ears):
        room = await room_with(channel, ears, hand)
        await hand.share(room, bot.session.user)
        await hand.say(room, "before")
        await ears.wait_text("before")
    said = [f"message {number}" for number in range(120)]
    for message in said:
        await hand.say(room, message)
    async with bot.running() as (_, ears):
        await ears.wait_text(said[-1])
    assert [message.text.reveal() for message in ears.heard] == said


@pytest.mark.parametrize("failing", ["RuntimeError", "once"])
async def test_failure_16_a_handler_that_raises_costs_one_event(
    bot: Bot, new_hand: NewHand, failing: str
) -> None:
    hand = await new_hand()
    failed: list[str] = []

    class Fragile(Ears):
        async def on_message(self, message: Incoming) -> None:
            if message.text.reveal() == "bad" and (failing == "RuntimeError" or not failed):
                failed.append("bad")
                raise RuntimeError if failing == "RuntimeError" else StorageError
            await super().on_message(message)

    async with bot.running(Fragile()) as (channel, ears):
        room = await room_with(channel, ears, hand)
        await hand.share(room, bot.session.user)
        for message in ("bad", "good"):
            await hand.say(room, message)
        await ears.wait_text("good")
    assert failed == ["bad"]
    assert [m.text.reveal() for m in ears.heard] == (
        ["good"] if failing == "RuntimeError" else ["bad", "good"]
    )
