"""Every value in the database that the practice's data key seals or indexes, from one key to another.

1. Each column named ``*_enc`` or ``*_idx`` is named here, or in :data:`OF_THE_IMPORT_SIDE`, which the data key has
   nothing to do with.
2. A value that does not open stops it: the caller rolls back, and nothing has changed.
3. An index of somebody who is not known any more stays as it is: under the new key it is nobody's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Table, bindparam, select, update

from bot.errors import InvalidSeal, StorageError
from storage import tables as t
from storage.columns import Columns


@dataclass(frozen=True, kw_only=True, slots=True)
class Sealed:
    """The column ``{column}_enc``; where ``index`` is set, ``{column}_idx`` is its blind index of that kind."""

    table: Table
    column: str
    index: str = ""


SEALED: Final = (
    Sealed(table=t.patient, column="reference", index="patient"),
    Sealed(table=t.patient, column="given_name"),
    Sealed(table=t.recipient, column="pin"),
    Sealed(table=t.recipient, column="wishes"),
    Sealed(table=t.room, column="room", index="room"),
    Sealed(table=t.room, column="user", index="user"),
    Sealed(table=t.appointment, column="version"),
    Sealed(table=t.staff_member, column="user", index="user"),
    Sealed(table=t.staff_member, column="pin"),
    Sealed(table=t.staff_member, column="other"),
    Sealed(table=t.staff_room, column="room"),
    Sealed(table=t.telegram_chat, column="chat", index="telegram-chat"),
    Sealed(table=t.meta, column="value"),
)
# Columns that hold the index of somebody's account beside the table where the account itself is sealed.
ACCOUNTS: Final = ((t.invitation, "redeemed_by"), (t.guess, "sender"))
OF_THE_IMPORT_SIDE: Final = frozenset({"source_idx", "pair_idx", "series_idx"})


def rekey(db: Connection, old: Columns, new: Columns) -> int:
    """How many values were sealed again. Raises :class:`StorageError` where one does not open (rule 2)."""
    count, accounts = 0, dict[str, str]()
    for cell in SEALED:
        changed = _cells(db, cell, old, new)
        count += len(changed)
        if cell.index == "user":
            accounts |= {row.pop("before"): row["index"] for row in changed}
        _write(db, cell, changed)
    for table, column in ACCOUNTS:
        _rename(db, table, column, accounts)
    return count


def _cells(db: Connection, cell: Sealed, old: Columns, new: Columns) -> list[dict[str, Any]]:
    (primary,) = cell.table.primary_key.columns
    sealed = cell.table.c[f"{cell.column}_enc"]
    place = {"table": cell.table.name, "column": cell.column}
    found = []
    for row, value in db.execute(select(primary, sealed).where(sealed.is_not(None))).all():
        try:
            text = old.open(value, **place, row=row)
        except InvalidSeal:
            raise StorageError(
                f"a value in {cell.table.name} does not open under the present data key",
                mend="put back the database and the key that belong together; nothing was changed",
            ) from None
        changed: dict[str, Any] = {"row": row, "sealed": new.seal(text, **place, row=row)}
        if cell.index:
            changed["index"] = new.index(cell.index, text)
        if cell.index == "user":
            changed["before"] = old.index(cell.index, text)
        found.append(changed)
    return found


def _write(db: Connection, cell: Sealed, changed: list[dict[str, Any]]) -> None:
    if not changed:
        return
    (primary,) = cell.table.primary_key.columns
    values: dict[str, Any] = {f"{cell.column}_enc": bindparam("sealed")}
    if cell.index:
        values[f"{cell.column}_idx"] = bindparam("index")
    db.execute(update(cell.table).where(primary == bindparam("row")).values(values), changed)


def _rename(db: Connection, table: Table, column: str, accounts: Mapping[str, str]) -> None:
    """Rule 3."""
    if accounts:
        query = (
            update(table).where(table.c[column] == bindparam("before")).values({column: bindparam("after")})
        )
        db.execute(query, [{"before": before, "after": after} for before, after in accounts.items()])
