"""A new file of our own, for a leaflet or a picture.

1. It is taken before a code is made: an existing file, a missing folder or a full disk refuses first, so that no code
   is lost. Nothing is ever written over.
2. Mode 0600 from its first moment; written in place, so that no copy lies in a temporary file.
3. What was taken and not written is removed again.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bot.errors import Refused

_LARGEST = 512 * 1024  # bytes, more than a page or a picture has


class Paper:
    """An open, empty file of ours."""

    def __init__(self, handle: int) -> None:
        self._handle = handle
        self.written = False

    def write(self, data: bytes) -> None:
        """All of it, durably. Raises :class:`Refused`."""
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(self._handle, view) :]
            os.ftruncate(self._handle, len(data))
            os.fsync(self._handle)
        except OSError:
            raise Refused(
                "the file could not be written after all",
                mend="free some space on that disk, and do it again",
            ) from None
        self.written = True


@contextmanager
def paper(file: Path) -> Iterator[Paper]:
    """Take ``file`` (rules 1 and 2). Raises :class:`Refused`."""
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise Refused(
            "this file exists already, and nothing is written over",
            mend="name another file, or remove that one",
        ) from None
    except OSError:
        raise Refused("this file cannot be made", mend="name a file in a folder of yours") from None
    taken = Paper(handle)
    try:
        try:
            os.fchmod(handle, 0o600)  # whatever the process's umask says
            os.posix_fallocate(handle, 0, _LARGEST)
        except OSError:
            raise Refused("there is no room for the file", mend="free some space on that disk") from None
        yield taken
    finally:
        os.close(handle)
        if not taken.written:
            file.unlink(missing_ok=True)
