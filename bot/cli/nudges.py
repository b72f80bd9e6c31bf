"""``pli nudges``: what leaves when, what the times tell, what somebody asked for, and a clock that is in doubt."""

from __future__ import annotations

import typer

from bot.cli.common import Json, installation, print_json, say
from bot.cli.nudges_leak import leak
from bot.cli.nudges_preview import preview
from bot.cli.nudges_wish import wish


def register(app: typer.Typer) -> None:
    group = typer.Typer(no_args_is_help=True, help="When nudges leave, and what their times tell.")
    group.command("preview")(preview)
    group.command("leak")(leak)
    group.command("wish")(wish)
    group.command("resume-clock")(resume_clock)
    app.add_typer(group, name="nudges")


def resume_clock(json: Json = False) -> None:
    """Say that this machine's clock is right: nudges that were held because it was in doubt go on.

    Look at the clock first. What is past by it is not sent, and is reported.

    Example: pli nudges resume-clock
    """
    home = installation()
    now = home.clock.now()
    resumed = home.trust_clock()(now)
    local = now.astimezone(home.settings.practice.zone).isoformat(timespec="minutes")
    if json:
        print_json({"resumed": resumed, "clock": local})
    elif resumed:
        say(f"nudges go on by the clock as it is: {local}")
    else:
        say(f"the clock is not in doubt, nothing was held back by it: {local}")
