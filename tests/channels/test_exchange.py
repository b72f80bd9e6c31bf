"""The main road: a strict client that is not ours and the bot read each other."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from bot.channels.matrix.wire import WIRE_CHARACTERS
from bot.domain.messages import Nudge, OpenSentence, PrivateText
from bot.domain.values import Language, UserId
from tests.channels.bot_rig import Bot, address, new_bot, new_txn
from tests.rig.homeserver import RigHomeserver
from tests.rig.js_patient import JsPatient

NewJsPatient = Callable[[], Awaitable[JsPatient]]


@pytest.fixture
async def bot(homeserver: RigHomeserver, tmp_path: Path) -> Bot:
    return await new_bot(homeserver, tmp_path)


async def test_hello_and_reply_with_a_strict_client(bot: Bot, new_js_patient: NewJsPatient) -> None:
    patient = await new_js_patient()
    async with bot.running() as (channel, ears):
        room = await channel.open_room(UserId(patient.user))
        assert await patient.accept_invite() == room
        await ears.wait_joined(room)
        await channel.say_open(address(room, patient.user), OpenSentence.HELLO, Language.EN, new_txn())
        hello = await patient.wait_message()
        assert (hello.body, hello.msgtype, hello.shield) == ("open.hello en", "m.notice", None)

        await patient.send(room, "ABCD-EFGH")
        code = await ears.wait_text("ABCD-EFGH")
        assert code.device is not None
        assert code.oddity is None
        known = await patient.identity()
        assert code.device.master_key == known.master
        assert (code.device.ed25519, code.device.curve25519) == (known.ed25519, known.curve25519)

        pinned = address(room, patient.user, code.device)
        await channel.say(pinned, PrivateText(text="Bonjour, é ü ✓"), new_txn(), rotate=True)
        private = await patient.wait_message(since=hello.index + 1)
        assert (private.body, private.msgtype) == ("Bonjour, é ü ✓", "m.notice")

        await channel.nudge(pinned, Nudge(language=Language.FR), new_txn())
        nudge = await patient.wait_message(since=private.index + 1)
        assert (nudge.body, nudge.msgtype) == ("Un message vous attend.", "m.text")
        assert {m.wire_size for m in (hello, private, nudge)} == {WIRE_CHARACTERS}
        assert [m.notify for m in (hello, private, nudge)] == [False, False, True]
