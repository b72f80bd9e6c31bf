"""A line of the staff room, carried out by the command line's own parser."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import typer

from bot.cli.reply import Reply
from bot.cli.seat import Seat, taken
from bot.cli.staffroom import RoomCommand
from bot.errors import WrongUse

Stopped = (typer.Abort, typer.Exit)


@functools.cache
def parser() -> Any:  # noqa: ANN401 - Typer's click is not nameable here
    """Of the whole command line, made once."""
    from bot.cli.main import app  # noqa: PLC0415 - main names every command, this one's caller among them

    return typer.main.get_command(app)


def _command(path: Sequence[str]) -> Any:  # noqa: ANN401 - as above
    found = parser()
    for word in path:
        if not word.startswith("-"):
            found = found.commands[word]
    return found


def flags(command: RoomCommand) -> frozenset[str]:
    """The options among its own that take no value."""
    return frozenset(
        name
        for parameter in _command(command.path).params
        if getattr(parameter, "is_flag", False)
        for name in (*parameter.opts, *parameter.secondary_opts)
        if name in command.options
    )


def run(command: RoomCommand, words: Sequence[str], seat: Seat) -> Reply:
    """``words`` as :func:`bot.cli.line.arguments` makes them.

    Raises :class:`bot.errors.PliError`, :data:`bot.cli.usage.UsageError` or one of :data:`Stopped`.
    """
    behind = list(words)[list(words).index("--") + 1 :]
    if behind and hasattr(_command(command.path), "commands"):
        raise WrongUse("this takes no words of its own", mend="see: help")  # or one would name a command
    with taken(seat):
        reply = parser().main(list(words), prog_name="pli", standalone_mode=False)
    if not isinstance(reply, Reply):
        raise typer.Abort
    return reply
