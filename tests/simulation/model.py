"""What must hold, written from design.md (P7, P9) and failures.md without a look at how the product does it.

1. A nudge leaves only to somebody enrolled whom nobody paused, and for a reason that stands: an appointment to come as
   it is known at that moment, in a slot that its kind's and its reader's rules name; or news of a cancellation or a
   move that are not over, once, and once more where they were not opened (failures 01, 02, 05, 08).
2. One nudge a recipient and slot, and in any 24 hours no more with a reason than the cap (failures 03, 13).
3. None in quiet hours, none before its slot, and only urgent news outside of the practice's slots (failures 07, 18).
4. Every reminder of somebody who could be reached came in time, or a line for the staff says that it did not; the same
   for news, whatever the reminder setting, at once where they are urgent, and once more where they were not opened
   (failures 01, 04, 06, 14).
5. A restart, and an import that changes nothing, draw nothing anew.
6. What is kept stays bounded.
7. A nudge without a reason goes to those alone who are at a level with decoys, in the practice's slots, late where a
   reminder would be and no longer; to whoever is at ``private`` as many of them as their share, to whoever is at
   ``constant`` in every slot.
8. Two nudges to one person are as far apart as the practice says, decoys and news aside.
9. While the clock is in doubt nothing leaves and nothing is given up as too late.

"Known at that moment" has a grace: what was claimed is on its way, and a call may take half a minute.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol

from tests.simulation.adapter import (
    CAPPED,
    PAGE,
    TOO_LATE,
    UNREACHABLE,
    UNTOLD,
    Booking,
    Due,
    Line4Staff,
    Reply,
)
from tests.simulation.facts import NOTHING, History, Known, News, Nudged, Ruled, Standing, Violation
from tests.simulation.habits import DAY, Chances, Habits, Timing, Wish
from tests.simulation.homeserver import Accepted

GRACE = timedelta(minutes=2)
PROMPT = timedelta(
    minutes=30
)  # a bot that nothing disturbs looks every ten minutes here, not every half second
MARGIN = timedelta(minutes=45)  # what a clock that is a little wrong may blur
URGENT = timedelta(hours=48)

ONE = timedelta(seconds=1)
CLOCK = "clock"

DECOYS = ("private", "constant")
SETTLES = timedelta(hours=2)  # by then whoever asks for decoys gets them


class Moments(Protocol):
    """See :class:`tests.simulation.moments.Time`."""

    @property
    def true(self) -> datetime: ...
    @property
    def skew(self) -> float: ...
    def now(self) -> datetime: ...


class Model:
    """Told of everything that was done and of everything that left; raises :class:`Violation`."""

    def __init__(self, time: Moments, habits: Habits, due: Callable[[str], Due | None]) -> None:
        self._time, self.habits, self._due = time, habits, due
        self._rules = [Ruled(habits=habits, edited=time.true)]
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
        self._heard: dict[str, list[datetime]] = {}
        self._answers: dict[str, tuple[str, Reply]] = {}
        self._counted = time.now()
        self._decoys = self._decoy_slots = 0
        self._decoy_chance = self._decoy_spread = 0.0
        self._given, self._owed_chance, self._owed_spread = 0, 0.0, 0.0
        self._doubt: tuple[datetime, datetime] | None = None
        self.everybody_paused: History[bool] = History()
        self.everybody_paused.set(time.true, False)

    def asks(self, due: Callable[[str], Due | None]) -> None:
        """Whose nudge a transaction id is, by a new process of the practice's side."""
        self._due = due

    # -- what was done ------------------------------------------------------------------------------------------------

    def new_habits(self, habits: Habits) -> None:
        self._count_decoys()
        self.habits = habits
        self._rules.append(Ruled(habits=habits, edited=self._time.true))
        # A moment of its own: what is out of order meanwhile stays so.
        self._disturbed.append((self._time.true, self._time.true))

    def begun(self) -> None:
        """A bot that knows the newest rules planned by them."""
        for ruled in self._rules[:-1]:
            ruled.ended = ruled.ended or self._time.true

    def heard(self, name: str) -> None:
        """Whoever could not be reached is tried again."""
        self._heard.setdefault(name, []).append(self._time.now())

    def doubts(self, *, on: bool) -> None:
        """The bot's clock jumped, or is right again (by somebody's word or by itself)."""
        self._doubt = (self._time.true, self._time.now()) if on else None

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
            news.is_over_for(name)

    def read(self, name: str, *, certain: bool, begun: datetime) -> None:
        """``certain``: what was asked for has reached them; more than a page of it has not, and what came while it was
        on its way, since the true moment ``begun``, has not either.
        """
        to_come = [k for k in self._visits_of(name) if self._day_end(k.booking) > self._time.now()]
        certain = certain and len(to_come) <= PAGE
        for news in self.news:
            news.is_over_for(name)
            if certain and news.true <= begun:
                news.opened.setdefault(name, self._time.true)

    def _visits_of(self, name: str) -> list[Known]:
        mine = [source for (source, reader) in self.readable if reader == name]
        return [known for source in mine if (known := self.visits[source].now) is not None]

    def answered(self, recipient: str, replies: Iterable[Reply]) -> None:
        """``replies`` as staff read them; the new ones are those of ``recipient``."""
        by_source: dict[str, list[tuple[str, Reply]]] = {}
        for reply in replies:
            by, _ = self._answers.get(reply.id, (recipient, reply))
            self._answers[reply.id] = (by, reply)
            by_source.setdefault(reply.source, []).append((by, reply))
        for source, given in by_source.items():
            known = self.visits[source].now if source in self.visits else None
            if known is None:
                continue
            last = {by: r for by, r in sorted(given, key=lambda one: one[1].at) if r.holds}
            changed = replace(
                known,
                declined=any(r.declined and r.holds for _, r in given),
                confirmed=frozenset(by for by, r in last.items() if r.confirmed),
            )
            if changed != known:
                self.visits[source].set(self._time.true, changed)

    def reported(self, problems: Iterable[Line4Staff]) -> None:
        for problem in problems:
            new = problem.id not in self.problems and self._doubt is not None
            if new and problem.kind == TOO_LATE and self._doubt and problem.at >= self._doubt[1]:
                raise Violation("something was given up as too late on the word of a clock in doubt")
            self.problems[problem.id] = problem

    def has_told_of_doubt(self, since: datetime) -> bool:
        """Whether the staff were told that the clock is in doubt."""
        return any(p.kind == CLOCK and p.at >= since for p in self.problems.values())

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
        # An agenda may name another time as it cancels: until then it may be told, too.
        self._tell(entry or old, old, until=max(self._day_end(old), self._day_end(entry or old)))
        if told_to_operator or old.start <= self._time.now():  # nobody needs to hear of what is over
            self.news[-1].is_over_for(*self.news[-1].to)
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
                earlier.is_over_for(*earlier.to)  # the newer news say it all
                earlier.newer = earlier.newer or true
        to = {
            name
            for (source, name) in self.readable
            if source == old.source
            and (standing := self.people.get(name)) is not None
            and (state := standing.now) is not None
            and state.enrolled
        }
        concerns = min(booking.start, old.start)
        urgent = concerns - now <= URGENT - timedelta(minutes=1)
        again = self._again(now, concerns)
        self.news.append(
            News(
                source=old.source,
                true=true,
                at=now,
                until=until,
                urgent=urgent,
                at_once=self._at_once(now),
                regular=self.habits.next_slot(now),
                to=to,
                old=old,
                start=booking.start,
                again=again,
                owed=bool(again) and all(self.habits.helps_long(s, concerns) for s in again),
            )
        )

    def _again(self, now: datetime, concerns: datetime) -> tuple[datetime, ...]:
        """After the first time, whichever it was; none is owed unless after each it is before what they are news of."""
        if not self.habits.second:
            return ()
        first = (self._at_once(now), self.habits.next_slot(now))
        found = tuple(self.habits.next_slot(f + timedelta(hours=self.habits.second) - ONE) for f in first)
        return found if max(found) < concerns else ()

    # -- what left ----------------------------------------------------------------------------------------------------

    def nudged(self, event: Accepted) -> None:
        """Called before anything else knows of the event."""
        due = self._due(event.txn)
        if due is None:
            raise Violation("a nudge left that no row of the outbox stands for")
        name = self.owner[due.recipient]
        if f"@{name}:example.org" != event.user:
            raise Violation(f"the nudge of {name} went to somebody else")
        nudge = Nudged(
            name=name,
            true=event.true,
            at=event.at,
            slot=due.slot,
            recipient=due.recipient,
            decoy=due.decoy,
        )
        before = [n for n in self.nudges if n.recipient == due.recipient]
        self.nudges.append(nudge)
        if any(n.slot == due.slot for n in before):
            raise Violation(f"{name} was nudged twice for the slot {due.slot:%d %H:%M}")
        if self._doubt is not None and nudge.true > self._doubt[0]:  # nothing is on its way as a clock is set
            raise Violation(f"{name} was nudged while the clock is in doubt")
        day = [n for n in before if abs(event.at - n.at) < DAY and not n.decoy]
        wishes = self._wishes(name, nudge.true - GRACE, nudge.true)
        cap = max((self.habits.caps(wish)[1] for wish in wishes), default=self.habits.cap)
        if not nudge.decoy and len(day) >= cap:
            raise Violation(f"{name} was nudged {len(day) + 1} times within 24 hours, the cap is {cap}")
        if self.habits.is_quiet(event.at) and self.habits.is_quiet(event.at - GRACE):
            raise Violation(f"{name} was nudged in quiet hours")
        if event.at < due.slot - timedelta(seconds=1):
            raise Violation(f"{name} was nudged before the slot")
        self._judge_standing(nudge)
        self._judge_promptness(nudge, before)
        if nudge.decoy:
            self._judge_decoy(nudge)
            return
        news = any(self._is_slot_of(one, nudge) for one in self._news_of(nudge.name))
        if not news and not self._is_reminder(nudge):
            raise Violation(
                f"{nudge.name} was nudged for the slot {nudge.slot:%d %H:%M} at {nudge.at:%d %H:%M} "
                f"without a reason"
            )
        apart = timedelta(minutes=self.habits.apart) - GRACE
        if not news and any(timedelta() <= nudge.at - n.at < apart for n in before):
            self._judge_haste(nudge)

    def _judge_promptness(self, nudge: Nudged, before: Iterable[Nudged]) -> None:
        """At its slot, or as long after it as the practice keeps nudges apart, where nothing stood in the way."""
        latest = self._at_once(nudge.slot + timedelta(minutes=self.habits.apart)) + PROMPT
        if nudge.at <= latest or any(n.at > nudge.slot for n in before):
            return
        if not self._was_disturbed(self._true(nudge.slot), nudge.true):
            raise Violation(
                f"{nudge.name} was nudged at {nudge.at:%d %H:%M} for the slot {nudge.slot:%d %H:%M}"
            )

    def _judge_haste(self, nudge: Nudged) -> None:
        """It may leave too soon after another where it would be of no use later."""
        later = nudge.at + timedelta(minutes=self.habits.apart)
        while self.habits.is_quiet(later):
            later += timedelta(minutes=1)
        mine = [source for (source, name) in self.readable if name == nudge.name]
        known = (self.visits[source].now for source in mine)
        useful = any(
            k is not None and later + DAY / 2 < k.booking.start and self._calls_for(k, nudge) for k in known
        )
        if useful and not self._was_disturbed(nudge.true, nudge.true):
            raise Violation(f"{nudge.name} was nudged too soon after another nudge")

    def _judge_decoy(self, nudge: Nudged) -> None:
        """Rule 7."""
        self._decoys += self._level_of(nudge.name) == "private"
        since = nudge.true - GRACE
        # Those of a time in which nobody wrote any are written by the rules of the life that comes after.
        in_force = (*self._habits_at(self._true(nudge.slot)), self.habits)
        if not any(h.may_be_slot(nudge.slot) for h in in_force):
            raise Violation(f"{nudge.name} was sent a decoy out of the practice's slots")
        wishes = self._wishes(nudge.name, self._true(nudge.slot) - GRACE, nudge.true)
        if not any(nudge.at <= h.longest_use(nudge.slot, w) + GRACE for h in in_force for w in wishes):
            raise Violation(f"{nudge.name} was sent a decoy of a slot of which no reminder would be of use")

        def wants(standing: Standing) -> bool:
            return standing.reminders and self.habits.stricter(standing.wish) in DECOYS

        if not self.people[nudge.name].ever(since, nudge.true, wants):
            raise Violation(f"{nudge.name} was sent a decoy and has not asked for any")

    def _level_of(self, name: str) -> str:
        standing = self.people[name].now
        return self.habits.stricter(standing.wish if standing else NOTHING)

    def _news_of(self, name: str) -> list[News]:
        return [news for news in self.news if (news.source, name) in self.readable]

    def _judge_standing(self, nudge: Nudged) -> None:
        since = nudge.true - GRACE
        standing = self.people.get(nudge.name)
        if standing is None or not standing.ever(
            since, nudge.true, lambda s: s.enrolled and s.recipient == nudge.recipient and not s.paused
        ):
            raise Violation(f"{nudge.name} was nudged while not enrolled, or paused")
        if not self.everybody_paused.ever(since, nudge.true, lambda paused: not paused):
            raise Violation(f"{nudge.name} was nudged while everybody was paused")

    def _is_reminder(self, nudge: Nudged) -> bool:
        standing, since = self.people[nudge.name], nudge.true - GRACE
        if not standing.ever(since, nudge.true, lambda s: s.reminders):
            return False
        mine = [source for (source, name) in self.readable if name == nudge.name]
        return any(
            self.visits[source].ever(since, nudge.true, lambda known: self._calls_for(known, nudge))
            for source in mine
        )

    def _calls_for(self, known: Known, nudge: Nudged) -> bool:
        booking = known.booking
        if not booking.booked or known.declined or nudge.at >= booking.start + GRACE:
            return False
        if nudge.slot >= booking.start:
            return False
        # A confirmation just before the slot, or after it, changes nothing of what is due.
        confirmed = self.visits[booking.source].always(
            min(nudge.true, self._true(nudge.slot)) - GRACE,
            nudge.true,
            lambda k: nudge.recipient in k.confirmed,
        )
        return any(
            self._is_slot_for(habits, habits.timing(booking.type, wish), nudge.slot, booking.start, confirmed)
            or self._may_be_moved(habits, wish, booking, nudge.slot, confirmed)
            for habits in self._habits_at(self._true(nudge.slot))
            for wish in self._wishes(nudge.name, self._true(nudge.slot) - GRACE, nudge.true)
        )

    @staticmethod
    def _is_slot_for(
        habits: Habits,
        timing: Timing,
        slot: datetime,
        start: datetime,
        confirmed: bool,
    ) -> bool:
        chances = [habits.chances(timing, lead, start) for lead in timing.kept(confirmed=confirmed)]
        if any(slot in chance.may for chance in chances):
            return True
        late = timing.late and not confirmed and habits.is_slot_of(timing, slot)
        return late and not any(s > slot for chance in chances for s in chance.sure)

    @staticmethod
    def _may_be_moved(habits: Habits, wish: Wish, booking: Booking, slot: datetime, confirmed: bool) -> bool:
        """Where more slots of a day are wanted than the cap allows, the earlier one is shared, whosever it is."""
        timing = habits.timing(booking.type, wish)
        kept = (habits.chances(timing, lead, booking.start) for lead in timing.kept(confirmed=confirmed))
        later = any(slot < own < slot + DAY for chances in kept for own in chances.may)
        return later and habits.is_slot_of_any(slot, wish)

    def _true(self, at: datetime) -> datetime:
        """By the homeserver's clock, as far as is known now."""
        return at - timedelta(seconds=self._time.skew)

    def _habits_at(self, true: datetime) -> list[Habits]:
        """The rules by which something in that moment may have been planned."""
        return [
            r.habits
            for r in self._rules
            if r.edited <= true + MARGIN and (r.ended is None or r.ended >= true - MARGIN)
        ]

    def _wishes(self, name: str, since: datetime, until: datetime) -> set[Wish]:
        known = self.people[name].within(since, until)
        return {standing.wish for standing in known if standing is not None}

    def _is_slot_of(self, news: News, nudge: Nudged) -> bool:
        """News have one slot: at once, or as soon as it is not quiet, or the next one of the practice; and one more."""
        if nudge.at > self._last_use(news) or nudge.slot < news.at - timedelta(seconds=1):
            return False
        opened = news.opened.get(nudge.name)
        if opened is not None and nudge.true > opened + GRACE:
            return False
        if news.newer is not None and nudge.true > news.newer + GRACE:
            return False
        if nudge.slot in news.again:
            return True
        if news.urgent or self._day_start_urgent(news):
            return nudge.slot <= news.at_once + timedelta(minutes=1) or nudge.slot == news.regular
        return nudge.slot == news.regular

    def _last_use(self, news: News) -> datetime:
        """The end of the day until which anybody cares."""
        return max(news.until, self._day_end(news.old)) + GRACE

    def _day_start_urgent(self, news: News) -> bool:
        """Where the details are not at hand, the day decides; and where no slot comes that helps, now does."""
        if news.urgent:
            return True
        begins = self.habits.begins(self.habits.day_of(news.old.start))
        helps = news.regular < min(news.until, news.start)
        helps = helps and self.habits.helps_long(news.regular, news.old.start)
        return begins - news.at <= URGENT or not helps

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
            if news.owed and max(news.again) + self._wait() + MARGIN < now:
                self._judge_second(news)
        self._count_decoys()
        self.news = [n for n in self.news if self._last_use(n) + 2 * MARGIN > now]

    def _count_decoys(self) -> None:
        """Rule 7, of the slots since this was last asked."""
        now = min(self._time.now(), self.held_until())
        first, self._counted = self._counted, max(now, self._counted)
        for slot in self.habits.next_slots(first):
            if slot > now:
                break
            for name, history in self.people.items():
                known = history.within(self._true(first), self._time.true)
                if any(s is not None and self.habits.stricter(s.wish) == "private" for s in known):
                    self._decoy_slots += 1
                    self._decoy_chance += self.habits.share
                    self._decoy_spread += self.habits.share * (1 - self.habits.share)
                if not self._came(slot, self._rules[-1]):
                    continue  # other rules had other slots, and it was one of theirs or none
                if self._could_get(name, slot, "constant"):
                    self._judge_constant(name, slot)
                elif self._could_get(name, slot, "private"):
                    self._owed_chance += self.habits.share
                    self._owed_spread += self.habits.share * (1 - self.habits.share)
                    self._given += self._was_nudged_in(name, slot)
        if self._decoys > self._decoy_chance + 5 * self._decoy_spread**0.5 + 3:
            raise Violation(
                f"{self._decoys} decoys in {self._decoy_slots} slots, {self._decoy_chance:.0f} are their share"
            )

        if self._given < self._owed_chance - 5 * self._owed_spread**0.5 - 3:
            raise Violation(f"{self._given} slots of decoys, {self._owed_chance:.0f} are their share")

    def held_until(self) -> datetime:
        """Slots later than this are not judged yet."""
        return self._time.now() - PROMPT - timedelta(minutes=self.habits.apart)

    def _could_get(self, name: str, slot: datetime, level: str) -> bool:
        """Whether a decoy of that level is owed in ``slot``, if chance says so: nothing stands in its way."""
        since, end = self._true(slot) - SETTLES, self._true(slot) + PROMPT
        if self._was_disturbed(since, end) or self.habits.is_quiet(slot):
            return False
        return self.people[name].always(
            since,
            end,
            lambda s: s.enrolled and s.reminders and not s.paused and self.habits.stricter(s.wish) == level,
        ) and not self._is_reported(name, slot - MARGIN)

    def _was_nudged_in(self, name: str, slot: datetime) -> bool:
        return any(n.name == name and slot <= n.at <= slot + self._wait() for n in self.nudges)

    def _judge_constant(self, name: str, slot: datetime) -> None:
        if not self._was_nudged_in(name, slot):
            raise Violation(f"{name} is at the level constant and was not nudged in {slot:%d %H:%M}")

    def _judge_reminders(self, booking: Booking) -> None:
        """Of each lead of everybody who reads it; after rules or wishes that were edited on the way, of any."""
        known = self.visits[booking.source].since(lambda k: k.booking == booking)
        start = self._true(booking.start)
        rules = [r for r in self._rules if r.edited <= start + MARGIN]
        in_force = [r for r in rules if r.ended is None or r.ended > known]
        for name in self.people:
            sealed = self.readable.get((booking.source, name))
            if sealed is None:
                continue
            wishes = self._wishes(name, min(known, sealed), start + MARGIN)
            timings = [
                (r, r.habits.timing(booking.type, wish))
                for r in in_force
                for wish in sorted(wishes, key=repr)
            ]
            confirmed = self._is_confirmed(booking, name)
            if len(timings) == 1:
                ruled, timing = timings[0]
                self._judge_timing(booking, name, ruled.habits, timing, confirmed=confirmed)
            elif all(timing.late for _, timing in timings) and not confirmed:
                may = {
                    s
                    for ruled, timing in timings
                    for lead in timing.leads
                    for s in ruled.habits.chances(timing, lead, booking.start).may
                    if self._came(s, ruled)
                }
                since = sealed + timedelta(seconds=self._time.skew)
                if any(s > since + MARGIN and self._helps(in_force, s, booking.start) for s in may):
                    self._judge_any(booking, name, since=max(since, min(may)))

    def _came(self, slot: datetime, ruled: Ruled) -> bool:
        """Whether a bot went by these rules when the slot came."""
        true, number = self._true(slot), self._rules.index(ruled)
        begun = self._rules[number - 1].ended if number else ruled.edited
        ends = ruled.ended or self._time.true
        return begun is not None and begun + MARGIN < true < max(ends, begun + MARGIN)

    @staticmethod
    def _helps(in_force: Iterable[Ruled], slot: datetime, start: datetime) -> bool:
        return all(ruled.habits.helps_long(slot, start) for ruled in in_force)

    def _is_confirmed(self, booking: Booking, name: str) -> bool:
        """Whether it ever was, while it was like this."""
        mine = {recipient for recipient, owner in self.owner.items() if owner == name}
        history = self.visits[booking.source]
        since = history.since(lambda k: k.booking == booking)
        return history.ever(
            since, self._time.true, lambda k: k.booking == booking and bool(mine & k.confirmed)
        )

    def _judge_timing(
        self, booking: Booking, name: str, habits: Habits, timing: Timing, *, confirmed: bool
    ) -> None:
        sealed = self.readable[booking.source, name] + timedelta(seconds=self._time.skew)
        found = {lead: habits.chances(timing, lead, booking.start) for lead in timing.leads}
        left = {lead: chances.after(sealed, MARGIN) for lead, chances in found.items()}
        for lead in timing.kept(confirmed=confirmed):
            if left[lead].sure:
                self._judge_reminder(booking, name, left[lead])
        if any(chances.may for chances in left.values()) or not timing.late or confirmed:
            return
        after = habits.next_of(timing, sealed + MARGIN)  # booked when all of its slots were over
        if after is not None and habits.helps_long(after, booking.start):
            self._judge_any(booking, name, since=sealed)

    def _could_tell(self, booking: Booking, name: str, first: datetime) -> bool:
        """Whether all was as it should be for a reminder from ``first`` on."""
        skew = timedelta(seconds=self._time.skew)
        since, start = first - MARGIN - skew, booking.start + MARGIN - skew
        sealed = self.readable[booking.source, name]
        since = max(since, sealed)
        if not self.visits[booking.source].always(
            since, start, lambda k: k.booking == booking and not k.declined
        ):
            return False
        # Who stops before a bot that was down could say that it came too late is not missed any more.
        end = self._time.true if self._was_disturbed(since, start) else start
        return self.people[name].always(since, end, lambda s: s.enrolled and s.reminders and not s.paused)

    def _judge_any(self, booking: Booking, name: str, *, since: datetime) -> None:
        """A reminder, whenever it was; or with what was before, where the cap left no room."""
        if not self._could_tell(booking, name, since) or self._stands_for(name, since, ()):
            return
        told = [n for n in self.nudges if n.name == name and since - MARGIN <= n.at <= booking.start + GRACE]
        if not told and not self._is_reported(name, since - MARGIN):
            raise Violation(
                f"{name} was never reminded of {booking.source} ({booking.start:%d %H:%M}), and no line says so"
            )

    def _judge_reminder(self, booking: Booking, name: str, chances: Chances) -> None:
        """In one of its slots, at its time; later only where something stood in the way."""
        first = min(chances.may)
        if not self._could_tell(booking, name, first):
            return
        mine = [n for n in self.nudges if n.name == name and first <= n.at <= booking.start + GRACE]
        if any(n.slot in chances.may and not n.decoy for n in mine):
            return
        skew = timedelta(seconds=self._time.skew)
        if mine and self._was_disturbed(first - MARGIN - skew, mine[-1].true):
            return
        if any(self._stands_for(name, slot, mine) for slot in chances.may):
            return
        if self._is_reported(name, first - MARGIN) or self._was_capped(name, first):
            return
        raise Violation(
            f"{name} was never reminded of {booking.source} ({booking.start:%d %H:%M}), and no line says so"
        )

    def _stands_for(self, name: str, slot: datetime, mine: Iterable[Nudged]) -> bool:
        """One that left just after the slot left for both; and what the cap leaves no room for is told before."""
        if any(slot <= n.at <= slot + self._wait() for n in mine):
            return True
        # One that is late may have left for a reason of another slot as well.
        late = self._wait()
        told = {n.slot for n in self.nudges if n.name == name and (not n.decoy or n.at > n.slot + late)}
        told |= {p.at for p in self._lines_of(name) if p.kind == CAPPED}
        wishes = self._wishes(name, self._true(slot) - DAY, self._true(slot))
        cap = min((self.habits.caps(wish)[0] for wish in wishes), default=self.habits.cap)
        return len({at for at in told if slot - DAY < at < slot}) >= cap

    def _is_reported(self, name: str, since: datetime) -> bool:
        """By a line since then, or by an earlier one that they cannot be reached, if they were not heard of since."""
        lines = [p for p in self._lines_of(name) if p.kind in UNTOLD]
        if any(p.at >= since for p in lines):
            return True
        heard = max((at for at in self._heard.get(name, ()) if at <= since + MARGIN), default=None)
        return any(p.kind in UNREACHABLE and (heard is None or p.at >= heard - ONE) for p in lines)

    def _lines_of(self, name: str) -> list[Line4Staff]:
        """What the staff were told of somebody."""
        known = self.problems.values()
        return [p for p in known if p.recipient is not None and self.owner.get(p.recipient) == name]

    def _was_capped(self, name: str, slot: datetime) -> bool:
        """A line of the day before: where the cap leaves no room it is told, or reported, with what was before."""
        return any(p.kind == CAPPED and slot - DAY - MARGIN <= p.at <= slot for p in self._lines_of(name))

    def _at_once(self, at: datetime) -> datetime:
        """Now, or as soon as it is not quiet any more."""
        while self.habits.is_quiet(at):
            at += timedelta(minutes=1)
        return at

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

    def _judge_second(self, news: News) -> None:
        """Whoever did not open it was told again, in one of the slots that come into question or right after it."""
        first, last = min(news.again), max(news.again) + self._wait()
        since, end = self._true(first) - MARGIN, self._true(last)
        for name in sorted(news.to - news.excused):
            news.excused.add(name)
            if self._was_disturbed(since, end) or self._is_reported(name, news.at - MARGIN):
                continue
            if not self.people[name].always(news.true, end, lambda s: s.enrolled and not s.paused):
                continue
            if not any(n.name == name and first <= n.at <= last for n in self.nudges):
                raise Violation(f"{name} did not open what became of {news.source}, and was not told again")

    def _wait(self) -> timedelta:
        """As long after its slot may something leave that nothing stands in the way of."""
        return PROMPT + timedelta(minutes=self.habits.apart)

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
        to_come += len(
            {reply.source for _, reply in self._answers.values()}
        )  # kept while nobody dealt with them
        readers = 2 * (people + 1)
        leads = 5
        decoys = people * 4 * len(self.habits.slots) if self.has_decoys() else 0
        most = {
            "appointment": to_come + 10,
            "envelope": (to_come + 10) * readers,
            "reminder": (to_come + 10) * readers * leads,
            "outbox": 50 + (to_come + 10) * readers * leads + decoys,
            "recipient": readers * 4,
            "room": readers,
        }
        for name, number in most.items():
            if sizes[name] > number:
                raise Violation(f"{sizes[name]} rows of {name} after a purge, at most {number} were expected")
        if held > 12 * (people + 1):
            raise Violation(f"the process holds {held} things in memory while nothing happens")

    def has_decoys(self) -> bool:
        """Whether anybody gets some."""
        return any(self._level_of(name) in DECOYS for name in self.people)

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
