"""``pli help``: what may be typed in the staff room, and by whom."""

from __future__ import annotations

from typing import Annotated

import typer

from bot.cli.reply import Line, Reply
from bot.cli.seat import seat, told, words
from bot.cli.staffroom import allowed_to, named
from bot.domain.staff import Role
from bot.errors import Refused


def register(app: typer.Typer) -> None:
    app.command("help")(help_)


@told
def help_(
    command: Annotated[list[str] | None, typer.Argument(help="One of the room's commands.")] = None,
) -> Reply:
    """Show the staff room's commands, or one with examples. Those of the command line: pli --help.

    Example: pli help invite
    """
    here = seat()
    say = words(here.home)
    if command:
        found = named(" ".join(command))
        if found is None or not found.allows(here.member):
            raise Refused("no such command in the staff room", mend="see: help")
        lines = [say(f"help.{found.key}"), say(f"help.{found.key}.more")]
        if here.member is None:
            lines.append(
                say("help.roles", roles=", ".join(say(f"role.{r}") for r in Role if r in found.roles))
            )
        data: object = {"command": found.name, "roles": sorted(found.roles)}
        return Reply(parts=tuple(Line(text=line) for line in lines), data=data)
    listed = allowed_to(here.member)
    lines = [say(f"help.{each.key}") for each in listed]
    end = say("help.end")
    return Reply(
        parts=tuple(Line(text=line) for line in (*lines, end)),
        data=[{"command": each.name, "roles": sorted(each.roles)} for each in listed],
    )
