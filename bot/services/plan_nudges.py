"""Bring what waits for recipients in line with the rules and with what is booked.

Called in the transaction of whatever changed: an import, an answer, an opt-in, a setting. Who is planned is planned
whole (:mod:`bot.domain.planning`); nudges that were due are left as they are, news of changes too. Where one is not
wanted any more, whoever gets decoys is sent one in that slot.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from bot.domain.choices import Wishes
from bot.domain.decoys import decoy_until, longest_use
from bot.domain.planning import Booked, Person, Plan, is_decoy, plan, slots_between
from bot.domain.records import (
    AnswerKind,
    AnswerState,
    Recipient,
    RecipientState,
    Reminder,
    ReminderKind,
    Signs,
    StoredAnswer,
    StoredAppointment,
)
from bot.domain.slots import NudgeRules
from bot.domain.values import AppointmentId, RecipientId
from bot.ports_storage import UnitOfWork

DECOYS_AHEAD: Final = timedelta(hours=26)
_HOLDS: Final = (AnswerState.OPEN, AnswerState.DONE)


@dataclass(frozen=True, kw_only=True, slots=True)
class State:
    """What the plans of some recipients rest on, read at once."""

    recipients: Mapping[RecipientId, Recipient]
    signs: Mapping[RecipientId, Signs]
    booked: Mapping[RecipientId, Sequence[StoredAppointment]]
    answers: Mapping[AppointmentId, Sequence[StoredAnswer]]
    reminders: Mapping[RecipientId, Sequence[Reminder]] = field(default_factory=dict)

    @classmethod
    def read(cls, uow: UnitOfWork, recipients: Iterable[RecipientId], now: datetime) -> State:
        known = uow.recipients.many(sorted(set(recipients)))
        enrolled = {r.id: r for r in known.values() if r.state is RecipientState.ENROLLED}
        booked = uow.envelopes.booked_for(enrolled, now)
        return cls(
            recipients=dict(sorted(enrolled.items())),
            signs=uow.recipients.signs(enrolled),
            booked=booked,
            answers=uow.answers.of_many({row.id for many in booked.values() for row in many}),
            reminders=uow.reminders.of_recipients(enrolled),
        )

    def person(self, recipient: RecipientId) -> Person:
        return person(self.recipients[recipient], self.signs[recipient])

    def plan(self, recipient: RecipientId, rules: NudgeRules, now: datetime) -> Plan:
        """Of one that is enrolled."""
        done: dict[AppointmentId, set[int]] = defaultdict(set)
        for reminder in self.reminders.get(recipient, ()):
            if reminder.kind is ReminderKind.REMIND and reminder.slot <= now:
                done[reminder.appointment].add(reminder.lead)
        booked = (
            _booked(row, recipient, self.answers.get(row.id, ()), frozenset(done.get(row.id, ())))
            for row in self.booked.get(recipient, ())
        )
        return plan(rules, self.person(recipient), booked, now)


def person(recipient: Recipient, signs: Signs) -> Person:
    """As the planner sees them."""
    return Person(
        id=recipient.id,
        reminders_on=recipient.reminders_on,
        paused=signs.paused,
        wishes=recipient.wishes,
    )


def _booked(
    row: StoredAppointment, recipient: RecipientId, answers: Sequence[StoredAnswer], done: frozenset[int]
) -> Booked:
    standing = [a for a in answers if a.state in _HOLDS and a.time_revision == row.time_revision]
    mine = [a for a in standing if a.recipient == recipient]
    return Booked(
        id=row.id,
        until=row.tell_until,
        revision=row.time_revision,
        kind=row.kind,
        confirmed=bool(mine) and max(mine, key=lambda a: a.at).kind is AnswerKind.CONFIRMED,
        declined=any(a.kind is AnswerKind.CANCELLED for a in standing),
        done=done,
    )


def plan_nudges(uow: UnitOfWork, recipients: Iterable[RecipientId], now: datetime, rules: NudgeRules) -> int:
    """Plan those of ``recipients`` who are enrolled anew; how many nudges are new. The caller commits."""
    state = State.read(uow, recipients, now)
    until: dict[tuple[RecipientId, datetime], datetime] = {}
    for recipient in state.recipients:
        known = state.reminders.get(recipient, ())
        wanted = [
            Reminder(
                appointment=n.appointment,
                recipient=recipient,
                kind=ReminderKind.REMIND,
                slot=n.slot,
                useful_until=n.until,
                lead=n.lead,
            )
            for n in state.plan(recipient, rules, now).nudges
        ]
        waiting = [r for r in known if r.kind is ReminderKind.REMIND and r.slot > now]
        if set(wanted) != set(waiting):
            uow.reminders.replan(recipient, wanted, now)
        for reminder in (*wanted, *_news(state.recipients[recipient], known, now)):
            key = (recipient, reminder.slot)
            until[key] = max(until.get(key, reminder.useful_until), reminder.useful_until)
    withdrawn = uow.outbox.withdraw_nudges(state.recipients, until, now)
    new = uow.outbox.add_nudges(dict(sorted(until.items())))
    uow.outbox.add_decoys(_in_their_stead(state, withdrawn, now, rules))
    return new


def _in_their_stead(
    state: State, withdrawn: Iterable[tuple[RecipientId, datetime]], now: datetime, rules: NudgeRules
) -> Mapping[tuple[RecipientId, datetime], datetime]:
    """Decoys of slots that come before decoys are written again: empty, one would tell that its reason went."""
    found: dict[tuple[RecipientId, datetime], datetime] = {}
    for recipient, slot in withdrawn:
        one = state.person(recipient)
        if is_decoy(rules, one, slot) and slot in slots_between(now, now + DECOYS_AHEAD, rules, one.wishes):
            found[recipient, slot] = decoy_until(slot, rules, one)
    return found


def _news(recipient: Recipient, known: Iterable[Reminder], now: datetime) -> list[Reminder]:
    """Two settings: whoever stopped reminders still hears of cancellations and moves."""
    if not recipient.changes_on:
        return []
    return [r for r in known if r.kind is ReminderKind.CHANGE and r.slot >= now]


def plan_decoys(uow: UnitOfWork, now: datetime, rules: NudgeRules, *, since: datetime | None = None) -> int:
    """Write the decoys of the slots of the next day, for whoever gets some; how many are new. The caller commits.

    ``since``: of the slots after that moment too, as long as a decoy of theirs would be of use still.
    """
    enrolled = [r for r in uow.recipients.all() if r.state is RecipientState.ENROLLED]
    signs = uow.recipients.signs(r.id for r in enrolled)
    people = [person(r, signs[r.id]) for r in enrolled]
    slots: dict[Wishes, Sequence[datetime]] = {}
    for wishes in {one.wishes for one in people}:
        first = now if since is None else max(since, now - longest_use(rules, wishes))
        slots[wishes] = slots_between(first, now + DECOYS_AHEAD, rules, wishes)
    wanted = {
        (one.id, slot): until
        for one in people
        for slot in slots[one.wishes]
        if is_decoy(rules, one, slot) and (until := decoy_until(slot, rules, one)) > now
    }
    return uow.outbox.add_decoys(wanted)


def wants(recipient: Recipient, kind: ReminderKind) -> bool:
    """Whether a nudge for such a reason may leave."""
    return recipient.changes_on if kind is ReminderKind.CHANGE else recipient.reminders_on
