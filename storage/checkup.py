"""Look through a whole database: rows, audit chain, every sealed cell. Reads only, in bounded memory.

1. Every cell in a column ``*_enc`` opens under table, column and row: so is every table made.
2. The audit chain holds, and has the anchored code at the anchored place.
3. Looks at the tables that are there, so that it can be asked before and after a change of the schema.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, Table, select

from bot.errors import Refused
from storage.audit_chain import NOTHING_PURGED, AuditChain, AuditRow, Checkpoint
from storage.audit_rows import audit_fields
from storage.columns import Columns
from storage.snapshot import count_rows, tables_of

_SEALED: Final = "_enc"
_LATER: Final = ("member", "act", "note")
_BATCH: Final = 500


@dataclass(frozen=True, kw_only=True, slots=True)
class Checkup:
    """What was found whole. ``head`` is the last audit row's code."""

    rows: Mapping[str, int]
    audit_rows: int
    head: bytes
    sealed: int


def look_through(
    connection: Connection, columns: Columns, chain: AuditChain, *, length: int, head: bytes
) -> Checkup:
    """``length`` and ``head`` are the vault's anchor.

    Raises :class:`bot.errors.InvalidSeal` (:class:`storage.audit_chain.BrokenChain` names the row).
    """
    tables = {table.name: table for table in tables_of(connection)}
    if "audit" not in tables:
        raise Refused("this is not a database of pli", mend="check [storage] database")
    kept = _checkpoint(connection, tables.get("audit_checkpoint"))
    last = _Last(kept)
    chain.verify(last.through(_audit(connection, tables["audit"])), length=length, head=head, checkpoint=kept)
    sealed = sum(_open_cells(connection, table, columns) for table in tables.values())
    return Checkup(
        rows=count_rows(connection, tables.values()), audit_rows=last.number, head=last.mac, sealed=sealed
    )


class _Last:
    """Remembers the last row that went through, or the last one that was purged."""

    def __init__(self, kept: Checkpoint) -> None:
        self.number, self.mac = kept.number, kept.mac

    def through(self, rows: Iterator[AuditRow]) -> Iterator[AuditRow]:
        for row in rows:
            self.number, self.mac = row.number, row.mac
            yield row


def _audit(connection: Connection, table: Table) -> Iterator[AuditRow]:
    streamed = select(table).order_by(table.c.seq).execution_options(yield_per=_BATCH)
    for row in connection.execute(streamed).mappings():
        fields = audit_fields(
            datetime.fromisoformat(row["at"]).isoformat(),
            *(row["kind"], row["recipient"], row["count"]),
            **{name: row[name] for name in _LATER if name in row},  # rule 3
        )
        yield AuditRow(number=row["seq"], fields=fields, mac=row["mac"])


def _checkpoint(connection: Connection, table: Table | None) -> Checkpoint:
    row = None if table is None else connection.execute(select(table)).mappings().one_or_none()
    return (
        NOTHING_PURGED if row is None else Checkpoint(number=row["number"], mac=row["mac"], seal=row["seal"])
    )


def _open_cells(connection: Connection, table: Table, columns: Columns) -> int:
    names = [name for name in table.columns.keys() if name.endswith(_SEALED)]  # noqa: SIM118 - a collection of columns
    if not names:
        return 0
    (key,) = table.primary_key.columns
    opened = 0
    query = select(key, *(table.c[name] for name in names)).execution_options(yield_per=_BATCH)
    for row_id, *cells in connection.execute(query):
        for name, cell in zip(names, cells, strict=True):
            if cell is not None:
                columns.open(cell, table=table.name, column=name.removesuffix(_SEALED), row=row_id)
                opened += 1
    return opened
