"""The Protocols around Telegram: a channel of nudges and constant sentences, and what is kept of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import datetime
from typing import Protocol

from bot.domain.messages import Nudge
from bot.domain.telegram import ChatAddress, ChatId, TelegramChat, TelegramLink, TelegramSentence, Update
from bot.domain.values import Language, RecipientId, TransactionId

UpdateHandler = Callable[[Update], Awaitable[None]]


class TelegramChannel(Protocol):
    """No method takes text. All raise :class:`bot.errors.ChannelError`: permanent where the chat is closed to the bot
    (blocked, deleted, never started); else passing, with the pause that Telegram named, and ``unsure`` where the
    message may have left.
    """

    async def nudge(self, to: ChatAddress, nudge: Nudge, txn: TransactionId) -> None:
        """Not idempotent: ``txn`` never reaches Telegram."""

    async def say(self, to: ChatAddress, sentence: TelegramSentence, language: Language) -> None: ...

    async def take_back(self, to: ChatAddress, message: int) -> None:
        """Delete what somebody typed; a message that is gone already is no error."""

    async def leave(self, chat: ChatId) -> None:
        """Leave a group or a channel."""

    def link(self, token: str) -> str:
        """The address that starts the bot with ``token``."""


class TelegramRows(Protocol):
    """Links that were handed out and chats that were bound. Numbers of chats are sealed at rest."""

    def add_link(self, link: TelegramLink) -> None: ...
    def link(self, digest: str) -> TelegramLink | None: ...
    def spend_links(self, recipient: RecipientId) -> None:
        """None of those that were handed out binds anything any more."""

    def purge_links(self, before: datetime) -> int:
        """Delete what expired before then; how many."""

    def digest(self, token: str) -> str:
        """The keyed digest of a token."""

    def chat_index(self, chat: ChatId) -> str: ...
    def put_chat(self, chat: TelegramChat) -> None:
        """In place of the recipient's one before."""

    def by_chat(self, chat: ChatId) -> TelegramChat | None: ...
    def by_recipient(self, recipient: RecipientId) -> TelegramChat | None: ...
    def by_recipients(self, recipients: Iterable[RecipientId]) -> Mapping[RecipientId, TelegramChat]: ...
    def unbind(self, recipient: RecipientId) -> bool:
        """Forget the chat; False where there was none."""

    def count(self) -> int:
        """How many chats are bound."""
