"""Telegram from end to end: ``pli run``, a strict phone on a real homeserver, a Bot API of the tests."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from bot.domain.telegram import TelegramSentence
from bot.domain.templates import Template
from bot.domain.values import Language
from tests.journey.practice import Practice, judge_log
from tests.journey.talk import PIN, WRONG_PIN, People, Talk, body
from tests.journey.test_sizes import pin_and_after
from tests.rig.bot_api import BotApi
from tests.rig.homeserver import RigHomeserver
from tests.rig.waiting import until
from tests.telegram.test_wire_process import made, says

CHAT = 4_242_424_242


@asynccontextmanager
async def running(folder: Path, homeserver: RigHomeserver) -> AsyncIterator[tuple[People, BotApi]]:
    """A practice whose bot is on Telegram; its log is judged at the end."""
    async with BotApi() as api, AsyncExitStack() as stack:
        practice = await asyncio.to_thread(made, folder, homeserver, api)
        try:
            await practice.start()
            await says(practice, "connected")
            yield People(practice=practice, stack=stack), api
        finally:
            if practice.running:
                practice.kill()
    log = practice.log.read_text(encoding="utf-8")
    judge_log(log, errors=False)
    assert "t.me" not in log


def sizes(practice: Practice, room: str) -> set[int]:
    """Of every text that the bot sent to a room, as the homeserver has it."""
    sql = (
        "SELECT length(json_extract(j.json, '$.content.ciphertext')) size FROM events e"
        " JOIN event_json j USING (event_id) WHERE e.room_id = ? AND e.sender = ? AND e.type = 'm.room.encrypted'"
        " AND json_extract(j.json, '$.content.ciphertext') IS NOT NULL"
    )
    return {row["size"] for row in practice.seen_by_homeserver(sql, room, practice.bot_user)}


def token_of(text: str) -> str:
    (token,) = re.findall(r"https://t\.me/pli_messages_bot\?start=(\S+)", text)
    return str(token)


async def linked(talk: Talk, api: BotApi) -> str:
    """The token; details are open."""
    token = token_of(await talk.tell("telegram"))
    api.types(CHAT, f"/start {token}")
    assert body(await talk.hear()) == talk.text(Template.TELEGRAM_LINKED)
    return token


async def test_a_patient_links_telegram_is_nudged_there_and_ends_it(
    homeserver: RigHomeserver, tmp_path: Path
) -> None:
    async with running(tmp_path, homeserver) as (people, api):
        practice = people.practice
        words = practice.home.words[Language.EN]
        talk = await people.enrolled("T-1", strict=True)
        await talk.unlock()
        token = await linked(talk, api)

        def said(text: str, times: int = 1) -> Callable[[], Awaitable[bool]]:
            async def it_was() -> bool:
                return [m["text"] for m in api.sent].count(text) >= times

            return it_was

        await until(said(words.telegram_text(TelegramSentence.LINKED)), "an answer to /start")
        api.types(CHAT + 1, f"/start {token}")
        assert body(await talk.hear()) == talk.text(Template.TELEGRAM_REFUSED)
        assert (await talk.tell("telegram only")) == talk.text(Template.TELEGRAM_ONLY)
        assert (await talk.tell("telegram both")) == talk.text(Template.TELEGRAM_BOTH)

        assert len(sizes(practice, talk.room)) == 1, "a link has the size of everything else"

        await people.news("T-1", at="11:00")
        await until(said(words.telegram_nudge()), "a nudge on Telegram", seconds=60.0)
        await talk.wait_nudges(1)
        typed = api.types(CHAT, talk.pin)
        assert body(await talk.hear()) == talk.text(Template.TELEGRAM_SECRET)
        api.types(CHAT, "/stop")
        assert body(await talk.hear()) == talk.text(Template.TELEGRAM_STOPPED)
        await until(said(words.telegram_text(TelegramSentence.STOPPED)), "the last word on Telegram")
        assert api.deleted == [(CHAT, typed)]
        assert await talk.tell("telegram off") == talk.text(Template.TELEGRAM_NONE)

        await talk.unlock()
        again = await linked(talk, api)
        api.blocks(CHAT)
        assert body(await talk.hear()) == talk.text(Template.TELEGRAM_BLOCKED)
        with practice.home.uow() as uow:
            assert uow.telegram.count() == 0
        written = [f.read_bytes() for f in practice.folder.rglob("*") if f.is_file()]
        assert not any(each.encode() in content for each in (token, again) for content in written)
        assert await practice.stop() == 0


async def test_a_right_pin_before_a_link_looks_like_a_wrong_one(
    homeserver: RigHomeserver, tmp_path: Path
) -> None:
    """P6."""
    async with running(tmp_path, homeserver) as (people, _):
        talk = await people.enrolled("T-2")
        wrong = await pin_and_after(talk, word="telegram", pin=WRONG_PIN)
        assert await pin_and_after(talk, word="telegram", pin=PIN) == wrong
        assert await people.practice.stop() == 0
