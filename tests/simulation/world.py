"""One seed, one history: what happens to a practice, in what order, and the model that watches."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock_time
from enum import StrEnum
from zoneinfo import ZoneInfo

from bot.errors import Refused
from tests.simulation.adapter import PIN, POLL, Booking, Bot, Desk, Phone, hours
from tests.simulation.chance import seeded
from tests.simulation.facts import Violation
from tests.simulation.fate import Crash
from tests.simulation.habits import DAY, Habits, Kind, Wish
from tests.simulation.homeserver import Accepted, Homeserver, Weather
from tests.simulation.model import GRACE, Model
from tests.simulation.moments import Time
from tests.simulation.stores import Stores, new_stores

CYCLES = 10  # a seed: so many lives of the bot's process, each ended by a crash
DECOYS_EVERY = 3600.0  # seconds
DECOYS_LATER = 6 * 3600.0  # they are written for more than a day: nothing is missed by looking no sooner
PATIENCE = 20.0  # seconds; the product looks every half second, which finds no more
JUMP = 600.0  # seconds that a clock may be off before it is doubted
OPEN = timedelta(minutes=15)  # longer than an unlock window
FEW = 6  # entries that are imported beside those that changed
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
LEADS = ((1,), (1,), (3, 1), (2,), (7, 2), (0,), (1, 0))
WEEKS = (*(frozenset(range(7)),) * 3, frozenset(range(5)), frozenset({1, 4}), frozenset({0}))
AFTER_CONFIRMATION = ("last", "none", "all")
TYPES = ("", "", "long", "short")
ZONES = (
    *("Europe/Paris", "Europe/Paris", "Indian/Reunion", "America/Martinique", "Pacific/Noumea"),
    *("America/Miquelon", "Australia/Lord_Howe", "UTC"),
)
# Days before both changes of several zones, a leap day, two year ends, and ordinary ones.
BEGINNINGS = (
    *(date(2026, 3, 22), date(2026, 10, 17), date(2028, 2, 20), date(2026, 12, 22), date(2026, 9, 1)),
    *(date(2027, 3, 6), date(2026, 10, 26), date(2026, 4, 1), date(2026, 6, 10)),
)


def _in_words(kind: Kind) -> str:
    given = {
        "leads": kind.leads,
        "slots": kind.slots and [f"{s:%H:%M}" for s in kind.slots],
        "days": kind.days and sorted(kind.days),
        "late": kind.late,
        "confirmed": kind.confirmed,
        "later": kind.later,
        "cap": kind.cap,
    }
    return f"{kind.name} " + ", ".join(f"{k} {v}" for k, v in given.items() if v is not None)


class Mood(StrEnum):
    """What there is more of: nothing, people who say something, an agenda that goes to and fro."""

    CALM = "calm"
    TALKATIVE = "talkative"
    BUSY = "busy"


class World:
    """See the module. ``tell`` is given every step in words."""

    def __init__(
        self,
        stores: Stores,
        draw: random.Random,
        tell: Callable[[str], None],
        *,
        people: int = 5,
        mood: Mood = Mood.CALM,
    ) -> None:
        self.draw, self._tell, self._mood = draw, tell, mood
        self.habits = self._new_habits(ZoneInfo(draw.choice(ZONES)))
        begin = datetime.combine(draw.choice(BEGINNINGS), hours("10:00")[0], self.habits.zone)
        self.time = Time(begin.astimezone(UTC))
        self.stores = stores
        self.desk = Desk.at(stores, self.habits, self.time)
        self.model = Model(self.time, self.habits, self.desk.due)
        self.server = Homeserver(self.time, random.Random(draw.random()), self._accepted)  # noqa: S311 - a simulation
        self.bot: Bot | None = None
        self.crashes = self.restarts = self.steps = self.nudges = 0
        self.agenda: dict[str, Booking] = {}
        self.dropped: list[str] = []
        self._imported: dict[str, Booking] = {}
        self._purged = self._edited = self._doubting = False
        self._violation: Violation | None = None
        self._serial = 0
        self._upkeep_at = 0.0
        self._opened: dict[str, datetime] = {}  # by name, when a PIN was last typed
        self.phones = [Phone(f"r{n}") for n in range(people)]
        self.patients = [f"p{n}" for n in range(people)]
        for reference in self.patients:
            self.desk.patient(reference)
        self.tell(f"a practice in {self.habits.zone.key}, {self._rules()}")

    def close(self) -> None:
        if self.bot is not None:
            self.bot.bury()
        self.desk.close()

    def tell(self, words: str) -> None:
        local = self.time.now().astimezone(self.habits.zone)
        self._tell(f"{local:%Y-%m-%d %H:%M:%S} {words}")

    def _accepted(self, event: Accepted) -> None:
        self.nudges += 1
        try:
            self.model.nudged(event)
        except (
            Violation
        ) as violation:  # the product catches whatever a channel raises: it must not catch this
            self._violation = self._violation or violation
        last = self.model.nudges[-1]
        self.tell(f"  a nudge to {last.name}, of the slot {last.slot.astimezone(self.habits.zone):%d %H:%M}")

    # -- rules --------------------------------------------------------------------------------------------------------

    def _new_habits(self, zone: ZoneInfo) -> Habits:
        draw = self.draw
        quiet = draw.choice((("20:00", "08:00"), ("21:00", "07:00"), ("12:00", "14:00"), ("00:00", "00:00")))
        slots = (("18:00",), ("09:00", "18:00"), ("08:30", "11:00", "17:30"), ("14:00", "19:30"))
        return Habits(
            zone=zone,
            leads=draw.choice(LEADS),
            slots=hours(*draw.choice(slots)),
            quiet_from=hours(quiet[0])[0],
            quiet_to=hours(quiet[1])[0],
            cap=draw.choice((2, 3, 3, 5)),
            level=draw.choice(("plain", "plain", "discreet", "discreet", "private", "constant")),
            spread=draw.choice((1, 2, 3, 5)),
            share=draw.choice((0.1, 0.3, 0.6)),
            days=draw.choice(WEEKS),
            holidays=draw.random() < 0.4,
            later=draw.random() < 0.4,
            late=draw.random() < 0.7,
            confirmed=draw.choice(AFTER_CONFIRMATION),
            second=draw.choice((0, 12, 24, 24, 48)),
            kinds=tuple(self._new_kind(name, slots) for name in TYPES if name),
            apart=draw.choice((0, 0, 30, 90)),
            a_second=draw.choice((20.0, 20.0, 0.02)),
        )

    def _new_kind(self, name: str, slots: Sequence[tuple[str, ...]]) -> Kind:
        draw = self.draw
        return Kind(
            name=name,
            leads=draw.choice((None, *LEADS)),
            slots=draw.choice((None, None, *(hours(*some) for some in slots))),
            days=draw.choice((None, None, *WEEKS)),
            late=draw.choice((None, None, True, False)),
            confirmed=draw.choice((None, None, *AFTER_CONFIRMATION)),
            later=draw.choice((None, None, True, False)),
            cap=draw.choice((None, None, 1, 2, 4)),
        )

    def _new_wish(self) -> Wish:
        draw = self.draw
        return Wish(
            level=draw.choice((None, "plain", "discreet", "private", "constant")),
            leads=draw.choice((None, None, *LEADS)),
            confirmed=draw.choice((None, None, *AFTER_CONFIRMATION)),
            cap=draw.choice((None, None, None, 1, 2)),
        )

    def _rules(self) -> str:
        h = self.habits
        days, slots = " ".join(map(str, h.leads)), " ".join(f"{slot:%H:%M}" for slot in h.slots)
        week = " ".join(map(str, sorted(h.days)))
        return (
            f"{h.level} ({h.spread} days, {h.share:.0%}), {days} days before, slots {slots} on days {week}"
            f"{' but holidays' if h.holidays else ''}, {'later' if h.later else 'earlier'}, "
            f"late {'next' if h.late else 'none'}, confirmed {h.confirmed}, second {h.second}, "
            f"quiet {h.quiet_from:%H:%M}-{h.quiet_to:%H:%M}, cap {h.cap}, {h.apart} minutes apart, "
            f"{h.a_second:g} a second; {'; '.join(map(_in_words, h.kinds))}"
        )

    def edit_rules(self) -> None:
        """pli.toml is edited while the bot is down."""
        self.habits = self._new_habits(self.habits.zone)
        self.desk.new_rules(self.habits)
        self.model.new_habits(self.habits)
        self._imported.clear()  # what the rules make of an entry is taken over by the next import of it
        self._edited = True
        self.tell(f"the rules are edited: {self._rules()}")

    # -- the bot's process --------------------------------------------------------------------------------------------

    def start(self) -> None:
        """A new process. What was drawn before is what is drawn after."""
        before = self.desk.plan()
        self.bot = Bot(self.stores, self.habits, self.time, self.server)
        self.bot.begin()
        self.restarts += 1
        if self.desk.plan() != before and not self._edited:
            raise Violation("a restart changed what is planned")
        self._edited, self._upkeep_at = False, self.time.passed
        self.model.begun()
        self._settle_disturbance()
        self.tell("the bot starts")

    def kill(self, why: str) -> None:
        if self.bot is not None:
            self.bot.bury()
            self.bot = None
            self.crashes += 1
            self.model.disturbed(on=True)
            self.tell(f"the bot dies {why}")

    def _settle_disturbance(self) -> None:
        fine = self.server.weather is Weather.FINE and not self._doubting
        if self.bot is not None and fine and not self.model.everybody_paused.now:
            self.model.disturbed(on=False)

    def let_pass(self, length: timedelta) -> None:
        """Time passes, and the bot works, if there is one; it may die of it."""
        end = self.time.passed + length.total_seconds()
        if self.bot is None:
            self.time.passed = max(self.time.passed, end)
            return
        try:
            self.bot.run(self._work(self.bot, end))
        except Crash:
            self.kill(self.bot.fate.died_at)
            self.time.passed = max(self.time.passed, min(end, self.time.passed + 60))
        self._raise_violation()
        self.model.reported(self.desk.problems())

    def _raise_violation(self) -> None:
        if self._violation is not None:
            raise self._violation

    async def _work(self, bot: Bot, end: float) -> None:
        begun = self.time.passed
        while True:
            await bot.turn()
            if self.time.passed >= self._upkeep_at:
                self._upkeep_at = self.time.passed + POLL.total_seconds()
                self._purged |= await bot.upkeep()
            left = end - self.time.passed
            if left <= 0:
                return
            pause = min(left, self._until_due(bot))
            if self.model.has_decoys():  # the first of these for whoever asked for some since the last ones
                pause = min(pause, DECOYS_EVERY if self.time.passed < begun + DECOYS_EVERY else DECOYS_LATER)
            await asyncio.sleep(min(left, max(pause, PATIENCE)))

    def _until_due(self, bot: Bot) -> float:
        """Seconds in which a bot that looks all the while would find nothing to do."""
        now, waiting = self.time.now(), self.desk.waiting()
        dues = [due for due in (waiting.other, waiting.nudge) if due is not None]
        if waiting.nudge is not None and waiting.nudge <= now:
            dues[-1] = now + HOUR  # held by a pause, a doubt or what the model will not like
            if self.habits.is_quiet(now):
                dues[-1] = self.habits.quiet_ends(now)
            elif (hold := bot.may_leave_in()) > 0:
                dues[-1] = now + timedelta(seconds=hold)
            elif not (self.model.everybody_paused.now or self._doubting):
                dues[-1] = now + POLL
        return min(((due - now).total_seconds() for due in dues), default=math.inf)

    # -- the agenda ---------------------------------------------------------------------------------------------------

    def _free_time(self, *, soon: bool = False) -> datetime:
        draw, now = self.draw, self.time.now()
        if soon:
            return (now + draw.randint(1, 30) * HOUR).replace(minute=0, second=0, microsecond=0)
        day = self.habits.day_of(now) + draw.randint(0, 12) * DAY
        hour, minute = draw.choice((0, 8, 8, 9, 10, 11, 12, 14, 15, 16, 17, 18, 23)), draw.choice((0, 15, 30))
        return max(self.habits.moment(day, clock_time(hour, minute)), now + HOUR)

    def _book(self, *, soon: bool = False, patient: str = "") -> None:
        self._serial += 1
        source = f"v{self._serial}"
        booking = Booking(
            source=source,
            patient=patient or self.draw.choice(self.patients),
            start=self._free_time(soon=soon),
            minutes=self.draw.choice((15, 30, 60)),
            booked=True,
            version=0,
            type=self.draw.choice(TYPES),
        )
        self.agenda[source] = booking
        self.tell(f"  {source} of {booking.patient} at {self._local(booking.start)}")

    def _local(self, moment: datetime) -> str:
        return f"{moment.astimezone(self.habits.zone):%d %H:%M}"

    def _changeable(self, *, booked: bool = True) -> list[Booking]:
        """Not begun, and not about to."""
        soon = self.time.now() + HOUR
        return [b for b in self.agenda.values() if b.booked is booked and b.start > soon]

    def _change_agenda(self) -> None:
        draw = self.draw
        for _ in range(draw.randint(1, 4)):
            kind = draw.choice(
                ("book", "book", "book", "series", "soon", "move", "move", "cancel", "restore", "drop")
            )
            if kind in ("book", "soon"):
                self._book(soon=kind == "soon")
            elif kind == "series":
                for _ in range(3):
                    self._book()
            elif kind in ("move", "cancel", "drop") and (there := self._changeable()):
                chosen = draw.choice(there)
                if kind == "drop":
                    del self.agenda[chosen.source]
                    self.dropped.append(chosen.source)
                    self.tell(f"  {chosen.source} is dropped")
                    continue
                start = self._free_time(soon=draw.random() < 0.2) if kind == "move" else chosen.start
                self.agenda[chosen.source] = replace(
                    chosen, start=start, booked=kind == "move", version=chosen.version + 1
                )
                self.tell(f"  {chosen.source}: {kind} {self._local(start)}")
            elif kind == "restore" and (gone := self._changeable(booked=False)):
                chosen = draw.choice(gone)
                self.agenda[chosen.source] = replace(chosen, booked=True, version=chosen.version + 1)
                self.tell(f"  {chosen.source} is on again")

    def _book_some(self) -> None:
        """For whoever is told, so that there is something to be told of."""
        told = sorted({p for phone in self._standing(enrolled=True) for p in self.model.patients[phone.name]})
        if told and len(self.agenda) < 40:
            self._book(soon=self.draw.random() < 0.3, patient=self.draw.choice(told))
        self._import()

    def take_agenda(self) -> None:
        """Changes, and their import; where something was dropped, absence is judged."""
        self._tidy_agenda()
        before = dict(self.agenda)
        self._change_agenda()
        self._import(dying=self.draw.random() < 0.3)
        if self.draw.random() < 0.2:
            plan = self.desk.plan()
            self._import(whole=True)
            if self.desk.plan() != plan:
                raise Violation("an import that changes nothing changed what is planned")
        if self.draw.random() < 0.1:
            self.tell("an older export is imported")
            self.desk.take(list(before.values()))
            self.model.imported(before.values())

    def _tidy_agenda(self) -> None:
        old = self.time.now() - 2 * DAY
        self.agenda = {s: b for s, b in self.agenda.items() if b.start > old}

    def _import(self, *, dying: bool = False, whole: bool = False) -> None:
        """Everything, or what is new and a few others: where absence is not judged, an export may be of a part."""
        bookings = list(self.agenda.values())
        self.draw.shuffle(bookings)
        within = self._all_days() if self.dropped else None
        if not within and not whole and self.draw.random() < 0.7:
            new = [b for b in bookings if self._imported.get(b.source) != b]
            bookings = new + [b for b in bookings if b not in new][:FEW]
        self.tell(f"an import of {len(bookings)}{' with absences' if within else ''}")
        if dying:
            self.desk.fate.arm(self.draw.randint(1, 12))
        try:
            self.desk.take(bookings, within=within)
        except Crash:
            self.tell(f"  the import dies {self.desk.fate.died_at}, and is begun again")
            self._revive_desk()
            self.desk.take(bookings, within=within)
        self.desk.fate.disarm()
        self._imported |= {b.source: b for b in bookings}
        self.model.imported(bookings, first=within[0] if within else "", last=within[1] if within else "")
        self.dropped.clear()

    def _revive_desk(self) -> None:
        self.desk.close()
        self.desk = Desk.at(self.stores, self.habits, self.time)
        self.model.asks(self.desk.due)

    def _all_days(self) -> tuple[str, str]:
        today = self.habits.day_of(self.time.now())
        return today.isoformat(), (today + 40 * DAY).isoformat()

    def refused_import(self) -> None:
        """A file that is cut off, and one with a line that cannot be read while others are missing."""
        there = self._changeable()
        few = [b for b in self.agenda.values() if b not in there]
        gone = len(there) - 1
        if gone <= 5:
            return
        for spoilt in (0, 1):
            try:
                self.desk.take([*few, there[0]], within=self._all_days(), spoilt=spoilt)
            except Refused:
                self.tell("an import is refused")
            else:
                raise Violation(f"a file that cancels {gone} appointments was taken")

    def cancel_by_hand(self) -> None:
        there = [b for b in self._changeable() if b.source in self.model.visits]
        known = [b for b in there if (k := self.model.visits[b.source].now) and k.booking.booked]
        if not known:
            return
        chosen = self.draw.choice(known)
        told = self.desk.cancel(chosen.source)
        self.tell(f"the secretary cancels {chosen.source}")
        self.model.cancelled(chosen.source, told_to_operator=bool(told))
        self.agenda[chosen.source] = replace(chosen, booked=False)

    # -- people -------------------------------------------------------------------------------------------------------

    def _standing(self, *, enrolled: bool) -> list[Phone]:
        def is_so(phone: Phone) -> bool:
            history = self.model.people.get(phone.name)
            standing = history.now if history else None
            return (standing is not None and standing.enrolled) is enrolled

        return [phone for phone in self.phones if is_so(phone)]

    def _can_talk(self) -> bool:
        return self.bot is not None and self.server.weather is Weather.FINE

    def _types(self, phone: Phone, *texts: str) -> None:
        assert self.bot is not None
        bot = self.bot
        self.model.heard(phone.name)

        async def talk() -> None:
            for text in texts:
                await bot.hear(phone.types(text, self.time.now()))
                await asyncio.sleep(3)
                await bot.turn()

        bot.run(talk())
        self._raise_violation()

    def enrol(self, phone: Phone | None = None) -> None:
        """For one patient or a family; with a second code where somebody was enrolled before."""
        if not self._can_talk():
            return
        if phone is None:
            anew = self.draw.random() < 0.1
            choices = self._standing(enrolled=anew)
            if not choices:
                return
            phone = self.draw.choice(choices)
        patients = self.model.patients.get(phone.name) or set(
            self.draw.sample(self.patients, self.draw.choice((1, 1, 2)))
        )
        phone.join(self.desk)
        recipient, code = self.desk.invite(sorted(patients))
        before = self.model.people.get(phone.name)
        self._types(phone, code)
        if before is not None and before.now is not None:
            self.model.stands(phone.name, enrolled=False)
        self.model.forgets(phone.name)
        self.model.invited(phone.name, recipient, patients)
        self._import(whole=True)
        self._types(phone, "yes", PIN)
        # From here on it may be nudged, and the last word of the enrolment is answered by a turn that does.
        self.model.enrolled(phone.name, recipient)
        self._types(phone, PIN)
        phone.recipient = recipient
        if not self.desk.is_enrolled(recipient):
            raise Violation(f"{phone.name} did all that is needed and is not enrolled")
        self.tell(f"{phone.name} is enrolled for {' '.join(sorted(patients))}")

    def person_acts(self) -> None:
        if not self._can_talk() or not (there := self._standing(enrolled=True)):
            return
        phone, draw, model = self.draw.choice(there), self.draw, self.model
        act = draw.choice(
            ("read", "read", "confirm", "decline", "stop", "start", "start", "leave", "language", "wish")
        )
        self.tell(f"{phone.name}: {act}")
        begun = self.time.true
        if act == "read":
            opens = self._opens(phone)
            self._types(phone, PIN)
            model.read(phone.name, certain=opens, begun=begun)
        elif act in ("confirm", "decline"):
            number = draw.randint(1, 4) if act == "confirm" else 1
            opens = self._opens(phone)
            self._types(phone, PIN, f"{'confirm' if act == 'confirm' else 'cancel'} {number}", "yes")
            model.read(phone.name, certain=opens, begun=begun)
            model.answered(phone.recipient, self.desk.replies())
        elif act == "wish":
            wish = self._new_wish()
            assert self.bot is not None
            self.bot.wish(phone.recipient, wish)
            model.stands(phone.name, wish=wish)
            self.tell(f"  {wish}")
        elif act == "stop":
            self._types(phone, "stop")
            model.stands(phone.name, reminders=False)
        elif act == "start":
            model.stands(phone.name, reminders=True)
            self._types(phone, "start")
        elif act == "leave":
            self._types(phone, "leave", "yes", PIN)
            if not self.desk.is_enrolled(phone.recipient):
                model.stands(phone.name, enrolled=False)
                model.forgets(phone.name)
        else:
            self._types(phone, draw.choice(("français", "english")))

    def _opens(self, phone: Phone) -> bool:
        """Whether a PIN that is typed now shows what there is. While the list is open it is answered with a hint."""
        before, self._opened[phone.name] = self._opened.get(phone.name), self.time.true
        is_open = before is not None and self.time.true - before < OPEN
        return self._reaches(phone) and not is_open

    def _reaches(self, phone: Phone) -> bool:
        return phone.user not in self.server.blocked | self.server.doubted

    def pause(self) -> None:
        there = self._standing(enrolled=True)
        kind = self.draw.choice(("everybody", "everybody", "one", "one"))
        if kind == "everybody":
            on = not self.model.everybody_paused.now
            self._pause_everybody(on=on)
        elif there:
            phone = self.draw.choice(there)
            standing = self.model.people[phone.name].now
            assert standing is not None
            on = not standing.paused
            self.desk.pause_one(phone.recipient, on=on)
            if not on:
                self.model.heard(phone.name)  # the staff say so
            self.model.stands(phone.name, paused=on)
            self.tell(f"{phone.name} is {'paused' if on else 'not paused any more'}")

    def _pause_everybody(self, *, on: bool) -> None:
        self.desk.pause(on=on)
        self.model.everybody_paused.set(self.time.true, on)
        self.tell("all nudges are paused" if on else "nudges go on")
        self.model.disturbed(on=True)
        if not on:
            self._settle_disturbance()

    # -- the weather --------------------------------------------------------------------------------------------------

    def change_weather(self) -> None:
        draw = self.draw
        self.server.weather = draw.choice((Weather.ROUGH, Weather.AWAY, Weather.FINE))
        self.model.disturbed(on=True)
        self._settle_disturbance()
        if draw.random() < 0.2:
            chosen, group = (
                draw.choice(self.phones).user,
                draw.choice((self.server.blocked, self.server.doubted)),
            )
            if chosen in group:
                group.discard(chosen)
            else:
                group.add(chosen)
            self.tell(f"{chosen.split(':')[0][1:]} cannot be sent to, or can again")
        self.tell(f"the homeserver is {self.server.weather.value}")

    def set_clock(self) -> None:
        """A clock that was a few minutes wrong is set right, or the other way round."""
        self.model.disturbed(on=True)
        self._settle_disturbance()
        before, self.time.skew = self.time.skew, self.draw.uniform(-600, 600)
        self.tell("the machine's clock is set")
        if abs(self.time.skew - before) > JUMP:
            self._is_in_doubt(before)

    def jump_clock(self) -> None:
        """A clock that is wrong by days, until somebody sets it right."""
        before = self.time.skew
        self.time.skew += self.draw.choice((-20, -2, 1, 3, 40)) * self.draw.uniform(0.5, 1.1) * 86_400
        self.tell("the machine's clock jumps")
        self._is_in_doubt(before)

    def _is_in_doubt(self, before: float) -> None:
        """For some hours nothing leaves; then somebody says that the clock is right, or sets it."""
        jumped = self.time.now()
        self.model.disturbed(on=True)
        self.model.doubts(on=True)
        self._doubting = True
        self.let_pass(self.draw.choice((MINUTE, HOUR, 9 * HOUR)) * self.draw.uniform(0.5, 1.2))
        if self.bot is None and self.draw.random() < 0.5:
            self.start()
            self.let_pass(self.draw.uniform(0.2, 3) * HOUR)
        if self.bot is not None:
            self.model.reported(self.desk.problems())
            if not self.bot.in_doubt():
                raise Violation("a clock that jumped is believed")
            if not self.model.has_told_of_doubt(jumped):
                raise Violation("the staff were not told of a clock in doubt")
        trusted = abs(self.time.skew) <= JUMP and self.bot is not None and self.draw.random() < 0.5
        if trusted and not self.desk.trust_clock():
            raise Violation("a doubt was not there to be settled")
        if not trusted:
            self.time.skew = before
        self.model.doubts(on=False)
        self._doubting = False
        self.tell(f"the clock is {'trusted' if trusted else 'set right'}")
        self.let_pass(2 * MINUTE)
        if self.bot is not None and self.bot.in_doubt():
            raise Violation("a doubt that is over goes on")
        self.model.disturbed(on=True)
        self._settle_disturbance()

    def _clear_up(self) -> None:
        """Pauses and outages end, so that something leaves."""
        if self.model.everybody_paused.now and self.draw.random() < 0.5:
            self._pause_everybody(on=False)
        if self.server.weather is not Weather.FINE and self.draw.random() < 0.5:
            self.server.weather = Weather.FINE
            self._settle_disturbance()
            self.tell("the homeserver is fine")

    def cancel_meanwhile(self) -> None:
        """While the next message is on its way, an import changes the agenda."""
        self.server.meanwhile = self.take_agenda

    # -- histories ----------------------------------------------------------------------------------------------------

    def step(self) -> None:
        """One thing that happens, and then time that passes."""
        draw, act = self.draw, self._act()
        self.steps += 1
        act()
        if self._mood is not Mood.CALM:
            self._clear_up()
        lengths: tuple[timedelta, ...] = (5 * MINUTE, HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY)
        if self._mood is Mood.TALKATIVE:
            self._book_some()
            for _ in range(2):
                self.person_acts()
        elif self._mood is Mood.BUSY:
            self._book_some()
            for _ in range(2):
                self.take_agenda()
            lengths = (5 * MINUTE, 10 * MINUTE, HOUR, 2 * HOUR, 5 * HOUR)
        length = draw.choice(lengths) * draw.uniform(0.5, 1.2)
        if self.bot is not None and draw.random() < 0.4:
            due = self.desk.waiting().due  # where deaths matter: as something is about to leave
            if due is not None and MINUTE < due - self.time.now() < 2 * DAY:
                self.let_pass(due - self.time.now() - MINUTE)
            if self.bot is not None:
                self.bot.fate.arm(draw.randint(1, 20))
        self.let_pass(length)
        if self.bot is not None:
            self.bot.fate.disarm()
        self._judge()

    def _act(self) -> Callable[[], None]:
        weights: dict[Callable[[], None], int] = {
            self.take_agenda: 8,
            self.enrol: 4,
            self.person_acts: 5,
            self.cancel_by_hand: 1,
            self.refused_import: 1,
            self.pause: 1,
            self.change_weather: 3,
            self.set_clock: 1,
            self.jump_clock: 1,
            self.cancel_meanwhile: 2,
        }
        return self.draw.choices(list(weights), list(weights.values()))[0]

    def rest(self) -> None:
        """The bot is down for a while; perhaps somebody edits the rules meanwhile."""
        edited = self.draw.random() < 0.15
        if edited:
            self.edit_rules()
        self.let_pass(
            self.draw.choice((MINUTE, 10 * MINUTE, HOUR, 9 * HOUR, DAY, 3 * DAY))
            * self.draw.uniform(0.3, 1.1)
        )
        if self.draw.random() < 0.3:
            self.take_agenda()
        self.start()
        if edited:  # and nothing else happens that would have anybody planned anew
            self.let_pass(self.draw.uniform(0.5, 3) * DAY)
            self._judge()

    def _judge(self) -> None:
        if self.bot is None or self.server.weather is not Weather.FINE or self.model.everybody_paused.now:
            return
        now = self.time.now()
        waiting = self.desk.waiting()
        if self.habits.is_quiet(now) or self.habits.is_quiet(now - 2 * GRACE):
            return
        if waiting.claimed or (waiting.due is not None and waiting.due <= now):
            return
        self.model.reported(self.desk.problems())
        self.model.calm()
        if self._purged:
            self._purged = False
            self.model.bounded(self.desk.sizes(), self.bot.held())
            self.model.forget()

    def live(self, cycles: int, steps: int | None = None) -> None:
        """``cycles`` lives of the bot, and then peace until everything is judged."""
        self.start()
        for phone in self.phones[: self.draw.randint(2, len(self.phones))]:
            self.enrol(phone)
        for _ in range(3):
            self.take_agenda()
        crashed = 0
        while crashed < cycles and (steps is None or self.steps < steps):
            self.step()
            if self.bot is not None and self.draw.random() < 0.3:
                self.kill("between two instructions")
            if self.bot is None:
                crashed += 1
                self.rest()
        self.end()

    def live_a_year(self) -> None:
        """Two things a day happen at most, and now and then the bot dies."""
        self.start()
        for phone in self.phones:
            self.enrol(phone)
        end = self.time.passed + 365 * 86_400
        while self.time.passed < end:
            self.step()
            self.let_pass(self.draw.uniform(0.2, 2) * DAY)
            self.desk.deal_with_answers()
            if self.bot is None:
                self.rest()
        self.end()

    @property
    def reported(self) -> int:
        """Lines for the staff so far."""
        return len(self.desk.problems())

    def end(self) -> None:
        """The weather clears, and all that is known comes to pass."""
        self.tell("peace")
        self.server.weather, self.server.meanwhile = Weather.FINE, None
        if self.bot is None:
            self.start()
        if self.model.everybody_paused.now:
            self._pause_everybody(on=False)
        self._settle_disturbance()
        last = max((b.start for b in self.agenda.values()), default=self.time.now()) + 2 * DAY
        while self.time.now() < last:
            self.let_pass(11 * HOUR)
            self._judge()


@contextmanager
def world(seed: int, tell: Callable[[str], None]) -> Iterator[World]:
    """A new one, closed afterwards."""
    with new_stores() as made, seeded(str(seed)) as draw:
        living = World(made, draw, tell, mood=list(Mood)[seed % len(Mood)])
        try:
            yield living
        finally:
            living.close()
