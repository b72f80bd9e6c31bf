"""Telegram in memory: records what leaves, and brings what somebody does there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from urllib.parse import parse_qs, urlsplit

from bot.domain.messages import Nudge
from bot.domain.telegram import (
    ChatAddress,
    ChatId,
    HeardOnTelegram,
    Started,
    TelegramSentence,
    Update,
)
from bot.domain.values import Language, Secret, TransactionId
from bot.ports import Clock
from bot.ports_storage import UnitOfWorkFactory
from bot.services.hear_telegram import HearTelegram

Answer = tuple[TelegramSentence, Language]


def token_of(text: str) -> Secret:
    """The token in the one address of a text."""
    (address,) = (word for word in text.split() if word.startswith("https://t.me/"))
    (token,) = parse_qs(urlsplit(address).query)["start"]
    return Secret(token)


@dataclass
class FakeTelegram:
    """A channel of Telegram. ``fault`` is asked before each call: what it returns is raised, and nothing leaves."""

    said: list[tuple[ChatId, TelegramSentence, Language]] = field(default_factory=list)
    nudged: list[tuple[ChatId, Language, TransactionId]] = field(default_factory=list)
    taken: list[tuple[ChatId, int]] = field(default_factory=list)
    left: list[ChatId] = field(default_factory=list)
    fault: Callable[[str], BaseException | None] = lambda _call: None

    def _check(self, call: str) -> None:
        if (error := self.fault(call)) is not None:
            raise error

    async def nudge(self, to: ChatAddress, nudge: Nudge, txn: TransactionId) -> None:
        self._check("nudge")
        self.nudged.append((to.chat, nudge.language, txn))

    async def say(self, to: ChatAddress, sentence: TelegramSentence, language: Language) -> None:
        self._check("say")
        self.said.append((to.chat, sentence, language))

    async def take_back(self, to: ChatAddress, message: int) -> None:
        self._check("take_back")
        self.taken.append((to.chat, message))

    async def leave(self, chat: ChatId) -> None:
        self._check("leave")
        self.left.append(chat)

    def link(self, token: str) -> str:
        self._check("link")
        return f"https://t.me/pli_example_bot?start={token}"


@dataclass
class Listening:
    """The service that hears, over ``telegram``; ``woken`` counts how often the outbox was said to have something."""

    uow: UnitOfWorkFactory
    telegram: FakeTelegram
    clock: Clock
    numbers: count[int] = field(default_factory=count)
    woken: int = 0

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        """A new process: nothing in memory."""
        self.hear = HearTelegram(
            self.uow,
            channel=self.telegram,
            clock=self.clock,
            language=Language.FR,
            wake=self._wake,
        )

    def _wake(self) -> None:
        self.woken += 1

    async def __call__(
        self, heard: HeardOnTelegram, *, number: int | None = None, suggests: Language | None = None
    ) -> list[Answer]:
        """What was said there because of it."""
        before = len(self.telegram.said)
        update = Update(
            number=next(self.numbers) if number is None else number, heard=heard, suggests=suggests
        )
        await self.hear(update)
        return [(sentence, language) for _, sentence, language in self.telegram.said[before:]]

    async def start_chat(self, chat: int, token: Secret, *, private: bool = True) -> list[Answer]:
        return await self(Started(chat=ChatId(chat), token=token, private=private))
