"""Folders and files of work that is not done: private, locked while somebody works in them, gone when it is over.

1. What a process that was killed left behind is removed by the next one: nobody holds its lock.
2. A whole file takes its name at once, after its bytes are on the disk, and takes nobody else's.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from bot.errors import StorageError


@contextmanager
def work_folder(parent: Path, kind: str) -> Iterator[Path]:
    """A new folder in ``parent``, mode 0700; whatever is left of it at the end is removed.

    Raises :class:`StorageError`.
    """
    try:
        parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _remove_abandoned(parent, f".pli-{kind}-")
        folder = parent / f".pli-{kind}-{secrets.token_hex(6)}"
        folder.mkdir(mode=0o700)
        handle = _lock(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise _refused(parent, error) from None
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(handle)


@contextmanager
def work_file(folder: Path) -> Iterator[tuple[Path, BinaryIO]]:
    """A new file in ``folder``, mode 0600, for a whole one to be made of by :func:`publish`."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _remove_abandoned(folder, ".pli-part-")
        path = folder / f".pli-part-{secrets.token_hex(6)}"
        handle = _lock(path, os.O_RDWR | os.O_CREAT | os.O_EXCL)
    except OSError as error:
        raise _refused(folder, error) from None
    file = os.fdopen(handle, "w+b")
    try:
        yield path, file
    finally:
        path.unlink(missing_ok=True)
        with suppress(OSError):  # a full disk has been told of
            file.close()


def publish(path: Path, names: Iterator[str]) -> Path:
    """Give ``path`` the first of ``names`` that nothing has (rule 2). Raises :class:`StorageError`."""
    try:
        for name in names:
            whole = path.with_name(name)
            with suppress(FileExistsError):
                _take(path, whole)
                sync_folder(path.parent)
                return whole
    except OSError as error:
        raise _refused(path.parent, error) from None
    raise StorageError("every name is taken", mend="choose another folder")


def _take(path: Path, whole: Path) -> None:
    try:
        os.link(path, whole)
    except PermissionError:  # file systems without links, as on many sticks
        if whole.exists():
            raise FileExistsError from None
        path.rename(whole)


def sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _lock(path: Path, flags: int) -> int:
    handle = os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return handle


def _remove_abandoned(parent: Path, prefix: str) -> None:
    """Rule 1."""
    for left in parent.glob(prefix + "*"):
        try:
            handle = _lock(left, os.O_RDONLY)
        except OSError:
            continue  # somebody works in it, or it is gone
        if left.is_dir():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)
        os.close(handle)


def _refused(folder: Path, error: OSError) -> StorageError:
    return StorageError(
        f"{folder}: cannot be written ({type(error).__name__})",
        mend="check the folder's owner and mode, and the room on the disk",
    )
