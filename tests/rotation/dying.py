"""A process that changes keys, and is killed (SIGKILL) at one step of it; and a practice that is opened again.

A step is a call of a function that makes something durable, or a commit; each has two points, before and after. The
product has no hooks: the functions are wrapped in the process that dies.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from sqlalchemy import event

from storage import next_keys
from storage.vault import Vault
from tests.services.kit import Person, Practice

Step = tuple[object, str]
EVERYWHERE: tuple[Step, ...] = (
    (next_keys, "write_new"),
    (next_keys, "sync_folder"),
    (Path, "replace"),
    (os, "pwrite"),
    (Vault, "set_anchor"),
)


class Points:
    """Dies at the ``n``-th point that is passed; names them."""

    def __init__(self, n: int) -> None:
        self.left, self.passed = n, list[str]()

    def at(self, name: str) -> None:
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        self.left -= 1
        self.passed.append(name)

    def around(self, owner: object, name: str) -> None:
        inner: Callable[..., Any] = getattr(owner, name)

        def wrapped(*args: Any, **kwargs: Any) -> Any:
            self.at(f"before {name}")
            found = inner(*args, **kwargs)
            self.at(f"after {name}")
            return found

        setattr(owner, name, wrapped)


def _dying(
    change: Callable[[Practice], object], folder: Path, n: int, steps: tuple[Step, ...], pipe: Any
) -> None:
    practice = Practice(folder)
    points = Points(n)
    for owner, name in steps:
        points.around(owner, name)
    event.listen(practice.home.engine, "commit", lambda _: points.at("before commit"))
    change(practice)
    pipe.send(points.passed)
    os._exit(0)


def die(change: Callable[[Practice], object], practice: Practice, n: int, *steps: Step) -> list[str] | None:
    """The points, where it lived through them all. ``practice`` is closed, and of SQLite."""
    fork = multiprocessing.get_context("fork")
    pipe, other = fork.Pipe(duplex=False)
    process = fork.Process(target=_dying, args=(change, practice.folder, n, steps, other))
    process.start()
    other.close()
    process.join(timeout=120)
    if process.exitcode == 0:
        found: list[str] = pipe.recv()
        return found
    assert process.exitcode == -signal.SIGKILL
    return None


def audit_rows(practice: Practice) -> int:
    with closing(sqlite3.connect(practice.folder / "pli.db")) as db:
        return int(db.execute("SELECT count(*) FROM audit").fetchone()[0])


def again(practice: Practice) -> Practice:
    """The same folder, opened by a new process."""
    practice.close()
    return Practice(practice.folder, practice.database, practice.clock)


def back(practice: Practice, name: str) -> Person:
    """Somebody who typed before: what comes now has other event ids."""
    person = practice.person(name)
    person.typed = 1000
    return person
