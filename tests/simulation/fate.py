"""When a simulated process dies: at the n-th durable step or await that it passes."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

from bot.ports_storage import UnitOfWork


class Crash(KeyboardInterrupt):
    """Nothing in the product catches it, and asyncio lets it through: the process is gone."""


class Fate:
    """One process. ``arm`` says how many points it will pass before it dies; a dead one does nothing any more."""

    def __init__(self) -> None:
        self.dead = False
        self.died_at = ""
        self._left: int | None = None

    def arm(self, points: int) -> None:
        self._left = points

    def disarm(self) -> None:
        self._left = None

    def passes(self, point: str) -> None:
        """Raises :class:`Crash` where the process dies here, or has died before."""
        if self.dead:
            raise Crash(point)
        if self._left is None:
            return
        self._left -= 1
        if self._left <= 0:
            self.dead, self.died_at = True, point
            raise Crash(point)


class MortalUnitOfWork:
    """A unit of work of a process that may die before its commit, or right after it."""

    def __init__(self, inner: UnitOfWork, fate: Fate) -> None:
        self._inner, self._fate = inner, fate

    def __enter__(self) -> Self:
        if self._fate.dead:
            raise Crash(self._fate.died_at)
        self._inner.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._inner.__exit__(kind, error, trace)

    def commit(self) -> None:
        self._fate.passes("before a commit")
        self._inner.commit()
        self._fate.passes("after a commit")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)
