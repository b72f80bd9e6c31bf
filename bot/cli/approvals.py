"""What waits for a second member of the staff: in the desk's memory alone, for an hour, lost when it stops.

1. Whoever asked does not approve.
2. An approval is good once, for as many people as were named when it was asked for, and for no longer than an hour.
3. A cancellation never waits: it does not ask (:func:`bot.cli.seat.touches`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Annotated

import typer

from bot.cli.reply import Line, Reply
from bot.cli.seat import seat, words
from bot.cli.staffroom import named
from bot.domain.staff import Member
from bot.errors import Refused, SecondNeeded, WrongUse
from config.staff_words import StaffWords

VALID = timedelta(hours=1)
MOST = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Pending:
    """``words`` are the parser's; ``count`` people are touched."""

    number: int
    member: Member
    name: str
    words: tuple[str, ...] = field(repr=False)
    count: int
    until: datetime


class Approvals:
    """Of one desk."""

    def __init__(self) -> None:
        self._pending: dict[int, Pending] = {}
        self._last = 0

    def ask(self, *, member: Member, name: str, words: Sequence[str], count: int, now: datetime) -> Pending:
        """Raises :class:`Refused` where too much waits already."""
        self._tidy(now)
        if len(self._pending) >= MOST:
            raise Refused("too much waits to be approved", mend="approve some of it, or wait an hour")
        self._last += 1
        asked = Pending(
            number=self._last, member=member, name=name, words=tuple(words), count=count, until=now + VALID
        )
        self._pending[asked.number] = asked
        return asked

    def take(self, number: int, *, by: Member, now: datetime) -> Pending:
        """Rules 1 and 2. Raises :class:`Refused`."""
        self._tidy(now)
        found = self._pending.get(number)
        if found is None:
            raise Refused("nothing waits under this number", mend="see: approve")
        if found.member.id == by.id or found.member.user == by.user:
            raise Refused("whoever asked does not approve", mend="ask another member")
        return self._pending.pop(number)

    def waiting(self, now: datetime) -> Sequence[Pending]:
        self._tidy(now)
        return list(self._pending.values())

    def _tidy(self, now: datetime) -> None:
        self._pending = {n: p for n, p in self._pending.items() if p.until > now}


def _typed(say: StaffWords, name: str) -> str:
    command = named(name)
    return command.typed(say.language) if command else name


def register(app: typer.Typer) -> None:
    app.command("approve", hidden=True)(approve)


def approve(
    number: Annotated[int | None, typer.Argument(metavar="N", help="As told; none: list what waits.")] = None,
) -> Reply:
    """In the staff room: agree to what another member asked for. Not on the command line, which needs no second.

    Example: pli approve 3 (typed in the room without "pli")
    """
    here = seat()
    if here.member is None or here.run is None:
        raise WrongUse(
            "approvals are given in the staff room", mend="on the command line nothing waits for one"
        )
    now = here.home.clock.now()
    approvals = here.memory.of(Approvals)
    say = words(here.home)
    if number is None:
        found = approvals.waiting(now)
        listed = [
            say("approve.one", number=p.number, act=_typed(say, p.name), count=say.count("people", p.count))
            for p in found
        ]
        return Reply(parts=tuple(Line(text=t) for t in listed or [say("approve.none")]), data=None)
    pending = approvals.take(number, by=here.member, now=now)
    try:
        reply = here.run(
            pending.name, pending.words, replace(here, member=pending.member, agreed=pending.count)
        )
    except SecondNeeded:
        raise Refused(
            "this touches more people now than when it was asked for", mend="ask for it again"
        ) from None
    return replace(reply, parts=(Line(text=say("approve.done", number=number)), *reply.parts))
