"""Which nudges one recipient gets, and why there is one or not. Pure: rules and state in, nudges out.

1. One recipient is planned at a time, from nothing but the state that is given: to plan everybody anew gives the same
   as to plan whoever something changed for.
2. A draw is no dice throw at planning time but an order of all the moments that come into question, by a hash of the
   opaque random ids that the operating system gave when the appointment and the recipient were stored, and of the
   revision that last moved it: planning again, after a restart or after other rules, draws nothing again.
3. Each lead time gives one nudge at most. What a nudge was due for is done; it is not asked for again, whatever the
   rules say since.
4. An appointment of which no nudge is left and none was due gets the next slot that helps, where the rules say so.
5. Once confirmed, an appointment keeps its last nudge, or what the rules say; once the patient cancelled it, none.
6. Of more slots within 24 hours than the cap allows the first ones stay, and what was due in the others goes into the
   last of them: one nudge says as much as two. Where appointments of several kinds share a slot the lowest of their
   caps is its cap; what goes into another slot changes nothing of that one's.
7. A slot without a reason is a decoy for those who asked for decoys: by share (rule 2's order again), or always.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from hashlib import blake2b
from typing import Final

from bot.domain.choices import Confirmed, Late, Level, Scope, Shift, Wishes
from bot.domain.slots import REACH, NudgeRules, leaves_on, next_slot, slots_of
from bot.domain.timing import Timing, level_of, timing
from bot.domain.values import AppointmentId, RecipientId

LATE_LEAD: Final = -1  # the lead of a nudge under rule 4
_SPAN: Final = 1 << 64
_DAY: Final = timedelta(days=1)
_NOTHING: Final = Wishes()


@dataclass(frozen=True, kw_only=True, slots=True)
class Booked:
    """One appointment as the planner sees it, for one recipient.

    ``until``: the coarse moment up to which a reminder helps (UTC). ``revision``: the one that last moved it. ``kind``:
    the name of its rule, empty for the practice's. ``done``: the leads whose nudges were due. ``declined``: the
    patient cancelled it.
    """

    id: AppointmentId
    until: datetime
    revision: int = 1
    kind: str = ""
    confirmed: bool = False
    declined: bool = False
    done: frozenset[int] = frozenset()


@dataclass(frozen=True, kw_only=True, slots=True)
class Person:
    """One recipient as the planner sees them."""

    id: RecipientId
    reminders_on: bool = True
    paused: bool = False
    wishes: Wishes = _NOTHING


class Because(StrEnum):
    """Why a nudge is in its slot."""

    LEAD = "lead"
    QUIET = "quiet"
    DAY_OFF = "day_off"
    HOUR_TOO_LATE = "hour_too_late"
    LATE = "late"
    CAP = "cap"


class WhyNot(StrEnum):
    """Why there is none."""

    STOPPED = "stopped"
    PAUSED = "paused"
    DECLINED = "declined"
    CONFIRMED = "confirmed"
    DONE = "done"
    PAST = "past"


@dataclass(frozen=True, kw_only=True, slots=True)
class Planned:
    """One reason for a nudge. Moments in UTC; ``lead`` in days as the rules name it, or :data:`LATE_LEAD`.

    ``scope``: whose rule moved it, where it is not in the slot that its lead names.
    """

    appointment: AppointmentId
    lead: int
    slot: datetime
    until: datetime
    because: Because
    scope: Scope = Scope.PRACTICE


@dataclass(frozen=True, kw_only=True, slots=True)
class Skipped:
    """One lead time that gives no nudge."""

    appointment: AppointmentId
    lead: int
    why: WhyNot


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """Of one recipient: what is to come, by slot, and what is not, by appointment."""

    nudges: tuple[Planned, ...] = ()
    skipped: tuple[Skipped, ...] = ()


def plan(rules: NudgeRules, person: Person, booked: Iterable[Booked], now: datetime) -> Plan:
    """Everything to come after ``now``, in order of slots; see the module."""
    nudges: list[Planned] = []
    skipped: list[Skipped] = []
    rules_of: dict[AppointmentId, Timing] = {}
    for appointment in booked:
        own = rules_of[appointment.id] = timing(rules, appointment.kind, person.wishes)
        found = _plan_one(rules, own, person, appointment, now)
        nudges += found.nudges
        skipped += found.skipped
    return Plan(nudges=tuple(_cap(nudges, rules_of)), skipped=tuple(skipped))


@dataclass(slots=True)
class _One:
    """What is being found for one appointment."""

    booked: Booked
    nudges: list[Planned] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)

    def skip(self, lead: int, why: WhyNot) -> None:
        self.skipped.append(Skipped(appointment=self.booked.id, lead=lead, why=why))

    def put(self, lead: int, slot: datetime, because: Because, scope: Scope = Scope.PRACTICE) -> None:
        it = self.booked
        self.nudges.append(
            Planned(appointment=it.id, lead=lead, slot=slot, until=it.until, because=because, scope=scope)
        )


def _plan_one(rules: NudgeRules, own: Timing, person: Person, it: Booked, now: datetime) -> _One:
    found = _One(it)
    whole = _why_none(person, it)
    last = min(own.days_before, default=0)
    for lead in own.days_before:
        if whole is not None:
            found.skip(lead, whole)
        elif lead in it.done:
            found.skip(lead, WhyNot.DONE)
        elif it.confirmed and not _asks_on(own.confirmed, is_last=lead == last):
            found.skip(lead, WhyNot.CONFIRMED)
        elif (chosen := _choose(rules, own, person, it, lead, now)) is None:
            found.skip(lead, WhyNot.PAST)
        else:
            found.put(lead, *chosen)
    if whole is None and not found.nudges and not it.done and not it.confirmed and own.late is Late.NEXT:
        slot = _next_helpful(rules, own, it, now)
        if slot is not None and own.days_before:
            found.put(LATE_LEAD, slot, Because.LATE)
    return found


def _why_none(person: Person, it: Booked) -> WhyNot | None:
    if not person.reminders_on:
        return WhyNot.STOPPED
    if person.paused:
        return WhyNot.PAUSED
    return WhyNot.DECLINED if it.declined else None


def _asks_on(confirmed: Confirmed, *, is_last: bool) -> bool:
    """Rule 5."""
    return confirmed is Confirmed.ALL or (confirmed is Confirmed.LAST and is_last)


def _choose(
    rules: NudgeRules, own: Timing, person: Person, it: Booked, lead: int, now: datetime
) -> tuple[datetime, Because, Scope] | None:
    """The first in rule 2's order of the moments that are to come and help."""
    visit = it.until.astimezone(rules.zone).date()
    possible: dict[datetime, Because] = {}
    too_late = False
    for extra in range(own.spread):
        wanted = visit - timedelta(days=lead + extra)
        for leaving in leaving_days(wanted, own.slot_days, rules.days_off, own.shift):
            helping = [s for s in slots_of(leaving, own.slots, rules.zone) if s < it.until]
            if helping:
                because = Because.LEAD if leaving == wanted else Because.DAY_OFF
                possible |= {slot: because for slot in helping if slot not in possible}
                break
        else:
            too_late = True
    if not possible and too_late and (before := _last_helpful(rules, own, it)) is not None:
        possible[before] = Because.HOUR_TOO_LATE
    coming = [slot for slot in possible if slot > now]
    if not coming:
        return None
    chosen = min(coming, key=lambda slot: _rank(it, person.id, lead, slot))
    because = possible[chosen]
    if because is Because.DAY_OFF:
        return chosen, because, own.shift_by
    moved = _moved_by(own, chosen, rules) if because is Because.LEAD else None
    return (chosen, because, Scope.PRACTICE) if moved is None else (chosen, Because.QUIET, moved)


def _moved_by(own: Timing, slot: datetime, rules: NudgeRules) -> Scope | None:
    """Whose quiet hours moved a slot to where it is, if any did."""
    day = slot.astimezone(rules.zone).date()
    return next((by for hour, by in own.moved if slot in slots_of(day, (hour,), rules.zone)), None)


@lru_cache(maxsize=4096)
def leaving_days(
    wanted: date, slot_days: frozenset[int], days_off: frozenset[date], shift: Shift
) -> tuple[date, ...]:
    """The day on which a nudge leaves that is wanted on ``wanted``, and where it goes if that does not help."""

    def first(step: int) -> date | None:
        days = (wanted + timedelta(days=step * distance) for distance in range(1, REACH + 1))
        return next((day for day in days if day.weekday() in slot_days and day not in days_off), None)

    if wanted.weekday() in slot_days and wanted not in days_off:
        return (wanted,)
    found = (first(step) for step in ((-1,) if shift is Shift.EARLIER else (1, -1)))
    return tuple(day for day in found if day is not None)


def _last_helpful(rules: NudgeRules, own: Timing, it: Booked) -> datetime | None:
    visit = it.until.astimezone(rules.zone).date()
    for before in range(REACH + 1):
        day = visit - timedelta(days=before)
        if leaves_on(day, own.slot_days, rules):
            helping = [slot for slot in slots_of(day, own.slots, rules.zone) if slot < it.until]
            if helping:
                return helping[-1]
    return None


def _next_helpful(rules: NudgeRules, own: Timing, it: Booked, now: datetime) -> datetime | None:
    """Rule 4."""
    day = now.astimezone(rules.zone).date()
    for ahead in range(REACH + 1):
        leaving = day + timedelta(days=ahead)
        if leaves_on(leaving, own.slot_days, rules):
            for slot in slots_of(leaving, own.slots, rules.zone):
                if slot > now:
                    return slot if slot < it.until else None
    return None


def _rank(it: Booked, recipient: RecipientId, lead: int, slot: datetime) -> bytes:
    """Rule 2."""
    return blake2b(
        f"{it.id}/{it.revision}/{recipient}/{lead}/{slot.timestamp():.0f}".encode(), digest_size=16
    ).digest()


def _cap(nudges: Sequence[Planned], rules_of: Mapping[AppointmentId, Timing]) -> list[Planned]:
    """Rule 6."""
    lowest: dict[datetime, Timing] = {}
    for nudge in nudges:
        own = rules_of[nudge.appointment]
        lowest[nudge.slot] = min(lowest.get(nudge.slot, own), own, key=lambda timing: timing.daily_cap)
    kept: list[datetime] = []
    into: dict[datetime, tuple[datetime, Scope]] = {}
    for slot, own in sorted(lowest.items(), key=lambda each: each[0]):
        recent = [k for k in kept[-own.daily_cap :] if slot - k < _DAY]
        if len(recent) < own.daily_cap:
            kept.append(slot)
        else:
            into[slot] = kept[-1], own.cap_by
    moved = (
        replace(n, slot=into[n.slot][0], because=Because.CAP, scope=into[n.slot][1]) if n.slot in into else n
        for n in nudges
    )
    return sorted(moved, key=lambda n: (n.slot, n.appointment, n.lead))


# -- decoys (rule 7) ------------------------------------------------------------------------------------------------


def is_decoy(rules: NudgeRules, person: Person, slot: datetime) -> bool:
    """Whether this recipient is nudged in ``slot`` although there is no reason."""
    if not person.reminders_on or person.paused:
        return False
    level = level_of(rules, person.wishes)
    if level is Level.CONSTANT:
        return True
    if level is not Level.PRIVATE:
        return False
    drawn = blake2b(f"decoy/{person.id}/{slot.timestamp():.0f}".encode(), digest_size=8).digest()
    return int.from_bytes(drawn, "big") < rules.decoy_share * _SPAN


def slots_between(
    after: datetime, until: datetime, rules: NudgeRules, wishes: Wishes = _NOTHING
) -> tuple[datetime, ...]:
    """Of somebody's decoys: the practice's slots later than ``after`` and not later than ``until``."""
    hours = timing(rules, "", wishes).usual
    found = []
    while (after := next_slot(after, rules, hours)) <= until:
        found.append(after)
    return tuple(found)
