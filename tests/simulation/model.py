"""What must hold, written from design.md (P9) and failures.md without a look at how the product does it.

1. A nudge leaves only to somebody enrolled whom nobody paused, and for a reason that stands: an appointment to come as
   it is known at that moment, or news of a cancellation or a move that are not over (failures 01, 02, 05, 08).
2. One nudge a recipient and slot, and in any 24 hours no more than the cap (failures 03, 13).
3. None in quiet hours, none before its slot, and only urgent news outside of the practice's slots (failures 07, 18).
4. Every reminder of somebody who could be reached came in time, or a line for the staff says that it did not; the same
   for news, whatever the reminder setting, at once where they are urgent (failures 01, 04, 06, 14).
5. A restart, and an import that changes nothing, draw nothing anew.
6. What is kept stays bounded.

"Known at that moment" has a grace: what was claimed is on its way, and a call may take half a minute.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Generic, Protocol, TypeVar

from tests.simulation.adapter import UNTOLD, Booking, Due, Line4Staff, Reply
from tests.simulation.habits import DAY, Habits
from tests.simulation.homeserver import Accepted

GRACE = timedelta(minutes=2)
PROMPT = timedelta(
    minutes=30
)  # a bot that nothing disturbs looks every ten minutes here, not every half second
MARGIN = timedelta(minutes=45)  # what a clock that is a little wrong may blur
URGENT = timedelta(hours=48)

T = TypeVar("T")


class Moments(Protocol):
    """See :class:`tests.simulation.moments.Time`."""

    @property
    def true(self) -> datetime: ...
    @property
    def skew(self) -> float: ...
    def now(self) -> datetime: ...


class Violation(AssertionError):
    """Something that must hold did not."""


class History(Generic[T]):
    """Values with the true moment since when each holds."""

    def __init__(self) -> None:
        self._steps: list[tuple[datetime, T]] = []

    def set(self, at: datetime, value: T) -> None:
        self._steps.append((at, value))

    @property
    def now(self) -> T | None:
        return self._steps[-1][1] if self._steps else None

    def since(self, holds: Callable[[T], bool]) -> datetime:
        """Since when it has held without a break, for a value that holds now."""
        found = self._steps[-1][0]
        for at, value in reversed(self._steps):
            if not holds(value):
                break
            found = at
        return found

    def within(self, first: datetime, last: datetime) -> list[T | None]:
        """The value at ``first``, and those that began up to ``last``."""
        before = [value for at, value in self._steps if at <= first]
        later = [value for at, value in self._steps if first < at <= last]
        return [before[-1] if before else None, *later]

    def always(self, first: datetime, last: datetime, holds: Callable[[T], bool]) -> bool:
        return all(value is not None and holds(value) for value in self.within(first, last))

    def ever(self, first: datetime, last: datetime, holds: Callable[[T], bool]) -> bool:
        return any(value is not None and holds(value) for value in self.within(first, last))


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """How somebody stands to being told."""

    recipient: str
    enrolled: bool = True
    reminders: bool = True
    paused: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """An appointment as the last import that was accepted tells it."""

    booking: Booking
    declined: bool = False


@dataclass
class News:
    """A cancellation or a move, known since ``true`` (``at`` by the bot's clock); over at ``until``.

    ``to``: who could read the appointment before, and was enrolled. ``settled``: told, read, or not wanted any more.
    """

    source: str
    true: datetime
    at: datetime
    until: datetime
    urgent: bool
    at_once: datetime
    regular: datetime
    to: set[str]
    old: Booking
    settled: set[str] = field(default_factory=set)


@dataclass(frozen=True, kw_only=True, slots=True)
class Nudged:
    name: str
    true: datetime
    at: datetime
    slot: datetime
    recipient: str


class Model:
    """Told of everything that was done and of everything that left; raises :class:`Violation`."""

    def __init__(self, time: Moments, habits: Habits, due: Callable[[str], Due | None]) -> None:
        self._time, self.habits, self._due = time, habits, due
        self._all_habits = [(time.true, habits)]
        self.people: dict[str, History[Standing]] = {}
        self.patients: dict[str, set[str]] = {}
        self.visits: dict[str, History[Known]] = {}
        self.readable: dict[tuple[str, str], datetime] = {}
        self.owner: dict[str, str] = {}
        self.nudges: list[Nudged] = []
        self.news: list[News] = []
        self.problems: dict[int, Line4Staff] = {}
        self._disturbed: list[tuple[datetime, datetime | None]] = []
        self._judged: set[tuple[str, datetime]] = set()
        self.everybody_paused: History[bool] = History()
        self.everybody_paused.set(time.true, False)

    def asks(self, due: Callable[[str], Due | None]) -> None:
        """Whose nudge a transaction id is, by a new process of the practice's side."""
        self._due = due

    # -- what was done ------------------------------------------------------------------------------------------------

    def new_habits(self, habits: Habits) -> None:
        self.habits = habits
        self._all_habits.append((self._time.true, habits))
        self.disturbed(on=True)
        self.disturbed(on=False)

    def disturbed(self, *, on: bool) -> None:
        """While the bot, the homeserver or the clock are not as they should be, nobody can expect the exact moment."""
        now = self._time.true
        if on:
            self._disturbed.append((now, None))
            return
        self._disturbed = [(a, now if b is None else b) for a, b in self._disturbed]

    def stands(self, name: str, **changes: object) -> None:
        before = self.people[name].now
        assert before is not None
        self.people[name].set(self._time.true, replace(before, **changes))  # type: ignore[arg-type]  # fields by name

    def enrolled(self, name: str, recipient: str) -> None:
        self.people.setdefault(name, History()).set(self._time.true, Standing(recipient=recipient))

    def invited(self, name: str, recipient: str, patients: Iterable[str]) -> None:
        """A new key pair: what the old one could read is gone, once the code is redeemed."""
        self.owner[recipient] = name
        self.patients[name] = set(patients)

    def forgets(self, name: str) -> None:
        """The old key is destroyed."""
        self.readable = {key: at for key, at in self.readable.items() if key[1] != name}
        for news in self.news:
            news.settled.add(name)

    def read(self, name: str) -> None:
        for news in self.news:
            news.settled.add(name)

    def answered(self, replies: Iterable[Reply]) -> None:
        """``replies`` as staff read them."""
        by_source: dict[str, bool] = {}
        for reply in replies:
            by_source[reply.source] = by_source.get(reply.source, False) or reply.declined
        for source, declined in by_source.items():
            known = self.visits[source].now if source in self.visits else None
            if known is not None and known.declined != declined:
                self.visits[source].set(self._time.true, replace(known, declined=declined))

    def reported(self, problems: Iterable[Line4Staff]) -> None:
        for problem in problems:
            self.problems[problem.id] = problem

    # -- imports ------------------------------------------------------------------------------------------------------

    def imported(self, bookings: Iterable[Booking], *, first: str = "", last: str = "") -> None:
        """An import that was accepted; absence between the two days (ISO 8601) cancels."""
        now, there = self._time.now(), set()
        for booking in bookings:
            there.add(booking.source)
            self._taken(booking, now)
        if not first:
            return
        for source, history in self.visits.items():
            known = history.now
            if known is None or source in there or not known.booking.booked:
                continue
            day = self.habits.day_of(known.booking.start).isoformat()
            if first <= day <= last and self._day_end(known.booking) > now:
                self.cancelled(source)

    def _day_end(self, booking: Booking) -> datetime:
        return self.habits.begins(self.habits.day_of(booking.end) + DAY)

    def _taken(self, booking: Booking, now: datetime) -> None:
        history = self.visits.get(booking.source)
        known = history.now if history else None
        over = booking.end <= now
        if known is None:
            if not over:
                self.visits[booking.source] = History()
                self._becomes(booking)
                self._sealed(booking)
            return
        old = known.booking
        if booking.version < old.version:
            return
        if over:
            if old.booked and self._day_end(old) > now and booking.start != old.start:
                self.cancelled(booking.source, entry=booking)
        elif not booking.booked:
            if old.booked:
                self.cancelled(booking.source, entry=booking)
        elif not old.booked or booking.start != old.start:
            self._tell(booking, old, until=booking.start)
            self._becomes(booking)
            self._sealed(booking)
        else:
            self._sealed(booking)

    def cancelled(self, source: str, *, entry: Booking | None = None, told_to_operator: bool = False) -> None:
        known = self.visits[source].now
        assert known is not None
        old = known.booking
        self._tell(
            entry or old, old, until=self._day_end(old)
        )  # an agenda may name another time as it cancels
        if told_to_operator or old.start <= self._time.now():  # nobody needs to hear of what is over
            self.news[-1].settled.update(self.news[-1].to)
        self._becomes(replace(old, booked=False, version=entry.version if entry else old.version))

    def _becomes(self, booking: Booking) -> None:
        self.visits[booking.source].set(self._time.true, Known(booking=booking))

    def _sealed(self, booking: Booking) -> None:
        if not booking.booked:
            return
        for name, patients in self.patients.items():
            if booking.patient in patients:
                self.readable.setdefault((booking.source, name), self._time.true)

    def _tell(self, booking: Booking, old: Booking, *, until: datetime) -> None:
        now, true = self._time.now(), self._time.true
        for earlier in self.news:
            if earlier.source == old.source:
                earlier.settled.update(earlier.to)  # the newer news say it all
        to = {
            name
            for (source, name) in self.readable
            if source == old.source
            and (standing := self.people.get(name)) is not None
            and (state := standing.now) is not None
            and state.enrolled
        }
        urgent = min(booking.start, old.start) - now <= URGENT - timedelta(minutes=1)
        self.news.append(
            News(
                source=old.source,
                true=true,
                at=now,
                until=until,
                urgent=urgent,
                at_once=self._at_once(now),
                regular=self._regular(now),
                to=to,
                old=old,
            )
        )

    # -- what left ----------------------------------------------------------------------------------------------------

    def nudged(self, event: Accepted) -> None:
        """Called before anything else knows of the event."""
        due = self._due(event.txn)
        if due is None:
            raise Violation("a nudge left that no row of the outbox stands for")
        name = self.owner[due.recipient]
        if f"@{name}:example.org" != event.user:
            raise Violation(f"the nudge of {name} went to somebody else")
        nudge = Nudged(name=name, true=event.true, at=event.at, slot=due.slot, recipient=due.recipient)
        before = [n for n in self.nudges if n.recipient == due.recipient]
        self.nudges.append(nudge)
        if any(n.slot == due.slot for n in before):
            raise Violation(f"{name} was nudged twice for the slot {due.slot:%d %H:%M}")
        day = [n for n in before if abs(event.at - n.at) < DAY]
        if len(day) >= self.habits.cap:
            raise Violation(
                f"{name} was nudged {len(day) + 1} times within 24 hours, the cap is {self.habits.cap}"
            )
        if self.habits.is_quiet(event.at) and self.habits.is_quiet(event.at - GRACE):
            raise Violation(f"{name} was nudged in quiet hours")
        if event.at < due.slot - timedelta(seconds=1):
            raise Violation(f"{name} was nudged before the slot")
        self._judge_standing(nudge)
        self._judge_reason(nudge)

    def _judge_standing(self, nudge: Nudged) -> None:
        since = nudge.true - GRACE
        standing = self.people.get(nudge.name)
        if standing is None or not standing.ever(
            since, nudge.true, lambda s: s.enrolled and s.recipient == nudge.recipient and not s.paused
        ):
            raise Violation(f"{nudge.name} was nudged while not enrolled, or paused")
        if not self.everybody_paused.ever(since, nudge.true, lambda paused: not paused):
            raise Violation(f"{nudge.name} was nudged while everybody was paused")

    def _judge_reason(self, nudge: Nudged) -> None:
        mine = [source for (source, name) in self.readable if name == nudge.name]
        standing, since = self.people[nudge.name], nudge.true - GRACE
        regular = any(habits.may_be_slot(nudge.slot) for _, habits in self._all_habits)
        if regular and standing.ever(since, nudge.true, lambda s: s.reminders):
            for source in mine:
                if self.visits[source].ever(since, nudge.true, lambda known: self._calls_for(known, nudge)):
                    return
        if any(news.source in mine and self._is_slot_of(news, nudge) for news in self.news):
            return
        raise Violation(
            f"{nudge.name} was nudged for the slot {nudge.slot:%d %H:%M} at {nudge.at:%d %H:%M} without a reason"
        )

    def _calls_for(self, known: Known, nudge: Nudged) -> bool:
        booking = known.booking
        return (
            booking.booked
            and not known.declined
            and nudge.at < booking.start + GRACE
            and nudge.slot < booking.start
            and any(nudge.slot >= habits.earliest(booking.start) for _, habits in self._all_habits)
        )

    def _is_slot_of(self, news: News, nudge: Nudged) -> bool:
        """News have one slot: at once, or as soon as it is not quiet, or the next one of the practice."""
        if nudge.at > self._last_use(news) or nudge.slot < news.at - timedelta(seconds=1):
            return False
        if news.urgent or self._day_start_urgent(news):
            return nudge.slot <= max(news.at_once + timedelta(minutes=1), news.regular)
        return nudge.slot == news.regular

    def _last_use(self, news: News) -> datetime:
        """The end of the day until which anybody cares."""
        return max(news.until, self._day_end(news.old)) + GRACE

    def _day_start_urgent(self, news: News) -> bool:
        """Where the details are not at hand, the day decides; and where no slot comes before the start, now does."""
        if news.urgent:
            return True
        begins = self.habits.begins(self.habits.day_of(news.old.start))
        slots = self.habits.slots_on(self.habits.day_of(news.at)) + self.habits.slots_on(
            self.habits.day_of(news.at) + DAY
        )
        coming = [slot for slot in slots if slot > news.at]
        return begins - news.at <= URGENT or not coming or coming[0] >= news.until

    # -- what did not leave -------------------------------------------------------------------------------------------

    def calm(self) -> None:
        """Nothing waits, and nothing is in the way: whatever is over by now was told or reported."""
        now = self._time.now()
        for source, history in self.visits.items():
            known = history.now
            if known is None or not known.booking.booked or known.booking.start + MARGIN > now:
                continue
            key = (source, known.booking.start)
            if key not in self._judged:
                self._judged.add(key)
                self._judge_reminders(known.booking)
        for news in self.news:
            if self._prompt(news) + MARGIN < now:
                self._judge_news(news, over=news.until + MARGIN < now)
        self.news = [n for n in self.news if self._last_use(n) + 2 * MARGIN > now]

    def _judge_reminders(self, booking: Booking) -> None:
        known = self.visits[booking.source].since(lambda k: k.booking == booking)
        later = [habits for at, habits in self._all_habits if at > known]
        before = [habits for at, habits in self._all_habits if at <= known]
        in_force = [*before[-1:], *later]
        if len(in_force) == 1:
            for lead in self.habits.leads:
                self._judge_lead(booking, self._helping(self.habits, lead, booking.start))
            return
        # Edited while it was to come: whichever of the rules it was planned by.
        helping = {s for h in in_force for lead in h.leads for s in self._helping(h, lead, booking.start)}
        self._judge_lead(booking, sorted(helping))

    @staticmethod
    def _helping(habits: Habits, lead: frozenset[int], start: datetime) -> list[datetime]:
        """The slots in one of which the reminder leaves."""
        days = [habits.day_of(start) - timedelta(days=d) for d in sorted(lead, reverse=True)]
        found = [s for day in days for s in habits.slots_on(day) if habits.helps(s, start)]
        return found or [s for s in habits.slots_on(days[0] - DAY) if habits.helps(s, start)]

    def _judge_lead(self, booking: Booking, helping: list[datetime]) -> None:
        if helping:
            for name in self.people:
                self._judge_reminder(booking, name, helping)

    def _judge_reminder(self, booking: Booking, name: str, helping: list[datetime]) -> None:
        """One of ``helping``, at its time; later only where something stood in the way."""
        first = min(helping)
        skew = timedelta(seconds=self._time.skew)
        since, start = first - MARGIN - skew, booking.start + MARGIN - skew
        sealed = self.readable.get((booking.source, name))
        if sealed is None or sealed > since:
            return
        if not self.visits[booking.source].always(
            since, start, lambda k: k.booking == booking and not k.declined
        ):
            return
        # Who stops before a bot that was down could say that it came too late is not missed any more.
        end = self._time.true if self._was_disturbed(since, start) else start
        if not self.people[name].always(since, end, lambda s: s.enrolled and s.reminders and not s.paused):
            return
        mine = [n for n in self.nudges if n.name == name and first <= n.at <= booking.start + GRACE]
        if any(n.slot in helping for n in mine) or (mine and self._was_disturbed(since, mine[-1].true)):
            return
        if self._is_reported(name, first - MARGIN):
            return
        raise Violation(
            f"{name} was never reminded of {booking.source} ({booking.start:%d %H:%M}), and no line says so"
        )

    def _is_reported(self, name: str, since: datetime) -> bool:
        return any(
            p.recipient is not None
            and self.owner.get(p.recipient) == name
            and p.at >= since
            and p.kind in UNTOLD
            for p in self.problems.values()
        )

    def _at_once(self, at: datetime) -> datetime:
        """Now, or as soon as it is not quiet any more."""
        while self.habits.is_quiet(at):
            at += timedelta(minutes=1)
        return at

    def _regular(self, at: datetime) -> datetime:
        """The next of the practice's slots."""
        days = [self.habits.day_of(at) + n * DAY for n in (0, 1, 2)]
        return min(s for day in days for s in self.habits.slots_on(day) if s > at)

    @staticmethod
    def _prompt(news: News) -> datetime:
        """By when an undisturbed bot has told them."""
        return (news.at_once if news.urgent else news.regular) + PROMPT

    def _judge_news(self, news: News, *, over: bool) -> None:
        end = self._time.true
        for name in sorted(news.to - news.settled):
            if not self.people[name].always(news.true, end, lambda s: s.enrolled and not s.paused):
                news.settled.add(name)
                continue
            told = [n for n in self.nudges if n.name == name and n.true >= news.true]
            in_time = any(n.at <= self._prompt(news) for n in told)
            later = bool(told) and self._was_disturbed(news.true, told[0].true)
            if in_time or later or self._is_reported(name, news.at - MARGIN):
                news.settled.add(name)
            elif over or not self._was_disturbed(news.true, end):
                late = "" if over else " in time"
                raise Violation(
                    f"{name} was not told{late} of what became of {news.source}, and no line says so"
                )

    def _was_disturbed(self, first: datetime, last: datetime) -> bool:
        return any(a <= last and (b is None or b >= first - PROMPT) for a, b in self._disturbed)

    # -- at rest ------------------------------------------------------------------------------------------------------

    def bounded(self, sizes: Mapping[str, int], held: int) -> None:
        """After a purge. Nothing of what is counted may grow with the time that the practice has existed."""
        people, recent = len(self.people), self._time.now() - timedelta(days=12)
        to_come = sum(
            known is not None and known.booking.start > recent
            for known in (h.now for h in self.visits.values())
        )
        readers = 2 * (people + 1)
        most = {
            "appointment": to_come + 10,
            "envelope": (to_come + 10) * readers,
            "reminder": (to_come + 10) * readers * (len(self.habits.leads) + 2),
            "outbox": 50 + (to_come + 10) * readers * (len(self.habits.leads) + 2),
            "recipient": readers * 4,
            "room": readers,
        }
        for name, number in most.items():
            if sizes[name] > number:
                raise Violation(f"{sizes[name]} rows of {name} after a purge, at most {number} were expected")
        if held > 12 * (people + 1):
            raise Violation(f"the process holds {held} things in memory while nothing happens")

    def forget(self) -> None:
        """Keep what can still be judged: a simulated year must fit into memory as well."""
        old = self._time.true - timedelta(days=40)
        self.nudges = [n for n in self.nudges if n.true > old]
        gone = {s for s, h in self.visits.items() if h.now is None or h.now.booking.start < old}
        self.visits = {s: h for s, h in self.visits.items() if s not in gone}
        self.readable = {key: at for key, at in self.readable.items() if key[0] not in gone}
        self._judged = {key for key in self._judged if key[1] > old}
        self.problems = {i: p for i, p in self.problems.items() if p.at > old}
        self._disturbed = [(a, b) for a, b in self._disturbed if b is None or b > old]
