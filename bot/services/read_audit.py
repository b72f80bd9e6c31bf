"""Read the audit log: all of it, or what concerns the recipients of one patient.

1. What concerns somebody goes on across a reset: whoever took an older recipient's place has its rows too.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Final

from bot.domain.records import AuditEntry, AuditKind
from bot.domain.values import RecipientId
from bot.errors import Refused
from bot.ports_storage import UnitOfWork, UnitOfWorkFactory

INSTEAD_OF: Final = "instead_of="  # in the note of a code that was redeemed, before the older recipient's id


class ReadAudit:
    """See the module."""

    def __init__(self, uow: UnitOfWorkFactory) -> None:
        self._uow = uow

    def __call__(
        self,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        kinds: Collection[AuditKind] = (),
        recipient: RecipientId | None = None,
        reference: str = "",
        limit: int | None = None,
    ) -> Sequence[AuditEntry]:
        """In the order in which it was written, of more than ``limit`` the last. ``reference`` is a patient's.

        Raises :class:`Refused` for an unknown patient.
        """
        with self._uow() as uow:
            wanted: Collection[RecipientId] | None = [recipient] if recipient else None
            if reference:
                patient = uow.patients.by_reference(reference)
                if patient is None:
                    raise Refused("no patient with this reference", mend="see: pli patient list")
                theirs = with_older(uow, uow.patients.recipients_of(patient.id))
                wanted = theirs if recipient is None else [r for r in theirs if r == recipient]
            return uow.audit.listing(since=since, until=until, kinds=kinds, recipients=wanted, limit=limit)


def with_older(uow: UnitOfWork, recipients: Iterable[RecipientId]) -> Sequence[RecipientId]:
    """Rule 1: those, and whose place they took."""
    found, new = list[RecipientId](), list(recipients)
    while new:
        found += new
        redeemed = uow.audit.listing(kinds=(AuditKind.REDEEMED,), recipients=new)
        older = [
            RecipientId(e.note.removeprefix(INSTEAD_OF)) for e in redeemed if e.note.startswith(INSTEAD_OF)
        ]
        new = [r for r in dict.fromkeys(older) if r not in found]
    return found
