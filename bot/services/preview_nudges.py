"""What would go when in the next days, and why it would not. Reads only.

1. It asks the planner that plans for good, with the state and the rules of now: what it shows is what would be planned
   if all were planned anew this moment. What waits already may differ where rules were changed since.
2. One nudge a recipient and slot is counted, however many reasons it has, under the first of them in the order of
   :class:`Rule`.
3. Neither details nor anything that identifies: opaque ids, names of rules, moments of slots.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from bot.domain.appointment import Status
from bot.domain.choices import Scope
from bot.domain.planning import LATE_LEAD, Because, WhyNot, is_decoy, slots_between
from bot.domain.records import (
    Recipient,
    RecipientState,
    ReminderKind,
    Room,
    StoredAppointment,
    StoredEnvelope,
)
from bot.domain.slots import NudgeRules
from bot.domain.telegram import TelegramChat, nudge_on
from bot.domain.timing import level_of
from bot.domain.values import AppointmentId, RecipientId
from bot.ports_storage import UnitOfWork, UnitOfWorkFactory
from bot.services.pause_nudges import is_paused, meant_by
from bot.services.plan_nudges import State

MOST_DAYS = 62
_MANY = 500  # appointments that are read at once
_LONGEST = timedelta(days=31)  # of a visit, so that one that begins in time is found by its end


class Channel(StrEnum):
    """By which a nudge leaves; on both it is one."""

    MATRIX = "matrix"
    TELEGRAM = "telegram"
    BOTH = "both"


class Rule(StrEnum):
    """What a nudge is due to: news of a change, a kind's own rule, a lead time, a late booking, or nothing."""

    NEWS = "news"
    KIND = "kind"
    LEAD = "lead"
    LATE = "late"
    DECOY = "decoy"


class Unreached(StrEnum):
    """Why no nudge can reach somebody, beside what :class:`WhyNot` says of those who can be reached."""

    NOBODY = "nobody"
    NOT_ENROLLED = "not_enrolled"
    LOCKED = "locked"
    NO_KEY = "no_key"
    NO_ROOM = "no_room"
    NO_NEWS = "no_news"


@dataclass(frozen=True, kw_only=True, slots=True)
class Reason:
    """``name``: the kind's, under its rule. Of what the planner planned: ``lead`` as the rules name it and ``ahead`` as
    it came out, in days, ``because``, and ``scope``: whose rule moved it, where it was moved.
    """

    rule: Rule
    appointment: AppointmentId | None = None
    lead: int = 0
    ahead: int = 0
    name: str = ""
    because: Because | None = None
    scope: Scope = Scope.PRACTICE

    @property
    def order(self) -> tuple[int, str, int, str]:
        """Rule 2."""
        return tuple(Rule).index(self.rule), self.name, -self.lead, self.appointment or ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Expected:
    """One nudge. ``slot`` in UTC; ``reasons`` in order, at least one."""

    recipient: RecipientId
    slot: datetime
    channel: Channel
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Missing:
    """One nudge that there is not, or a whole visit's (``lead`` None). ``recipient`` None: there is nobody."""

    appointment: AppointmentId
    recipient: RecipientId | None
    why: WhyNot | Unreached
    lead: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class InSlot:
    """``by_rule``: by rule and what it is about, a kind's name or the days of a lead time."""

    slot: datetime
    by_rule: Mapping[tuple[Rule, str], int]
    by_channel: Mapping[Channel, int]

    @property
    def nudges(self) -> int:
        return sum(self.by_channel.values())


@dataclass(frozen=True, kw_only=True, slots=True)
class Preview:
    """Of ``begins`` to ``ends`` (UTC): nudges in order of slots, and of the visits of that time what gives none."""

    begins: datetime
    ends: datetime
    paused: bool
    nudges: tuple[Expected, ...] = ()
    missing: tuple[Missing, ...] = ()

    @property
    def slots(self) -> tuple[InSlot, ...]:
        by_slot: dict[datetime, list[Expected]] = defaultdict(list)
        for nudge in self.nudges:
            by_slot[nudge.slot].append(nudge)
        return tuple(
            InSlot(
                slot=slot,
                by_rule=Counter(_counted_as(nudge.reasons[0]) for nudge in nudges),
                by_channel=Counter(nudge.channel for nudge in nudges),
            )
            for slot, nudges in sorted(by_slot.items())
        )

    @property
    def why_not(self) -> Mapping[WhyNot | Unreached, int]:
        return Counter(missing.why for missing in self.missing)


def _counted_as(reason: Reason) -> tuple[Rule, str]:
    return reason.rule, str(reason.lead) if reason.rule is Rule.LEAD else reason.name


class PreviewNudges:
    """See the module. ``telegram``: the practice has it."""

    def __init__(self, uow: UnitOfWorkFactory, rules: NudgeRules, *, telegram: bool = False) -> None:
        self._uow, self._rules, self._telegram = uow, rules, telegram

    def __call__(self, *, days: int, now: datetime, who: str = "") -> Preview:
        """``who``: a patient's reference or a recipient, else everybody. Raises :class:`bot.errors.Refused`."""
        ends = now + timedelta(days=days)
        with self._uow() as uow:
            chosen = set(meant_by(uow, who)) if who else {r.id for r in uow.recipients.all()}
            chats = uow.telegram.by_recipients(sorted(chosen)) if self._telegram else {}
            look = _Look(uow, self._rules, chosen, now, ends, everybody=not who, chats=chats)
            return Preview(
                begins=now,
                ends=ends,
                paused=is_paused(uow),
                nudges=tuple(sorted(look.nudges, key=lambda n: (n.slot, n.recipient))),
                missing=tuple(sorted(look.missing, key=_in_order)),
            )


def _in_order(missing: Missing) -> tuple[str, str, int]:
    return missing.recipient or "", missing.appointment, -1 if missing.lead is None else -missing.lead


class _Look:
    """Everything in one unit of work."""

    def __init__(
        self,
        uow: UnitOfWork,
        rules: NudgeRules,
        chosen: set[RecipientId],
        now: datetime,
        ends: datetime,
        *,
        everybody: bool,
        chats: Mapping[RecipientId, TelegramChat],
    ) -> None:
        self._rules, self._now, self._ends, self._chats = rules, now, ends, chats
        self._rooms = uow.rooms.by_recipients(sorted(chosen))
        self._state = State.read(uow, chosen, now)
        self.nudges: list[Expected] = []
        self.missing: list[Missing] = []
        for recipient in self._state.recipients:
            if (channel := self._channel(recipient)) is not None:
                self._add(recipient, channel)
        self._add_unreached(uow, chosen, everybody=everybody)

    def _channel(self, recipient: RecipientId) -> Channel | None:
        """By which somebody is reached. A nudge on Telegram leads to the room, and is of no use without it."""
        room: Room | None = self._rooms.get(recipient)
        if room is None or room.left:
            return None
        known = self._state.recipients.get(recipient)
        if known is None:
            return Channel.MATRIX
        on = nudge_on(self._chats.get(recipient), level_of(self._rules, known.wishes))
        return Channel(on.value)

    def _add(self, recipient: RecipientId, channel: Channel) -> None:
        plan = self._state.plan(recipient, self._rules, self._now)
        kinds = {row.id: row.kind for row in self._state.booked.get(recipient, ())}
        within = {row.id for row in self._state.booked.get(recipient, ()) if self._is_within(row)}
        reasons: dict[datetime, list[Reason]] = defaultdict(list)
        for planned in plan.nudges:
            reasons[planned.slot].append(
                Reason(
                    rule=_rule(planned.lead, kinds[planned.appointment]),
                    appointment=planned.appointment,
                    lead=max(planned.lead, 0),
                    ahead=self._days(planned.slot, planned.until),
                    name=kinds[planned.appointment] if planned.lead != LATE_LEAD else "",
                    because=planned.because,
                    scope=planned.scope,
                )
            )
        for reminder in self._state.reminders.get(recipient, ()):
            if reminder.kind is not ReminderKind.CHANGE or reminder.slot < self._now:
                continue
            if self._state.recipients[recipient].changes_on:
                reasons[reminder.slot].append(Reason(rule=Rule.NEWS, appointment=reminder.appointment))
            else:
                self._miss(reminder.appointment, recipient, Unreached.NO_NEWS)
        person = self._state.person(recipient)
        for slot in slots_between(self._now, self._ends, self._rules, person.wishes):
            if slot not in reasons and is_decoy(self._rules, person, slot):
                reasons[slot].append(Reason(rule=Rule.DECOY))
        for slot, many in reasons.items():
            if slot <= self._ends:
                ordered = tuple(sorted(many, key=lambda reason: reason.order))
                self.nudges.append(Expected(recipient=recipient, slot=slot, channel=channel, reasons=ordered))
        for skipped in plan.skipped:
            if skipped.appointment in within:
                self._miss(skipped.appointment, recipient, skipped.why, skipped.lead)

    def _days(self, slot: datetime, until: datetime) -> int:
        zone = self._rules.zone
        return (until.astimezone(zone).date() - slot.astimezone(zone).date()).days

    def _is_within(self, row: StoredAppointment) -> bool:
        return row.tell_until <= self._ends

    def _miss(
        self,
        appointment: AppointmentId,
        recipient: RecipientId | None,
        why: WhyNot | Unreached,
        lead: int | None = None,
    ) -> None:
        self.missing.append(Missing(appointment=appointment, recipient=recipient, why=why, lead=lead))

    def _add_unreached(self, uow: UnitOfWork, chosen: set[RecipientId], *, everybody: bool) -> None:
        """Of all visits of the time, those that no nudge can be about, and why."""
        rows = [
            row
            for row in uow.appointments.past(self._ends + _LONGEST)
            if row.past_after > self._now and row.status is Status.BOOKED and self._is_within(row)
        ]
        told = uow.patients.recipients_of_many({row.patient for row in rows})
        people = uow.recipients.many(sorted({r for many in told.values() for r in many}))
        sealed: dict[tuple[AppointmentId, RecipientId], StoredEnvelope] = {}
        for first in range(0, len(rows), _MANY):
            ids = [row.id for row in rows[first : first + _MANY]]
            sealed |= {(e.appointment, e.recipient): e for e in uow.envelopes.of_appointments(ids)}
        for row in rows:
            those = [r for r in told.get(row.patient, ()) if row.only in (None, r) and r in people]
            if not those and everybody:
                self._miss(row.id, None, Unreached.NOBODY)
            for recipient in those:
                if recipient in chosen:
                    why = self._why_unreached(people[recipient], sealed.get((row.id, recipient)))
                    if why is not None:
                        self._miss(row.id, recipient, why)

    def _why_unreached(self, recipient: Recipient, envelope: StoredEnvelope | None) -> Unreached | None:
        if recipient.state is RecipientState.LOCKED:
            return Unreached.LOCKED
        if recipient.state is not RecipientState.ENROLLED:
            return Unreached.NOT_ENROLLED
        if envelope is None:
            return Unreached.NO_KEY
        return Unreached.NO_ROOM if self._channel(recipient.id) is None else None


def _rule(lead: int, kind: str) -> Rule:
    if lead == LATE_LEAD:
        return Rule.LATE
    return Rule.KIND if kind else Rule.LEAD
