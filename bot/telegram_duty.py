"""Telegram within ``pli run``: the loop that listens, the loop that sends nudges there, and how things stand.

1. Without a token there is none of this, and nothing of the library is loaded.
2. The staff are told once of a token that is refused.
3. Nudges wait while Telegram does not answer or refuses the token; another listener does not hold them up.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from bot.app import Installation
from bot.channels.telegram.health import Health
from bot.domain.records import ProblemKind
from bot.domain.telegram import TelegramSentence, Update
from bot.domain.values import Language
from bot.ports_telegram import TelegramChannel
from bot.supervise import Loop, Supervisor

if TYPE_CHECKING:
    from bot.channels.telegram.line import Line
    from bot.channels.telegram.listening import Listener

POLL_SECONDS: Final = 0.5
TIDY_SECONDS: Final = 60.0
STOP_SECONDS: Final = 4.0
_OPEN: Final = (Health.CONNECTED, Health.CONFLICT)  # rule 3


class Hearing(Protocol):
    """What is done about an update."""

    async def __call__(self, update: Update) -> None: ...

    async def tidy(self) -> int: ...


class Copies(Protocol):
    """Nudges on their way to Telegram. ``at`` is a moment of the monotonic clock."""

    def recover(self) -> int: ...
    def tidy(self) -> int: ...
    def at(self) -> float: ...
    async def due(self) -> int: ...
    async def drain(self) -> None: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class TelegramServices:
    hear: Hearing
    copies: Copies


class TelegramDuty:
    """One a process. ``wake`` is called when the staff have something to hear.

    Raises :class:`bot.errors.WrongUse` where a file of a secret cannot be used.
    """

    def __init__(self, home: Installation, *, wake: Callable[[], None] = lambda: None) -> None:
        from bot.channels.telegram.channel import BotApiChannel, Texts  # noqa: PLC0415 - rule 1
        from bot.channels.telegram.line import Line  # noqa: PLC0415 - rule 1

        self._home, self._wake = home, wake
        words = home.words
        self._line: Line = Line(
            token=home.telegram_token(), api_url=home.settings.telegram.api_url, told=self._told
        )
        self._listener = _listener(home, self._line)
        self.channel: TelegramChannel = BotApiChannel(
            self._line,
            texts=Texts(
                nudges={language: words[language].telegram_nudge() for language in Language},
                buttons={language: words[language].telegram_button() for language in Language},
                sentences={
                    (s, lang): words[lang].telegram_text(s) for s in TelegramSentence for lang in Language
                },
            ),
            bot=home.session().user,
        )
        self._services: TelegramServices | None = None
        self._refused = False
        self._tidied_at = float("-inf")

    @property
    def health(self) -> Health:
        return self._line.health

    @property
    def broken(self) -> bool:
        """Whether ``/readyz`` is red for it."""
        return self._line.broken

    def join(self, services: TelegramServices) -> None:
        """What stands behind :attr:`channel`; before anything else is called."""
        self._services = services

    def recover(self) -> None:
        """At the start, before anything leaves: put right what a process that died left behind."""
        if self._services is not None:
            self._services.copies.recover()

    def start(self, loops: Supervisor) -> None:
        if (services := self._services) is None:
            return
        loops.start(Loop.TELEGRAM, lambda: self.listen(services))
        loops.start(Loop.TELEGRAM_NUDGES, lambda: self.send(services))

    async def stop(self) -> None:
        """After the loops were stopped."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_SECONDS):
                if self._services is not None:
                    await self._services.copies.drain()
                await self._listener.stop()
        await self._line.api.close_connections()

    # -- loops --------------------------------------------------------------------------------------------------

    async def listen(self, services: TelegramServices) -> None:
        """One round."""
        await self._listener.once(services.hear)
        if self._home.clock.monotonic() - self._tidied_at >= TIDY_SECONDS:
            self._tidied_at = self._home.clock.monotonic()
            await services.hear.tidy()
            await asyncio.to_thread(services.copies.tidy)

    async def send(self, services: TelegramServices) -> None:
        """One round."""
        await self._tell_staff()
        if self._line.health in _OPEN and await services.copies.due():
            return
        left = services.copies.at() - self._home.clock.monotonic()
        await asyncio.sleep(min(left, POLL_SECONDS) if left > 0 else POLL_SECONDS)

    def _told(self, health: Health) -> None:
        self._refused = health is Health.REVOKED

    async def _tell_staff(self) -> None:
        """Rule 2. Raises :class:`StorageError`: then it is told the next time."""
        if self._refused:
            await asyncio.to_thread(self._note)
            self._refused = False
            self._wake()

    def _note(self) -> None:
        with self._home.uow() as uow:
            if all(problem.kind is not ProblemKind.TELEGRAM_REVOKED for problem in uow.problems.all()):
                uow.problems.add(ProblemKind.TELEGRAM_REVOKED, self._home.clock.now())
                uow.commit()


def _listener(home: Installation, line: Line) -> Listener:
    from bot.channels.telegram.listening import Polling  # noqa: PLC0415 - rule 1
    from bot.channels.telegram.webhook import Webhook  # noqa: PLC0415 - rule 1

    chosen = home.settings.telegram
    if chosen.mode == "polling":
        return Polling(line)
    return Webhook(
        line, url=chosen.webhook_url, port=chosen.webhook_port, secret=home.telegram_webhook_secret()
    )
