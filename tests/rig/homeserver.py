"""A real Synapse for the whole test session, and accounts on it in no time."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.domain.values import Secret, UserId, new_id
from bot.homeserver.admin import HomeserverAdmin
from bot.homeserver.bootstrap import administer
from bot.homeserver.embedded import EmbeddedHomeserver
from bot.homeserver.settings import ServerOptions


@dataclass(frozen=True, kw_only=True, slots=True)
class RigHomeserver:
    """``url`` is the client API's base address; ``folder`` holds all that the homeserver stores and logs.

    ``ca_file`` is the authority that its certificate needs, ``admin_url`` where the admin API answers if not at
    ``url``.
    """

    url: str
    server_name: str
    folder: Path
    embedded: EmbeddedHomeserver
    ca_file: Path | None = None
    admin_url: str = ""

    async def new_user(self, prefix: str = "p") -> tuple[str, str]:
        """A new account without devices: user id and password."""
        user, password = UserId(f"@{new_id(prefix)}:{self.server_name}"), secrets.token_urlsafe(16)
        async with await self.admin() as admin:
            assert await admin.put_user(user, Secret(password)), "the account exists already"
        return user, password

    def kill(self) -> None:
        """SIGKILL; ``embedded.start()`` brings it back, at the same address where its port was chosen."""
        os.kill(self.pid, signal.SIGKILL)
        assert self.embedded.wait(30) == -signal.SIGKILL

    def freeze(self) -> None:
        """It holds its connections, and does nothing at all until :meth:`thaw`."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    @property
    def pid(self) -> int:
        """Of the process that runs."""
        assert self.embedded._process is not None
        return self.embedded._process.pid

    async def admin(self) -> HomeserverAdmin:
        """An administrator; the caller closes it."""
        return await administer(self.embedded)

    def rows(self, query: str, *values: object) -> list[Any]:
        """Look into the homeserver's own database; a row is read by the names of its columns."""
        with contextlib.closing(sqlite3.connect(self.folder / "homeserver.db", timeout=30)) as connection:
            connection.row_factory = sqlite3.Row
            return connection.execute(query, values).fetchall()


@contextmanager
def running_homeserver(folder: Path) -> Iterator[RigHomeserver]:
    """Start a homeserver with lifted limits, loopback push and an access log; stop it at the end."""
    options = ServerOptions(generous_limits=True, allow_loopback_push=True, access_log=True)
    with EmbeddedHomeserver(folder, options=options) as embedded:
        yield RigHomeserver(
            url=embedded.url, server_name=embedded.server_name, folder=embedded.folder, embedded=embedded
        )
