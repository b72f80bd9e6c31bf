"""The real programs, as processes: ``pli`` for one command, ``pli homeserver run`` and ``pli run`` in the background.

1. Every process that was started is stopped on every way out, the bot before the homeserver.
2. The children run this very code and see no ``PLI_*`` variable of the caller's.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.error import URLError

import bot
from bot.errors import Refused

_START_SECONDS: Final = 120.0
_COMMAND_SECONDS: Final = 120.0
_STOP_SECONDS: Final = 40.0


class Programs:
    """One practice's programs. ``folder`` is the practice's own, ``logs`` takes what the processes print."""

    def __init__(self, folder: Path, logs: Path) -> None:
        self.folder = folder
        self.logs = logs
        self.port, self.health_port = _free_port(), _free_port()
        self.settings: dict[str, str] = {}  # variables like PLI_TELEGRAM__API_URL, for every program
        self.latest = 0.0  # seconds that the latest command took
        self._running: list[tuple[str, subprocess.Popen[bytes]]] = []
        logs.mkdir(mode=0o700, parents=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    # -- one command --------------------------------------------------------------------------------------------

    async def pli(self, *arguments: str, settings: Mapping[str, str] | None = None) -> str:
        """What a command prints. ``settings`` are variables like ``PLI_NUDGES__SLOTS``. Raises :class:`Refused`."""
        began = time.monotonic()
        process = await asyncio.create_subprocess_exec(
            *self._command(*arguments),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self._environment() | dict(settings or {}),
            start_new_session=True,
        )
        try:
            out, err = await asyncio.wait_for(process.communicate(), _COMMAND_SECONDS)
        except BaseException:
            if process.returncode is None:
                process.kill()
                await process.wait()
            raise
        if process.returncode:
            raise Refused(f"pli {arguments[0]} ended with code {process.returncode}: {err.decode().strip()}")
        self.latest = time.monotonic() - began
        return out.decode()

    async def pli_json(self, *arguments: str, settings: Mapping[str, str] | None = None) -> Any:  # noqa: ANN401 - JSON of many commands
        return json.loads(await self.pli(*arguments, "--json", settings=settings))

    # -- in the background --------------------------------------------------------------------------------------

    async def start_homeserver(self) -> None:
        """Returns once it has made the bot's account and says that it is ready."""
        out = self._spawn("homeserver", "homeserver", "run")
        await self._wait(lambda: b"homeserver ready" in out.read_bytes())

    async def start_bot(self) -> None:
        """Returns once /readyz says yes."""
        self._spawn("bot", "run")
        await self._wait(self._bot_is_ready)

    def _spawn(self, name: str, *arguments: str) -> Path:
        out = self.logs / f"{name}.log"
        with out.open("wb") as log:
            process = subprocess.Popen(  # noqa: S603 - our own interpreter with fixed arguments, no shell
                self._command(*arguments),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._environment(),
                start_new_session=True,  # Ctrl-C reaches us alone, and we stop them in order
            )
        self._running.append((name, process))
        return out

    async def _wait(self, ready: Callable[[], bool]) -> None:
        name, process = self._running[-1]
        end = time.monotonic() + _START_SECONDS
        while not await asyncio.to_thread(ready):
            if process.poll() is not None or time.monotonic() > end:
                raise Refused(f"the {name} did not start", mend=f"{self.logs / name}.log says why")
            await asyncio.sleep(0.1)

    def _bot_is_ready(self) -> bool:
        try:
            url = f"http://127.0.0.1:{self.health_port}/readyz"
            with urllib.request.urlopen(url, timeout=5) as answer:
                return bool(answer.status == 200)
        except (URLError, OSError):
            return False

    def stop(self) -> bool:
        """Rule 1; whether all of them ended as asked, with code 0. Idempotent; blocks."""
        clean = True
        while self._running:
            _, process = self._running.pop()
            process.send_signal(signal.SIGTERM)
            try:
                clean = process.wait(_STOP_SECONDS) == 0 and clean
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                clean = False
        return clean

    # -- how they are called ------------------------------------------------------------------------------------

    @staticmethod
    def _command(*arguments: str) -> list[str]:
        return [sys.executable, "-m", "bot", *arguments]

    def _environment(self) -> dict[str, str]:
        """Rule 2."""
        root = str(Path(bot.__path__[0]).parent)
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("PLI_")}
        paths = [root, *filter(None, [inherited.get("PYTHONPATH", "")])]
        return inherited | {
            "PLI_CONFIG": str(self.folder),
            "PYTHONPATH": os.pathsep.join(paths),
            "PYTHONUNBUFFERED": "1",
            # No quiet hours: the demo may run at night.
            "PLI_NUDGES__LEVEL": "plain",
            "PLI_NUDGES__QUIET_FROM": "00:00",
            "PLI_NUDGES__QUIET_TO": "00:00",
            **self.settings,
        }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
