"""``pli pause``, ``resume``: all nudges, or one patient's."""

from __future__ import annotations

from typing import Annotated

import typer

from bot.cli.reply import Line, Reply
from bot.cli.seat import seat, told, words
from bot.services.pause_nudges import PauseNudges

Who = Annotated[str, typer.Argument(metavar="[REF]", help="A patient's reference or a recipient; none: all.")]


def register(app: typer.Typer) -> None:
    app.command("pause")(pause)
    app.command("resume")(resume)


@told
def pause(who: Who = "") -> Reply:
    """Hold back all nudges, or those of who is told for one patient, until they are resumed. Answers go on.

    Example: pli pause P-1001
    """
    here = seat()
    say = words(here.home)
    people = PauseNudges(here.home.uow).pause(who.strip(), now=here.home.clock.now())
    text = say("pause.done_for", who=who.strip()) if people else say("pause.done")
    return Reply(parts=(Line(text=text),), data={"paused": who.strip() or "all", "recipients": people})


@told
def resume(who: Who = "") -> Reply:
    """Let nudges go on. What came too late meanwhile is listed as a problem: telephone.

    Example: pli resume P-1001
    """
    here = seat()
    say = words(here.home)
    people = PauseNudges(here.home.uow).resume(who.strip(), now=here.home.clock.now())
    text = say("resume.done_for", who=who.strip()) if people else say("resume.done")
    return Reply(parts=(Line(text=text),), data={"resumed": who.strip() or "all", "recipients": people})
