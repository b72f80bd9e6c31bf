"""What the staff are told unasked: cancellations and wishes to move by patients, and what went wrong.

1. News are told in pieces. A piece is remembered under its token when it is first given out, and given out again, the
   same items, until it was told: a process that dies between loses nothing and makes nothing new of it. What comes
   meanwhile is another piece, and so is what is more than a few messages hold: it is asked for again at once.
2. What is told is marked in the row itself, and only then. What the practice has dealt with before is no news.
3. Once a cancellation or a wish was told, so is that it holds no more: the patient took it back, or confirms after all.
   (Where the agenda changed, the practice knows.)
4. Urgent is a key that is destroyed, an identity or a phone that changed, a tampered audit log, a clock in doubt, what
   came too late, and a cancellation (or that it holds no more) within 48 hours.
5. What does not open is told as unreadable; it hides nothing else.
6. What came too late is told when no more of it came for a moment; more than a few of these are one line, a count.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from bot.domain.records import (
    AnswerKind,
    AnswerState,
    AuditKind,
    Problem,
    ProblemKind,
    StoredAnswer,
    StoredAppointment,
    Told,
)
from bot.domain.slots import URGENT
from bot.domain.values import RecipientId, new_id
from bot.ports_keys import AnswerOpener
from bot.ports_storage import UnitOfWork, UnitOfWorkFactory
from bot.services.cancel_appointment import DAY
from bot.services.record_answer import Answer, open_stored

MOST_ANSWERS, MOST_PROBLEMS = 15, 30  # in one piece
URGENT_PROBLEMS = (
    *(ProblemKind.LOCKED, ProblemKind.NOT_TRUSTED, ProblemKind.AUDIT_BROKEN),
    *(ProblemKind.CLOCK, ProblemKind.TOO_LATE, ProblemKind.TELEGRAM_REVOKED),
)
MANY_LATE, LATE_SETTLES = 5, timedelta(minutes=1)  # rule 6
_OFFERS = {True: "news_urgent", False: "news_all"}


class Event(StrEnum):
    """What an answer is news of."""

    CANCELLED = "cancelled"
    MOVE = "move"
    CONFIRMED_AFTER_ALL = "confirmed_after_all"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, kw_only=True, slots=True)
class AnswerNews:
    """``answer`` as opened: it holds the agenda's own identity."""

    event: Event
    answer: Answer = field(repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class ProblemNews:
    """``count`` problems of one kind for one recipient, or ``together`` for many; ``patients`` by reference; ``since``
    the first.
    """

    kind: ProblemKind
    patients: tuple[str, ...] = field(repr=False)
    count: int
    since: datetime
    together: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class News:
    """One piece; empty, with an empty token, where there is nothing to tell."""

    token: str = ""
    answers: tuple[AnswerNews, ...] = ()
    problems: tuple[ProblemNews, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.answers or self.problems)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Item:
    """One row that is news. ``key`` names it and what is told of it."""

    key: str
    urgent: bool
    answer: tuple[Event, StoredAnswer] | None = None
    problem: Problem | None = None


class TellNews:
    """Import side."""

    def __init__(self, uow: UnitOfWorkFactory, opener: AnswerOpener) -> None:
        self._uow, self._opener = uow, opener

    def __call__(self, *, urgent: bool, now: datetime) -> News:
        """The piece that is to be told now (rule 1); ``urgent``: only what cannot wait."""
        with self._uow() as uow:
            items = {item.key: item for item in self._items(uow, now)}
            token, keys = _offered(uow, urgent=urgent)
            chosen = [items[key] for key in keys if key in items]
            if not chosen:
                # What cannot wait does not wait for a piece that was given out and is not told yet: rather twice.
                elsewhere = () if urgent else _offered(uow, urgent=True)[1]
                fresh = [i for i in items.values() if i.key not in elsewhere and (i.urgent or not urgent)]
                fresh = _few(fresh)
                if not fresh:
                    return News()
                token, chosen = new_id("n"), fresh
                offer = json.dumps({"token": token, "keys": [i.key for i in fresh]})
                uow.meta.set(_OFFERS[urgent], offer)
                if opened := sum(i.answer is not None for i in fresh):
                    uow.audit.add(AuditKind.ANSWERS_READ, now, count=opened)
                uow.commit()
            answers = tuple(
                AnswerNews(event=i.answer[0], answer=open_stored(self._opener, i.answer[1]))
                for i in chosen
                if i.answer is not None
            )
            problems = _grouped(uow, [i.problem for i in chosen if i.problem is not None])
        return News(token=token, answers=answers, problems=problems)

    def told(self, token: str) -> bool:
        """Rule 2. False for a token that is not out (any more): told already."""
        with self._uow() as uow:
            for name in _OFFERS.values():
                offer = json.loads(uow.meta.get(name) or "{}")
                if not token or offer.get("token") != token:
                    continue
                keys = [str(key).split(" ") for key in offer["keys"]]
                uow.problems.mark_told(int(key[1]) for key in keys if key[0] == "problem")
                uow.answers.mark_told({key[1]: Told(key[2]) for key in keys if key[0] == "answer"})
                uow.meta.remove(name)
                uow.commit()
                return True
        return False

    # -- what is news ---------------------------------------------------------------------------------------------

    def _items(self, uow: UnitOfWork, now: datetime) -> list[_Item]:
        stored = uow.answers.listing(since=None, states=(AnswerState.OPEN, AnswerState.VOID))
        rows = uow.appointments.many(a.appointment for a in stored)
        of_visit: dict[tuple[str, RecipientId], list[StoredAnswer]] = defaultdict(list)
        for answer in stored:
            of_visit[answer.appointment, answer.recipient].append(answer)
        found = []
        for answers in of_visit.values():
            row = rows.get(answers[-1].appointment)
            event = _event(answers, row)
            if event is None or row is None:
                continue
            answer = answers[-1]
            told = Told.WITHDRAWN if event is Event.WITHDRAWN else Told.GIVEN
            urgent = event is not Event.MOVE and self._is_soon(answer, row, now)
            key = f"answer {answer.id} {told.value}"
            found.append(_Item(key=key, urgent=urgent, answer=(event, answer)))
        untold = [problem for problem in uow.problems.all() if not problem.told]
        late = [problem.at for problem in untold if problem.kind is ProblemKind.TOO_LATE]
        comes = bool(late) and timedelta() <= now - max(late) < LATE_SETTLES  # rule 6
        for problem in untold:
            if not (comes and problem.kind is ProblemKind.TOO_LATE):
                urgent = problem.kind in URGENT_PROBLEMS
                found.append(_Item(key=f"problem {problem.id}", urgent=urgent, problem=problem))
        return found

    def _is_soon(self, stored: StoredAnswer, row: StoredAppointment, now: datetime) -> bool:
        """Rule 4; by the day where the hour cannot be read."""
        answer = open_stored(self._opener, stored)
        start = datetime.fromisoformat(answer.at) if answer.at else row.past_after - DAY
        aware = start if start.tzinfo is not None else start.replace(tzinfo=UTC)
        return aware - now <= URGENT


def _few(items: Sequence[_Item]) -> list[_Item]:
    """What a few messages hold whatever patients wrote: nothing that is marked as told may have been cut."""
    answers = [item for item in items if item.answer is not None]
    late = [i for i in items if i.problem is not None and i.problem.kind is ProblemKind.TOO_LATE]
    together = late if len(late) > MANY_LATE else []  # rule 6: however many, they are one line
    alone = ProblemKind.TOO_LATE if together else None
    problems = [i for i in items if i.problem is not None and i.problem.kind is not alone]
    return answers[:MOST_ANSWERS] + together + problems[:MOST_PROBLEMS]


def _event(answers: Sequence[StoredAnswer], row: StoredAppointment | None) -> Event | None:
    """What the last of one recipient's answers to one visit is news of; ``answers`` oldest first."""
    last = answers[-1]
    before = any(a.told is Told.GIVEN and a.kind is not AnswerKind.CONFIRMED for a in answers[:-1])
    if last.state is AnswerState.OPEN and last.told is Told.NOTHING:
        if last.kind is AnswerKind.CONFIRMED:
            return Event.CONFIRMED_AFTER_ALL if before else None
        return Event.CANCELLED if last.kind is AnswerKind.CANCELLED else Event.MOVE
    taken_back = (
        last.state is AnswerState.VOID and row is not None and last.time_revision == row.time_revision
    )
    wanted = last.told is Told.GIVEN and last.kind is not AnswerKind.CONFIRMED
    return Event.WITHDRAWN if taken_back and wanted else None


def _offered(uow: UnitOfWork, *, urgent: bool) -> tuple[str, Sequence[str]]:
    offer = json.loads(uow.meta.get(_OFFERS[urgent]) or "{}")
    return str(offer.get("token", "")), [str(key) for key in offer.get("keys", ())]


def _grouped(uow: UnitOfWork, problems: Iterable[Problem]) -> tuple[ProblemNews, ...]:
    by_kind: dict[tuple[ProblemKind, RecipientId | None], list[Problem]] = defaultdict(list)
    for problem in problems:
        by_kind[problem.kind, problem.recipient].append(problem)
    late = [key for key in by_kind if key[0] is ProblemKind.TOO_LATE]
    many: tuple[ProblemNews, ...] = ()
    if len(late) > MANY_LATE:  # rule 6
        at = [problem.at for key in late for problem in by_kind.pop(key)]
        many = (
            ProblemNews(kind=ProblemKind.TOO_LATE, patients=(), count=len(at), since=min(at), together=True),
        )
    return many + tuple(
        ProblemNews(
            kind=kind,
            patients=references_of(uow, recipient),
            count=len(many),
            since=min(p.at for p in many),
        )
        for (kind, recipient), many in by_kind.items()
    )


def references_of(uow: UnitOfWork, recipient: RecipientId | None) -> tuple[str, ...]:
    """The patients for whom a recipient is told, by the agenda's reference."""
    if recipient is None:
        return ()
    patients = (uow.patients.get(i) for i in uow.patients.patients_of(recipient))
    return tuple(sorted(p.reference for p in patients if p is not None))
