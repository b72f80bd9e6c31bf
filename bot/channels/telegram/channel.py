"""What leaves for Telegram: see :class:`bot.ports_telegram.TelegramChannel`.

1. What is sent is a constant of the language: no method takes text, and nothing is put into one.
2. Everything is sent with ``protect_content``, without formatting and without a preview of links.
3. The one button opens the encrypted room through a link that names only the bot.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from telegram import InlineKeyboardButton, InlineKeyboardMarkup, LinkPreviewOptions

from bot.channels.telegram.faults import Fault
from bot.channels.telegram.line import Line
from bot.domain.messages import Nudge
from bot.domain.telegram import ChatAddress, ChatId, TelegramSentence
from bot.domain.values import Language, TransactionId, UserId


@dataclass(frozen=True, kw_only=True, slots=True)
class Texts:
    """Every constant that may leave."""

    nudges: Mapping[Language, str]
    buttons: Mapping[Language, str]
    sentences: Mapping[tuple[TelegramSentence, Language], str]


def room_link(bot: UserId) -> str:
    """Rule 3."""
    return f"https://matrix.to/#/{quote(bot, safe='@:')}"


class BotApiChannel:
    """``bot`` is the bot's own account on the homeserver."""

    def __init__(self, line: Line, *, texts: Texts, bot: UserId) -> None:
        self._line, self._texts = line, texts
        url = room_link(bot)
        self._buttons = {
            language: InlineKeyboardMarkup([[InlineKeyboardButton(texts.buttons[language], url=url)]])
            for language in Language
        }

    async def nudge(self, to: ChatAddress, nudge: Nudge, txn: TransactionId) -> None:  # noqa: ARG002 - Telegram knows no such key
        await self._send(to, self._texts.nudges[nudge.language], self._buttons[nudge.language])

    async def say(self, to: ChatAddress, sentence: TelegramSentence, language: Language) -> None:
        await self._send(to, self._texts.sentences[sentence, language], None)

    async def take_back(self, to: ChatAddress, message: int) -> None:
        try:
            await self._line.call(lambda: self._line.api.delete_message(chat_id=to.chat, message_id=message))
        except Fault as fault:
            if not fault.gone:
                raise

    async def leave(self, chat: ChatId) -> None:
        try:
            await self._line.call(lambda: self._line.api.leave_chat(chat_id=chat))
        except Fault as fault:
            if not fault.permanent:  # not there, then: as wished
                raise

    def link(self, token: str) -> str:
        """Raises :class:`Fault` until Telegram has told the bot's name."""
        if not self._line.username:
            raise Fault("away")
        return f"https://t.me/{self._line.username}?start={token}"

    async def _send(self, to: ChatAddress, text: str, buttons: InlineKeyboardMarkup | None) -> None:
        """Rules 1 and 2."""
        await self._line.call(
            lambda: self._line.api.send_constant(
                {
                    "chat_id": to.chat,
                    "text": text,
                    "reply_markup": buttons,
                    "protect_content": True,
                    "link_preview_options": LinkPreviewOptions(is_disabled=True),
                }
            )
        )
