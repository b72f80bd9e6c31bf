"""The vault's SQLite file: made once, opened for each transaction, durable when a transaction has ended.

1. The file is never made by opening it: a vault that is gone is an error, not an empty vault.
2. Others than its owner may not read or write it.
3. ``BEGIN IMMEDIATE`` is the lock between processes; a transaction is short.
4. ``synchronous=EXTRA``: in ``journal_mode=DELETE`` a commit is the removal of the journal, and only EXTRA
   flushes the folder too. With FULL, a power cut could undo a counted attempt.
5. ``secure_delete``: what is destroyed is overwritten in the file. (The removed journal's blocks are the file
   system's; the vault belongs on an encrypted disk, and never in backups or snapshots.)
6. A vault of an older form is refused until :func:`upgrade_vault` brought it to this one, in one transaction.
7. Any error of SQLite is a :class:`bot.errors.StorageError`: the caller refuses.
"""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Final

from bot.errors import Refused, StorageError

_APPLICATION: Final = 0x506C6956  # "PliV"
_VERSION: Final = 2
_LOCK_SECONDS: Final = 10.0
SCHEMA: Final = f"""
BEGIN EXCLUSIVE;
PRAGMA application_id = {_APPLICATION};
PRAGMA user_version = {_VERSION};
-- One row a recipient, for ever: without key material it is the tombstone.
CREATE TABLE recipient (
    id TEXT PRIMARY KEY,
    key_id TEXT NOT NULL,
    next_generation INTEGER NOT NULL,
    wrong INTEGER NOT NULL,
    serial INTEGER NOT NULL DEFAULT 0,
    counted_at REAL,
    pending_generation INTEGER,
    pending_tag BLOB
) STRICT;
CREATE TABLE key (
    recipient TEXT NOT NULL REFERENCES recipient (id),
    generation INTEGER NOT NULL,
    k BLOB NOT NULL,
    verifier BLOB NOT NULL,
    limited INTEGER NOT NULL,
    staged INTEGER NOT NULL,
    PRIMARY KEY (recipient, generation)
) STRICT;
CREATE TABLE used_key_id (
    recipient TEXT NOT NULL REFERENCES recipient (id),
    key_id TEXT NOT NULL,
    PRIMARY KEY (recipient, key_id)
) STRICT;
CREATE TABLE anchor (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    length INTEGER NOT NULL,
    head BLOB NOT NULL
) STRICT;
COMMIT;
"""
_FROM_1: Final = (
    "ALTER TABLE recipient ADD COLUMN serial INTEGER NOT NULL DEFAULT 0",
    f"PRAGMA user_version = {_VERSION}",
)


def create_vault(path: Path) -> None:
    """Make an empty vault file, mode 0600. Raises :class:`Refused` if something is there already."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        raise Refused(f"{path}: exists already", mend="A vault is never written over.") from None
    except OSError as error:
        raise StorageError(f"{path}: cannot be made", mend="Check the folder's owner and mode.") from error
    try:
        with closing(_connect(path)) as connection:
            connection.executescript(SCHEMA)
    except sqlite3.Error as error:
        raise StorageError("the vault cannot be made") from error


def upgrade_vault(path: Path) -> bool:
    """Bring a vault of an older form to this one; whether it was one. Raises :class:`StorageError`."""
    with changing_vault(path) as db:
        return upgrade_within(db)


def upgrade_within(db: sqlite3.Connection) -> bool:
    """The same in the caller's transaction."""
    if _form(db) != (_APPLICATION, 1):
        return False
    for statement in _FROM_1:
        db.execute(statement)
    return True


@contextmanager
def changing_vault(path: Path) -> Iterator[sqlite3.Connection]:
    """A transaction on a vault of whichever form, for a change of the form: any exception takes all of it back.

    Raises :class:`StorageError`.
    """
    _require_private(path)
    try:
        with closing(_connect(path)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")  # otherwise closing rolls back
    except sqlite3.Error as error:
        raise StorageError("the vault is unavailable or damaged") from error


class VaultFile:
    """A vault file that exists, is private, and is a vault."""

    def __init__(self, path: Path) -> None:
        """Raises :class:`StorageError` naming the file and the mend."""
        self._path = path
        _require_private(path)
        with self.transaction() as db:
            found = _form(db)
        if found == (_APPLICATION, 1):
            raise StorageError(
                f"{path}: a vault of an older version", mend="Stop the bot and run: pli upgrade"
            )
        if found != (_APPLICATION, _VERSION):
            raise StorageError(
                f"{path}: not a vault of this version", mend="Name the vault file of this set-up."
            )

    def transaction(self) -> AbstractContextManager[sqlite3.Connection]:
        """Commits durably at the end, also where the block ends in a refusal: that is a decision, and what
        led to it (a key destroyed, a clock seen to go back) is remembered. Any other exception rolls back.
        """
        return _transaction(self._path)


def _require_private(path: Path) -> None:
    try:
        mode = path.lstat().st_mode
    except OSError as error:
        raise StorageError(
            f"{path}: the vault cannot be read",
            mend="Restore the file from where it was; a new vault opens nothing that is enrolled.",
        ) from error
    if not stat.S_ISREG(mode) or mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise StorageError(f"{path}: open to other accounts, or no file", mend=f"chmod 600 {path}")


def _form(db: sqlite3.Connection) -> tuple[int, int]:
    application, version = (
        db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")
    )
    return application, version


@contextmanager
def _transaction(path: Path) -> Iterator[sqlite3.Connection]:
    try:
        with closing(_connect(path)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except Refused:
                connection.execute("COMMIT")
                raise
            connection.execute("COMMIT")  # otherwise closing rolls back
    except sqlite3.Error as error:
        raise StorageError("the vault is unavailable or damaged") from error


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=_LOCK_SECONDS, isolation_level=None
    )
    connection.row_factory = sqlite3.Row
    for pragma in (
        "journal_mode = DELETE",
        "synchronous = EXTRA",
        "secure_delete = ON",
        "foreign_keys = ON",
        "trusted_schema = OFF",
    ):
        connection.execute(f"PRAGMA {pragma}")
    return connection
