"""The desk listens: one order at a time, over a socket that only the bot can open.

1. On a socket with a name, who connects is asked of the kernel (``SO_PEERCRED``): an account that is not on the list
   gets no answer. The socket's file is 0600, or 0660 where a group is set. Anybody else's socket is not taken over.
2. A frame that is too long, not whole or not of the agreed form ends its connection, and nothing else.
3. Orders wait for one another; who has waited too long is told that nothing was done.
4. A child ends with its parent: the inherited connection's end is the end, after the order that is being carried out.
"""

from __future__ import annotations

import asyncio
import contextlib
import grp
import logging
import os
import pwd
import signal
import socket
import stat
import struct
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from bot.domain.staff import StaffOrder, StaffReply
from bot.errors import DeskError, PliError, Refused, WrongUse
from bot.staff.wire import FRAME_SECONDS, Frame, order_of, read_frame, reply_frame

log = logging.getLogger("pli.desk")

MOST_CONNECTIONS = 4
BUSY_SECONDS = 60.0
_CREDENTIALS = struct.Struct("iII")
_FAILED = Frame(head={"error": "failed"})

Ask = Callable[[Frame], StaffReply]


class DeskServer:
    """``asks``: what else may be asked, by its name; each is given the frame and runs in a thread of its own."""

    def __init__(
        self,
        order: Callable[[StaffOrder], StaffReply],
        asks: Mapping[str, Ask],
        *,
        max_file: int,
        seconds: float = FRAME_SECONDS,
        busy: float = BUSY_SECONDS,
    ) -> None:
        """``max_file`` in bytes; ``seconds`` for a frame that has begun, ``busy`` for an order before it."""
        self._asks: dict[str, Ask] = {
            "order": lambda frame: order(order_of(frame)),
            "alive": lambda _: StaffReply(),
            **asks,
        }
        self._max_file, self._seconds, self._busy = max_file, seconds, busy
        self._lock = asyncio.Lock()
        self._open = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until its other end is gone."""
        self._open += 1
        try:
            if self._open > MOST_CONNECTIONS:
                log.warning("too many connections")
                return
            while (frame := await self._read(reader)) is not None:
                writer.write((await self._answer(frame)).encode())
                await writer.drain()
        except (DeskError, ConnectionError):
            log.warning("a connection was given up")  # rule 2
        finally:
            self._open -= 1
            writer.close()

    async def _read(self, reader: asyncio.StreamReader) -> Frame | None:
        return await read_frame(reader, max_blob=self._max_file, seconds=self._seconds)

    async def _answer(self, frame: Frame) -> Frame:
        ask = self._asks.get(str(frame.head.get("do")))
        if ask is None:
            raise DeskError("a frame is not what was agreed")
        try:
            await asyncio.wait_for(self._lock.acquire(), self._busy)  # rule 3
        except TimeoutError:
            return _FAILED
        try:
            return reply_frame(await asyncio.to_thread(ask, frame))
        except DeskError:
            raise
        except PliError as error:
            log.warning("nothing was done", extra={"error": type(error).__name__})
            return _FAILED
        except Exception as error:  # noqa: BLE001 - the desk goes on, and no traceback quotes what was typed
            log.error("a question failed", extra={"error": type(error).__name__})  # noqa: TRY400 - as above
            return _FAILED
        finally:
            self._lock.release()


async def serve_inherited(server: DeskServer, descriptor: int) -> None:
    """Rule 4. Raises :class:`WrongUse` where the descriptor is no socket."""
    try:
        mine = socket.socket(fileno=descriptor)
        mine.setblocking(False)
        reader, writer = await asyncio.open_unix_connection(sock=mine)
    except (OSError, ValueError):
        raise WrongUse("--inherited names no open socket", mend="leave it out: pli run gives it") from None
    for sign in (
        signal.SIGINT,
        signal.SIGTERM,
    ):  # a Ctrl-C is for the parent, which then closes the connection
        asyncio.get_running_loop().add_signal_handler(sign, lambda: None)
    await server.serve(reader, writer)


async def serve_socket(
    server: DeskServer, path: Path, *, group: str, users: Collection[str], stopping: asyncio.Event
) -> None:
    """Rule 1. Until ``stopping``. Raises :class:`Refused` or :class:`WrongUse`."""
    allowed = allowed_accounts(users)

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if peer_of(writer) not in allowed:
            log.warning("another account wanted to give orders")
            writer.close()
            return
        await server.serve(reader, writer)

    bound = _bind(path, group)
    try:
        async with await asyncio.start_unix_server(accept, sock=bound):
            log.info("listening")
            await stopping.wait()
    finally:
        _unlink(path)


def allowed_accounts(users: Collection[str]) -> frozenset[int]:
    """This process's own account, and those named. Raises :class:`WrongUse` for one that is not there."""
    found = {os.geteuid()}
    for user in users:
        try:
            found.add(int(user) if user.isascii() and user.isdigit() else pwd.getpwnam(user).pw_uid)
        except KeyError:
            raise WrongUse(
                "an account of desk_users does not exist", mend="mend [staff] desk_users in pli.toml"
            ) from None
    return frozenset(found)


def peer_of(writer: asyncio.StreamWriter) -> int:
    """The account at the other end, as the kernel knows it; -1 where it does not say."""
    connected = writer.get_extra_info("socket")
    try:
        raw = connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    except (AttributeError, OSError):
        return -1
    _, uid, _ = _CREDENTIALS.unpack(raw)
    return int(uid)


def _bind(path: Path, group: str) -> socket.socket:
    """Rule 1."""
    try:
        owner = grp.getgrnam(group).gr_gid if group else None
    except KeyError:
        raise WrongUse("desk_group does not exist", mend="mend [staff] desk_group in pli.toml") from None
    _take_away_what_is_left(path)
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)  # private from its first moment
    try:
        made.bind(str(path))
        if owner is not None:
            os.chown(path, -1, owner)
            path.chmod(0o660)
    except OSError as error:
        made.close()
        raise Refused(
            f"the desk cannot listen there ({type(error).__name__})",
            mend="mend [staff] desk_socket in pli.toml",
        ) from None
    finally:
        os.umask(before)
    made.setblocking(False)
    return made


def _unlink(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()


def _take_away_what_is_left(path: Path) -> None:
    """Of a desk that was killed. Raises :class:`Refused` where one listens, or where it is something else."""
    try:
        mode = path.lstat().st_mode
    except OSError:
        return
    if not stat.S_ISSOCK(mode):
        raise Refused(
            "there is a file where the desk should listen", mend="mend [staff] desk_socket in pli.toml"
        )
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            _unlink(path)
            return
    raise Refused("a desk listens there already", mend="stop it first")
