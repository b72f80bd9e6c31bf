"""Loops that go on whatever happens in them: failure 16.

1. A loop that raises is started again, after pauses that grow and are not the same twice; whatever it raises, and also
   where it ends although nobody said so.
2. While one fails, and until it has worked again, it is named in :attr:`Supervisor.failing`: a word of :class:`Loop`.
3. Neither an exception's text nor its locals reach the log: both may quote what must not be shown.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from enum import StrEnum
from typing import Final

from bot.errors import StorageError

log = logging.getLogger("pli.run")

FIRST_PAUSE: Final = 1.0
MAX_PAUSE: Final = 60.0
_AGAIN: Final = 0.5


class Loop(StrEnum):
    """Every loop of the bot's process."""

    NUDGES = "nudges"
    REPLIES = "replies"
    PREPARE = "prepare"
    UPKEEP = "upkeep"
    PURGE = "purge"
    CLOCK = "clock"
    STORAGE = "storage"
    STAFF_ROOM = "staff_room"
    STAFF_NEWS = "staff_news"
    SYNC = "sync"
    TELEGRAM = "telegram"
    TELEGRAM_NUDGES = "telegram_nudges"


class Supervisor:
    """One a process. ``sleep`` is asyncio's, but in tests."""

    def __init__(self, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._sleep = sleep
        self._tasks: dict[Loop, asyncio.Task[None]] = {}
        self._failing: set[Loop] = set()
        self._ends = False

    @property
    def failing(self) -> Sequence[Loop]:
        """In the order of :class:`Loop`."""
        ended = {name for name, task in self._tasks.items() if task.done()}
        return [name for name in Loop if name in self._failing | ended]

    def start(self, name: Loop, once: Callable[[], Awaitable[None]]) -> None:
        """Call ``once`` again and again until :meth:`stop`."""
        self._tasks[name] = asyncio.create_task(self._keep(name, once))

    def worked(self, name: Loop) -> None:
        """Said by a loop that rests after its work: rule 2 does not wait for the end of its rest."""
        self._failing.discard(name)

    async def stop(self) -> None:
        """Cancel all and wait for their end."""
        self._ends = True
        pending = set(self._tasks.values())
        while pending:  # again: what waits with a time-out may swallow one cancellation
            for task in pending:
                task.cancel()
            _, pending = await asyncio.wait(pending, timeout=_AGAIN)
        self._tasks.clear()

    async def _keep(self, name: Loop, once: Callable[[], Awaitable[None]]) -> None:
        pause = FIRST_PAUSE
        while not self._ends:
            try:
                await once()
            except asyncio.CancelledError:
                if (task := asyncio.current_task()) is None or task.cancelling():
                    raise
                _say(name, "CancelledError")  # something inside was cancelled, not this loop
            except StorageError as error:
                log.error("the storage refused", extra={"task": name.value, "error": type(error).__name__})  # noqa: TRY400 - rule 3
            except Exception as error:  # noqa: BLE001 - rule 1
                _say(name, type(error).__name__)
            else:
                self._failing.discard(name)
                pause = FIRST_PAUSE
                continue
            self._failing.add(name)
            await self._sleep(pause * (1 + random.random() / 4))  # noqa: S311 - jitter, not a secret
            pause = min(pause * 2, MAX_PAUSE)


def _say(name: Loop, error: str) -> None:
    log.error("a task failed", extra={"task": name.value, "error": error})
