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
    say, now, chosen = words(here.home), here.home.clock.now(), who.strip()
    service = PauseNudges(here.home.uow, here.home.settings.nudge_rules())
    if chosen:
        people = service.pause_one(chosen, now)
        text = say("pause.done_for", who=chosen)
    else:
        people = 0
        text = say("pause.done" if service.pause(now) else "pause.already")
    return Reply(parts=(Line(text=text),), data={"paused": chosen or "all", "recipients": people})


@told
def resume(who: Who = "") -> Reply:
    """Let nudges go on. What came too late meanwhile is listed as a problem: telephone.

    Example: pli resume P-1001
    """
    here = seat()
    say, now, chosen = words(here.home), here.home.clock.now(), who.strip()
    service = PauseNudges(here.home.uow, here.home.settings.nudge_rules())
    if chosen:
        people = service.resume_one(chosen, now)
        text = say("resume.done_for", who=chosen)
    else:
        people = 0
        text = say("resume.done" if service.resume(now) else "resume.already")
    return Reply(parts=(Line(text=text),), data={"resumed": chosen or "all", "recipients": people})
