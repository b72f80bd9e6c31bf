"""Read the audit log back, verify its chain against the vault's anchor, export and compare its head.

1. Rows are judged as they are stored: a value of another type, a time in another writing or a text that is no text
   is a changed row, and not an error on the way to it.
2. A head is exported of a log that verifies, and compared with one that does.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Engine, select, text
from sqlalchemy.exc import SQLAlchemyError

from bot.errors import Refused, StorageError
from storage.audit_chain import NOTHING_PURGED, AuditChain, AuditRow, Checkpoint
from storage.tables import audit, audit_checkpoint
from storage.vault_port import AnyVault

_MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", re.ASCII)
_CHANGED: Final = "?"  # in place of a time that Pli did not write: no row was ever linked with it
# SQLite keeps what it is given, whatever the column says: values come as bytes, with the types that they have.
_SQLITE: Final = (
    "SELECT seq, CAST(at AS BLOB) AS at, CAST(kind AS BLOB) AS kind, CAST(recipient AS BLOB) AS recipient,"
    " CASE typeof(count) WHEN 'integer' THEN count END AS count, CAST(note AS BLOB) AS note,"
    " CAST(member AS BLOB) AS member, CAST(act AS BLOB) AS act, CAST(mac AS BLOB) AS mac,"
    " typeof(at) || typeof(kind) || typeof(recipient) || typeof(count)"
    " || typeof(note) || typeof(member) || typeof(act) || typeof(mac) AS types FROM audit ORDER BY seq"
)
_TYPES: Final = "texttexttextintegertexttexttextblob"


def audit_fields(
    at: str, kind: str, recipient: str, count: int, *, member: str = "", act: str = "", note: str = ""
) -> tuple[str, ...]:
    """The fields of a row in the order in which they are chained; ``at`` is ISO 8601 in UTC.

    ``member`` and ``act``, and ``note``, are chained where there are any: rows that are older than they are verify as
    they were written, and to take them from a row, or to give them to one, changes its code all the same: four fields
    are followed by none, by two, by one, or by three.
    """
    staff = (member, act) if member or act else ()
    return (at, kind, recipient, str(count), *staff, *((note,) if note else ()))


@dataclass(frozen=True, kw_only=True, slots=True)
class AuditHead:
    """Length and last code of the log at one time; ``at`` is when that row was written."""

    length: int
    mac: bytes
    at: str


@dataclass(frozen=True, kw_only=True, slots=True)
class VerifiedLog:
    """What there is: ``rows`` in the database, numbers up to ``length``, ``purged`` of them gone by the setting."""

    rows: tuple[AuditRow, ...]
    checkpoint: Checkpoint

    @property
    def length(self) -> int:
        return self.rows[-1].number if self.rows else self.checkpoint.number


def verify_audit(engine: Engine, chain: AuditChain, vault: AnyVault) -> int:
    """How many rows there are. Raises :class:`storage.audit_chain.BrokenChain`, which names the first bad row."""
    return len(verified(engine, chain, vault).rows)


def verified(engine: Engine, chain: AuditChain, vault: AnyVault) -> VerifiedLog:
    """The log, all of it verified. Raises :class:`storage.audit_chain.BrokenChain`."""
    length, head = vault.anchor()  # before the rows: those written meanwhile only add to it
    try:
        with engine.begin() as connection:
            rows, checkpoint = read_log(connection)
    except SQLAlchemyError as error:
        raise StorageError(f"the audit log cannot be read ({type(error).__name__})") from None
    chain.verify(rows, length=length, head=head, checkpoint=checkpoint)
    return VerifiedLog(rows=tuple(rows), checkpoint=checkpoint)


def read_log(connection: Connection) -> tuple[list[AuditRow], Checkpoint]:
    """Rows in the order of their numbers, and the checkpoint, unverified. Raises SQLAlchemy's errors."""
    kept = connection.execute(select(audit_checkpoint)).mappings().one_or_none()
    checkpoint = (
        Checkpoint(number=kept["number"], mac=kept["mac"], seal=kept["seal"]) if kept else NOTHING_PURGED
    )
    if connection.dialect.name == "sqlite":
        return [_of_sqlite(row) for row in connection.execute(text(_SQLITE)).mappings()], checkpoint
    plain = audit.c
    names = ("kind", "recipient", "note", "member", "act", "mac")
    query = select(plain.seq, text("audit.at AS at"), *(plain[n] for n in names))
    found = connection.execute(query.add_columns(text("audit.count AS count")).order_by(plain.seq)).mappings()
    return [_row(row) for row in found], checkpoint


def _of_sqlite(row: Any) -> AuditRow:  # noqa: ANN401 - a row of any types: rule 1
    if row["types"] != _TYPES:
        return AuditRow(number=row["seq"], fields=(_CHANGED,), mac=b"")
    try:
        texts = {n: row[n].decode() for n in ("at", "kind", "recipient", "note", "member", "act")}
    except UnicodeDecodeError:
        return AuditRow(number=row["seq"], fields=(_CHANGED,), mac=b"")
    return _row({**row, **texts})


def _row(row: Any) -> AuditRow:  # noqa: ANN401 - as above
    fields = audit_fields(
        _chained(row["at"]),
        row["kind"],
        row["recipient"],
        row["count"],
        member=row["member"],
        act=row["act"],
        note=row["note"],
    )
    return AuditRow(number=row["seq"], fields=fields, mac=row["mac"])


def _chained(stored: str) -> str:
    """The time as it was linked; only the one writing that Pli uses is one."""
    try:
        return datetime.fromisoformat(stored).isoformat() if _MOMENT.fullmatch(stored) else _CHANGED
    except ValueError:
        return _CHANGED


def head_of(log: VerifiedLog) -> AuditHead:
    """Rule 2. Raises :class:`Refused` where nothing was written yet."""
    if not log.rows:
        raise Refused("the audit log is empty", mend="export its head once the bot has run")
    last = log.rows[-1]
    return AuditHead(length=last.number, mac=last.mac, at=last.fields[0])


def compare_head(log: VerifiedLog, head: AuditHead) -> int:
    """How many rows came since. Raises :class:`Refused` where ``head`` is no part of this log."""
    found = _at(log.rows, head.length)
    if found is None and head.length == log.checkpoint.number:
        found = log.checkpoint.mac
    if found is None and head.length < log.checkpoint.number:
        raise Refused(
            f"row {head.length} was purged by this practice's own setting, with every row up to"
            f" {log.checkpoint.number}: it cannot be compared any more",
            mend="compare a head that was exported later: see [retention] audit_days",
        )
    if found is None:
        raise Refused(
            f"the log ends at row {log.length}, the head is of row {head.length}: rows were cut off, or an old copy"
            " of database and vault was put back",
            mend="find the copy that has them; nothing else brings them back",
        )
    if found != head.mac:
        raise Refused(
            f"row {head.length} of {head.at} is another one today: the log was replaced",
            mend="find the copy that the head was exported from, or the head of this practice",
        )
    return log.length - head.length


def _at(rows: Sequence[AuditRow], number: int) -> bytes | None:
    index = number - rows[0].number if rows else -1
    return rows[index].mac if 0 <= index < len(rows) else None
