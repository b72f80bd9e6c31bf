"""The practice's rules as a plain value, in terms of design.md; the adapter alone knows what the product calls them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

DAY = timedelta(days=1)
HALVES = (time(0, 0), time(12, 0))
LEVELS = ("plain", "discreet", "private", "constant")
EVERY_DAY = frozenset(range(7))
FAR = 28  # days within which one on which nudges leave is looked for
# Public holidays in France, from the calendar on the wall and not from a library.
_FIXED = ((1, 1), (5, 1), (5, 8), (7, 14), (8, 15), (11, 1), (11, 11), (12, 25))
_EASTER = (date(2026, 4, 5), date(2027, 3, 28), date(2028, 4, 16), date(2029, 4, 1))
HOLIDAYS = frozenset(date(year, *day) for year in range(2026, 2030) for day in _FIXED) | {
    sunday + after * DAY for sunday in _EASTER for after in (1, 39, 50)
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """What is different for one kind of appointment; None: nothing."""

    name: str
    leads: tuple[int, ...] | None = None
    slots: tuple[time, ...] | None = None
    days: frozenset[int] | None = None
    late: bool | None = None
    confirmed: str | None = None
    later: bool | None = None
    cap: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Wish:
    """What somebody asked for; None: nothing. A level counts where it is the stricter one, a cap the lower one."""

    level: str | None = None
    leads: tuple[int, ...] | None = None
    confirmed: str | None = None
    cap: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Timing:
    """The rules for one kind and one person: each lead is a day, or one of the ``spread`` days that end with it."""

    leads: tuple[int, ...]
    slots: tuple[time, ...]
    days: frozenset[int]
    late: bool
    confirmed: str
    spread: int
    later: bool

    def kept(self, *, confirmed: bool) -> tuple[int, ...]:
        """The leads of which reminders are wanted still."""
        if not confirmed or self.confirmed == "all":
            return self.leads
        return (min(self.leads),) if self.confirmed == "last" else ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Chances:
    """``may``: where a reminder may be; ``sure``: those of them that help beyond doubt."""

    may: frozenset[datetime]
    sure: frozenset[datetime]

    def after(self, moment: datetime, margin: timedelta) -> Chances:
        """What is left of them."""
        return Chances(
            may=frozenset(s for s in self.may if s > moment - margin),
            sure=frozenset(s for s in self.sure if s > moment + margin),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Habits:
    """``leads`` in days; ``days`` of the week, 0 is Monday; ``second`` in hours, 0 for none; ``apart`` in minutes."""

    zone: ZoneInfo
    leads: tuple[int, ...]
    slots: tuple[time, ...]
    quiet_from: time
    quiet_to: time
    cap: int
    level: str = "plain"
    spread: int = 3
    share: float = 0.2
    days: frozenset[int] = EVERY_DAY
    holidays: bool = False
    later: bool = False
    late: bool = True
    confirmed: str = "last"
    second: int = 0
    kinds: tuple[Kind, ...] = ()
    apart: int = 0
    a_second: float = 20.0

    # -- days and hours -----------------------------------------------------------------------------------------------

    def day_of(self, moment: datetime) -> date:
        return moment.astimezone(self.zone).date()

    def moment(self, day: date, hour: time) -> datetime:
        """Of two the first; of none, as long after midnight as the clock should have shown."""
        return datetime.combine(day, hour, self.zone).astimezone(UTC)

    def begins(self, day: date) -> datetime:
        return self.moment(day, time(0, 0))

    def is_quiet(self, moment: datetime) -> bool:
        hour = moment.astimezone(self.zone).time()
        if self.quiet_from <= self.quiet_to:
            return self.quiet_from <= hour < self.quiet_to
        return not self.quiet_to <= hour < self.quiet_from

    def quiet_ends(self, moment: datetime) -> datetime:
        """The first moment from ``moment`` on that is not quiet, give or take what a change of the clocks does."""
        day = self.day_of(moment)
        ends = (self.moment(day + n * DAY, self.quiet_to) for n in range(2))
        return next(end for end in ends if end > moment) if self.is_quiet(moment) else moment

    # -- slots --------------------------------------------------------------------------------------------------------

    def leaves(self, day: date, days: frozenset[int] | None = None) -> bool:
        """Whether nudges leave on that day at all."""
        off = self.holidays and day in HOLIDAYS
        return day.weekday() in (self.days if days is None else days) and not off

    def slots_on(self, day: date) -> list[datetime]:
        """Of the practice."""
        return self._on(day, self.slots, self.days)

    def may_be_slot(self, slot: datetime) -> bool:
        return slot in self.slots_on(self.day_of(slot))

    def next_slots(self, after: datetime) -> Iterator[datetime]:
        """The practice's slots, from the first one later than ``after``."""
        first = self.day_of(after)
        for ahead in range(4 * FAR):
            yield from (s for s in self.slots_on(first + ahead * DAY) if s > after)

    def next_slot(self, after: datetime) -> datetime:
        return next(self.next_slots(after))

    def _on(self, day: date, hours: Sequence[time], days: frozenset[int]) -> list[datetime]:
        return sorted({self.moment(day, hour) for hour in hours}) if self.leaves(day, days) else []

    # -- reminders ----------------------------------------------------------------------------------------------------

    def stricter(self, wish: Wish) -> str:
        """The level that counts for somebody."""
        return max(self.level, wish.level or self.level, key=LEVELS.index)

    def timing(self, kind: str, wish: Wish) -> Timing:
        own = next((k for k in self.kinds if k.name == kind), Kind(name=""))
        leads = own.leads if wish.leads is None else wish.leads
        return Timing(
            leads=self.leads if leads is None else leads,
            slots=self.slots if own.slots is None else own.slots,
            days=self.days if own.days is None else own.days,
            late=self.late if own.late is None else own.late,
            confirmed=wish.confirmed or own.confirmed or self.confirmed,
            spread=1 if self.stricter(wish) == "plain" else self.spread,
            later=self.later if own.later is None else own.later,
        )

    def caps(self, wish: Wish) -> tuple[int, int]:
        """The lowest and the highest that may count for somebody, whatever kind it is about."""
        rules = {self.cap, *(kind.cap for kind in self.kinds if kind.cap is not None)}
        found = [cap if wish.cap is None else min(cap, wish.cap) for cap in rules]
        return min(found), max(found)

    def helps(self, slot: datetime, start: datetime) -> bool:
        """Whether a nudge in ``slot`` has something of its use before ``start``: a half-day mark or an hour."""
        return self.helps_long(slot, start) or slot + timedelta(hours=1) <= start

    def helps_long(self, slot: datetime, start: datetime) -> bool:
        """Whether a half-day mark lies between, whatever the slots are."""
        if slot >= start:
            return False
        days = (self.day_of(start), self.day_of(start) - DAY)
        marks = [self.moment(day, half) for day in days for half in HALVES]
        return any(slot < mark <= start for mark in marks)

    def chances(self, timing: Timing, lead: int, start: datetime) -> Chances:
        """The slots for one of which the reminder is drawn."""
        may: set[datetime] = set()
        sure: set[datetime] = set()
        for extra in range(timing.spread):
            for day in self._leaving(self.day_of(start) - (lead + extra) * DAY, timing):
                here = [s for s in self._on(day, timing.slots, timing.days) if s < start]
                helping = [s for s in here if self.helps(s, start)]
                may.update(here)
                sure.update(helping)
                if helping:
                    break
        if not sure:
            for before in range(FAR):
                here = [
                    s
                    for s in self._on(self.day_of(start) - before * DAY, timing.slots, timing.days)
                    if s < start
                ]
                may.update(here)
                if sure := {s for s in here if self.helps(s, start)}:
                    break
        return Chances(may=frozenset(may), sure=frozenset(sure))

    def next_of(self, timing: Timing, after: datetime) -> datetime | None:
        """The next slot for that kind."""
        first = self.day_of(after)
        days = (first + n * DAY for n in range(FAR))
        return next((s for d in days for s in self._on(d, timing.slots, timing.days) if s > after), None)

    def is_slot_of(self, timing: Timing, slot: datetime) -> bool:
        return slot in self._on(self.day_of(slot), timing.slots, timing.days)

    def is_slot_of_any(self, slot: datetime, wish: Wish) -> bool:
        return any(
            self.is_slot_of(self.timing(kind, wish), slot) for kind in ("", *(k.name for k in self.kinds))
        )

    def longest_use(self, slot: datetime, wish: Wish) -> datetime:
        """Until when a reminder of the practice's could help that is late since ``slot``."""
        timing = self.timing("", wish)
        day = self.day_of(slot)
        around = (day + n * DAY for n in range(-FAR, FAR + 1))
        last = max((d for d in around if day in self._leaving(d, timing)), default=day)
        return self.begins(last + (max(timing.leads, default=0) + timing.spread) * DAY)

    def _leaving(self, wanted: date, timing: Timing) -> list[date]:
        """The day itself, or the ones it gives way to, the preferred one first."""
        if self.leaves(wanted, timing.days):
            return [wanted]
        found = []
        for step in (1, -1) if timing.later else (-1,):
            around = (wanted + step * n * DAY for n in range(1, FAR + 1))
            found += [next(d for d in around if self.leaves(d, timing.days))]
        return found
