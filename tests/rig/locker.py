"""``python -m tests.rig.locker FILE …``: another process that holds SQLite files locked, as a backup program may do."""

from __future__ import annotations

import contextlib
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def locked(*files: Path) -> Iterator[None]:
    """The write lock of every file is held by another process until the block ends."""
    command = [sys.executable, "-m", "tests.rig.locker", *map(str, files)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"locked\n"
        yield
        process.communicate()


def hold(files: list[str]) -> None:
    """Until standard input ends."""
    with contextlib.ExitStack() as stack:
        for file in files:
            connection = stack.enter_context(contextlib.closing(sqlite3.connect(file, isolation_level=None)))
            connection.execute("BEGIN IMMEDIATE")
        sys.stdout.write("locked\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    hold(sys.argv[1:])
