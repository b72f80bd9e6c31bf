"""Who gives the command, and where: on the command line, or in the staff room.

On the command line whoever holds the practice's files is the administrator (:attr:`Seat.member` is None). In the room
the desk takes the seat for the member whose line it is, with :func:`taken`.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, ParamSpec, TypeVar, cast

import typer

from bot.app import Installation
from bot.cli.common import PARTLY, Json, installation
from bot.cli.reply import Line, Reply, print_reply
from bot.domain.staff import Member
from bot.errors import SecondNeeded
from config.staff_words import StaffWords

P = ParamSpec("P")
T = TypeVar("T")
_YES = frozenset({"o", "oui", "y", "yes"})


class Memory:
    """What the desk remembers between two lines, gone when it stops: one value of a type, made at its first use."""

    def __init__(self) -> None:
        self._kept: dict[type, object] = {}

    def of(self, kind: type[T]) -> T:
        return cast("T", self._kept.setdefault(kind, kind()))


@dataclass(frozen=True, kw_only=True, slots=True)
class Seat:
    """``agreed``: so many people may be touched, as a second member approved it. ``run`` carries out another line of
    the room's, given as the command's name and the parser's words.
    """

    home: Installation
    member: Member | None = None
    memory: Memory = field(default_factory=Memory)
    agreed: int = 0
    run: Callable[[str, Sequence[str], Seat], Reply] | None = None

    @property
    def in_room(self) -> bool:
        return self.member is not None


_TAKEN: ContextVar[Seat | None] = ContextVar("seat", default=None)


def seat() -> Seat:
    """Of this command. On the command line the practice is opened here, and errors of its settings are raised."""
    return _TAKEN.get() or Seat(home=installation())


@contextmanager
def taken(chosen: Seat) -> Iterator[None]:
    token = _TAKEN.set(chosen)
    try:
        yield
    finally:
        _TAKEN.reset(token)


def words(home: Installation) -> StaffWords:
    """In the practice's language on the command line, in the member's in the room."""
    here = _TAKEN.get()
    if here is not None and here.member is not None:
        return StaffWords(here.member.language)
    return StaffWords(home.settings.practice.language, terminal=True)


def room_words(home: Installation) -> StaffWords:
    """For the room as a whole: in the practice's language."""
    return StaffWords(home.settings.practice.language)


def touches(count: int) -> None:
    """To be called before an act that touches ``count`` people is begun; never by one that cancels.

    Raises :class:`SecondNeeded` in the room, where that is more than one member decides about alone. The desk then
    keeps the line until another member says ``approve N``.
    """
    here = seat()
    if here.in_room and count > max(here.home.settings.staff.approve_over, here.agreed):
        raise SecondNeeded(count=count)


def agree(question: str, *, yes: bool, line: str) -> Reply | None:
    """None where it may go on. ``line`` is what to type in the room, where nobody can be asked in between.

    Raises :class:`typer.Abort` for a no on the command line.
    """
    here = seat()
    if yes:
        return None
    if not here.in_room:
        answer = str(typer.prompt(f"{question} [o/N, y/N]", default="", show_default=False))
        if answer.strip().lower() not in _YES:
            raise typer.Abort
        return None
    told = words(here.home)("ask.line", question=question, line=line)
    return Reply(parts=(Line(text=told),), data=None, private=True)


def told(command: Callable[P, Reply | None]) -> Callable[..., Reply | None]:
    """A command that both the command line and the room have. The option ``--json`` is added to it.

    On the command line what it returns is printed; in the room it is returned to the desk.
    """

    @functools.wraps(command)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> Reply | None:
        json = bool(kwargs.pop("json", False))
        reply = command(*args, **kwargs)
        here = _TAKEN.get()
        if reply is None or (here is not None and here.in_room):
            return reply
        print_reply(reply, json=json)
        if reply.partly:
            raise typer.Exit(PARTLY)
        return None

    signature = inspect.signature(command, eval_str=True)
    option = inspect.Parameter("json", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=Json)
    described: Any = wrapper
    described.__signature__ = signature.replace(parameters=[*signature.parameters.values(), option])
    described.__annotations__ = {**command.__annotations__, "json": Json}
    return wrapper
