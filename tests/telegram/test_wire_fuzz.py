"""Whatever comes from Telegram, through the library's client, the channel and the service, to what is answered."""

from __future__ import annotations

import logging

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.domain.telegram import TelegramChat, TelegramSentence
from bot.domain.values import Language
from bot.services.hear_telegram import HearTelegram
from tests.rig.bot_api import BotApi, Json, Trouble
from tests.services.kit import Practice
from tests.telegram.kit import ANN, BEN, TEXTS, Ears, wired
from tests.telegram.test_wire_reading import UPDATES

_METHODS = {"getMe", "deleteWebhook", "getUpdates", "sendMessage", "deleteMessage", "leaveChat"}


@pytest.fixture
def linked(practice: Practice) -> Practice:
    """With a reader whose chat is bound."""
    invited = practice.invite("P-1")
    with practice.uow() as uow:
        uow.telegram.put_chat(
            TelegramChat(
                id="link-1",
                recipient=invited.recipient,
                chat=ANN.chat,
                language=Language.EN,
                linked_at=practice.now,
            )
        )
        uow.commit()
    return practice


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(updates=st.lists(UPDATES, min_size=1, max_size=4))
async def test_no_update_raises_or_is_answered_with_more_than_the_fixed_texts(
    linked: Practice, caplog: pytest.LogCaptureFixture, updates: list[Json]
) -> None:
    caplog.clear()
    async with BotApi(chats={ANN.chat, BEN.chat}) as api, wired(api) as wire:
        api.trouble("getUpdates", Trouble(answer={"ok": True, "result": updates}))
        hear = HearTelegram(
            linked.uow,
            channel=wire.channel,
            clock=linked.clock,
            language=Language.FR,
            wake=lambda: None,
        )
        polling = wire.polling()
        await polling.once(hear)
        ears = Ears()
        api.push({"update_id": 2**41, "message": {"message_id": 1, "chat": {"id": 5, "type": "private"}}})
        await polling.once(ears)
        await polling.once(ears)
        assert ears.numbers == [2**41], "whoever comes afterwards is heard"
        assert {r.method for r in api.requests} <= _METHODS
        for request in api.of("sendMessage"):
            assert request.values["text"] in TEXTS.sentences.values()
            assert request.values["protect_content"] is True
            assert "reply_markup" not in request.values
        assert {s for s, _ in TEXTS.sentences} == set(TelegramSentence)
    failed = [
        r.getMessage() for r in caplog.records if r.name == "pli.telegram" and r.levelno >= logging.ERROR
    ]
    assert failed == []
