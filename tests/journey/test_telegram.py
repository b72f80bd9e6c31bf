"""Linking Telegram from a strict phone (matrix-js-sdk) on a real homeserver; Telegram itself is recorded in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from bot.domain.telegram import Asked, ChatId, Command, Started, TelegramSentence, Typed
from bot.domain.templates import Template
from bot.domain.values import Language
from tests.journey.practice import Practice, judge_log
from tests.journey.talk import PIN, WRONG_PIN, People, Talk, body
from tests.journey.test_sizes import now, traffic
from tests.rig.homeserver import RigHomeserver
from tests.services.telegram import FakeTelegram, Listening, token_of

CHAT = 4_242_424_242


@pytest.fixture(scope="module")
def practice(homeserver: RigHomeserver, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Practice]:
    made = Practice.make(tmp_path_factory.mktemp("telegram") / "practice", homeserver)
    made.spawn(program=("tests.journey.telegram_bot",))
    asyncio.run(made.wait_ready())
    try:
        yield made
    finally:
        made.kill()
    log = made.log.read_text(encoding="utf-8")
    judge_log(log, errors=False)
    assert "t.me" not in log


@pytest.fixture
def there(practice: Practice) -> Listening:
    """The service that hears, over the practice's own database."""
    return Listening(practice.home.uow, FakeTelegram(), practice.home.clock)


def sizes(practice: Practice, room: str) -> set[int]:
    """Of every text that the bot sent to a room, as the homeserver has it."""
    sql = (
        "SELECT length(json_extract(j.json, '$.content.ciphertext')) size FROM events e"
        " JOIN event_json j USING (event_id) WHERE e.room_id = ? AND e.sender = ? AND e.type = 'm.room.encrypted'"
        " AND json_extract(j.json, '$.content.ciphertext') IS NOT NULL"
    )
    return {row["size"] for row in practice.seen_by_homeserver(sql, room, practice.bot_user)}


async def test_a_patient_links_telegram_and_ends_it(
    people: People, practice: Practice, there: Listening
) -> None:
    talk = await people.enrolled("T-1", strict=True)
    await talk.unlock()
    link = await talk.ask("telegram")
    token = token_of(body(link))
    assert await there(Started(chat=ChatId(CHAT), token=token)) == [(TelegramSentence.LINKED, Language.EN)]
    assert body(await talk.hear()) == talk.text(Template.TELEGRAM_LINKED)
    await there(Typed(chat=ChatId(CHAT), message=7, like_secret=True))
    assert body(await talk.hear()) == practice.text(Template.TELEGRAM_SECRET, language=Language.EN)
    assert there.telegram.taken == [(ChatId(CHAT), 7)]
    assert await there.start_chat(CHAT + 1, token) == [(TelegramSentence.LINK_REFUSED, Language.FR)]
    assert body(await talk.hear()) == practice.text(Template.TELEGRAM_REFUSED, language=Language.EN)
    assert await talk.tell("telegram only") == talk.text(Template.TELEGRAM_ONLY)
    await there(Asked(chat=ChatId(CHAT), what=Command.STOP))
    assert body(await talk.hear()) == talk.text(Template.TELEGRAM_STOPPED)
    assert await talk.tell("telegram off") == talk.text(Template.TELEGRAM_NONE)
    assert len(sizes(practice, talk.room)) == 1, "a link has the size of everything else"
    practice.bring_forward("redact")
    await talk.wait_redacted(link.event)
    written = practice.folder.rglob("*")
    assert not any(token.reveal().encode() in f.read_bytes() for f in written if f.is_file())


async def link_and_after(talk: Talk, pin: str) -> object:
    """From the word until its answer is taken back, as the homeserver has it."""
    talk.practice.bring_forward("redact")
    await talk.practice.settled()
    start = now(talk.practice)
    await talk.ask("telegram")
    typed = await talk.say(pin)
    answer = await talk.hear()
    await talk.wait_redacted(typed)
    await talk.practice.settled()
    talk.practice.bring_forward("redact")
    await talk.wait_redacted(answer.event)
    await talk.practice.settled()
    return traffic(talk, since=start)


async def test_a_right_pin_before_a_link_looks_like_a_wrong_one(people: People) -> None:
    """P6."""
    talk = await people.enrolled("T-2")
    wrong = await link_and_after(talk, WRONG_PIN)
    assert await link_and_after(talk, PIN) == wrong
