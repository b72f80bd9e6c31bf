"""The line to Telegram: every call goes through it, and it knows how things stand.

1. Whatever a call raises becomes one :class:`Fault`, without context: what the library raises holds the token.
2. A revoked token is not tried again by whoever sends: only the listener asks now and then whether it is good again.
3. One failing chat says nothing of the line: it is away after several failures in a row, or when the listener says so.
4. It counts as broken at once where the token was revoked, else when it was not connected for ten minutes.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from bot.channels.telegram.api import ANSWER_SECONDS, Api
from bot.channels.telegram.faults import Fault, judged
from bot.channels.telegram.health import Health
from bot.domain.values import Secret

T = TypeVar("T")

BROKEN_AFTER_SECONDS: Final = 600.0
_IN_A_ROW: Final = 3

log = logging.getLogger("pli.telegram")


class Line:
    """One a process. ``told`` is called at each change of :attr:`health`."""

    def __init__(
        self,
        *,
        token: Secret,
        api_url: str,
        told: Callable[[Health], None] = lambda _: None,
        monotonic: Callable[[], float] = time.monotonic,
        seconds: float = ANSWER_SECONDS,
    ) -> None:
        self.api = Api(token=token, api_url=api_url, seconds=seconds)
        self.username = ""
        self._told, self._monotonic = told, monotonic
        self._health = Health.AWAY
        self._since = monotonic()  # of not being connected
        self._row = 0

    @property
    def health(self) -> Health:
        return self._health

    @property
    def broken(self) -> bool:
        """Rule 4."""
        if self._health is Health.CONNECTED:
            return False
        late = self._monotonic() - self._since >= BROKEN_AFTER_SECONDS
        return self._health is Health.REVOKED or late

    async def call(self, act: Callable[[], Awaitable[T]]) -> T:
        """What a sender asks. Raises :class:`Fault`."""
        if self._health is Health.REVOKED:  # rule 2
            raise Fault("revoked")
        try:
            answer = await act()
        except Exception as error:  # noqa: BLE001 - rule 1
            fault = judged(error)
        else:
            self._row = 0
            return answer
        if fault.why == "revoked":
            self.now(Health.REVOKED)
        self._row = self._row + 1 if fault.why == "away" else 0
        if self._row >= _IN_A_ROW and self._health is Health.CONNECTED:
            self.now(Health.AWAY)
        raise fault  # outside of the handler: rule 1

    async def listen(self, act: Callable[[], Awaitable[T]]) -> T:
        """What the listener asks: its answer says how the line is. Raises :class:`Fault`."""
        try:
            answer = await act()
        except Exception as error:  # noqa: BLE001 - rule 1
            fault = judged(error)
        else:
            self._row = 0
            self.now(Health.CONNECTED)
            return answer
        if fault.why in ("revoked", "conflict"):
            self.now(Health(fault.why))
        elif fault.why != "flood":
            self.now(Health.AWAY)
        raise fault  # as above

    async def greet(self) -> None:
        """Learn the bot's name there. Raises :class:`Fault`."""
        self.username = await self.listen(self.api.own_name)

    def now(self, health: Health) -> None:
        if health is self._health:
            return
        if self._health is Health.CONNECTED:
            self._since = self._monotonic()
        self._health = health
        _say(health)
        self._told(health)


def _say(health: Health) -> None:
    match health:
        case Health.CONNECTED:
            log.info("Telegram answers")
        case Health.AWAY:
            log.warning("Telegram does not answer")
        case Health.REVOKED:
            log.error("Telegram refuses the bot's token: put a new one into [telegram] token_file")
        case Health.CONFLICT:
            log.error("another program takes this bot's messages from Telegram: stop it, or make a new token")
