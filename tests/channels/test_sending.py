"""Who can read what the bot says, and when it says nothing at all. Rules: ``send``, ``wire``, ``directory``."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from bot.channels.matrix.channel import MatrixChannel
from bot.channels.matrix.http import CLIENT, Http, segment
from bot.channels.matrix.wire import MAX_TEXT_BYTES, WIRE_CHARACTERS
from bot.domain.messages import Nudge, OpenSentence, PrivateText
from bot.domain.trust import Address, Device, Pin
from bot.domain.values import EventId, Language, RoomId, UserId
from bot.errors import ChannelError, Untrusted, WrongUse
from tests.channels.bot_rig import Bot, Ears, address, new_txn
from tests.channels.hand import Hand
from tests.rig.homeserver import RigHomeserver
from tests.rig.js_patient import JsPatient
from tests.rig.patient import Patient
from tests.rig.py_patient import PyPatient

NewJsPatient = Callable[[], Awaitable[JsPatient]]
NewPyPatient = Callable[[], Awaitable[PyPatient]]
NewHand = Callable[[], Awaitable[Hand]]


async def known(channel: MatrixChannel, ears: Ears, patient: Patient) -> Address:
    """A room with ``patient``, pinned by what they said in it."""
    room = await channel.open_room(UserId(patient.user))
    await patient.join(await patient.accept_invite())
    await ears.wait_joined(room)
    await patient.send(room, "code")
    heard = await ears.wait_text("code")
    assert heard.device is not None
    ears.heard.clear()
    return address(room, patient.user, heard.device)


async def say(channel: MatrixChannel, to: Address, text: str, *, rotate: bool = False) -> EventId:
    return await channel.say(to, PrivateText(text=text), new_txn(), rotate=rotate)


async def as_bot(bot: Bot, method: str, path: str, body: dict[str, object]) -> dict[str, object]:
    http = Http(bot.session.homeserver, bot.session.token.reveal())
    try:
        return await http.call(method, f"{CLIENT}/{path}", body)  # type: ignore[arg-type]  # one of four words
    finally:
        await http.close()


async def test_an_unknown_phone_reads_nudges_and_open_sentences_only(
    bot: Bot, new_js_patient: NewJsPatient
) -> None:
    """Failure 23 and P5: a ghost device of the patient gets nothing but what everybody may read."""
    patient = await new_js_patient()
    async with bot.running() as (channel, ears):
        to = await known(channel, ears, patient)
        # the strict client does not speak at all from a device that is not signed; others do
        url, password = bot.homeserver.url, patient._password
        async with await PyPatient.start(url, patient.user, password, cross_sign=False) as ghost:
            await ghost.send(to.room, "voir")
            heard = await ears.wait_text("voir")
            assert heard.device is not None
            assert heard.device.master_key is None
            assert to.pin is not None
            assert not to.pin.knows(heard.device)

            open_event = await channel.say_open(to, OpenSentence.UNKNOWN_DEVICE, Language.FR, new_txn())
            private = await say(channel, to, "Mardi à 14 h 30")
            nudge = await channel.nudge(to, Nudge(language=Language.FR), new_txn())
            seen = await ghost.wait_for(lambda m: m.event == nudge and m.decrypted, "the nudge")
            assert seen.body == "Un message vous attend."
            by_event = {message.event: message for message in await ghost.read()}
            assert by_event[open_event].body == "open.unknown_device fr"
            assert not by_event[private].decrypted
            read = await patient.wait_for(lambda m: m.event == private, "the private message")
            assert read.body == "Mardi à 14 h 30"

            await patient.sign_device(ghost.device)
            later = await say(channel, to, "after signing")
            assert (
                await ghost.wait_for(lambda m: m.event == later and m.decrypted, "it")
            ).body == "after signing"


async def test_a_reset_identity_gets_nothing_private(bot: Bot, new_js_patient: NewJsPatient) -> None:
    patient = await new_js_patient()
    async with bot.running() as (channel, ears):
        to = await known(channel, ears, patient)
        await patient.reset_identity()
        with pytest.raises(Untrusted) as refused:
            await say(channel, to, "secret")
        assert refused.value.reason == "identity"
        await channel.nudge(to, Nudge(language=Language.EN), new_txn())
        assert (await patient.wait_message()).body == "A message is waiting for you."


async def test_without_cross_signing_the_pinned_device_alone_is_known(
    bot: Bot, homeserver: RigHomeserver
) -> None:
    user, password = await homeserver.new_user()
    async with (
        bot.running() as (channel, ears),
        await PyPatient.start(homeserver.url, user, password, cross_sign=False) as patient,
    ):
        to = await known(channel, ears, patient)
        assert to.pin is not None
        assert to.pin.master_key is None
        async with await patient.second_device() as other:
            event = await say(channel, to, "for the first phone")
            await patient.wait_for(lambda m: m.event == event and m.decrypted, "it")
            seen = await other.wait_for(lambda m: m.event == event, "the ciphertext")
            assert not seen.decrypted
        stranger = Device(user=to.user, device_id="X", ed25519="x", curve25519="x", master_key=None)
        with pytest.raises(Untrusted) as refused:
            await say(channel, address(to.room, user, stranger), "x")
        assert refused.value.reason == "device"


async def test_nothing_private_without_a_pin(bot: Bot, new_py_patient: NewPyPatient) -> None:
    patient = await new_py_patient()
    async with bot.running() as (channel, ears):
        to = await known(channel, ears, patient)
        for pin, reason in ((None, "identity"), (Pin(), "device")):
            with pytest.raises(Untrusted) as refused:
                await say(channel, Address(room=to.room, user=to.user, pin=pin), "x")
            assert refused.value.reason == reason


async def test_a_ghost_on_the_bot_s_own_account_stops_private_messages(
    bot: Bot, homeserver: RigHomeserver, new_py_patient: NewPyPatient, tmp_path: Path
) -> None:
    patient = await new_py_patient()
    async with bot.running() as (channel, ears):
        to = await known(channel, ears, patient)
        ghost = await Hand.start(
            homeserver, tmp_path / "ghost", user=bot.session.user, password=bot.password.reveal(), sign=False
        )
        try:
            with pytest.raises(Untrusted) as refused:
                await say(channel, to, "secret")
            assert refused.value.reason == "own_device"
            assert not channel.own_account_clean
            await channel.nudge(to, Nudge(language=Language.EN), new_txn())
            await ghost.http.call("POST", f"{CLIENT}/logout", {})
        finally:
            await ghost.close()
        await say(channel, to, "clean again")
        assert channel.own_account_clean


async def test_a_third_person_in_the_room_stops_everything(
    bot: Bot, new_py_patient: NewPyPatient, new_hand: NewHand
) -> None:
    patient, mallory = await new_py_patient(), await new_hand()
    async with bot.running() as (channel, ears):
        to = await known(channel, ears, patient)
        await as_bot(bot, "POST", f"rooms/{segment(to.room)}/invite", {"user_id": mallory.user})
        with pytest.raises(Untrusted) as refused:
            await say(channel, to, "secret")
        assert refused.value.reason == "membership"
        await mallory.join(to.room)
        await ears.wait_joined(to.room)
        with pytest.raises(Untrusted) as refused:
            await say(channel, to, "secret")
        assert refused.value.reason == "membership"


async def test_nobody_there_nothing_sent(bot: Bot, new_py_patient: NewPyPatient) -> None:
    patient = await new_py_patient()
    async with bot.running() as (channel, ears):
        to = await known(channel, ears, patient)
        await patient.leave(to.room)
        with pytest.raises(Untrusted) as refused:
            await say(channel, to, "secret")
        assert refused.value.reason == "membership"
        invited = await channel.open_room(UserId(patient.user))
        with pytest.raises(Untrusted):
            await channel.nudge(Address(room=invited, user=to.user), Nudge(language=Language.FR), new_txn())


@pytest.mark.parametrize(
    ("kind", "content", "reason"),
    [
        ("m.room.join_rules", {"join_rule": "public"}, "room"),
        ("m.room.history_visibility", {"history_visibility": "shared"}, "room"),
        ("m.room.guest_access", {"guest_access": "can_join"}, "room"),
        ("m.room.encryption", {"algorithm": "org.example.rot13"}, "encryption"),
        ("m.room.power_levels", {"users_default": 100}, "room"),
    ],
)
async def test_a_room_that_was_changed_is_refused(
    bot: Bot,
    new_py_patient: NewPyPatient,
    kind: str,
    content: dict[str, object],
    reason: str,
) -> None:
    patient = await new_py_patient()
    async with bot.running() as (channel, ears):
        to = await known(channel, ears, patient)
        await as_bot(bot, "PUT", f"rooms/{segment(to.room)}/state/{kind}/", content)
        with pytest.raises(Untrusted) as refused:
            await say(channel, to, "secret")
        assert refused.value.reason == reason


async def test_every_text_has_one_size_on_the_wire(bot: Bot, new_py_patient: NewPyPatient) -> None:
    """P6. More than a session's worth, so that a rotation by count is among them."""
    patient = await new_py_patient()
    longest = "é" * (MAX_TEXT_BYTES // 2)
    texts = ["", "x", "Oui.", longest, 'quotes " and \\ and\nlines\n' * 40, "١٢٣ 🗓️", *map(str, range(120))]
    async with bot.running() as (channel, ears):
        to = await known(channel, ears, patient)
        for text in texts:
            await say(channel, to, text)
        await say(channel, to, "rotated", rotate=True)
        await channel.nudge(to, Nudge(language=Language.FR), new_txn())
        await channel.say_open(to, OpenSentence.HELLO, Language.EN, new_txn())
        await patient.wait_for(lambda m: m.body == "open.hello en", "the last one")
        seen = [m for m in await patient.read() if m.sender == bot.session.user and m.encrypted]
        assert [m.body for m in seen[: len(texts)]] == texts
        assert {m.wire_size for m in seen} == {WIRE_CHARACTERS}
        sessions = await wire_sessions(bot, to.room, [m.event for m in seen])
        assert max(sessions.count(session) for session in sessions) <= 100
        with pytest.raises(WrongUse):
            await say(channel, to, longest + "é")
        with pytest.raises(WrongUse):
            await say(channel, to, "\x01" * 1000)


async def wire_sessions(bot: Bot, room: RoomId, events: list[str]) -> list[str]:
    http = Http(bot.session.homeserver, bot.session.token.reveal())
    found = []
    for event in events:
        raw = await http.call("GET", f"{CLIENT}/rooms/{segment(room)}/event/{segment(event)}")
        assert set(raw["content"]) == {"algorithm", "sender_key", "ciphertext", "session_id", "device_id"}
        found.append(raw["content"]["session_id"])
    await http.close()
    return found


async def test_kinds_do_not_share_a_session_and_an_answer_rotates(
    bot: Bot, new_py_patient: NewPyPatient
) -> None:
    patient = await new_py_patient()
    async with bot.running() as (channel, ears):
        to = await known(channel, ears, patient)
        events = [
            await channel.nudge(to, Nudge(language=Language.FR), new_txn()),
            await channel.say_open(to, OpenSentence.HELLO, Language.FR, new_txn()),
            await say(channel, to, "a"),
            await say(channel, to, "b", rotate=True),
            await say(channel, to, "c"),
            await channel.nudge(to, Nudge(language=Language.FR), new_txn()),
        ]
        first, second, a, b, c, last = await wire_sessions(bot, to.room, list(events))
    assert first == second
    assert a == b
    assert len({first, a, c, last}) == 4


async def test_a_device_that_is_gone_reads_no_more(bot: Bot, new_py_patient: NewPyPatient) -> None:
    patient = await new_py_patient()
    async with bot.running() as (channel, ears):
        to = await known(channel, ears, patient)
        second = await patient.second_device()
        await patient.sign_device(second.device)
        before = await say(channel, to, "both")
        await second.wait_for(lambda m: m.event == before and m.decrypted, "it")
        same = await say(channel, to, "both again")
        await second.logout()
        after = await say(channel, to, "one")
        sessions = await wire_sessions(bot, to.room, [before, same, after])
    assert sessions[0] == sessions[1]
    assert sessions[1] != sessions[2]


async def test_failure_13_a_repeated_transaction_is_one_message(
    bot: Bot, new_py_patient: NewPyPatient
) -> None:
    """Also across a restart of the bot, with another ciphertext."""
    patient = await new_py_patient()
    txn, nudge_txn = new_txn(), new_txn()
    async with bot.running() as (channel, ears):
        to = await known(channel, ears, patient)
        said = await channel.say(to, PrivateText(text="once"), txn, rotate=False)
        assert await channel.say(to, PrivateText(text="once"), txn, rotate=True) == said
        nudged = await channel.nudge(to, Nudge(language=Language.FR), nudge_txn)
    async with bot.running() as (channel, _):
        assert await channel.say(to, PrivateText(text="once"), txn, rotate=False) == said
        assert await channel.nudge(to, Nudge(language=Language.FR), nudge_txn) == nudged
        last = await say(channel, to, "last")
        await patient.wait_for(lambda m: m.event == last, "the last one")
    mine = [m.event for m in await patient.read() if m.sender == bot.session.user and m.encrypted]
    assert mine == [said, nudged, last]


async def test_no_copy_of_what_the_bot_said_can_be_read_from_its_disk(
    bot: Bot, new_py_patient: NewPyPatient
) -> None:
    """``send`` rule 6: nio would store an inbound copy of each outbound session."""
    patient = await new_py_patient()
    async with bot.running() as (channel, ears):
        to = await known(channel, ears, patient)
        events = [
            await say(channel, to, "a"),
            await channel.nudge(to, Nudge(language=Language.FR), new_txn()),
        ]
        sessions = await wire_sessions(bot, to.room, list(events))
    stored = b"".join(path.read_bytes() for path in bot.store_dir.iterdir())
    assert bot.session.user.encode() in stored  # the search finds what is there
    assert not [session for session in sessions if session.encode() in stored]


async def test_redacting_is_idempotent(bot: Bot, new_py_patient: NewPyPatient) -> None:
    patient = await new_py_patient()
    async with bot.running() as (channel, ears):
        to = await known(channel, ears, patient)
        private = await say(channel, to, "for a moment")
        typed = EventId(await patient.send(to.room, "1234"))
        for event in (private, typed):
            txn = new_txn()
            await channel.redact(to, event, txn)
            await channel.redact(to, event, txn)
            await channel.redact(to, event, new_txn())
            await patient.wait_redacted(event)
        await channel.redact(to, EventId("$" + "x" * 43), new_txn())


async def test_unknown_rooms_and_missing_devices_are_errors_that_say_so(
    bot: Bot, homeserver: RigHomeserver, new_hand: NewHand
) -> None:
    hand = await new_hand()
    async with bot.running() as (channel, ears):
        room = await channel.open_room(hand.user)
        await hand.join(room)
        await ears.wait_joined(room)
        await hand.http.call("POST", f"{CLIENT}/logout", {})
        with pytest.raises(ChannelError) as failed:
            await channel.nudge(Address(room=room, user=hand.user), Nudge(language=Language.FR), new_txn())
        assert not failed.value.permanent
        nowhere = Address(room=RoomId(f"!{secrets.token_hex(8)}:{homeserver.server_name}"), user=hand.user)
        with pytest.raises(ChannelError) as failed:
            await channel.nudge(nowhere, Nudge(language=Language.FR), new_txn())
        assert failed.value.permanent
        assert str(nowhere.room) not in str(failed.value)
