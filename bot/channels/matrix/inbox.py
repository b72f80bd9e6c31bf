"""Events on their way to the service: one queue a room, and a sync token that waits for all of them.

1. Within a room the order is kept; no room waits for another.
2. A token counts as reached only when everything up to it was handled, or given up after its grace.
3. An event whose key has not come yet waits for it, for a bounded time and in bounded memory.
4. A handler that raises costs that event only. A storage that refuses costs none: the event is tried again until it
   is handled, its room waits behind it, and the token waits as well, so that a stop or a crash reads it again.
5. What was read is noted before the token moves past it, and made unreadable a little later (see
   ``Machine.forget_noted``).
6. One room cannot fill the memory: beyond :data:`MAX_WAITING` events are dropped and counted. Where
   :data:`MANY_WAITING` wait in all, a room that has :data:`FEW_WAITING` of its own gets no more: a crowd of noisy rooms
   neither keeps a quiet one out nor keeps the next answer from being asked for.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Final, Protocol

from bot.errors import StorageError

MAX_WAITING: Final = 200
MANY_WAITING: Final = 1000
FEW_WAITING: Final = 20
_FIRST_WAIT: Final = 0.5
_LONGEST_WAIT: Final = 15.0

_log = logging.getLogger("pli.matrix.inbox")

Job = Callable[[], Awaitable[None]]


class SyncStore(Protocol):
    """Where the sync token rests."""

    async def load(self) -> str | None: ...

    async def save(self, token: str) -> None: ...


@dataclass(slots=True)
class _Batch:
    """One sync answer; ``open`` counts its jobs, and itself until all of them are queued."""

    token: str
    open: int = 1


class Inbox:
    """``storing`` is called before a token is stored and may raise :class:`StorageError`; ``stored`` after it."""

    def __init__(self, store: SyncStore, *, storing: Callable[[], None], stored: Callable[[], None]) -> None:
        self._store = store
        self._storing = storing
        self._stored = stored
        self._queues: dict[str, deque[tuple[Job, _Batch]]] = {}
        self._workers: dict[str, asyncio.Task[None]] = {}
        self._batches: deque[_Batch] = deque()
        self._saving = asyncio.Lock()
        self._busy: set[str] = set()
        self._waiting = 0
        self._closing = False

    async def add(self, token: str, jobs: Iterable[tuple[str, Job]]) -> None:
        """Queue the jobs of one sync answer, each behind everything of its lane."""
        batch = _Batch(token)
        self._batches.append(batch)
        for lane, job in jobs:
            self._put(batch, lane, job)
        await self._done(batch)

    def _put(self, batch: _Batch, lane: str, job: Job) -> None:
        """Rules 1 and 6."""
        queue = self._queues.setdefault(lane, deque())
        if len(queue) >= (MAX_WAITING if self.waiting < MANY_WAITING else FEW_WAITING):
            _log.warning("an event was dropped: too many are waiting in its room")
            return
        batch.open += 1
        self._waiting += 1
        queue.append((job, batch))
        if lane not in self._workers:
            self._workers[lane] = asyncio.create_task(self._work(lane))

    @property
    def waiting(self) -> int:
        """Jobs, with those that are being done."""
        return self._waiting + len(self._busy)

    async def close(self, *, seconds: float) -> None:
        """Let what runs end, start nothing else; what was not handled is read again after the next start."""
        self._closing = True
        running = [task for lane, task in self._workers.items() if lane in self._busy]
        if running:
            await asyncio.wait(running, timeout=seconds)
        for task in list(self._workers.values()):
            task.cancel()
        await asyncio.gather(*self._workers.values(), return_exceptions=True)

    async def _work(self, lane: str) -> None:
        queue = self._queues[lane]
        try:
            while queue and not self._closing:
                job, batch = queue.popleft()
                self._waiting -= 1
                self._busy.add(lane)
                try:
                    handled = await self._run(job)
                finally:
                    self._busy.discard(lane)
                if handled:
                    await self._done(batch)
        finally:
            self._workers.pop(lane, None)
            if not queue:
                self._queues.pop(lane, None)

    async def _run(self, job: Job) -> bool:
        """Rule 4. False where the end came before the storage answered."""
        wait = _FIRST_WAIT
        while True:
            try:
                await job()
            except StorageError:
                if wait == _FIRST_WAIT:
                    _log.warning("an event waits: the storage refused")
                if self._closing:
                    return False
                await asyncio.sleep(wait)
                wait = min(wait * 2, _LONGEST_WAIT)
            except Exception as error:  # noqa: BLE001 - one event must never stop the rest
                _log.error("an event was given up (%s)", type(error).__name__)
                return True
            else:
                return True

    async def _done(self, batch: _Batch) -> None:
        """Rule 2."""
        batch.open -= 1
        token: str | None = None
        async with self._saving:
            while self._batches and self._batches[0].open <= 0:
                token = self._batches.popleft().token
            if token is not None:
                with contextlib.suppress(StorageError):  # an older token is safe: it is all read again
                    self._storing()  # rule 5
                    await self._store.save(token)
                    self._stored()
