"""The desk as the bot sees it: :class:`bot.ports_staff.Desk` over a socket.

1. The bot holds none of the import side's keys: it hands lines and files over, and answers back.
2. Where a socket is set, the desk listens there; else the desk is a child of the bot, at the other end of a pair of
   sockets that nobody else can open, and ends when the bot does.
3. After whatever went wrong the connection is given up: an answer that comes late is never taken for the next one's.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bot.domain.staff import StaffOrder, StaffReply
from bot.errors import DeskError
from bot.staff.wire import Frame, order_frame, read_frame, reply_of

log = logging.getLogger("pli.staff")

ORDER_SECONDS = 300.0
STOP_SECONDS = 5.0
_AWAY = "look whether pli desk runs; its log says why not"


@dataclass(frozen=True, kw_only=True, slots=True)
class Link:
    """An open connection, and the child at its other end where there is one."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    child: asyncio.subprocess.Process | None = None

    async def close(self) -> None:
        """The child sees that nobody is there any more and ends; after a while it is ended."""
        self.writer.close()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()
        if self.child is None:
            return
        try:
            await asyncio.wait_for(self.child.wait(), STOP_SECONDS)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                self.child.kill()
            await self.child.wait()


Connect = Callable[[], Awaitable[Link]]


def to_socket(path: Path) -> Connect:
    """Rule 2: a desk that listens."""

    async def connect() -> Link:
        reader, writer = await asyncio.open_unix_connection(path)
        return Link(reader=reader, writer=writer)

    return connect


def to_child(settings_file: Path) -> Connect:
    """Rule 2: a desk of our own."""

    async def connect() -> Link:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with theirs:
            child = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "bot", "--config", str(settings_file)),
                *("desk", "--inherited", str(theirs.fileno())),
                pass_fds=[theirs.fileno()],
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                env=dict(os.environ),
            )
        reader, writer = await asyncio.open_unix_connection(sock=ours)
        return Link(reader=reader, writer=writer, child=child)

    return connect


class DeskClient:
    """See the module. Connects at the first use, and again after a failure. One instance a process."""

    def __init__(self, connect: Connect, *, max_file: int, seconds: float = ORDER_SECONDS) -> None:
        """``max_file`` in bytes; ``seconds`` is how long an answer is waited for."""
        self._connect, self._max_file, self._seconds = connect, max_file, seconds
        self._link: Link | None = None
        self._lock = asyncio.Lock()

    async def order(self, order: StaffOrder) -> StaffReply:
        if order.file is not None and len(order.file.data) > self._max_file:
            raise DeskError("the file is too large", mend="[agenda] max_bytes of pli.toml")
        return reply_of(await self._ask(order_frame(order)))

    async def news(self, *, urgent: bool) -> StaffReply:
        return reply_of(await self._ask(Frame(head={"do": "news", "urgent": urgent})))

    async def told(self, token: str) -> None:
        reply_of(await self._ask(Frame(head={"do": "told", "token": token})))

    async def morning(self) -> StaffReply:
        return reply_of(await self._ask(Frame(head={"do": "morning"})))

    async def alive(self) -> Literal[True]:
        reply_of(await self._ask(Frame(head={"do": "alive"})))
        return True

    async def close(self) -> None:
        """Idempotent. A child ends with it."""
        async with self._lock:
            await self._give_up()

    async def _ask(self, frame: Frame) -> Frame:
        async with self._lock:
            try:
                async with asyncio.timeout(self._seconds):
                    return await self._exchange(frame)
            except (OSError, TimeoutError):
                await self._give_up()
                raise DeskError("the import side is away", mend=_AWAY) from None
            except BaseException:  # rule 3, also for whoever is cancelled while the answer is on its way
                await self._give_up()
                raise

    async def _exchange(self, frame: Frame) -> Frame:
        if self._link is None:
            self._link = await self._connect()
        self._link.writer.write(frame.encode())
        await self._link.writer.drain()
        answer = await read_frame(self._link.reader, max_blob=self._max_file)
        if answer is None:
            raise DeskError("the import side ended", mend=_AWAY)
        return answer

    async def _give_up(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            await link.close()
