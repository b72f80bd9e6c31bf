"""A vault in a process of its own, under an account of its own: nobody else can read or copy its file.

1. Who may ask is said by the mode of the socket and of its folder; the vault itself knows no accounts.
2. Every call is one of :mod:`storage.vault`, whose rules hold as they do in one process. What the database notes is
   asked of the caller, who has the database.
3. A caller that is slow, gone or talks nonsense ends its own call alone. No transaction of the vault waits for one.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import socketserver
import stat
import threading
from pathlib import Path
from typing import Final

from bot.domain.values import RecipientId
from bot.errors import PliError, Refused, StaleGeneration, StorageError
from storage.vault import Now, Vault
from storage.vault_wire import arguments, pack, pack_error, receive, send

log = logging.getLogger("pli.vault")

_PATIENCE_SECONDS: Final = 15.0
_AT_ONCE: Final = 16


class VaultServer(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """Serves one vault file. ``serve_forever`` until ``shutdown``; then :meth:`server_close`."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, file: Path, path: Path, clock: Now, *, mode: int = 0o660) -> None:
        """Listens at ``path``; a socket there that nobody serves is replaced.

        Raises :class:`StorageError` or :class:`Refused` naming the mend.
        """
        self._file, self._clock = file, clock
        self._places = threading.BoundedSemaphore(_AT_ONCE)
        Vault(file, clock, lambda _, serial: serial)  # is it one at all?
        _make_way(path)
        mask = os.umask(0o777 & ~mode)  # rule 1, from its first moment on
        try:
            super().__init__(str(path), _Call)
        except OSError as error:
            raise StorageError(
                "the vault's socket cannot be made", mend="choose a short path in a folder of this account"
            ) from error
        finally:
            os.umask(mask)

    def process_request(
        self, request: socket.socket | tuple[bytes, socket.socket], client_address: object
    ) -> None:
        self._places.acquire()
        super().process_request(request, client_address)

    def process_request_thread(
        self, request: socket.socket | tuple[bytes, socket.socket], client_address: object
    ) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002 - the base class's names
        log.warning("a call of the vault failed")  # rule 3; no traceback: locals may be quoted

    def vault(self, stream: socket.socket) -> Vault:
        """The vault, as the caller behind ``stream`` has it."""

        def noted(recipient: RecipientId, serial: int) -> int:
            try:
                send(stream, {"note": recipient, "serial": serial})
                before = receive(stream).get("noted")
            except (OSError, ValueError):
                raise StorageError("whoever asked the vault is gone") from None
            if before is None:
                raise StaleGeneration
            if type(before) is not int:
                raise StorageError("what the database noted could not be told")
            return before

        return Vault(self._file, self._clock, noted)


class _Call(socketserver.BaseRequestHandler):
    server: VaultServer

    def handle(self) -> None:
        stream: socket.socket = self.request
        stream.settimeout(_PATIENCE_SECONDS)
        try:
            asked = receive(stream)
            values = arguments(asked.get("call"), asked.get("with"))
        except (OSError, ValueError, RecursionError):
            return
        try:
            value = getattr(self.server.vault(stream), asked["call"])(*values)
            answer = {"value": pack(value)}
        except PliError as error:
            answer = pack_error(error)
        with contextlib.suppress(OSError):  # rule 3
            send(stream, answer)


def _make_way(path: Path) -> None:
    try:
        kind = path.lstat().st_mode
    except OSError:
        return
    if not stat.S_ISSOCK(kind):
        raise Refused("there is something else where the vault's socket goes", mend="choose another --socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            path.unlink(missing_ok=True)
            return
    raise Refused("a vault is served there already", mend="stop it first, or choose another --socket")
