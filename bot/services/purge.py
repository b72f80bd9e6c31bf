"""Forget what is no longer needed: by the bot every night, or at once by ``pli purge``.

1. What was settled is deleted after a while: long enough to see what happened, and no list of who was told when.
2. Of appointments that are past the envelopes go, and the answers that are done or void; the rest goes when no answer
   to it is open any more.
3. Who left is deleted with all that hangs on it, once its room is closed (:mod:`bot.services.open_rooms` 4), or is
   somebody else's, and the practice has dealt with its answers.
4. Wrong codes are forgotten after a day without another, links to Telegram a day after they expired.
5. An invitation goes once nobody can use it: closed, or expired before anybody did. One that somebody is using stays.
6. Rows of the audit log go only where the practice set a time, from the beginning, and behind a sealed checkpoint; a
   log that does not verify keeps all of its rows.
7. A purge that took something is in the audit log, in numbers.
8. A dry run does all of it, and commits nothing.
9. A nudge that still waits for what is deleted is given up before, and reported (:mod:`bot.services.give_up_nudges`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from bot.domain.records import AnswerState, AuditKind, OutboxKind, RecipientState
from bot.domain.retention import Retention
from bot.domain.values import RecipientId
from bot.errors import InvalidSeal
from bot.ports_keys import KeyRing
from bot.ports_storage import UnitOfWork, UnitOfWorkFactory
from bot.services.give_up_nudges import give_up_nudges

OTHERS = tuple(kind for kind in OutboxKind if kind is not OutboxKind.NUDGE)
LAST = "purged"  # the name of the time of the last night's purge


@dataclass(frozen=True, kw_only=True, slots=True)
class Purged:
    """How much went, by name, in the order in which it is told. ``overdue``: messages that should be taken back by now
    and are not; only the bot can do that. ``audit_broken``: its rows were left alone (rule 6).
    """

    counts: dict[str, int] = field(default_factory=dict)
    overdue: int = 0
    audit_broken: bool = False

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    @property
    def note(self) -> str:
        return " ".join(f"{name}={number}" for name, number in self.counts.items() if number)


class Purge:
    """See the module."""

    def __init__(self, uow: UnitOfWorkFactory, keys: KeyRing, retention: Retention | None = None) -> None:
        self._uow, self._keys, self._keep = uow, keys, retention or Retention()

    def __call__(self, now: datetime, *, dry_run: bool = False) -> Purged:
        """Everything that is due."""
        with self._uow() as uow:
            counts = self._settled(uow, now)
            give_up_nudges(uow, now - min(self._keep.envelopes, self._keep.appointments), now)  # rule 9
            counts |= self._past(uow, now)
            rows, broken = self._audit(uow, now)
            overdue = uow.outbox.overdue(now)
            if not dry_run:
                uow.commit()
        counts["recipients"] = self.left(now, dry_run=dry_run)
        counts["rows"] = rows
        purged = Purged(counts=counts, overdue=overdue, audit_broken=broken)
        if purged.total and not dry_run:
            with self._uow() as uow:
                uow.audit.add(AuditKind.PURGED, now, count=purged.total, note=purged.note)  # rule 7
                uow.commit()
        return purged

    def nightly(self, now: datetime) -> Purged:
        """The same, and noted as this night's."""
        purged = self(now)
        with self._uow() as uow:
            uow.meta.set(LAST, now.isoformat())
            uow.commit()
        return purged

    def last_night(self) -> datetime | None:
        with self._uow() as uow:
            told = uow.meta.get(LAST)
        return datetime.fromisoformat(told) if told else None

    def _settled(self, uow: UnitOfWork, now: datetime) -> dict[str, int]:
        keep = self._keep
        return {
            "nudges": uow.outbox.purge(now - keep.nudges, (OutboxKind.NUDGE,)),
            "messages": uow.outbox.purge(now - keep.messages, OTHERS),
            "marks": uow.seen.purge(now - keep.marks),
            "codes": uow.guesses.purge(now - keep.codes),
            "links": uow.telegram.purge_links(now - keep.codes),
            "invitations": 0 if keep.invitations is None else uow.invitations.purge(now - keep.invitations),
            "problems": 0 if keep.problems is None else uow.problems.purge(now - keep.problems),
        }

    def _past(self, uow: UnitOfWork, now: datetime) -> dict[str, int]:
        """Rule 2."""
        keep = self._keep
        counts = {
            "envelopes": uow.envelopes.purge(now - keep.envelopes),
            "answers": uow.answers.purge(now - keep.answers),
            "appointments": 0,
        }
        for row in uow.appointments.past(now - keep.appointments):
            if all(a.state is not AnswerState.OPEN for a in uow.answers.of(row.id)):
                uow.appointments.remove(row.id)
                counts["appointments"] += 1
        return counts

    def _audit(self, uow: UnitOfWork, now: datetime) -> tuple[int, bool]:
        """Rule 6."""
        if self._keep.audit is None:
            return 0, False
        try:
            return uow.audit.cut(now - self._keep.audit), False
        except InvalidSeal:
            return 0, True

    def left(self, now: datetime, *, dry_run: bool = False) -> int:
        """Rule 3 alone: how many of those who left are gone now."""
        with self._uow() as uow:
            left = [
                r.id
                for r in uow.recipients.all()
                if r.state is RecipientState.LEFT
                and (r.left_at is None or r.left_at <= now - self._keep.left)
            ]
        return sum(self._remove(recipient, dry_run=dry_run) for recipient in left)

    def _remove(self, recipient: RecipientId, *, dry_run: bool) -> bool:
        if not dry_run:
            self._keys.destroy(recipient)  # again, if a crash came between the two stores
        with self._uow() as uow:
            if uow.rooms.by_recipient(recipient) is not None or uow.answers.has_open(recipient):
                return False
            uow.recipients.remove(recipient)
            if not dry_run:
                uow.commit()
        return True
