"""Small private files of the device, and the lock that keeps a second process away from it.

1. Every file is mode 0600 in a folder of mode 0700, and replaced whole or not at all.
2. One process per device: the lock is held from before the first key is read until after the last one is
   stored.
"""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path
from typing import Self

from bot.channels.matrix.safejson import JsonObject, parse_object
from bot.errors import Refused, StorageError


def private_folder(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)


def write_private(path: Path, content: JsonObject) -> None:
    """Replace ``path`` durably (rule 1). Raises :class:`StorageError`."""
    new = path.with_name(path.name + ".new")
    try:
        private_folder(path.parent)
        new.unlink(missing_ok=True)
        handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as out:
            out.write(json.dumps(content, sort_keys=True).encode())
            out.flush()
            os.fsync(out.fileno())
        new.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        raise StorageError("a key file cannot be written") from error


def read_private(path: Path) -> JsonObject | None:
    """None where there is no such file. Raises :class:`StorageError` if it is damaged or open to others."""
    try:
        if path.stat().st_mode & 0o077:
            raise StorageError("a key file is open to other accounts", mend=f"chmod 600 {path.name}")
        return parse_object(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise StorageError("a key file cannot be read") from error


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class DeviceLock:
    """Rule 2. The kernel lets go of it with the process, however that ends."""

    def __init__(self, folder: Path) -> None:
        private_folder(folder)
        self._path = folder / "device.lock"
        self._handle: int | None = None

    def take(self) -> Self:
        """Raises :class:`Refused`, saying who holds it."""
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(handle, 20).decode("ascii", errors="replace").strip()
            os.close(handle)
            raise Refused(
                f"another process holds the bot's device (pid {holder or 'unknown'})",
                mend="stop it first: two processes on one device corrupt its keys",
            ) from None
        os.ftruncate(handle, 0)
        os.pwrite(handle, str(os.getpid()).encode(), 0)
        self._handle = handle
        return self

    def release(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None
