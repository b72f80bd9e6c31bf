"""What the model remembers: values with their histories, appointments, people, news, nudges, rules."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, TypeVar

from tests.simulation.adapter import Booking
from tests.simulation.habits import Habits, Wish

NOTHING = Wish()

T = TypeVar("T")


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
    wish: Wish = NOTHING


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """An appointment as the last import that was accepted tells it. ``confirmed`` by these recipients."""

    booking: Booking
    declined: bool = False
    confirmed: frozenset[str] = frozenset()


@dataclass
class Ruled:
    """``habits`` since ``edited``, and until a bot with other ones ``ended`` them."""

    habits: Habits
    edited: datetime
    ended: datetime | None = None


@dataclass
class News:
    """A cancellation or a move, known since ``true`` (``at`` by the bot's clock); over at ``until``, of ``start``.

    ``to``: who could read the appointment before, and was enrolled. ``settled``: told, read, or not wanted any more.
    ``excused``: who need not be told once more.
    ``opened``: when they were read. ``again``: the slots of which one may tell them once more, and has to where that is
    ``owed``. ``newer``: when newer news of the same appointment came.
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
    start: datetime
    again: tuple[datetime, ...] = ()
    owed: bool = False
    settled: set[str] = field(default_factory=set)
    excused: set[str] = field(default_factory=set)
    opened: dict[str, datetime] = field(default_factory=dict)
    newer: datetime | None = None

    def is_over_for(self, *names: str) -> None:
        """Nothing of it is owed to them any more."""
        self.settled.update(names)
        self.excused.update(names)


@dataclass(frozen=True, kw_only=True, slots=True)
class Nudged:
    name: str
    true: datetime
    at: datetime
    slot: datetime
    recipient: str
    decoy: bool
    news: bool = False
