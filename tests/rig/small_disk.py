"""A disk that is full when a test says so."""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

_BYTES = 24 * 1024 * 1024


class Disk(Protocol):
    """``fill`` for good, until ``free``. ``for_all``: whether other processes than the named one find it full too."""

    for_all: bool

    def fill(self, pid: int) -> None: ...

    def free(self, pid: int) -> None: ...


class Tmpfs:
    """A small file system of its own, and one file that takes all the room: writing says ENOSPC."""

    for_all = True

    def __init__(self, folder: Path) -> None:
        self._filler = folder / "filler"

    def fill(self, pid: int) -> None:  # noqa: ARG002 - full for everybody
        with self._filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(bytes(64 * 1024)):
                pass
            while file.write(b"0"):
                pass

    def free(self, pid: int) -> None:  # noqa: ARG002 - as above
        self._filler.unlink()


class FileSizeLimit:
    """One process may write nothing any more: writing says EFBIG. Needs no rights, and its log is cut off too."""

    for_all = False

    def fill(self, pid: int) -> None:
        _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, hard))

    def free(self, pid: int) -> None:
        _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))


def _as_root(*words: str) -> list[str]:
    return [*([] if os.geteuid() == 0 else ["sudo", "-n"]), *words]


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[Disk]:
    """At the empty ``folder``; where this process may mount nothing, a limit takes the place of the disk."""
    options = f"size={_BYTES},mode=0700,uid={os.geteuid()}"
    try:
        subprocess.run(
            _as_root("mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)),
            check=True,
            capture_output=True,
        )
    except (OSError, subprocess.CalledProcessError):
        yield FileSizeLimit()
        return
    try:
        yield Tmpfs(folder)
    finally:
        subprocess.run(_as_root("umount", "--lazy", str(folder)), check=True)
