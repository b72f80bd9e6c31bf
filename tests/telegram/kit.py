"""A channel over a Bot API of the tests, and ears that keep what they are told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from bot.channels.telegram.channel import BotApiChannel, Texts
from bot.channels.telegram.health import Health
from bot.channels.telegram.line import Line
from bot.channels.telegram.listening import Polling
from bot.domain.messages import Nudge
from bot.domain.telegram import ChatAddress, ChatId, HeardOnTelegram, TelegramSentence, Update
from bot.domain.values import Language, Secret, TransactionId, UserId
from tests.rig.bot_api import BotApi

BOT = UserId("@messages:pli.localhost")
TEXTS = Texts(
    nudges={Language.FR: "Vous avez un message.", Language.EN: "You have a message."},
    buttons={Language.FR: "Ouvrir la conversation", Language.EN: "Open the conversation"},
    sentences={(s, lang): f"{s.value} ({lang.value})" for s in TelegramSentence for lang in Language},
)
FRENCH_NUDGE = (Nudge(language=Language.FR), TransactionId("t-1"))
ANN, BEN = ChatAddress(chat=ChatId(11_111)), ChatAddress(chat=ChatId(22_222))


@dataclass
class Ears:
    """``errors`` are raised, one at each update, until there are none left."""

    heard: list[Update] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)

    async def __call__(self, update: Update) -> None:
        if self.errors:
            raise self.errors.pop(0)
        self.heard.append(update)

    @property
    def things(self) -> list[HeardOnTelegram]:
        return [update.heard for update in self.heard]

    @property
    def numbers(self) -> list[int]:
        return [update.number for update in self.heard]


class Pauses:
    """Time that passes at once, and is remembered."""

    def __init__(self) -> None:
        self.taken: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.taken.append(seconds)


@dataclass
class Clock:
    seconds: float = 1000.0

    def __call__(self) -> float:
        return self.seconds


@dataclass
class Wire:
    """One line, and what hangs on it."""

    line: Line
    pauses: Pauses
    clock: Clock
    told: list[Health]

    @property
    def channel(self) -> BotApiChannel:
        return BotApiChannel(self.line, texts=TEXTS, bot=BOT)

    def polling(self) -> Polling:
        return Polling(self.line, pause=self.pauses, poll_seconds=0)


@asynccontextmanager
async def wired(api: BotApi, *, seconds: float = 20.0, url: str = "") -> AsyncIterator[Wire]:
    """``url`` in place of the server's own; ``seconds`` to wait for an answer."""
    told: list[Health] = []
    clock = Clock()
    line = Line(
        token=Secret(api.token),
        api_url=url or api.url,
        told=told.append,
        monotonic=clock,
        seconds=seconds,
    )
    try:
        yield Wire(line=line, pauses=Pauses(), clock=clock, told=told)
    finally:
        await line.api.close_connections()
