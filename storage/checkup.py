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
from storage.audit_chain import AuditChain, AuditRow
from storage.audit_rows import audit_fields
from storage.columns import Columns
from storage.snapshot import count_rows, tables_of

_SEALED: Final = "_enc"
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
    last = _Last()
    chain.verify(last.through(_audit(connection, tables["audit"])), length=length, head=head)
    sealed = sum(_open_cells(connection, table, columns) for table in tables.values())
    return Checkup(rows=count_rows(connection), audit_rows=last.number, head=last.mac, sealed=sealed)


class _Last:
    """Remembers the last row that went through."""

    number, mac = 0, b""

    def through(self, rows: Iterator[AuditRow]) -> Iterator[AuditRow]:
        for row in rows:
            self.number, self.mac = row.number, row.mac
            yield row


def _audit(connection: Connection, table: Table) -> Iterator[AuditRow]:
    c = table.c
    query = select(c.seq, c.at, c.kind, c.recipient, c["count"], c.mac).order_by(c.seq)
    streamed = query.execution_options(yield_per=_BATCH)
    for seq, at, kind, recipient, count, mac in connection.execute(streamed):
        moment = datetime.fromisoformat(at).isoformat()
        yield AuditRow(number=seq, fields=audit_fields(moment, kind, recipient, count), mac=mac)


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
