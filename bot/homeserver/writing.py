"""Puts generated files on the disk.

Rules (the tests cite the numbers):

1. Nothing that is there is overwritten: one file that exists, a link included, refuses all of them.
2. Each file has its mode from its first byte on, whatever the umask.
3. A write that fails takes back what it had written.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from pathlib import Path

from bot.errors import Refused, StorageError
from bot.homeserver.made import File


def write(
    folder: Path, files: Mapping[str, File], *, folders: Collection[str], owner: tuple[int, int] | None = None
) -> None:
    """``owner`` gets what was written, where it is given (root alone can). Raises :class:`PliError`."""
    there = [name for name in files if os.path.lexists(folder / name)]
    if there:
        raise Refused(
            f"{there[0]} is in the folder already; nothing was written",
            mend="choose another folder, or move the old files away: nothing is ever overwritten",
        )
    written: list[Path] = []
    try:
        for name, file in files.items():
            path = folder / name
            path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            _create(path, file)
            written.append(path)
        for name in folders:
            (folder / name).mkdir(mode=0o700, parents=True, exist_ok=True)
        if owner is not None:
            for path in (folder, *written, *(folder / name for name in folders)):
                os.chown(path, *owner, follow_symlinks=False)
    except OSError as error:
        for path in written:
            path.unlink(missing_ok=True)
        raise StorageError(
            f"{folder}: cannot be written ({type(error).__name__})", mend="choose another folder"
        ) from None


def _create(path: Path, file: File) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, file.mode)  # rules 1, 2
    with os.fdopen(handle, "w", encoding="utf-8") as out:
        os.fchmod(handle, file.mode)
        out.write(file.text)
        out.flush()
        os.fsync(handle)
