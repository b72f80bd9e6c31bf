"""New key files beside the old ones: written durably as ``NAME.next``, exchanged or dropped later, under a lock."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from bot.errors import Refused, StorageError
from storage.keys import sync_folder, write_new

_NEXT: Final = ".next"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """For whoever changes keys or settles what was broken off. Raises :class:`Refused` while somebody else does."""
    try:
        handle = os.open(folder / "rotation.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StorageError(
            f"{folder}: cannot be written", mend="check the folder's owner and mode"
        ) from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Refused("keys are being changed just now", mend="try again in a moment") from None
        yield
    finally:
        os.close(handle)


def are_there(folder: Path, names: Iterable[str]) -> bool:
    return any(os.path.lexists(folder / (name + _NEXT)) for name in names)


def write_next(folder: Path, name: str, data: bytes) -> None:
    write_new(folder / (name + _NEXT), data)
    sync_folder(folder)


def read_next(folder: Path, name: str, *, size: int) -> bytes | None:
    """None where it is not, or was not written whole."""
    try:
        data = (folder / (name + _NEXT)).read_bytes()
    except FileNotFoundError:
        return None
    return data if len(data) == size else None


def drop(folder: Path, names: Iterable[str]) -> None:
    for name in names:
        (folder / (name + _NEXT)).unlink(missing_ok=True)
    sync_folder(folder)


def exchange(folder: Path, names: Iterable[str]) -> None:
    """In this order; what was exchanged before is passed over. What was there is overwritten on the disk."""
    for name in names:
        _exchange(folder, name)


def _exchange(folder: Path, name: str) -> None:
    handle = None
    with suppress(FileNotFoundError):
        handle = os.open(folder / name, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        with suppress(FileNotFoundError):
            (folder / (name + _NEXT)).replace(folder / name)
            sync_folder(folder)
            if handle is not None:
                os.pwrite(handle, bytes(os.fstat(handle).st_size), 0)
                os.fsync(handle)
    finally:
        if handle is not None:
            os.close(handle)
