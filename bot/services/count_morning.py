"""The counts of the morning's one line."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.domain.records import AnswerKind, AnswerState, AuditKind
from bot.ports_storage import UnitOfWorkFactory
from bot.services.pause_nudges import is_paused


@dataclass(frozen=True, kw_only=True, slots=True)
class Morning:
    """``nudged`` and ``opened``: people within the last day; ``waiting``: cancellations and wishes to move that nobody
    has dealt with; ``problems``: new ones within the last day, ``standing`` all that are listed.
    """

    nudged: int
    opened: int
    waiting: int
    problems: int
    standing: int
    paused: bool


class CountMorning:
    """Works on either side."""

    def __init__(self, uow: UnitOfWorkFactory) -> None:
        self._uow = uow

    def __call__(self, now: datetime) -> Morning:
        since = now - timedelta(days=1)
        with self._uow() as uow:
            signs = uow.recipients.signs(r.id for r in uow.recipients.all())
            answers = uow.answers.listing(since=None, states=(AnswerState.OPEN,))
            problems = uow.problems.all()
            return Morning(
                nudged=sum(s.nudged_at is not None and s.nudged_at >= since for s in signs.values()),
                opened=uow.audit.recipients_since(AuditKind.RELEASED, since),
                waiting=sum(a.kind is not AnswerKind.CONFIRMED for a in answers),
                problems=sum(p.at >= since for p in problems),
                standing=len(problems),
                paused=is_paused(uow),
            )
