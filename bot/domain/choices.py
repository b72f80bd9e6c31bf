"""What a practice, a kind of appointment and a recipient may choose of the times of nudges. Values only."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import time
from enum import StrEnum
from typing import Final

from bot.errors import WrongUse


class Level(StrEnum):
    """How little the times of nudges tell, from the least discreet to the most.

    ``PLAIN``: the slots of the day that the rules name. ``DISCREET``: the day is drawn by chance from several.
    ``PRIVATE``: so is it, and decoys go to a share of the others. ``CONSTANT``: everyone is nudged in every slot.
    """

    PLAIN = "plain"
    DISCREET = "discreet"
    PRIVATE = "private"
    CONSTANT = "constant"

    @property
    def strictness(self) -> int:
        """0 to 3."""
        return _STRICTNESS[self]


_STRICTNESS: Final = {level: number for number, level in enumerate(Level)}


class Shift(StrEnum):
    """Where a nudge goes whose day is none on which nudges leave."""

    EARLIER = "earlier"
    LATER = "later"


class Scope(StrEnum):
    """Whose rule it is that counts: the practice's, that of a kind of appointments, or what the recipient asked for."""

    PRACTICE = "practice"
    KIND = "kind"
    RECIPIENT = "recipient"


class Late(StrEnum):
    """What becomes of an appointment that was booked when all of its nudges were over."""

    NEXT = "next"
    NONE = "none"


class Confirmed(StrEnum):
    """Which nudges are left of an appointment once it is confirmed."""

    LAST = "last"
    NONE = "none"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Quiet:
    """Hours of the day in which nothing leaves: ``begins`` is the first of them, ``ends`` is none; equal: no hours."""

    begins: time
    ends: time

    def holds(self, hour: time) -> bool:
        if self.begins <= self.ends:
            return self.begins <= hour < self.ends
        return hour >= self.begins or hour < self.ends


def leaves_time(quiet: Sequence[Quiet]) -> bool:
    """Whether any moment of the day is in none of them: the first one after quiet hours is the end of some."""
    spans = [span for span in quiet if span.begins != span.ends]
    return not spans or any(not is_in(span.ends, spans) for span in spans)


def is_in(hour: time, quiet: Sequence[Quiet]) -> bool:
    """Whether that hour is a quiet one."""
    return any(span.holds(hour) for span in quiet)


def out_of(hour: time, quiet: Sequence[Quiet]) -> time:
    """``hour``, or where it is quiet the hour of that same day at which quiet hours end. They leave some time."""
    while (span := next((q for q in quiet if q.holds(hour)), None)) is not None:
        hour = span.ends
    return hour


@dataclass(frozen=True, kw_only=True, slots=True)
class KindRule:
    """What is different for one kind of appointment. None: as the practice's.

    The regular expressions are searched in the agenda's words at import; an empty one is not asked, and all that are
    set must be found.
    """

    name: str
    type: str = ""
    practitioner: str = ""
    place: str = ""
    days_before: tuple[int, ...] | None = None
    slots: tuple[time, ...] | None = None
    slot_days: frozenset[int] | None = None
    shift: Shift | None = None
    quiet_from: time | None = None
    quiet_to: time | None = None
    daily_cap: int | None = None
    late: Late | None = None
    confirmed: Confirmed | None = None

    def __post_init__(self) -> None:
        if not (self.type or self.practitioner or self.place):
            raise WrongUse(
                "a kind needs something to be known by", mend="set its type, practitioner or place"
            )
        for pattern in (self.type, self.practitioner, self.place):
            try:
                re.compile(pattern)
            except re.error:
                raise WrongUse(
                    "a kind's pattern is no regular expression", mend="see type, practitioner and place"
                ) from None

    def fits(self, *, type_: str, practitioner: str, place: str) -> bool:
        """Whether an entry with these words of the agenda is of this kind; case does not count."""
        asked = ((self.type, type_), (self.practitioner, practitioner), (self.place, place))
        return all(re.search(pattern, text, re.IGNORECASE) for pattern, text in asked if pattern)


def kind_of(kinds: Sequence[KindRule], *, type_: str, practitioner: str, place: str) -> str:
    """The name of the first rule that fits; empty where none does."""
    fitting = (k.name for k in kinds if k.fits(type_=type_, practitioner=practitioner, place=place))
    return next(fitting, "")


@dataclass(frozen=True, kw_only=True, slots=True)
class Wishes:
    """What one recipient asked for. None: as the rules say.

    ``days_before`` and ``confirmed`` take the place of the rules'. The others only make them stricter: a level counts
    where it is the stricter one, ``slots`` are those of the rules' hours at which nudges may leave, ``quiet`` hours
    are added to theirs, and a ``daily_cap`` counts where it is the lower one.
    """

    level: Level | None = None
    days_before: tuple[int, ...] | None = None
    confirmed: Confirmed | None = None
    slots: tuple[time, ...] | None = None
    quiet: Quiet | None = None
    daily_cap: int | None = None

    def __bool__(self) -> bool:
        return self != Wishes()
