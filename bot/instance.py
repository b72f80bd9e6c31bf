"""Which run of the bot answers on the health port: a name drawn at each start, in its answers and in its folder.

It is no secret and opens nothing. It is in no backup, so a restored copy does not take the first one's bot for its own.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from bot.errors import StorageError

FILE = "instance"


def begin(folder: Path) -> str:
    """Draw a name and leave it in ``folder``, for this account alone. Raises :class:`StorageError`."""
    name = secrets.token_hex(8)
    beside = folder / f".{FILE}.new"
    try:
        beside.unlink(missing_ok=True)
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(name)
        beside.replace(folder / FILE)
    except OSError as error:
        raise StorageError(
            f"{folder}: cannot be written ({type(error).__name__})", mend="check the folder's owner and mode"
        ) from None
    return name


def last_begun(folder: Path) -> str:
    """The name that was drawn last; empty where there is none."""
    try:
        return (folder / FILE).read_text().strip()
    except (OSError, ValueError):
        return ""
