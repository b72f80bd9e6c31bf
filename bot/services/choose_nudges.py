"""Claim nudges that are due and judge them, in the caller's transaction. Rules by number are those of ``deliver``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from bot.domain.pacing import UNPACED, Pace
from bot.domain.records import DECOY, OutboxKind, OutboxRow, OutboxState, ProblemKind
from bot.domain.slots import NudgeRules
from bot.domain.values import RecipientId
from bot.ports_storage import UnitOfWork
from bot.services.copy_nudges import CopyNudges
from bot.services.pause_nudges import is_paused
from bot.services.recheck_nudge import NudgeLimits, RecheckNudges
from bot.services.settle_sent import Work
from bot.services.tallies import Counted, tally

FORGOTTEN = timedelta(hours=23)
_NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivery:
    """How nudges leave. ``channel`` is its name in ``pace``; ``apart`` is the least time between two to one person;
    ``telegram``: the practice has it, and nudges are copied for it; ``trusted`` says whether a moment of the wall clock
    may be believed; ``show`` makes it a dry run, and is called with the number of nudges by slot whenever that changes.
    """

    channel: str = "matrix"
    pace: Pace = UNPACED
    apart: timedelta = timedelta()
    telegram: bool = False
    trusted: Callable[[datetime], bool] = lambda _: True
    show: Callable[[Mapping[datetime, int]], None] | None = None


class ChooseNudges:
    """One instance a process."""

    def __init__(self, rules: NudgeRules, *, device: str, delivery: Delivery) -> None:
        self._device, self._trusted = device, delivery.trusted
        self._limits = NudgeLimits(rules=rules, apart=delivery.apart)
        self._copy = CopyNudges(rules) if delivery.telegram else None

    def __call__(self, uow: UnitOfWork, now: datetime, limit: int) -> tuple[int, list[Work]]:
        """Claim and judge: how many rows were taken, and those that leave on Matrix. Not committed."""
        taken, works = self.judge(uow, now, limit)
        return taken, self._copy(uow, works, now) if self._copy and works else works

    def judge(self, uow: UnitOfWork, now: datetime, limit: int) -> tuple[int, list[Work]]:
        """The same, with those that leave on another channel alone."""
        if is_paused(uow):  # rule 2: what waits is judged when it is resumed
            return 0, []
        if not self._trusted(now):
            return 0, []
        works: dict[RecipientId, Work] = {}
        later: list[tuple[RecipientId, OutboxRow, datetime]] = []
        rows = uow.outbox.claim(now=now, device=self._device, kinds=(OutboxKind.NUDGE,), limit=limit)
        if not rows:
            return 0, []
        recheck = RecheckNudges(uow, rows, now, limits=self._limits)
        for row in rows:
            if (quiet := recheck.quiet_until(row)) is not None:
                uow.outbox.put_back(row, due=quiet)
                continue
            target = None if is_forgotten(uow, row, now, device=self._device) else recheck.target(row)
            if target is None or row.recipient is None:
                continue
            if target.later is not None:
                later.append((row.recipient, row, target.later))
                continue
            work = Work(row=row, to=target.address, language=target.language)
            if (other := works.get(row.recipient)) is not None:  # rule 2
                work = work.absorb(other) if _rank(work) > _rank(other) else other.absorb(work)
            works[row.recipient] = work
        for recipient, row, due in later:
            if (leaving := works.get(recipient)) is not None:  # rule 2: one leaves now, for both
                works[recipient] = replace(leaving, merged=(*leaving.merged, row))
            else:
                uow.outbox.put_back(row, due=due)
        recheck.finish()
        return len(rows), list(works.values())


def is_forgotten(uow: UnitOfWork, row: OutboxRow, now: datetime, *, device: str) -> bool:
    """Rule 3. ``row`` as it was before this claim. Taking a message back twice harms nobody."""
    if row.kind is OutboxKind.REDACT or row.claimed_at is None:
        return False
    if row.claimed_by == device and abs(now - row.claimed_at) <= FORGOTTEN:
        return False
    uow.outbox.settle(row.id, OutboxState.UNKNOWN, now=now)
    if row.template == DECOY:
        return True  # nobody misses it
    uow.problems.add(ProblemKind.UNKNOWN_SEND, now, row.recipient)
    if row.kind is OutboxKind.NUDGE:
        tally(uow, Counted.UNREACHED, now)
    return True


def _rank(work: Work) -> tuple[datetime, datetime]:
    """Which of two that are due at once leaves: the one that was claimed last, or never. An older one may have left
    before the other was due, and the homeserver would answer with that event, so that nobody were told of what is new.
    Of two that were first claimed together the one that is useful longest, now and each time after.
    """
    return work.row.claimed_at or _NEVER, work.row.useful_until or work.row.due
