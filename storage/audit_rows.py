"""Read the audit log back and verify its chain against the vault's anchor."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Engine, select
from sqlalchemy.exc import SQLAlchemyError

from bot.errors import StorageError
from storage.audit_chain import AuditChain, AuditRow
from storage.tables import audit
from storage.vault import Vault


def audit_fields(
    at: str, kind: str, recipient: str, count: int, *, member: str = "", act: str = ""
) -> tuple[str, ...]:
    """The fields of a row in the order in which they are chained; ``at`` is ISO 8601 in UTC.

    ``member`` and ``act`` are chained where there are any: rows that are older than they are verify as they were
    written, and to take them from a row, or to give them to one, changes its code all the same.
    """
    staff = (member, act) if member or act else ()
    return (at, kind, recipient, str(count), *staff)


def verify_audit(engine: Engine, chain: AuditChain, vault: Vault) -> int:
    """How many rows there are. Raises :class:`storage.audit_chain.BrokenChain`, which names the first bad row."""
    length, head = vault.anchor()  # before the rows: those written meanwhile only add to it
    rows = list(_rows(engine))
    chain.verify(rows, length=length, head=head)
    return len(rows)


def _rows(engine: Engine) -> Iterator[AuditRow]:
    try:
        with engine.begin() as connection:
            found = connection.execute(select(audit).order_by(audit.c.seq)).mappings().all()
    except SQLAlchemyError as error:
        raise StorageError(f"the audit log cannot be read ({type(error).__name__})") from None
    for row in found:
        fields = audit_fields(
            row["at"].isoformat(),
            row["kind"],
            row["recipient"],
            row["count"],
            member=row["member"],
            act=row["act"],
        )
        yield AuditRow(number=row["seq"], fields=fields, mac=row["mac"])
