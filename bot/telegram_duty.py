"""Telegram within ``pli run``: the loop that listens, the loop that sends nudges there, and how things stand.

1. Without a token there is none of this, and nothing of the library is loaded.
2. The staff are told once of a token that is refused.
3. Nudges wait while Telegram does not answer; another listener does not hold them up. While it refuses the token,
   they go to Matrix.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from bot.app import Installation
from bot.channels.telegram.health import Health
from bot.domain.records import ProblemKind
from bot.domain.telegram import TelegramSentence
from bot.domain.values import Language
from bot.ports_telegram import TelegramChannel
from bot.services.choose_nudges import Delivery
from bot.services.deliver_telegram import DeliverTelegram
from bot.services.hear_telegram import HearTelegram
from bot.services.link_telegram import LinkTelegram
from bot.supervise import Loop, Supervisor

if TYPE_CHECKING:
    from bot.channels.telegram.line import Line
    from bot.channels.telegram.listening import Listener

POLL_SECONDS: Final = 0.5
TIDY_SECONDS: Final = 60.0
STOP_SECONDS: Final = 4.0
_OPEN: Final = (Health.CONNECTED, Health.CONFLICT)  # rule 3


class TelegramDuty:
    """One a process. ``wake`` is called when the outbox has something new, ``tell`` when the staff have something to
    hear.

    Raises :class:`bot.errors.WrongUse` where a file of a secret cannot be used.
    """

    def __init__(
        self,
        home: Installation,
        *,
        delivery: Delivery,
        wake: Callable[[], None],
        tell: Callable[[], None],
    ) -> None:
        from bot.channels.telegram.channel import BotApiChannel, Texts  # noqa: PLC0415 - rule 1
        from bot.channels.telegram.line import Line  # noqa: PLC0415 - rule 1

        self._home, self._tell = home, tell
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
        self._hear = HearTelegram(
            home.uow,
            channel=self.channel,
            clock=home.clock,
            language=home.settings.practice.language,
            wake=wake,
        )
        self._copies = DeliverTelegram(
            home.uow,
            channel=self.channel,
            clock=home.clock,
            device=home.session().device_id,
            rules=home.settings.nudge_rules(),
            delivery=delivery,
        )
        self._refused = False
        self._tidied_at = float("-inf")

    @property
    def health(self) -> Health:
        return self._line.health

    @property
    def broken(self) -> bool:
        """Whether ``/readyz`` is red for it."""
        return self._line.broken

    @property
    def linking(self) -> LinkTelegram:
        """What patients ask of it in their rooms."""
        rules = self._home.settings.nudge_rules()
        return LinkTelegram(self._home.uow, address=self.channel.link, rules=rules)

    def recover(self) -> None:
        """At the start, before anything leaves: put right what a process that died left behind."""
        self._copies.recover()

    def start(self, loops: Supervisor) -> None:
        loops.start(Loop.TELEGRAM, self.listen)
        loops.start(Loop.TELEGRAM_NUDGES, self.send)

    async def stop(self) -> None:
        """After the loops were stopped."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_SECONDS):
                await self._copies.drain()
                await self._listener.stop()
        await self._line.api.close_connections()

    # -- loops --------------------------------------------------------------------------------------------------

    async def listen(self) -> None:
        """One round."""
        await self._listener.once(self._hear)
        if self._home.clock.monotonic() - self._tidied_at >= TIDY_SECONDS:
            self._tidied_at = self._home.clock.monotonic()
            await self._hear.tidy()

    async def send(self) -> None:
        """One round."""
        await self._tell_staff()
        if self._line.health in _OPEN and await self._copies.due():
            return
        left = self._copies.at() - self._home.clock.monotonic()
        await asyncio.sleep(min(left, POLL_SECONDS) if left > 0 else POLL_SECONDS)

    def tidy(self) -> None:
        """Now and then."""
        if self._line.health is Health.REVOKED:  # rule 3
            self._copies.give_up()
        self._copies.tidy()

    def _told(self, health: Health) -> None:
        self._refused = health is Health.REVOKED

    async def _tell_staff(self) -> None:
        """Rule 2. Raises :class:`StorageError`: then it is told the next time."""
        if self._refused:
            await asyncio.to_thread(self._note)
            self._refused = False
            self._tell()

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
