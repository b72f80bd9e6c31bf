"""Where nudges go, by the level that holds."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from bot.domain.choices import Level
from bot.domain.telegram import ChatAddress, ChatId, NudgeOn, Started, TelegramChat, nudge_on
from bot.domain.typed_secret import looks_like_secret
from bot.domain.values import Language, RecipientId, Secret

CHAT = TelegramChat(
    id="t-1",
    recipient=RecipientId("r-1"),
    chat=ChatId(7340129911),
    language=Language.FR,
    linked_at=datetime(2026, 9, 1, 8, tzinfo=UTC),
    nudge_on=((Level.DISCREET.value, NudgeOn.TELEGRAM), (Level.PRIVATE.value, NudgeOn.MATRIX)),
)


@pytest.mark.parametrize(
    ("level", "where"),
    [
        (Level.PLAIN, NudgeOn.BOTH),
        (Level.DISCREET, NudgeOn.TELEGRAM),
        (Level.PRIVATE, NudgeOn.MATRIX),
        (Level.CONSTANT, NudgeOn.BOTH),
    ],
)
def test_a_level_without_a_choice_is_nudged_on_both(level: Level, where: NudgeOn) -> None:
    assert nudge_on(CHAT, level) is where


def test_p1_no_number_and_no_token_in_what_is_printed() -> None:
    started = Started(chat=CHAT.chat, token=Secret("canary"))
    for value in (CHAT, ChatAddress(chat=CHAT.chat), started):
        assert str(CHAT.chat) not in repr(value)
        assert "canary" not in repr(value)


@pytest.mark.parametrize(
    "text", ["94027351", "9402 7351", "94-02-73-51", "٩٤٠٢٧٣٥١", "XSP9-A5G8-4SW9-91SN-QX0K"]
)
def test_pins_and_codes_look_like_secrets_however_they_are_typed(text: str) -> None:
    assert looks_like_secret(text)


@pytest.mark.parametrize("text", ["", "bonjour", "12", "merci 2 fois"])
def test_words_do_not(text: str) -> None:
    assert not looks_like_secret(text)
