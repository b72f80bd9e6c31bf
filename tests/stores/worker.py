"""A process of its own on a practice's folder, told what to do over a pipe, and killed (SIGKILL) at a named step.

A step is a durable one: a transaction of the vault or a commit of the database. The process passes two points at each,
"before" and "after"; nothing in the product knows of them.
"""

from __future__ import annotations

import hmac
import multiprocessing
import os
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from types import FrameType, SimpleNamespace
from typing import Any

from bot.domain.values import RecipientId
from bot.errors import PliError
from storage import vault as vaults
from storage import vault_rows
from storage.unit_of_work import SqlUnitOfWork
from storage.vault_file import VaultFile
from tests.stores.bot import Bot

DEAD = "DEAD"
COMPARED = "compared"  # the file that lists what was compared
_FORK = multiprocessing.get_context("fork")
_READS = frozenset({"vault._serial", "vault.anchor", "vault.known"})


class Points:
    """Names the points as they are passed, and dies at one of them."""

    def __init__(self) -> None:
        self.passed: list[str] = []
        self._die_at: str | int | None = None
        self._times: Counter[str] = Counter()

    def reset(self, die_at: str | int | None) -> None:
        """``die_at`` is a point's name, or how many points are passed before the one where it ends."""
        self.passed.clear()
        self._times.clear()
        self._die_at = die_at

    def step(self, name: str) -> str:
        self._times[name] += 1
        return f"{name} {self._times[name]}"

    def at(self, point: str) -> None:
        if self._die_at in (point, len(self.passed)):
            os.kill(os.getpid(), signal.SIGKILL)
        self.passed.append(point)


def _database_step(frame: FrameType) -> str:
    """Which function commits: ``database.set_pin``."""
    parts = [p for p in frame.f_code.co_qualname.split(".") if p not in ("<locals>", "__call__")]
    return "database." + parts[-1]


def _vault_step(frame: FrameType) -> str:
    """Which part of the vault: ``vault.count``."""
    act = frame.f_locals.get("act")
    return "vault." + (act.__name__ if act is not None else frame.f_code.co_name)


def _watch(points: Points, folder: Path) -> None:
    """From now on this process passes points, and writes down what the vault compares, and for whom."""
    transaction, commit, in_step = VaultFile.transaction, SqlUnitOfWork.commit, vaults.Vault._in_step
    whose: list[RecipientId] = []

    @contextmanager
    def watched_transaction(self: VaultFile) -> Iterator[Any]:
        name = _vault_step(sys._getframe(2))
        if name in _READS:
            with transaction(self) as db:
                yield db
            return
        step = points.step(name)
        points.at(f"{step} before")
        try:
            with transaction(self) as db:
                yield db
        finally:
            points.at(f"{step} after")

    def watched_commit(self: SqlUnitOfWork) -> None:
        step = points.step(_database_step(sys._getframe(1)))
        points.at(f"{step} before")
        commit(self)
        points.at(f"{step} after")

    def watched_in_step(self: vaults.Vault, recipient: RecipientId, *rest: Any) -> Any:
        whose.append(recipient)
        return in_step(self, recipient, *rest)

    def watched_compare(left: bytes, right: bytes) -> bool:
        same = hmac.compare_digest(left, right)
        line = f"{whose[-1]} {left.hex()} {'right' if same else 'wrong'}\n"
        with (folder / COMPARED).open("a") as file:
            file.write(line)
        return same

    VaultFile.transaction = watched_transaction  # type: ignore[method-assign]  # in this process alone
    SqlUnitOfWork.commit = watched_commit  # type: ignore[method-assign]  # as above
    vaults.Vault._in_step = watched_in_step  # type: ignore[assignment,method-assign]  # as above
    for module in (vaults, vault_rows):
        vars(module)["hmac"] = SimpleNamespace(new=hmac.new, compare_digest=watched_compare)


def _serve(folder: Path, database: str, pipe: Any) -> None:
    points = Points()
    bot = Bot(folder, database)
    _watch(points, folder)
    while True:
        try:
            now, die_at, command, arguments = pipe.recv()
        except EOFError:
            os._exit(0)
        bot.clock.moment = now
        points.reset(die_at)
        try:
            result = getattr(bot, command)(*arguments)
        except PliError as error:
            result = type(error).__name__
        pipe.send((result, list(points.passed)))


class Worker:
    """One process. ``do`` waits for what comes of a command, or for its death."""

    def __init__(self, folder: Path, database: str = "") -> None:
        self._pipe, other = _FORK.Pipe()
        self._process = _FORK.Process(target=_serve, args=(folder, database, other), daemon=True)
        self._process.start()
        other.close()
        self.passed: list[str] = []

    def tell(self, now: datetime, command: str, *arguments: str, die_at: str | int | None = None) -> None:
        self._pipe.send((now, die_at, command, arguments))

    def told(self) -> Any:
        """What came of the command; :data:`DEAD` where the process was killed, and nothing else kills it."""
        assert self._pipe.poll(120), "the worker does not answer"
        try:
            result, self.passed = self._pipe.recv()
        except (EOFError, ConnectionResetError):
            self._process.join(timeout=60)
            assert self._process.exitcode == -signal.SIGKILL
            return DEAD
        return result

    def do(self, now: datetime, command: str, *arguments: str, die_at: str | int | None = None) -> Any:
        self.tell(now, command, *arguments, die_at=die_at)
        return self.told()

    def kill(self) -> None:
        self._process.kill()
        self._process.join(timeout=60)
        self._pipe.close()
