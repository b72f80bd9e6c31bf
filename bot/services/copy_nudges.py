"""Nudges that were judged, and what of them goes to Telegram: in the transaction that claimed them.

1. A nudge in the outbox is the decision: it alone counts for the cap and the distance between two. What leaves on
   Telegram is a copy of it (:class:`bot.domain.records.OutboxKind`), one for ever.
2. Where each goes its recipient chose, at their level of discretion: on both, there is a copy beside it; on Telegram
   alone, it is done with here and the copy leaves. A copy that there was before may have left: then Matrix it is.
3. Decoys are copied as any other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from bot.domain.records import OutboxRow
from bot.domain.slots import NudgeRules
from bot.domain.telegram import NudgeOn, nudge_on
from bot.domain.timing import level_of
from bot.ports_storage import UnitOfWork
from bot.services.settle_sent import Work, settle_merged

_ALONE: Final = "alone"
_WITH: Final = "with"


def is_alone(copy: OutboxRow) -> bool:
    """Whether this is all of its nudge that leaves."""
    return _ALONE in copy.params


def decisions(uow: UnitOfWork, copy: OutboxRow) -> list[OutboxRow]:
    """The nudge that it is a copy of, and those that became one with it; none where that is forgotten."""
    first = uow.outbox.get(copy.copy_of) if copy.copy_of is not None else None
    others = [uow.outbox.get(int(row)) for row in str(copy.params.get(_WITH, "")).split(",") if row]
    return [row for row in (first, *others) if row is not None] if first is not None else []


class CopyNudges:
    """Called with nudges that may leave now: those of them that leave on Matrix. The caller commits."""

    def __init__(self, rules: NudgeRules) -> None:
        self._rules = rules

    def __call__(self, uow: UnitOfWork, works: Sequence[Work], now: datetime) -> list[Work]:
        chats = uow.telegram.by_recipients(work.row.recipient for work in works if work.row.recipient)
        people = uow.recipients.many(sorted(chats))
        where = {r: nudge_on(chat, level_of(self._rules, people[r].wishes)) for r, chat in chats.items()}
        chosen = {w.row.id: where.get(w.row.recipient, NudgeOn.MATRIX) for w in works if w.row.recipient}
        wanted = [work for work in works if chosen[work.row.id] is not NudgeOn.MATRIX]
        made = uow.outbox.add_copies({w.row.id: _params(w, chosen[w.row.id]) for w in wanted}, now)
        alone = {row for row in made if chosen[row] is NudgeOn.TELEGRAM}
        self._done(uow, [work for work in works if work.row.id in alone], now)
        return [work for work in works if work.row.id not in alone]

    @staticmethod
    def _done(uow: UnitOfWork, works: Sequence[Work], now: datetime) -> None:
        """Rule 2: as if they had been sent. They are counted as such when their copies have left."""
        uow.outbox.sent({work.row.id: None for work in works}, now=now)
        uow.recipients.note_nudged([work.row.recipient for work in works if work.row.recipient], now)
        for work in works:
            settle_merged(uow, work, now)


def _params(work: Work, on: NudgeOn) -> Mapping[str, int | str]:
    others = {_WITH: ",".join(str(row.id) for row in work.merged)} if work.merged else {}
    return {**others, _ALONE: 1} if on is NudgeOn.TELEGRAM else others
