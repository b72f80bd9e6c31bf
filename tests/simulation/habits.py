"""The practice's rules as a plain value, in terms of design.md; the adapter alone knows what the product calls them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

DAY = timedelta(days=1)
HALVES = (time(0, 0), time(12, 0))


@dataclass(frozen=True, kw_only=True, slots=True)
class Habits:
    """``leads``: for each reminder of an appointment the days before it among which one is taken."""

    zone: ZoneInfo
    leads: tuple[frozenset[int], ...]
    slots: tuple[time, ...]
    quiet_from: time
    quiet_to: time
    cap: int

    def day_of(self, moment: datetime) -> date:
        return moment.astimezone(self.zone).date()

    def moment(self, day: date, hour: time) -> datetime:
        """Of two the first; of none, as long after midnight as the clock should have shown."""
        return datetime.combine(day, hour, self.zone).astimezone(UTC)

    def begins(self, day: date) -> datetime:
        return self.moment(day, time(0, 0))

    def slots_on(self, day: date) -> list[datetime]:
        return sorted({self.moment(day, hour) for hour in self.slots})

    def is_quiet(self, moment: datetime) -> bool:
        hour = moment.astimezone(self.zone).time()
        if self.quiet_from <= self.quiet_to:
            return self.quiet_from <= hour < self.quiet_to
        return not self.quiet_to <= hour < self.quiet_from

    def helps(self, slot: datetime, start: datetime) -> bool:
        """Whether a nudge in ``slot`` has something of its use before ``start``: a half-day mark or an hour."""
        if slot >= start:
            return False
        days = (self.day_of(start), self.day_of(start) - DAY)
        marks = [self.moment(day, half) for day in days for half in HALVES]
        return any(slot < mark <= start for mark in marks) or slot + timedelta(hours=1) <= start

    def earliest(self, start: datetime) -> datetime:
        """Before this moment no reminder of an appointment at ``start`` has any business."""
        most = max(max(lead) for lead in self.leads)
        return self.begins(self.day_of(start) - (most + 1) * DAY)

    def may_be_slot(self, slot: datetime) -> bool:
        return slot in self.slots_on(self.day_of(slot))
