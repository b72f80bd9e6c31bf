"""The vault in a backup, and the vault that a restored practice begins with.

1. While :func:`held` is open nobody tries a PIN, so that database and vault can be looked at together.
2. Without a copy, a restored practice begins with a vault in which everybody known is a tombstone: nothing opens, and
   nothing counts (:mod:`storage.vault` 9).
3. A copy comes back with five tries used at least, their wait beginning now, and nothing half counted.
4. Either way every serial moves on (:mod:`storage.vault` 11): the vault that was copied and the one that went on are
   told apart from the restored one, and neither opens under its database.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bot.errors import Refused
from storage.pack import Cell
from storage.vault_file import SCHEMA, VaultFile, create_vault
from storage.vault_serial import following

USED_AT_LEAST: Final = 5
TABLES: Final = ("recipient", "key", "used_key_id")  # the anchor stands in the manifest


@dataclass(frozen=True, kw_only=True, slots=True)
class Held:
    """What the vault holds at this moment; ``tables`` by name: columns, then rows. Secret where it is a copy."""

    audit_length: int
    audit_head: bytes
    tables: Mapping[str, tuple[Sequence[str], Sequence[Sequence[Cell]]]]

    def __repr__(self) -> str:
        return "Held(…)"


@contextmanager
def held(path: Path, *, copy: bool) -> Iterator[Held]:
    """Rule 1; ``copy`` reads the rows too. Raises :class:`StorageError`."""
    with VaultFile(path).transaction() as db:
        anchor = db.execute("SELECT length, head FROM anchor").fetchone() or (0, b"")
        tables = {name: _read(db, name) for name in TABLES} if copy else {}
        yield Held(audit_length=anchor[0], audit_head=anchor[1], tables=tables)


def _read(db: sqlite3.Connection, name: str) -> tuple[Sequence[str], Sequence[Sequence[Cell]]]:
    found = db.execute(f"SELECT * FROM {name} ORDER BY 1, 2")  # noqa: S608 - a constant of this module
    return [column[0] for column in found.description], [tuple(row) for row in found]


class VaultFilling:
    """A vault in memory that is filled row by row, changed by the rules, and written to a file in one transaction."""

    def __init__(self) -> None:
        self._db = sqlite3.connect(":memory:", isolation_level=None)
        self._db.executescript(SCHEMA)
        self._db.execute("BEGIN")
        self._sql, self._columns = "", 0
        self.rows = dict.fromkeys(TABLES, 0)
        self._name = ""

    def table(self, name: str, columns: Sequence[str]) -> None:
        """Raises :class:`Refused` for what is no table of a vault."""
        known = [row[1] for row in self._db.execute(f"PRAGMA table_info({name})")] if name in TABLES else []
        if not known or sorted(known) != sorted(columns):
            raise Refused("the backup's vault is of another version", mend="install that version")
        places = ", ".join("?" * len(columns))
        self._sql = f"INSERT INTO {name} ({', '.join(columns)}) VALUES ({places})"  # noqa: S608 - names checked above
        self._columns, self._name = len(columns), name

    def row(self, cells: Sequence[Cell]) -> None:
        if not self._sql or len(cells) != self._columns:
            raise Refused("the backup's rows do not fit their table", mend="take another copy of it")
        try:
            self._db.execute(self._sql, cells)
        except sqlite3.Error:
            raise Refused(
                "the backup's rows do not fit their table", mend="take another copy of it"
            ) from None
        self.rows[self._name] += 1

    def knows(self, recipient: str) -> bool:
        return self._db.execute("SELECT 1 FROM recipient WHERE id = ?", (recipient,)).fetchone() is not None

    def tombstones(self, recipients: Iterable[tuple[str, str, int]]) -> None:
        """Rule 2: recipient, key id, and the serial that the database noted."""
        for recipient, key_id, serial in recipients:
            self._db.execute(
                "INSERT INTO recipient (id, key_id, next_generation, wrong, serial) VALUES (?, ?, 1, 0, ?)",
                (recipient, key_id, serial),
            )
            self._db.execute("INSERT INTO used_key_id VALUES (?, ?)", (recipient, key_id))

    def grow_old(self, seconds: float, noted: Mapping[str, int]) -> dict[str, int]:
        """Rules 3 and 4; ``seconds`` is now, ``noted`` the database's serials. The serials for it to note."""
        self._db.execute(
            "UPDATE recipient SET pending_generation = NULL, pending_tag = NULL,"
            " wrong = max(wrong, ?), counted_at = ?"
            " WHERE id IN (SELECT recipient FROM key WHERE limited)",
            (USED_AT_LEAST, seconds),
        )
        serials = {
            str(row[0]): following(max(int(row[1]), noted.get(str(row[0]), 0)))
            for row in self._db.execute("SELECT id, serial FROM recipient").fetchall()
        }
        self._db.executemany(
            "UPDATE recipient SET serial = ? WHERE id = ?", [(v, k) for k, v in serials.items()]
        )
        return serials

    def opening(self, recipients: Iterable[tuple[str, str, int]]) -> set[str]:
        """Of these (recipient, key id, generation) those whose key is here."""
        sql = (
            "SELECT 1 FROM recipient JOIN key ON key.recipient = recipient.id"
            " WHERE recipient.id = ? AND recipient.key_id = ? AND generation = ?"
        )
        return {r[0] for r in recipients if self._db.execute(sql, r).fetchone() is not None}

    def write(self, path: Path, *, audit_length: int, audit_head: bytes) -> None:
        """A new vault file. Raises :class:`StorageError`."""
        create_vault(path)
        with VaultFile(path).transaction() as db:
            for name in TABLES:
                columns, rows = _read(self._db, name)
                places = ", ".join("?" * len(columns))
                sql = f"INSERT INTO {name} ({', '.join(columns)}) VALUES ({places})"  # noqa: S608 - constants
                db.executemany(sql, rows)
            db.execute("INSERT INTO anchor VALUES (1, ?, ?)", (audit_length, audit_head))

    def close(self) -> None:
        self._db.close()
