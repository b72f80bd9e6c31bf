"""The audit log inside a unit of work: append, read, and cut what the practice's own setting says is too old.

1. Append-only, but for :meth:`AuditRows.cut`, which verifies the whole log first, keeps its last row, and leaves a
   sealed checkpoint: a log that was tampered with is never shortened.
"""

from __future__ import annotations

import hmac
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

from sqlalchemy import Connection, delete, func, insert, select

from bot.domain.records import AuditEntry, AuditKind
from bot.domain.staff import MemberId
from bot.domain.values import RecipientId
from storage import tables as t
from storage.audit_chain import START, AuditRow, Checkpoint
from storage.audit_rows import audit_fields, read_log
from storage.chunks import chunks

_LAST = select(t.audit.c.seq, t.audit.c.mac).order_by(t.audit.c.seq.desc()).limit(1)


class Chain(Protocol):
    """The part of :class:`storage.audit_chain.AuditChain` that is needed here."""

    def link(self, previous: bytes, number: int, fields: Sequence[str]) -> bytes: ...
    def seal(self, number: int, mac: bytes) -> bytes: ...
    def verify(
        self, rows: Sequence[AuditRow], *, length: int, head: bytes, checkpoint: Checkpoint
    ) -> bool: ...


class Anchored(Protocol):
    """Length and head as the vault has them."""

    def __call__(self) -> tuple[int, bytes]: ...


class AuditRows:
    """See the module. ``chain`` links each row to the one before under a key that is not in the database."""

    def __init__(self, connection: Connection, chain: Chain, anchored: Anchored) -> None:
        self._db, self._chain, self._anchored = connection, chain, anchored
        self.head: tuple[int, bytes] | None = None  # of the rows added here

    def add(
        self,
        kind: AuditKind,
        now: datetime,
        recipient: RecipientId | None = None,
        count: int = 0,
        *,
        note: str = "",
        member: MemberId | None = None,
        act: str = "",
    ) -> None:
        last = self._db.execute(_LAST).one_or_none()
        seq, previous = (last[0] + 1, last[1]) if last else (1, START)
        length, head = self._anchored()
        if seq <= length:  # rows were cut off: go on behind them, so that the gap stays to be seen
            seq, previous = length + 1, head
        at = now.astimezone(UTC)
        fields = audit_fields(
            at.isoformat(), kind.value, recipient or "", count, member=member or "", act=act, note=note
        )
        mac = self._chain.link(previous, seq, fields)
        self._db.execute(
            insert(t.audit),
            {
                "seq": seq,
                "at": at,
                "kind": kind.value,
                "recipient": recipient or "",
                "count": count,
                "note": note,
                "member": member or "",
                "act": act,
                "mac": mac,
            },
        )
        self.head = (seq, mac)

    def length(self) -> int:
        return int(self._db.execute(select(func.count()).select_from(t.audit)).scalar_one())

    def last_number(self) -> int:
        """0 for an empty log."""
        return int(self._db.execute(select(func.max(t.audit.c.seq))).scalar_one() or 0)

    def listing(
        self,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        kinds: Collection[AuditKind] = (),
        recipients: Collection[RecipientId] | None = None,
        limit: int | None = None,
    ) -> Sequence[AuditEntry]:
        """In the order in which they were written; of more than ``limit`` the last ones."""
        c = t.audit.c
        conditions: list[Any] = []
        if since is not None:
            conditions.append(c.at >= since)
        if until is not None:
            conditions.append(c.at < until)
        if kinds:
            conditions.append(c.kind.in_([k.value for k in kinds]))
        query = select(t.audit).where(*conditions).order_by(c.seq.desc()).limit(limit)
        if recipients is None:
            found = list(self._db.execute(query).mappings())
        else:
            found = [
                row
                for chunk in chunks(recipients)
                for row in self._db.execute(query.where(c.recipient.in_(chunk))).mappings()
            ]
            found = sorted(found, key=lambda row: row["seq"], reverse=True)[:limit]
        return [
            AuditEntry(
                number=row["seq"],
                at=row["at"],
                kind=row["kind"],
                recipient=RecipientId(row["recipient"]) if row["recipient"] else None,
                count=row["count"],
                note=row["note"],
                member=MemberId(row["member"]) if row["member"] else None,
                act=row["act"],
            )
            for row in reversed(found)
        ]

    def cut(self, before: datetime) -> int:
        """Rule 1. How many rows went; raises :class:`storage.audit_chain.BrokenChain`."""
        rows, checkpoint = read_log(self._db)
        gone = _older(rows, before)
        if not gone:
            return 0
        length, head = self._anchored()
        self._chain.verify(rows, length=length, head=head, checkpoint=checkpoint)
        last = gone[-1]
        self._db.execute(delete(t.audit).where(t.audit.c.seq <= last.number))
        self._write_checkpoint(last.number, last.mac)
        return len(gone)

    def seal_checkpoint_again(self, before: Chain) -> None:
        """Under the chain's newest key, where there is a checkpoint that is valid under the chain of ``before``."""
        _, checkpoint = read_log(self._db)
        number, mac = checkpoint.number, checkpoint.mac
        if number and hmac.compare_digest(before.seal(number, mac), checkpoint.seal):
            self._write_checkpoint(number, mac)

    def _write_checkpoint(self, number: int, mac: bytes) -> None:
        self._db.execute(delete(t.audit_checkpoint))
        seal = self._chain.seal(number, mac)
        self._db.execute(insert(t.audit_checkpoint).values(one=1, number=number, mac=mac, seal=seal))

    def recipients_since(self, kind: AuditKind, since: datetime) -> int:
        c = t.audit.c
        query = select(func.count(c.recipient.distinct())).where(c.kind == kind.value, c.at >= since)
        return int(self._db.execute(query).scalar_one())


def _older(rows: Sequence[AuditRow], before: datetime) -> Sequence[AuditRow]:
    """The rows at the beginning that are all older, the log's last one never among them."""
    edge = before.astimezone(UTC)
    kept = next((i for i, row in enumerate(rows) if not _is_before(row, edge)), len(rows))
    return rows[: min(kept, len(rows) - 1)] if rows else []


def _is_before(row: AuditRow, edge: datetime) -> bool:
    try:
        return datetime.fromisoformat(row.fields[0]) < edge
    except ValueError:
        return False
