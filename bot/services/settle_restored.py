"""Put a restored database into a state from which nothing of the past leaves, and nobody waits for what cannot come.

1. Nudges are paused until somebody says otherwise.
2. A nudge that was due before now may have left after the backup was made: it is not sent. Where it would be useful
   still, it is reported; where not, it is dropped. One that was claimed is reported in any case. Decoys are not
   reported, and none are written for the past: nothing with a reason is late either. A copy for Telegram is a nudge
   where it is the whole of one, and else dropped.
3. Answers and releases of the past are dropped: whoever waits writes again. What is to be taken back is taken back,
   once more if need be: that harms nobody.
4. Whoever's key is not in the vault any more is locked, as after ten wrong PINs, with a line for the staff; codes that
   open nothing are closed.
5. Links to Telegram bind nothing any more: one may have been used after the backup was made.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass, replace
from datetime import datetime

from bot.domain.records import (
    DECOY,
    AuditKind,
    InvitationKind,
    OutboxKind,
    OutboxRow,
    OutboxState,
    ProblemKind,
    RecipientState,
)
from bot.domain.values import RecipientId
from bot.ports_storage import UnitOfWork, UnitOfWorkFactory
from bot.services.copy_nudges import is_alone
from bot.services.keep_plans import DECOYS
from bot.services.link_telegram import VALID
from bot.services.pause_nudges import PAUSED
from bot.services.settle_copies import unknown_copy
from bot.services.watch_clock import forget_clock

_NUDGES = (OutboxKind.NUDGE, OutboxKind.TELEGRAM)
_SPOKEN = (OutboxKind.OPEN, OutboxKind.REPLY, OutboxKind.RELEASE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Settled:
    """Counts: ``unknown`` nudges are reported, of which ``claimed`` were being sent; ``to_invite`` are people."""

    unknown: int
    claimed: int
    dropped: int
    kept: int
    to_invite: int

    def counts(self) -> dict[str, int]:
        return asdict(self)


class SettleRestored:
    """See the module. ``lost`` are those whose key the vault does not have."""

    def __init__(self, uow: UnitOfWorkFactory) -> None:
        self._uow = uow

    def __call__(self, now: datetime, *, lost: Collection[RecipientId]) -> Settled:
        unknown = claimed = dropped = 0
        with self._uow() as uow:
            uow.meta.set(PAUSED, now.isoformat(timespec="seconds"))
            uow.meta.remove(DECOYS)
            forget_clock(uow)
            uow.telegram.purge_links(now + 2 * VALID)  # rule 5: all of them
            to_invite = 0
            for recipient in lost:
                stopped = self._lock(uow, recipient, now)
                to_invite += stopped is not None
                dropped += stopped or 0
            for row in uow.outbox.claimed():
                if row.kind is OutboxKind.REDACT:
                    uow.outbox.postpone(row.id, due=now)
                else:
                    reported = self._unknown(uow, row, now)
                    unknown += reported and row.kind is OutboxKind.NUDGE
                    claimed += reported
            uow.outbox.release_held(now=now, before=now)
            for row in (row for kind in _SPOKEN for row in uow.outbox.waiting(kind)):
                uow.outbox.settle(row.id, OutboxState.DROPPED, now=now)
                dropped += 1
            for copy in uow.outbox.marked_copies():
                unknown_copy(uow, copy, now)
                unknown, claimed = unknown + 1, claimed + 1
            for row in (row for kind in _NUDGES for row in uow.outbox.waiting(kind)):
                if row.due > now and row.kind is OutboxKind.NUDGE:
                    continue
                if row.kind is OutboxKind.TELEGRAM and not is_alone(row):
                    uow.outbox.settle(row.id, OutboxState.DROPPED, now=now)  # the one on Matrix is reported
                    continue
                if row.useful_until is not None and row.useful_until > now:
                    unknown += self._unknown(uow, row, now)
                else:
                    uow.outbox.settle(row.id, OutboxState.DROPPED, now=now)
                    dropped += 1
            kept = len(uow.outbox.waiting(OutboxKind.NUDGE))
            uow.audit.add(AuditKind.RESTORED, now, count=to_invite)
            uow.commit()
        return Settled(unknown=unknown, claimed=claimed, dropped=dropped, kept=kept, to_invite=to_invite)

    @staticmethod
    def _unknown(uow: UnitOfWork, row: OutboxRow, now: datetime) -> bool:
        """Rule 2: whether it is reported. A later import does not want it again, as it would one that was dropped."""
        uow.outbox.settle(row.id, OutboxState.UNKNOWN, now=now)
        if row.template == DECOY:
            return False
        uow.problems.add(ProblemKind.UNKNOWN_SEND, now, row.recipient)
        return True

    @staticmethod
    def _lock(uow: UnitOfWork, recipient_id: RecipientId, now: datetime) -> int | None:
        """Rule 4: how many nudges that stopped; None where there was no key to lose."""
        recipient = uow.recipients.get(recipient_id)
        if recipient is None or recipient.state not in (RecipientState.ENROLLED, RecipientState.INVITED):
            return None
        uow.recipients.save(replace(recipient, state=RecipientState.LOCKED))
        stopped = uow.outbox.drop_waiting(recipient_id, (OutboxKind.NUDGE,))
        for invitation in uow.invitations.open_for(recipient_id):
            if invitation.kind is InvitationKind.ENROL:
                uow.invitations.save(replace(invitation, closed=True))
        uow.problems.add(ProblemKind.NO_KEY, now, recipient_id)
        return stopped
