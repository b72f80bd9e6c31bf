"""Coarse times: in which slot a nudge goes, until when it is useful, after which midnight an appointment is past.

1. A slot is an hour of the practice's day in its IANA zone; an hour that a clock change skips counts from after the
   change, an hour that occurs twice counts once, the first time.
2. Nothing is planned for an appointment that began.
3. A reminder helps until one moment of a coarse grid, the last that is not after the start: local midnight, noon, or
   an hour after a slot. That moment is kept, the exact start never; a reminder that could outlast it is not planned.
4. Urgent news leave at once unless quiet hours run; then at their end. Where they are not opened, they are told once
   more; both times are set when the news is.
5. A day on which no nudge leaves (of the week, or a holiday) gives way to an earlier or a later one, as the rules say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from bot.domain.choices import Confirmed, KindRule, Late, Level, Quiet, Shift, is_in, out_of
from bot.errors import WrongUse

URGENT: Final = timedelta(hours=48)
EVERY_DAY: Final = frozenset(range(7))
_HOUR: Final = timedelta(hours=1)
_MARKS: Final = (time(0, 0), time(12, 0))
# A day on which a nudge leaves is looked for within so many days: the longest holidays, and a weekly slot.
REACH: Final = 28


def parse_hour(text: str) -> time:
    """``"HH:MM"`` → time; raises :class:`WrongUse`."""
    try:
        return datetime.strptime(text, "%H:%M").time()  # noqa: DTZ007 - an hour of any day, the zone is beside it
    except ValueError:
        raise WrongUse("an hour is written HH:MM", mend='write it like "18:00"') from None


@dataclass(frozen=True, kw_only=True, slots=True)
class NudgeRules:
    """``days_before`` in days, ``slots`` hours of the day, quiet hours from/to (equal: none), all in ``zone``.

    ``slot_days``: on which nudges leave, 0 is Monday; ``days_off`` are those on which none does. ``daily_cap``: nudges
    that one recipient gets within 24 hours at most, decoys aside. ``spread_days``: from how many days, the one of
    ``days_before`` the latest, a discreet nudge's is drawn. ``decoy_share``: of the slots without a nudge, for those
    who get decoys. ``urgent``: news of a change within that time leave at once; ``second_after``: news that were not
    opened by then are told again (None: once only). ``kinds`` are asked in their order; the first that fits counts.
    """

    zone: ZoneInfo
    days_before: tuple[int, ...] = (1,)
    slots: tuple[time, ...] = (time(18, 0),)
    slot_days: frozenset[int] = EVERY_DAY
    days_off: frozenset[date] = frozenset()
    shift: Shift = Shift.EARLIER
    quiet_from: time = time(20, 0)
    quiet_to: time = time(8, 0)
    daily_cap: int = 3
    late: Late = Late.NEXT
    confirmed: Confirmed = Confirmed.LAST
    level: Level = Level.PLAIN
    spread_days: int = 3
    decoy_share: float = 0.2
    urgent: timedelta = URGENT
    second_after: timedelta | None = timedelta(hours=24)
    kinds: tuple[KindRule, ...] = ()

    def __post_init__(self) -> None:
        self._check(self.slots, self.days_before, self.slot_days, self.quiet)
        for kind in self.kinds:
            self._check(kind.slots, kind.days_before, kind.slot_days, self.quiet_of(kind))
        if not 0 <= self.decoy_share <= 1:
            raise WrongUse("a share lies between 0 and 1", mend="set [nudges] decoy_share = 0.2")
        if self.spread_days < 1:
            raise WrongUse("a day is drawn from one at least", mend="set [nudges] spread_days = 3")
        names = [kind.name for kind in self.kinds]
        if len(set(names)) != len(names):
            raise WrongUse("two kinds have one name", mend="give each of [[nudges.kinds]] a name of its own")

    @staticmethod
    def _check(
        slots: tuple[time, ...] | None,
        leads: tuple[int, ...] | None,
        days: frozenset[int] | None,
        quiet: Quiet,
    ) -> None:
        if slots is not None and not slots:
            raise WrongUse("at least one slot is needed", mend='set [nudges] slots = ["18:00"]')
        if any(quiet.holds(s) for s in slots or ()):
            raise WrongUse("a slot lies in the quiet hours", mend="move the slot or the quiet hours")
        if any(d < 0 for d in leads or ()):
            raise WrongUse("days_before cannot be negative")
        if days is not None and not days & EVERY_DAY:
            raise WrongUse("nudges need a day to leave on", mend='set [nudges] slot_days = ["mon"]')

    @property
    def quiet(self) -> Quiet:
        return Quiet(self.quiet_from, self.quiet_to)

    def quiet_of(self, kind: KindRule) -> Quiet:
        """A kind's own hours, each in place of the practice's."""
        begins, ends = kind.quiet_from, kind.quiet_to
        return Quiet(
            self.quiet_from if begins is None else begins,
            self.quiet_to if ends is None else ends,
        )

    def hours_of(self, kind: KindRule) -> tuple[time, ...]:
        """Its slots; those of the practice that are in its quiet hours are at their end."""
        hours = self.slots if kind.slots is None else kind.slots
        return tuple(out_of(hour, [self.quiet_of(kind)]) for hour in hours)

    def is_quiet(self, now: datetime) -> bool:
        """By the practice's own hours."""
        return self.is_quiet_hour(now.astimezone(self.zone).time())

    def is_quiet_hour(self, hour: time) -> bool:
        return self.quiet.holds(hour)

    def is_quiet_for_all(self, now: datetime) -> bool:
        """By those of every kind too."""
        hour = now.astimezone(self.zone).time()
        return self.quiet.holds(hour) and all(self.quiet_of(kind).holds(hour) for kind in self.kinds)


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


@lru_cache(maxsize=4096)
def slots_of(day: date, hours: tuple[time, ...], zone: ZoneInfo) -> tuple[datetime, ...]:
    """The moments of one day's slots in UTC, in order."""
    return tuple(sorted({at_local(day, hour, zone) for hour in hours}))


def leaves_on(day: date, slot_days: frozenset[int], rules: NudgeRules) -> bool:
    """Whether nudges leave on that day (rule 5)."""
    return day.weekday() in slot_days and day not in rules.days_off


def next_slot(after: datetime, rules: NudgeRules, hours: tuple[time, ...] | None = None) -> datetime:
    """The first of the practice's slots later than ``after``; ``hours``: in place of its own."""
    day = after.astimezone(rules.zone).date()
    for offset in range(REACH + 2):
        if not leaves_on(day + timedelta(days=offset), rules.slot_days, rules):
            continue
        for moment in slots_of(day + timedelta(days=offset), hours or rules.slots, rules.zone):
            if moment > after:
                return moment
    raise WrongUse("no slot within four weeks", mend="see [nudges] slot_days and holidays")


def is_slot(moment: datetime, rules: NudgeRules, hours: tuple[time, ...] | None = None) -> bool:
    """Whether it is one of the practice's; ``hours``: in place of its own."""
    return next_slot(moment - timedelta(microseconds=1), rules, hours) == moment


def helps_until(start: datetime, rules: NudgeRules) -> datetime:
    """Rule 3: the last moment at which a reminder still helps, in UTC, never after ``start``."""
    day = start.astimezone(rules.zone).date()
    hours = set(rules.slots).union(*(rules.hours_of(kind) for kind in rules.kinds))
    ends = [at_local(day, hour, rules.zone) + _HOUR for hour in hours]
    marks = [at_local(day, mark, rules.zone) for mark in _MARKS]
    return max(end for end in ends + marks if end <= start)  # midnight always is one


def useful_until(slot: datetime, start: datetime, zone: ZoneInfo) -> datetime:
    """Rule 3. Never a function of the exact start beyond the half-day mark and one comparison."""
    local = start.astimezone(zone)
    marks = (at_local(local.date(), hour, zone) for hour in (time(12, 0), time(0, 0)))
    for mark in marks:
        if slot < mark <= start:
            return mark
    return slot + timedelta(hours=1)


def plan_change(
    start: datetime,
    now: datetime,
    rules: NudgeRules,
    *,
    earliest: datetime | None = None,
    hours: tuple[time, ...] | None = None,
    quiet: Sequence[Quiet] | None = None,
) -> tuple[PlannedNudge, ...]:
    """When to tell that an appointment was cancelled or moved, and when again (rule 4); nothing once it is too late.

    ``earliest`` is the earliest time that the news concerns (the old time of a move), where that is not ``start``.
    ``hours`` of slots and ``quiet`` hours are in place of the practice's.
    """
    if start <= now:
        return ()
    concerns = min(start, earliest or start)
    slot = next_slot(now, rules, hours)
    if concerns - now <= rules.urgent or slot >= start:
        slot = after_quiet(now, rules, quiet)
    if slot >= start:
        return ()
    slots = [slot]
    if rules.second_after is not None:
        again = next_slot(slot + rules.second_after - timedelta(microseconds=1), rules, hours)
        if again < concerns:
            slots.append(again)
    return tuple(PlannedNudge(slot=s, useful_until=useful_until(s, start, rules.zone)) for s in slots)


def after_quiet(now: datetime, rules: NudgeRules, quiet: Sequence[Quiet] | None = None) -> datetime:
    """``now`` in UTC, or the end of the quiet hours that run (rule 4). ``quiet``: in place of the practice's; they
    leave some time.
    """
    spans = (rules.quiet,) if quiet is None else quiet
    now = now.astimezone(UTC)
    while is_in(now.astimezone(rules.zone).time(), spans):
        now = min(_end(span, now, rules.zone) for span in spans if span.begins != span.ends)
    return now


def _end(span: Quiet, now: datetime, zone: ZoneInfo) -> datetime:
    """The next moment at which those hours end."""
    local = now.astimezone(zone)
    ends = (
        datetime.combine(local.date() + timedelta(days=d), span.ends, zone).replace(fold=f)
        for d in (0, 1)
        for f in (0, 1)  # the end may come twice in the night in which clocks go back
    )
    return min(end for e in ends if (end := e.astimezone(UTC)) > now)


def days(first: str, last: str) -> Sequence[date]:
    """All days from ``first`` to ``last`` (ISO 8601), both included."""
    a, b = date.fromisoformat(first), date.fromisoformat(last)
    return tuple(a + timedelta(days=i) for i in range((b - a).days + 1))
