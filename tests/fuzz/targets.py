"""Every parser of bytes that others made: what it is given to begin with, and what it may raise.

A parser that raises anything else has failed, and so has one that breaks what is asserted here of its result.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.fuzz import agendas, commands, matrix, sealed, stored


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """``share``: of a campaign's executions; slow parsers get fewer."""

    parse: Callable[[bytes], object]
    seeds: Callable[[], Sequence[bytes]]
    may_raise: tuple[type[Exception], ...] = ()
    share: float = 1.0

    def run(self, data: bytes) -> None:
        try:
            self.parse(data)
        except self.may_raise:
            return


TARGETS: dict[str, Target] = {
    name: Target(parse=parse, seeds=seeds, may_raise=may_raise, share=share)
    for module in (agendas, sealed, matrix, commands, stored)
    for name, (parse, seeds, may_raise, share) in module.PARSERS.items()
}
