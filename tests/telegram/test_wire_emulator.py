"""Against a Bot API that is not ours either (npm ``telegram-test-api``), where it covers the call.

It knows getMe, getUpdates, deleteWebhook, sendMessage and deleteMessage; neither leaveChat nor getWebhookInfo, no
limits, no blocking and no conflicts.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

from bot.domain.telegram import Asked, ChatAddress, ChatId, Started, TelegramSentence, Typed
from bot.domain.values import Language
from tests.journey.practice import free_port
from tests.rig.bot_api import TOKEN, BotApi
from tests.rig.node import ensure_node_modules
from tests.telegram.kit import BOT, FRENCH_NUDGE, TEXTS, Ears, Wire, wired

CHAT = 1


@dataclass
class Emulator:
    url: str

    async def _post(self, path: str, body: dict[str, Any]) -> Any:
        async with aiohttp.ClientSession() as session, session.post(self.url + path, json=body) as answer:
            return (await answer.json())["result"]

    async def types(self, text: str) -> None:
        """A private message, as the emulator's own client would send it."""
        person = {"id": CHAT, "first_name": "Someone", "is_bot": False}
        message: dict[str, Any] = {
            "botToken": TOKEN,
            "date": 1_790_000_000,
            "text": text,
            "from": person,
            "chat": {"id": CHAT, "first_name": "Someone", "type": "private"},
        }
        if text.startswith("/"):
            length = len(text.split(maxsplit=1)[0])
            message["entities"] = [{"offset": 0, "length": length, "type": "bot_command"}]
        await self._post("/sendCommand" if text.startswith("/") else "/sendMessage", message)

    async def reads(self) -> list[dict[str, Any]]:
        """What the bot sent to that person."""
        return [one["message"] for one in await self._post("/getUpdates", {"token": TOKEN, "chatId": CHAT})]


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    folder, port = await asyncio.to_thread(ensure_node_modules), free_port()
    process = await asyncio.create_subprocess_exec(
        *("node", "bot_api.mjs", str(port)),
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        assert await asyncio.wait_for(process.stdout.readline(), 30) == b"ready\n"
        yield Emulator(f"http://127.0.0.1:{port}")
    finally:
        process.stdin.close()
        await process.wait()


@pytest.fixture
async def far(emulator: Emulator) -> AsyncIterator[Wire]:
    async with wired(BotApi(), url=emulator.url) as made:
        yield made


async def test_a_conversation(emulator: Emulator, far: Wire) -> None:
    to, ears, polling = ChatAddress(chat=ChatId(CHAT)), Ears(), far.polling()
    for text in ("/start Zm9vYmFyYmF6-_1234567Q", "482916", "/stop"):
        await emulator.types(text)
    await polling.once(ears)
    await polling.once(ears)
    started, typed, stopped = ears.things
    assert isinstance(started, Started)
    assert isinstance(typed, Typed)
    assert isinstance(stopped, Asked)
    assert typed.like_secret
    assert far.channel.link("x") == "https://t.me/TestNameBot?start=x"
    await far.channel.take_back(to, typed.message)
    await far.channel.nudge(to, *FRENCH_NUDGE)
    await far.channel.say(to, TelegramSentence.STOPPED, Language.EN)
    nudge, said = await emulator.reads()
    assert (nudge["text"], said["text"]) == (
        TEXTS.nudges[Language.FR],
        TEXTS.sentences[TelegramSentence.STOPPED, Language.EN],
    )
    markup = nudge["reply_markup"]
    markup = json.loads(markup) if isinstance(markup, str) else markup
    assert markup == {
        "inline_keyboard": [[{"text": TEXTS.buttons[Language.FR], "url": f"https://matrix.to/#/{BOT}"}]]
    }
    assert (nudge["protect_content"], "reply_markup" in said) == ("true", False)
