"""Coarse times: in which slot a nudge goes, until when it is useful, after which midnight an appointment is past.

1. A slot is an hour of the practice's day in its IANA zone; an hour that a clock change skips counts from after the
   change, an hour that occurs twice counts once, the first time.
2. Nothing is planned for an appointment that began.
3. A nudge is useful until the last half-day mark (local midnight or noon) before the appointment; where that is not
   after its slot, for one hour. A reminder that could outlast the start is not planned. The exact start is never kept.
4. Urgent news leave at once unless quiet hours run; then at their end.
5. A day without a slot that would help gives the next one where it is over (a late booking), else the last one before
   the start: whoever has an appointment before the first slot of the day is told the day before.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from bot.errors import WrongUse

URGENT = timedelta(hours=48)


def parse_hour(text: str) -> time:
    """``"HH:MM"`` → time; raises :class:`WrongUse`."""
    try:
        return datetime.strptime(text, "%H:%M").time()  # noqa: DTZ007 - an hour of any day, the zone is beside it
    except ValueError:
        raise WrongUse("an hour is written HH:MM", mend='write it like "18:00"') from None


@dataclass(frozen=True, kw_only=True, slots=True)
class NudgeRules:
    """``days_before`` in days, ``slots`` hours of the day, quiet hours from/to (equal: none), all in ``zone``.

    ``daily_cap``: nudges that one recipient gets within 24 hours at most.
    """

    zone: ZoneInfo
    days_before: tuple[int, ...] = (1,)
    slots: tuple[time, ...] = (time(18, 0),)
    quiet_from: time = time(20, 0)
    quiet_to: time = time(8, 0)
    daily_cap: int = 3

    def __post_init__(self) -> None:
        if not self.slots:
            raise WrongUse("at least one slot is needed", mend='set [nudges] slots = ["18:00"]')
        if any(d < 0 for d in self.days_before):
            raise WrongUse("days_before cannot be negative")
        if any(self.is_quiet_hour(s) for s in self.slots):
            raise WrongUse("a slot lies in the quiet hours", mend="move the slot or the quiet hours")

    def is_quiet(self, now: datetime) -> bool:
        return self.is_quiet_hour(now.astimezone(self.zone).time())

    def is_quiet_hour(self, hour: time) -> bool:
        if self.quiet_from == self.quiet_to:
            return False
        if self.quiet_from < self.quiet_to:
            return self.quiet_from <= hour < self.quiet_to
        return hour >= self.quiet_from or hour < self.quiet_to


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedNudge:
    """Both in UTC."""

    slot: datetime
    useful_until: datetime


def at_local(day: date, hour: time, zone: ZoneInfo) -> datetime:
    """The UTC moment of a local hour (rule 1)."""
    local = datetime.combine(day, hour, tzinfo=zone)
    return local.astimezone(UTC)


def past_after(end: datetime, zone: ZoneInfo) -> datetime:
    """The local midnight after ``end``, in UTC."""
    return at_local(end.astimezone(zone).date() + timedelta(days=1), time(0, 0), zone)


def _slots_of(day: date, rules: NudgeRules) -> list[datetime]:
    return sorted(at_local(day, hour, rules.zone) for hour in rules.slots)


def next_slot(after: datetime, rules: NudgeRules) -> datetime:
    """The first slot later than ``after``."""
    day = after.astimezone(rules.zone).date()
    for offset in range(3):
        for moment in _slots_of(day + timedelta(days=offset), rules):
            if moment > after:
                return moment
    raise WrongUse("no slot within two days")  # unreachable with a slot a day; kept so that the type is total


def useful_until(slot: datetime, start: datetime, zone: ZoneInfo) -> datetime:
    """Rule 3. Never a function of the exact start beyond the half-day mark and one comparison."""
    local = start.astimezone(zone)
    marks = (at_local(local.date(), hour, zone) for hour in (time(12, 0), time(0, 0)))
    for mark in marks:
        if slot < mark <= start:
            return mark
    return slot + timedelta(hours=1)


def plan(start: datetime, now: datetime, rules: NudgeRules) -> tuple[PlannedNudge, ...]:
    """The reminders of one appointment. The slot of a day is drawn by the operating system's randomness."""
    if start <= now:
        return ()
    day = start.astimezone(rules.zone).date()
    drawn = (_draw(day - timedelta(days=before), start, now, rules) for before in set(rules.days_before))
    chosen = sorted({slot for slot in drawn if slot is not None})
    return tuple(PlannedNudge(slot=s, useful_until=useful_until(s, start, rules.zone)) for s in chosen)


def _draw(day: date, start: datetime, now: datetime, rules: NudgeRules) -> datetime | None:
    """One slot of ``day`` that is to come and helps, or what rule 5 puts in its place."""
    slots = _slots_of(day, rules)
    if helping := [s for s in slots if s > now and _helps(s, start, rules.zone)]:
        return secrets.choice(helping)
    if slots[-1] <= now:
        late = next_slot(now, rules)
        return late if _helps(late, start, rules.zone) else None
    earlier = [s for before in (1, 0) for s in _slots_of(day - timedelta(days=before), rules)]
    return max((s for s in earlier if s > now and _helps(s, start, rules.zone)), default=None)


def _helps(slot: datetime, start: datetime, zone: ZoneInfo) -> bool:
    """Rule 3."""
    return slot < start and useful_until(slot, start, zone) <= start


def plan_change(
    start: datetime, now: datetime, rules: NudgeRules, *, earliest: datetime | None = None
) -> PlannedNudge | None:
    """When to tell that an appointment was cancelled or moved; None once ``start`` is over.

    ``earliest`` is the earliest time that the news concerns (the old time of a move), where that is not ``start``.
    """
    if start <= now:
        return None
    slot = next_slot(now, rules)
    if min(start, earliest or start) - now <= URGENT or slot >= start:
        slot = after_quiet(now, rules)
    if slot >= start:
        return None
    return PlannedNudge(slot=slot, useful_until=useful_until(slot, start, rules.zone))


def after_quiet(now: datetime, rules: NudgeRules) -> datetime:
    """``now`` in UTC, or the end of the quiet hours that run (rule 4)."""
    local = now.astimezone(rules.zone)
    if not rules.is_quiet_hour(local.time()):
        return now.astimezone(UTC)
    ends = (
        datetime.combine(local.date() + timedelta(days=d), rules.quiet_to, rules.zone).replace(fold=f)
        for d in (0, 1)
        for f in (0, 1)  # the end may come twice in the night in which clocks go back
    )
    return min(end for e in ends if (end := e.astimezone(UTC)) > now)


def days(first: str, last: str) -> Sequence[date]:
    """All days from ``first`` to ``last`` (ISO 8601), both included."""
    a, b = date.fromisoformat(first), date.fromisoformat(last)
    return tuple(a + timedelta(days=i) for i in range((b - a).days + 1))
