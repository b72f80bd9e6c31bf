"""What outlives the simulated processes: a practice's folder and one engine over its database.

A new engine would compile every statement anew in each life, and migrations are a tenth of a short history: so both are
kept for all histories of this process. A process that dies loses its connections (:meth:`Stores.lose`), no more.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from sqlalchemy import Engine

from storage.engine import connect
from storage.schema import migrate

DATABASE = "pli.db"
_IN_MEMORY = Path("/dev/shm")  # noqa: S108 - a file system that forgets


@dataclass(frozen=True, kw_only=True, slots=True)
class Stores:
    """``folder`` of one history, new; ``engine`` over the database in it."""

    folder: Path
    engine: Engine

    def lose(self) -> None:
        """Every connection ends, with whatever was not committed on it."""
        self.engine.dispose()


@contextmanager
def new_stores() -> Iterator[Stores]:
    """With a database as the migrations make it, and nothing else yet. One at a time."""
    folder = _place() / "practice"
    folder.mkdir()
    found = Stores(folder=folder, engine=_engine(folder / DATABASE))
    try:
        file = folder / DATABASE
        file.touch(mode=0o600)
        file.write_bytes(_migrated())
        yield found
    finally:
        found.lose()
        shutil.rmtree(folder)


@cache
def _kept() -> tempfile.TemporaryDirectory[str]:
    fast = _IN_MEMORY if os.access(_IN_MEMORY, os.W_OK) else None  # a process dies here, never the machine
    return tempfile.TemporaryDirectory(prefix="pli-simulation-", dir=fast)


def _place() -> Path:
    return Path(_kept().name)


@cache
def _engine(file: Path) -> Engine:
    return connect(f"sqlite:///{file}")


@cache
def _migrated() -> bytes:
    file = _place() / "migrated.db"
    engine = connect(f"sqlite:///{file}")
    migrate(engine)
    engine.dispose()  # the last connection writes SQLite's log back into the file
    return file.read_bytes()
