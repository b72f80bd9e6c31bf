"""The one service that opens envelopes, and what is done with an appointment once it is open.

1. An envelope is opened with the key of a PIN just typed; key and details are forgotten when the window is over.
2. A command acts on the appointment that was listed: if its revision or state moved since, it is not obeyed.
3. What a patient answers is sealed to the practice; the patient never reads "cancelled" before the practice said so.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from bot.domain.appointment import Detail, Status
from bot.domain.conversation import Outcome
from bot.domain.intents import Intent
from bot.domain.records import (
    AnswerKind,
    AnswerState,
    ProblemKind,
    Recipient,
    StoredAnswer,
    StoredAppointment,
    StoredEnvelope,
)
from bot.domain.slots import NudgeRules
from bot.domain.templates import Listed, Mark
from bot.domain.values import AppointmentId, RecipientId, SecretBytes
from bot.domain.vocabulary import IntentKind
from bot.errors import InvalidSeal
from bot.ports_keys import KeyRing
from bot.ports_storage import UnitOfWork, UnitOfWorkFactory
from bot.services.plan_nudges import plan_nudges
from bot.services.record_answer import record_answer, withdraw_answer

log = logging.getLogger("pli.release")
PAGE = 5

_MARKS = {
    AnswerKind.CONFIRMED: Mark.CONFIRMED,
    AnswerKind.CANCELLED: Mark.CANCEL_PASSED_ON,
    AnswerKind.MOVE: Mark.MOVE_PASSED_ON,
}


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Opened:
    """One appointment of the list; ``number`` counts from 1, ``changed`` since it was last told."""

    number: int
    row: StoredAppointment
    detail: Detail
    mark: Mark | None
    changed: bool

    def listed(self) -> Listed:
        return Listed(number=self.number, detail=self.detail, mark=self.mark)


@dataclass(slots=True, repr=False)
class Window:
    """What an unlocked window holds: the list, how much of it was shown, for how many patients.

    ``data`` are the pages of everything held, once they were asked for, and ``data_page`` the one that was shown last.
    ``before`` is what the numbers of the list before this window stood for: ids only, no details. ``standing`` is what
    there was to open, so that a list that is asked for again can be seen to be old. ``counted``: by the statistics.
    """

    until: datetime
    items: list[Opened] = field(default_factory=list)
    first: int = 0
    shown: int = 0
    several: bool = False
    before: tuple[tuple[AppointmentId, int], ...] = ()
    standing: frozenset[tuple[AppointmentId, int]] = frozenset()
    counted: bool = False
    data: Sequence[str] = ()
    data_page: int = 0

    def turn(self) -> bool:
        """Go to the next page; False where there is none."""
        if self.shown >= len(self.items):
            return False
        self.shown = min(self.shown + PAGE, len(self.items))
        self.first = (self.shown - 1) // PAGE * PAGE
        return True

    def numbers(self) -> tuple[tuple[AppointmentId, int], ...]:
        """What the numbers that were shown stand for."""
        return tuple((i.row.id, i.row.change) for i in self.items[: self.shown]) or self.before

    def by_number(self, number: int) -> Opened | None:
        """The appointment that a number means: of this list if it was shown, else of the last one that was.

        After a new PIN nothing was shown yet: the number counts only if what it stood for is there unchanged.
        """
        if self.shown:
            return self.items[number - 1] if 1 <= number <= self.shown else None
        if not 1 <= number <= len(self.before):
            return self.items[0] if number == len(self.items) == 1 else None
        meant = self.before[number - 1]
        return next((i for i in self.items if (i.row.id, i.row.change) == meant), None)

    def page(self) -> Sequence[Opened]:
        return self.items[self.first : self.shown]

    @property
    def more(self) -> bool:
        return self.shown < len(self.items)


class ReleaseDetails:
    """See the module."""

    def __init__(self, uow: UnitOfWorkFactory, keys: KeyRing, times: NudgeRules) -> None:
        self._uow, self._keys, self._times = uow, keys, times

    def open(self, recipient: Recipient, private: SecretBytes, *, now: datetime, until: datetime) -> Window:
        """Everything to come of this recipient, soonest first. What does not open is reported, the rest is told."""
        with self._uow() as uow:
            pairs = uow.envelopes.to_come(recipient.id, now)
            answers = {row.id: uow.answers.of(row.id) for row, _ in pairs}
            several = len(uow.patients.patients_of(recipient.id)) > 1
        opened: list[tuple[StoredAppointment, Detail, bool]] = []
        for row, envelope in pairs:
            fits = envelope.key_id == recipient.key_id and envelope.revision == row.revision
            try:
                detail = self._keys.open_envelope(row, envelope, recipient, private) if fits else None
            except InvalidSeal:
                detail = None
            if detail is None:
                self._report(recipient.id, now)
                continue
            if detail.end > now:
                opened.append((row, detail, envelope.told not in (0, row.change)))
        opened.sort(key=lambda o: o[1].start)
        items = [
            Opened(
                number=n,
                row=row,
                detail=detail,
                mark=_mark(row, answers[row.id], changed=changed),
                changed=changed,
            )
            for n, (row, detail, changed) in enumerate(opened, start=1)
        ]
        return Window(until=until, items=items, several=several, standing=_standing(pairs))

    def refresh(self, recipient: RecipientId, window: Window, now: datetime) -> bool:
        """Bring the marks up to date; False if the agenda has other than what was opened (rule 2)."""
        with self._uow() as uow:
            if _standing(uow.envelopes.to_come(recipient, now)) != window.standing:
                return False
            answers = {i.row.id: uow.answers.of(i.row.id) for i in window.items}
        window.items = [
            replace(i, mark=_mark(i.row, answers[i.row.id], changed=i.changed)) for i in window.items
        ]
        return True

    def _report(self, recipient: RecipientId, now: datetime) -> None:
        log.error("an envelope did not open")
        with self._uow() as uow:
            uow.problems.add(ProblemKind.UNREADABLE, now, recipient)
            uow.commit()

    def find(self, window: Window, command: Intent) -> tuple[Outcome, Opened | None]:
        """Which appointment ``command`` means. Where that is unclear and nothing was shown yet, the list is."""
        if not window.items:
            return Outcome.LISTED_NOTHING, None
        if command.number is None and len(window.items) > 1:
            return (Outcome.WHICH if window.shown else Outcome.LISTED), None
        chosen = window.items[0] if command.number is None else window.by_number(command.number)
        if chosen is None:
            return (Outcome.NO_SUCH_NUMBER if window.shown else Outcome.LISTED), None
        return self._standing(chosen, command), chosen

    def _standing(self, chosen: Opened, command: Intent) -> Outcome:
        with self._uow() as uow:
            current = uow.appointments.get(chosen.row.id)
            answers = uow.answers.of(chosen.row.id)
        if current is None or current.change != chosen.row.change:
            return Outcome.STALE
        if _is_over(current, answers):
            return Outcome.GONE
        if command.kind is IntentKind.MOVE and (command.wish is None or not command.wish.reveal().strip()):
            return Outcome.WISH_NEEDED
        return Outcome.FOUND

    def act(self, recipient: Recipient, chosen: Opened, command: Intent, now: datetime) -> Outcome:
        """Record what the patient answers."""
        with self._uow() as uow:
            current = uow.appointments.get(chosen.row.id)
            if current is None or current.change != chosen.row.change:
                return Outcome.STALE
            if _is_over(current, uow.answers.of(current.id)):
                return Outcome.GONE
            if command.kind is IntentKind.KEEP:
                withdraw_answer(uow, recipient=recipient, row=current, now=now)
                self._replan(uow, current, now)
                uow.commit()
                return Outcome.KEPT
            kind, outcome = _ACTS[command.kind]
            record_answer(
                uow,
                self._keys,
                recipient=recipient,
                row=current,
                detail=chosen.detail,
                kind=kind,
                wish=command.wish if kind is AnswerKind.MOVE else None,
                zone_time=chosen.detail.start.astimezone(self._times.zone).isoformat(timespec="minutes"),
                now=now,
            )
            self._replan(uow, current, now)
            uow.commit()
        return outcome

    def _replan(self, uow: UnitOfWork, row: StoredAppointment, now: datetime) -> None:
        """What was confirmed is not asked again; what was cancelled is not either, for anybody; kept, it is."""
        plan_nudges(uow, uow.patients.recipients_of(row.patient), now, self._times)


_ACTS: Mapping[IntentKind, tuple[AnswerKind, Outcome]] = {
    IntentKind.CONFIRM: (AnswerKind.CONFIRMED, Outcome.CONFIRMED),
    IntentKind.CANCEL: (AnswerKind.CANCELLED, Outcome.CANCEL_PASSED_ON),
    IntentKind.MOVE: (AnswerKind.MOVE, Outcome.MOVE_PASSED_ON),
}


def _standing(
    pairs: Sequence[tuple[StoredAppointment, StoredEnvelope]],
) -> frozenset[tuple[AppointmentId, int]]:
    return frozenset((row.id, row.change) for row, _ in pairs)


def _is_over(row: StoredAppointment, answers: Sequence[StoredAnswer]) -> bool:
    """Cancelled by the agenda, or by the patient and the practice has dealt with it."""
    return row.status is Status.CANCELLED or any(
        a.kind is AnswerKind.CANCELLED
        and a.state is AnswerState.DONE
        and a.time_revision == row.time_revision
        for a in answers
    )


def _mark(row: StoredAppointment, answers: Sequence[StoredAnswer], *, changed: bool) -> Mark | None:
    if _is_over(row, answers):
        return Mark.CANCELLED
    standing = [
        a for a in answers if a.state is not AnswerState.VOID and a.time_revision == row.time_revision
    ]
    if standing:
        return _MARKS[max(standing, key=lambda a: a.at).kind]
    return Mark.CHANGED if changed else None
