"""A clock that is set by hand, and a vault with one enrolled recipient."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import FrameType
from typing import Any

from bot.domain.values import KeyId, RecipientId, SecretBytes
from storage.vault import Vault
from storage.vault_file import create_vault
from storage.vault_serial import is_later

WHO, KEY = RecipientId("r-1"), KeyId("k-1")


def h(number: int) -> SecretBytes:
    """Stands for the Argon2id hash of the PIN ``number``."""
    return SecretBytes(number.to_bytes(32, "big"))


CODE, PIN = h(1_000), h(2_000)


class HandClock:
    """Starts at a fixed moment and moves only when told."""

    def __init__(self, moment: datetime = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)) -> None:
        self.moment = moment

    def now(self) -> datetime:
        return self.moment

    def forward(self, **delta: float) -> None:
        self.moment += timedelta(**delta)


class InMemory:
    """Notes serials as the database does."""

    def __init__(self) -> None:
        self.serials: dict[RecipientId, int] = {}

    def __call__(self, recipient: RecipientId, serial: int) -> int:
        before = self.serials.get(recipient, 0)
        if is_later(serial, before):
            self.serials[recipient] = serial
        return before


class InFile:
    """Notes serials as the database does, and what a killed process noted stays noted."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self, recipient: RecipientId, serial: int) -> int:
        path = self._folder / f"noted-{recipient}"
        before = int(path.read_text()) if path.exists() else 0
        if is_later(serial, before):
            path.write_text(str(serial))
        return before


def new_vault(folder: Path) -> tuple[Vault, HandClock]:
    path, clock = folder / "vault.db", HandClock()
    create_vault(path)
    return Vault(path, clock, InFile(folder)), clock


def enrolled_vault(folder: Path) -> tuple[Vault, HandClock, SecretBytes]:
    """With recipient WHO at generation 1, guarded by PIN; the last is its answer."""
    vault, clock = new_vault(folder)
    vault.create(WHO, KEY, CODE)
    staged = vault.unlock_and_stage(WHO, KEY, 0, CODE, PIN)
    vault.commit(WHO, KEY, staged.generation)
    return vault, clock, staged.new


def copied_vault(made: Path, folder: Path, clock: HandClock) -> tuple[Vault, HandClock]:
    """A vault as it lies in ``made``, in a new folder, with a clock of its own that shows the same moment."""
    shutil.copytree(made, folder)
    own = HandClock(clock.moment)
    return Vault(folder / "vault.db", own, InFile(folder)), own


def raw(folder: Path, sql: str) -> list[tuple[Any, ...]]:
    """Look into the file behind the vault's back."""
    connection = sqlite3.connect(folder / "vault.db")
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


def killed_at(step: int, action: Callable[[], object]) -> bool:
    """Run ``action`` in a child that kills itself (SIGKILL) at the ``step``-th line of the vault it runs.

    False if it ended before that step.
    """
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        return os.WIFSIGNALED(status)
    lines = 0

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal lines
        if not frame.f_code.co_filename.endswith(("/vault.py", "/vault_rows.py", "/vault_file.py")):
            return None
        if event == "line":
            lines += 1
            if lines == step:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    sys.settrace(trace)
    try:
        action()
    except BaseException:  # noqa: BLE001  # refused or not, the child ends here and never returns to pytest
        os._exit(1)
    os._exit(0)
