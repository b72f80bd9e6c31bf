"""The real planner on people who do not exist: one visit each, drawn evenly from the days and hours of an agenda.

1. Nothing but the seed decides who they are: the same seed gives the same nudges.
2. What is seen of somebody is the set of the slots in which they got a nudge, with a reason or as a decoy.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from math import log2
from random import Random
from typing import Final, NamedTuple

from bot.domain.choices import Level
from bot.domain.planning import Booked, Person, is_decoy, plan, slots_between
from bot.domain.slots import REACH, NudgeRules, at_local, helps_until, leaves_on
from bot.domain.values import AppointmentId, RecipientId

WORKING_DAYS: Final = 60
# 32 places, as many before noon as after it.
PLACES: Final = tuple(
    time(hour, minute) for hour in (8, 9, 10, 11, 14, 15, 16, 17) for minute in (0, 15, 30, 45)
)
_DAY: Final = timedelta(days=1)
_WORKED: Final = frozenset(range(5))


@dataclass(frozen=True, kw_only=True, slots=True)
class Agenda:
    """When a visit may be: each of ``days`` and of the hours ``places``, local, is as likely."""

    days: tuple[date, ...]
    places: tuple[time, ...] = PLACES

    @classmethod
    def after(cls, day: date, rules: NudgeRules, number: int = WORKING_DAYS) -> Agenda:
        """The next ``number`` days from Monday to Friday that are no holidays."""
        found: list[date] = []
        while len(found) < number:
            day += _DAY
            if leaves_on(day, _WORKED, rules):
                found.append(day)
        return cls(days=tuple(found))

    @property
    def bits(self) -> float:
        """What there is to be known."""
        return log2(len(self.days) * len(self.places))


class Visit(NamedTuple):
    """``day`` and ``place`` by number; ``until``: all that the planner knows of the time; ``nudges``: lead and slot."""

    recipient: RecipientId
    day: int
    place: int
    until: datetime
    nudges: tuple[tuple[int, datetime], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Trial:
    """``slots`` in order are all in which somebody got a nudge or could have; ``seen``, of the first visits, one each:
    those in which they did, slot n as bit n.
    """

    agenda: Agenda
    rules: NudgeRules
    visits: Sequence[Visit]
    slots: tuple[datetime, ...]
    seen: Sequence[int]

    @property
    def places(self) -> Mapping[tuple[datetime, int], int]:
        """How many places are the same to the planner, by that moment and the number of the day."""
        return Counter(
            (until, day) for day, row in enumerate(_untils(self.rules, self.agenda)) for until in row
        )


def visits(rules: NudgeRules, agenda: Agenda, number: int, seed: int, *, kind: str = "") -> Sequence[Visit]:
    """The nudges that have a reason (rule 1)."""
    chance = Random(seed)  # noqa: S311 - nobody's secret; it has to come out the same again
    untils = _untils(rules, agenda)
    now = at_local(agenda.days[0] - _before(rules), time(0, 0), rules.zone)
    found = []
    for _ in range(number):
        day, place = chance.randrange(len(agenda.days)), chance.randrange(len(agenda.places))
        person = Person(id=RecipientId(f"r-{chance.getrandbits(64):016x}"))
        appointment = AppointmentId(f"a-{chance.getrandbits(64):016x}")
        until = untils[day][place]
        planned = plan(rules, person, (Booked(id=appointment, until=until, kind=kind),), now)
        nudges = tuple((nudge.lead, nudge.slot) for nudge in planned.nudges)
        found.append(Visit(recipient=person.id, day=day, place=place, until=until, nudges=nudges))
    return found


def watch(rules: NudgeRules, agenda: Agenda, made: Sequence[Visit], watched: int | None = None) -> Trial:
    """Add the decoys (rule 2) of the first ``watched`` visits, in the slots in which any visit's nudge may be."""
    with_reason = {slot for visit in made for _, slot in visit.nudges}
    if not with_reason:
        return Trial(agenda=agenda, rules=rules, visits=made, slots=(), seen=[0] * len(made[:watched]))
    first, last = min(with_reason), max(with_reason)
    regular = slots_between(first - timedelta(microseconds=1), last, rules)
    slots = tuple(sorted({*regular, *with_reason}))
    bit = {slot: 1 << number for number, slot in enumerate(slots)}
    decoys = rules.level in (Level.PRIVATE, Level.CONSTANT)
    seen = []
    for visit in made[:watched]:
        person = Person(id=visit.recipient)
        mask = 0
        for _, slot in visit.nudges:
            mask |= bit[slot]
        if decoys:
            for slot in regular:
                if is_decoy(rules, person, slot):
                    mask |= bit[slot]
        seen.append(mask)
    return Trial(agenda=agenda, rules=rules, visits=made, slots=slots, seen=seen)


def at_level(rules: NudgeRules, level: Level, share: float | None = None) -> NudgeRules:
    """The same rules at another level; ``share`` of decoys where it is another one."""
    return replace(rules, level=level, decoy_share=rules.decoy_share if share is None else share)


def slots_a_month(rules: NudgeRules, day: date) -> float:
    """Of the year after ``day``, a twelfth."""
    begin = datetime.combine(day, time(0, 0), tzinfo=UTC)
    return len(slots_between(begin, begin + timedelta(days=365), rules)) / 12


def reasons_each(made: Iterable[Visit]) -> float:
    """How many slots a visit has a reason for, on average."""
    numbers = [len({slot for _, slot in visit.nudges}) for visit in made]
    return sum(numbers) / max(len(numbers), 1)


def _untils(rules: NudgeRules, agenda: Agenda) -> list[list[datetime]]:
    """By day, then by place: until when a nudge helps."""
    return [
        [helps_until(at_local(day, place, rules.zone), rules) for place in agenda.places]
        for day in agenda.days
    ]


def _before(rules: NudgeRules) -> timedelta:
    """So long before a visit its first nudge may leave."""
    leads = [*rules.days_before, *(lead for kind in rules.kinds for lead in kind.days_before or ())]
    return timedelta(days=max(leads, default=0) + rules.spread_days + REACH)
