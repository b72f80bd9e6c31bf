"""Commands while a great many nudges wait, in simulated time: the library's client, a server that keeps its limits."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator

import pytest

from bot.channels.telegram.api import Api
from bot.domain.records import OutboxState
from bot.domain.telegram import Asked, ChatId, Command, NudgeOn, Update
from bot.domain.values import Language, Secret
from bot.services.choose_nudges import Delivery
from bot.services.deliver_telegram import DeliverTelegram
from bot.services.hear_telegram import HearTelegram
from tests.rig.bot_api import BotApi
from tests.services.kit import Practice
from tests.services.telegram_kit import Telegram
from tests.services.test_pacing_nudges import planned
from tests.telegram.kit import TEXTS, Wire, wired

WAITING, LEAVING, READERS = 10_000, 150, 20
SECONDS, EVERY = 5.0, 0.5
# So many of the same that wait as well, behind those that leave in the time of the test.
FILL = """
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :count)
INSERT INTO outbox (kind, state, txn, due, room, recipient, template, params, redact_after, rotate, attempts,
                    claimed_by)
SELECT 'telegram', 'queued', '~' || i, (SELECT max(due) FROM outbox WHERE kind = 'telegram'), '', NULL, '', '{}', 0,
       false, 0, '' FROM n
"""


@pytest.fixture
async def wide(api: BotApi) -> AsyncIterator[Wire]:
    """Without the client's own limit, which lives in real time."""
    async with wired(api) as wire:
        wire.line.api = Api(token=Secret(api.token), api_url=api.url, burst=1_000_000)
        yield wire
        await wire.line.api.close_connections()


async def test_commands_are_answered_at_once_while_ten_thousand_nudges_wait(
    practice: Practice, api: BotApi, wide: Wire
) -> None:
    """As many a second as the nudges leave room for under Telegram's thirty, at the worst moments too."""
    await planned(practice, LEAVING)
    telegram = Telegram(practice)
    chats = telegram.link_all(NudgeOn.TELEGRAM)
    readers = list(range(90_001, 90_001 + READERS))
    api.chats |= set(chats) | set(readers)
    await practice.send_nudges()
    practice.execute(FILL, count=WAITING - LEAVING)
    assert len(telegram.rows(OutboxState.QUEUED)) == WAITING
    api.per_second, api.per_chat_seconds, api.monotonic = 30, 1.0, practice.clock.monotonic
    copies = DeliverTelegram(
        practice.uow,
        channel=wide.channel,
        clock=practice.clock,
        device=practice.device,
        rules=practice.rules,
        delivery=Delivery(telegram=True),
    )
    hear = HearTelegram(
        practice.uow,
        channel=wide.channel,
        clock=practice.clock,
        language=Language.FR,
        wake=lambda: None,
    )
    begin, draw = practice.clock.monotonic(), random.Random(6)  # noqa: S311 - moments, not secrets
    asked = sorted(begin + each * EVERY + draw.random() * EVERY for each in range(int(SECONDS / EVERY)))
    texts = set(TEXTS.sentences.values())
    for number, moment in enumerate(asked):
        while copies.at() < moment:
            await until(practice, copies.at())
            await copies.due()
        await until(practice, moment)
        answered = len([m for m in api.sent if m["text"] in texts])
        chat = ChatId(readers[number % READERS])
        await hear(Update(number=number, heard=Asked(chat=chat, what=Command.HELP)))
        assert len([m for m in api.sent if m["text"] in texts]) == answered + 1, "at that very moment"
    assert len(api.sent) == len(api.of("sendMessage")), "none was refused, 429 or other"
    nudged = len(api.sent) - len(asked)
    assert nudged >= 25 * (asked[-1] - begin) - 1, "and the nudges kept their pace"
    assert len(telegram.rows(OutboxState.QUEUED)) >= WAITING - nudged - 1


async def until(practice: Practice, moment: float) -> None:
    """A clock of whole microseconds."""
    left = moment - practice.clock.monotonic()
    if left > 0:
        practice.clock.forward(seconds=left + 2e-6)
