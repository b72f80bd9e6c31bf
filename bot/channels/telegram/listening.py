"""Updates, one after the other: by long polling, or brought to a webhook.

1. An update is confirmed when it was handled: a crash, or a storage that refuses, has it come again.
2. What cannot be read, and what its handler fails at, is passed over: it stops no other.
3. What was handled lately is not handled again in this process, whatever Telegram repeats.
4. One listener: a second one is not fought but told of, and tried against slowly. A revoked token is asked about every
   five minutes.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator
from operator import itemgetter
from typing import Final, Protocol

from bot.channels.telegram.faults import Fault
from bot.channels.telegram.line import Line
from bot.channels.telegram.reading import number_of, read_update
from bot.errors import StorageError
from bot.ports_telegram import UpdateHandler

_POLL_SECONDS: Final = 25
_REVOKED_SECONDS: Final = 300.0
_CONFLICT_SECONDS: Final = 60.0
_FIRST_PAUSE: Final = 1.0
_LONGEST_PAUSE: Final = 60.0
_REMEMBERED: Final = 1000

log = logging.getLogger("pli.telegram")
Pause = Callable[[float], Awaitable[None]]


class Listener(Protocol):
    async def once(self, handle: UpdateHandler) -> None:
        """One round, and the pause after it. Raises :class:`StorageError` alone."""

    async def stop(self) -> None: ...


class Intake:
    """Rules 2 and 3."""

    def __init__(self) -> None:
        self._handled: deque[int] = deque(maxlen=_REMEMBERED)

    async def take(self, raw: object, handle: UpdateHandler) -> None:
        """Raises :class:`StorageError`."""
        update = read_update(raw)
        if update is None or update.number in self._handled:
            return
        try:
            await handle(update)
        except StorageError:
            raise
        except Exception as error:  # noqa: BLE001 - rule 2
            log.error("an update was not handled", extra={"error": type(error).__name__})  # noqa: TRY400 - no traceback: it may quote what must not be shown
        self._handled.append(update.number)


class Rests:
    """Rule 4: how long to wait after a failure."""

    def __init__(self, pause: Pause) -> None:
        self._pause = pause
        self._next = _FIRST_PAUSE

    def worked(self) -> None:
        self._next = _FIRST_PAUSE

    async def after(self, fault: Fault) -> None:
        match fault.why:
            case "revoked":
                seconds = _REVOKED_SECONDS
            case "conflict":
                seconds = _CONFLICT_SECONDS
            case _:
                seconds = self._next * (1 + random.random() / 4)  # noqa: S311 - jitter, not a secret
                self._next = min(self._next * 2, _LONGEST_PAUSE)
        await self._pause(max(seconds, fault.retry_after or 0.0))


class Polling:
    """See the module."""

    def __init__(
        self, line: Line, *, pause: Pause = asyncio.sleep, poll_seconds: int = _POLL_SECONDS
    ) -> None:
        self._line, self._seconds = line, poll_seconds
        self._intake, self._rests = Intake(), Rests(pause)
        self._pause = pause
        self._begun = False
        self._confirm: int | None = None

    async def once(self, handle: UpdateHandler) -> None:
        try:
            if not self._begun:
                await self._begin()
            raw = await self._line.listen(self._ask)
        except Fault as fault:
            self._begun = self._begun and fault.why != "conflict"  # a webhook may have been set meanwhile
            await self._rests.after(fault)
            return
        self._rests.worked()
        # Told once, it is confirmed. Asked for ever from there, numbers that begin anew (the documentation: after a
        # week without updates) would be lost.
        self._confirm = None
        updates = raw if isinstance(raw, list) else []
        numbered = sorted(_numbered(updates), key=itemgetter(0))
        if updates and not numbered:
            await self._pause(_FIRST_PAUSE)  # nothing that could be confirmed: it comes again at once
        for number, one in numbered:
            await self._intake.take(one, handle)
            self._confirm = number + 1  # rule 1

    async def stop(self) -> None:
        """Confirm what was handled, if Telegram answers soon."""
        if self._confirm is not None:
            confirm, self._confirm = self._confirm, None
            try:
                async with asyncio.timeout(2):
                    await self._line.listen(lambda: self._line.api.raw_updates(offset=confirm, seconds=0))
            except (Fault, TimeoutError):
                return  # they come again after the next start

    async def _begin(self) -> None:
        await self._line.greet()
        await self._line.listen(lambda: self._line.api.delete_webhook(drop_pending_updates=False))
        self._begun = True

    async def _ask(self) -> object:
        return await self._line.api.raw_updates(offset=self._confirm, seconds=self._seconds)


def _numbered(updates: Iterable[object]) -> Iterator[tuple[int, object]]:
    for one in updates:
        number = number_of(one)
        if number is not None:
            yield number, one
