"""A homeserver as ``pli homeserver init`` writes it: Synapse on a PostgreSQL, behind Debian's caddy, all for real."""

from __future__ import annotations

import os
import shutil
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import psycopg
import pytest
from psycopg.rows import dict_row
from sqlalchemy.engine import make_url

from bot.domain.values import Secret
from bot.homeserver.admin import HomeserverAdmin
from bot.homeserver.embedded import EmbeddedHomeserver
from tests.journey.practice import free_port, run_here
from tests.rig.homeserver import RigHomeserver
from tests.rig.postgres import RigPostgres

DOMAIN, HOST = "accueil.example", "localhost"
_START_SECONDS = 120.0
# The bot's unit asks for MemoryDenyWriteExecute; PR_SET_MDWE is how a process asks for it itself. Kernels before 6.3 do
# not know it: then this changes nothing.
_NO_WRITE_EXECUTE = (
    "import ctypes,os,sys; ctypes.CDLL(None).prctl(65, 1, 0, 0, 0);"
    " os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
)
CAREFUL_PYTHON = (sys.executable, "-c", _NO_WRITE_EXECUTE)


def ensure_tool(name: str, package: str) -> str:
    """The path of a program of the system. Skips the test where it is absent, but fails it where ``CI`` is set."""
    if found := shutil.which(name):
        return found
    missing = f"{name} is absent (Debian's package {package}): what it would have judged IS NOT TESTED"
    if os.environ.get("CI", "").lower() in {"", "0", "false"}:
        pytest.skip(missing)
    pytest.fail(missing)


@dataclass(frozen=True, kw_only=True, slots=True)
class DeployedHomeserver(RigHomeserver):
    """``plain_url`` is where the proxy answers without TLS, ``database`` the homeserver's."""

    plain_url: str
    database: str

    async def admin(self) -> HomeserverAdmin:
        token = (self.folder / "admin.token").read_text(encoding="ascii")
        return HomeserverAdmin(self.admin_url, Secret(token))

    def rows(self, query: str, *values: object) -> list[Any]:
        with psycopg.connect(self.database, row_factory=dict_row) as connection:
            written = query.replace("%", "%%").replace("?", "%s")
            return connection.execute(written.encode(), values).fetchall()


@contextmanager
def running_deployed(folder: Path, postgres: RigPostgres) -> Iterator[DeployedHomeserver]:
    """Write the files, start both programs, make the first administrator; stop them at the end."""
    caddy = ensure_tool("caddy", "caddy")
    port, https, plain = free_port(), free_port(), free_port()
    with postgres.fresh_database(locale="C") as url:
        rows = make_url(url)
        written = run_here(
            *(
                "homeserver",
                "init",
                str(folder),
                "--domain",
                DOMAIN,
                "--host",
                HOST,
                "--certificates",
                "internal",
            ),
            *("--port", str(port), "--https-port", str(https), "--http-port", str(plain)),
            *("--database", "postgresql", "--database-host", str(rows.query["host"])),
            *("--database-name", str(rows.database), "--database-user", str(rows.username)),
        )
        assert written.code == 0, written.err
        made = DeployedHomeserver(
            url=f"https://{HOST}:{https}",
            server_name=DOMAIN,
            folder=folder,
            embedded=EmbeddedHomeserver(
                folder
            ),  # never started: what runs here was written by pli homeserver init
            ca_file=folder / "caddy" / "pki" / "authorities" / "local" / "root.crt",
            admin_url=f"http://127.0.0.1:{port}",
            plain_url=f"http://{HOST}:{plain}",
            database=rows.set(drivername="postgresql").render_as_string(hide_password=False),
        )
        with (
            _running(_synapse(folder), folder, "synapse") as synapse,
            _running(
                [caddy, "run", "--adapter", "caddyfile", "--config", str(folder / "Caddyfile")],
                folder,
                "caddy",
            ) as proxy,
        ):
            _wait(lambda: _answers(f"{made.admin_url}/health"), synapse, folder)
            _wait(lambda: _answers(f"{made.url}/_matrix/client/versions", made.ca_file), proxy, folder)
            done = run_here("homeserver", "accounts", "admin", str(folder))
            assert done.code == 0, done.err
            yield made


def _synapse(folder: Path) -> list[str]:
    """With one key more: pushes may reach the tests' own gateway, on loopback."""
    more = folder / "loopback.yaml"
    more.write_text('ip_range_whitelist: ["127.0.0.0/8"]\n', encoding="utf-8")
    config = ("-c", str(folder / "homeserver.yaml"), "-c", str(more))
    return [sys.executable, "-P", "-m", "synapse.app.homeserver", *config]


@contextmanager
def _running(command: Sequence[str], folder: Path, name: str) -> Iterator[subprocess.Popen[bytes]]:
    environment = {**os.environ, "HOME": str(folder), "no_proxy": "127.0.0.1,localhost"}
    with (folder / f"{name}.out").open("wb") as out:
        process = subprocess.Popen(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=environment
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _answers(url: str, ca_file: Path | None = None) -> bool:
    if ca_file is not None and not ca_file.exists():
        return False
    context = ssl.create_default_context(cafile=str(ca_file)) if ca_file else None
    try:
        with urlopen(url, timeout=5, context=context) as answer:  # noqa: S310 - our own server
            return bool(answer.status == 200)
    except (HTTPError, URLError, OSError):
        return False


def _wait(probe: Callable[[], bool], process: subprocess.Popen[bytes], folder: Path) -> None:
    end = time.monotonic() + _START_SECONDS
    while not probe():
        if time.monotonic() > end or process.poll() is not None:
            said = "".join(path.read_text(errors="replace")[-2000:] for path in folder.glob("*.out"))
            raise AssertionError(f"the homeserver did not start: {said}")
        time.sleep(0.1)
