"""Are nudges that were claimed still wanted: not paused, enrolled, not stopped, still booked, useful, under the cap.

1. Whoever cannot be reached any more (room left, or nudges refused for good) is told of to the staff once, where that
   was found; nothing is tried until they are heard of again.
2. Two nudges to one person are at least :attr:`NudgeLimits.apart` from one another: the later one waits, a decoy too.
   News of a cancellation or a move do not, and nothing waits so long that it would be of no use.
3. Quiet hours are those of the practice or the kind, and the recipient's (:mod:`bot.domain.timing`): a nudge waits for
   their end, whatever it is for. Where appointments of several kinds share it all of their quiet hours hold. Of their
   caps the highest: for that one it would leave alone, and what was moved into its slot by a lower cap goes along.
4. The cap holds in any 24 hours. A nudge never leaves in the very second of its slot: of a cap that is filled every day
   the next day's would each be one too many for those seconds, so one waits where a little is all that is missing. What
   may have left counts from the latest moment at which it can have.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from bot.domain.appointment import Status
from bot.domain.choices import Quiet
from bot.domain.decoys import decoy_until
from bot.domain.planning import is_decoy
from bot.domain.records import (
    DECOY,
    LEAVES_WITHIN,
    AnswerKind,
    AnswerState,
    OutboxRow,
    OutboxState,
    ProblemKind,
    Recipient,
    RecipientState,
    Reminder,
    ReminderKind,
    Room,
    StoredAnswer,
    StoredAppointment,
    StoredEnvelope,
)
from bot.domain.slots import NudgeRules, after_quiet, is_slot
from bot.domain.timing import Timing, timing, united
from bot.domain.trust import Address
from bot.domain.values import AppointmentId, Language, RecipientId
from bot.ports_storage import UnitOfWork
from bot.services.plan_nudges import person, wants
from bot.services.tallies import Counted, tally

DAY = timedelta(days=1)
CAP_WAITS = timedelta(minutes=15)  # rule 4: as long as a slot takes to leave, at a pace
_SOON = timedelta(minutes=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class NudgeTarget:
    """Where a nudge goes, in which language, and when, where that is ``later`` than now (rule 2)."""

    address: Address
    language: Language
    later: datetime | None = None


Refusal = tuple[OutboxState, ProblemKind | None]
_TOO_LATE: Final[Refusal] = (OutboxState.DROPPED, ProblemKind.TOO_LATE)


@dataclass(slots=True)
class _Reasons:
    """Everything that the reasons of a batch rest on, read at once."""

    appointments: dict[AppointmentId, StoredAppointment] = field(default_factory=dict)
    envelopes: dict[tuple[AppointmentId, RecipientId], StoredEnvelope] = field(default_factory=dict)
    answers: dict[AppointmentId, Sequence[StoredAnswer]] = field(default_factory=dict)

    @classmethod
    def read(cls, uow: UnitOfWork, appointments: set[AppointmentId]) -> _Reasons:
        ordered = sorted(appointments)
        return cls(
            appointments=dict(uow.appointments.many(ordered)),
            envelopes={(e.appointment, e.recipient): e for e in uow.envelopes.of_appointments(ordered)},
            answers=dict(uow.answers.of_many(ordered)),
        )

    def stands(self, reminder: Reminder) -> bool:
        """Whether the reason for a nudge still stands; whether it is still useful is another question."""
        row = self.appointments.get(reminder.appointment)
        envelope = self.envelopes.get((reminder.appointment, reminder.recipient))
        if row is None or envelope is None:
            return False
        if reminder.kind is ReminderKind.CHANGE:
            return envelope.told < row.change
        if row.status is Status.CANCELLED:
            return False
        return not any(
            a.kind is AnswerKind.CANCELLED
            and a.state is not AnswerState.VOID
            and a.time_revision == row.time_revision
            for a in self.answers.get(row.id, ())
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class NudgeLimits:
    """``rules`` for the caps and quiet hours; ``apart`` is the least time between two nudges to one person."""

    rules: NudgeRules
    apart: timedelta = timedelta()


class RecheckNudges:
    """For one batch of claimed rows, read at once. :meth:`finish` after the last of them."""

    def __init__(
        self, uow: UnitOfWork, rows: Sequence[OutboxRow], now: datetime, *, limits: NudgeLimits
    ) -> None:
        self._uow, self._now, self._limits = uow, now, limits
        self._recipients = uow.recipients.many([r.recipient for r in rows if r.recipient])
        self._rooms = uow.rooms.by_recipients(self._recipients)
        self._signs = dict(uow.recipients.signs(self._recipients))
        self._due = uow.reminders.due([(r.recipient, r.slot) for r in rows if r.recipient and r.slot])
        self._sent = uow.outbox.nudges_since(self._recipients, now - DAY)
        self._perhaps: dict[RecipientId, set[datetime]] = defaultdict(set)
        for row in rows:
            if row.recipient and row.claimed_at is not None and row.claimed_at >= now - DAY - LEAVES_WITHIN:
                self._perhaps[row.recipient].add(row.claimed_at)
        self._led: dict[tuple[RecipientId, datetime], OutboxRow] = {}
        for row in sorted(rows, key=lambda r: r.useful_until or r.due):
            if row.recipient and row.claimed_at is not None:
                self._led[row.recipient, row.claimed_at] = row
        appointments = {reminder.appointment for many in self._due.values() for reminder in many}
        self._reasons = _Reasons.read(uow, appointments)
        self._unreached = 0
        self._told_late: dict[RecipientId, datetime] | None = None

    def finish(self) -> None:
        """Count what did not go out."""
        tally(self._uow, Counted.UNREACHED, self._now, self._unreached)

    def quiet_until(self, row: OutboxRow) -> datetime | None:
        """The end of the quiet hours that keep a nudge waiting, if any do (rule 3)."""
        recipient = self._recipients.get(row.recipient) if row.recipient else None
        if recipient is None:
            return None
        due = after_quiet(self._now, self._limits.rules, self._quiet(recipient, self._valid(row, recipient)))
        return due if due > self._now else None

    def _timings(self, recipient: Recipient, valid: Sequence[Reminder]) -> list[Timing]:
        """The rules of what a nudge is for; of a decoy's, those of the practice and the recipient."""
        kinds = {self._reasons.appointments[reminder.appointment].kind for reminder in valid} or {""}
        return [timing(self._limits.rules, kind, recipient.wishes) for kind in sorted(kinds)]

    def _quiet(self, recipient: Recipient, valid: Sequence[Reminder]) -> tuple[Quiet, ...]:
        return united(span for own in self._timings(recipient, valid) for span in own.quiet)

    def target(self, row: OutboxRow) -> NudgeTarget | None:
        """Where the nudge goes; None where it was settled instead: dropped, or reported."""
        recipient = self._recipients.get(row.recipient) if row.recipient else None
        valid = self._valid(row, recipient)
        if recipient is None or not valid:
            decoy = self._decoy(row, recipient) if recipient is not None else None
            return decoy or self._settle(row, (OutboxState.DROPPED, None))
        news = any(r.kind is ReminderKind.CHANGE for r in valid)
        refusal = self._held_back(recipient, valid, news=news) or self._unreachable(recipient)
        if refusal == _TOO_LATE and (decoy := self._decoy(row, recipient)) is not None:
            self._uow.problems.add(ProblemKind.TOO_LATE, self._now, recipient.id)
            self._unreached += 1
            return decoy
        room = self._rooms.get(recipient.id)
        capped = refusal is None and self._is_over_cap(recipient, row, valid)
        soon = capped and self._is_under_cap_soon(recipient, row, valid)
        if capped and not soon:
            refusal = (OutboxState.DROPPED, ProblemKind.CAPPED)
        if refusal is not None or room is None:
            return self._settle(row, refusal or (OutboxState.FAILED, None))
        address = Address(room=room.room, user=room.user, pin=recipient.pin)
        later = None if news else self._later(recipient, valid, max(r.useful_until for r in valid))
        if soon:
            later = self._now + _SOON
        if later is None:
            self._report_late(valid, recipient)
        return NudgeTarget(address=address, language=recipient.language, later=later)

    def refuses(self, copy: OutboxRow, of: Sequence[OutboxRow]) -> Refusal | None:
        """How ``copy`` of nudges that were judged before ends, where it may not leave any more. Settles nothing; where
        the reason is gone and a decoy is wanted, it is made one.
        """
        recipient = self._recipients.get(copy.recipient) if copy.recipient else None
        room = self._rooms.get(recipient.id) if recipient else None
        if recipient is None or room is None or room.left:
            return OutboxState.DROPPED, None
        valid = [reminder for row in of for reminder in self._valid(row, recipient)]
        if not valid:
            decoy = any(self._decoy(replace(copy, slot=row.slot), recipient) for row in of)
            return None if decoy else (OutboxState.DROPPED, None)
        news = any(r.kind is ReminderKind.CHANGE for r in valid)
        return self._held_back(recipient, valid, news=news)

    def _decoy(self, row: OutboxRow, recipient: Recipient) -> NudgeTarget | None:
        """A nudge without a reason (any more) that is wanted, late only where one with a reason would be.

        A slot that stayed empty because its reason went would tell that there was one. Where the rules were edited
        since it was written, an hour that is none of theirs would show that it has none.
        """
        room, rules = self._rooms.get(recipient.id), self._limits.rules
        if row.slot is None or recipient.state is not RecipientState.ENROLLED:
            return None
        one = person(recipient, self._signs[recipient.id])
        until = decoy_until(row.slot, rules, one)
        wanted = (
            is_decoy(rules, one, row.slot)
            and is_slot(row.slot, rules, timing(rules, "", one.wishes).usual)
            and until > self._now
        )
        if not wanted or room is None or self._is_off(recipient, room):
            return None  # nobody is told of it: that is for the nudge that has a reason
        if row.template != DECOY:
            self._uow.outbox.make_decoy(row.id)
        address = Address(room=room.room, user=room.user, pin=recipient.pin)
        later = self._later(recipient, (), until)
        return NudgeTarget(address=address, language=recipient.language, later=later)

    def _settle(self, row: OutboxRow, refusal: Refusal) -> NudgeTarget | None:
        """No target."""
        state, problem = refusal
        if state is OutboxState.DROPPED and row.claimed_at is not None:
            state = OutboxState.UNKNOWN  # it may have left when it was claimed before
        self._uow.outbox.settle(row.id, state, now=self._now)
        if problem is not None:
            self._uow.problems.add(problem, self._now, row.recipient)
        if problem is not None or state is OutboxState.FAILED:
            self._unreached += 1
        return None

    def _held_back(self, recipient: Recipient, valid: Sequence[Reminder], *, news: bool) -> Refusal | None:
        if self._signs[recipient.id].paused:
            # A reminder is what the staff held back; that a visit is off or moved, somebody has to tell.
            return OutboxState.DROPPED, ProblemKind.PAUSED if news else None
        if all(r.useful_until <= self._now for r in valid):
            return _TOO_LATE
        return None

    def _is_over_cap(self, recipient: Recipient, row: OutboxRow, valid: Sequence[Reminder]) -> bool:
        """What a process that died, or a call without an answer, may have sent counts as sent: never one too many."""
        perhaps = self._perhaps.get(recipient.id, set()) - self._own(recipient, row)
        return self._sent.get(recipient.id, 0) + len(perhaps) >= self._cap(recipient, valid)

    def _own(self, recipient: Recipient, row: OutboxRow) -> set[datetime]:
        """The claim of which ``row`` was a part, where what may have left then is sent again with it as one message: by
        itself, or by the one that left for it. If that one has no reason any more, they are two.
        """
        if row.claimed_at is None:
            return set()
        led = self._led[recipient.id, row.claimed_at]
        return {row.claimed_at} if led.id == row.id or self._valid(led, recipient) else set()

    def _cap(self, recipient: Recipient, valid: Sequence[Reminder]) -> int:
        """Rule 3."""
        return max(own.daily_cap for own in self._timings(recipient, valid))

    def _is_under_cap_soon(self, recipient: Recipient, row: OutboxRow, valid: Sequence[Reminder]) -> bool:
        """Rule 4."""
        since = self._now - DAY + CAP_WAITS
        sent = self._uow.outbox.nudges_since([recipient.id], since).get(recipient.id, 0)
        perhaps = self._perhaps.get(recipient.id, set()) - self._own(recipient, row)
        perhaps = {at for at in perhaps if at >= since - LEAVES_WITHIN}
        return sent + len(perhaps) < self._cap(recipient, valid)

    def _unreachable(self, recipient: Recipient) -> Refusal | None:
        """Rule 1."""
        room = self._rooms.get(recipient.id)
        if room is None and self._switch_off(recipient):
            return OutboxState.FAILED, ProblemKind.SEND_FAILED
        return (OutboxState.FAILED, None) if room is None or self._is_off(recipient, room) else None

    def _is_off(self, recipient: Recipient, room: Room) -> bool:
        return room.left or self._signs[recipient.id].off_since is not None

    def _switch_off(self, recipient: Recipient) -> bool:
        """Whether that is new."""
        self._signs[recipient.id] = replace(self._signs[recipient.id], off_since=self._now)
        return self._uow.recipients.switch_off(recipient.id, self._now)

    def _valid(self, row: OutboxRow, recipient: Recipient | None) -> list[Reminder]:
        if recipient is None or recipient.state is not RecipientState.ENROLLED or row.slot is None:
            return []
        reminders = self._due.get((recipient.id, row.slot), ())
        return [r for r in reminders if wants(recipient, r.kind) and self._reasons.stands(r)]

    def _later(self, recipient: Recipient, valid: Sequence[Reminder], until: datetime) -> datetime | None:
        """Rule 2: when the nudge may leave that is of use ``until`` then, where that is not now."""
        before = self._signs[recipient.id].nudged_at
        if before is None or before > self._now or before + self._limits.apart <= self._now:
            return None  # a clock that was set back keeps nobody waiting
        quiet = self._quiet(recipient, valid)
        due = after_quiet(before + self._limits.apart, self._limits.rules, quiet)
        return due if due < until else None

    def _report_late(self, valid: Sequence[Reminder], recipient: Recipient) -> None:
        """Of the reasons that share a nudge some may be over while it leaves for the others: reported too, once."""
        late = [r.useful_until for r in valid if r.useful_until <= self._now]
        if not late:
            return
        if self._told_late is None:  # once a batch: after an outage there are many of both
            lines = [p for p in self._uow.problems.all() if p.kind is ProblemKind.TOO_LATE]
            self._told_late = {p.recipient: p.at for p in lines if p.recipient is not None}
        told = self._told_late.get(recipient.id)
        if told is None or told < max(late):
            self._told_late[recipient.id] = self._now
            self._uow.problems.add(ProblemKind.TOO_LATE, self._now, recipient.id)
