"""``pli pause`` and ``pli resume``: hold all nudges back, and let them go again."""

from __future__ import annotations

import typer

from bot.cli.common import Json, installation, print_json, say
from bot.services.pause_nudges import PauseNudges


def register(app: typer.Typer) -> None:
    app.command("pause")(pause)
    app.command("resume")(resume)


def pause(json: Json = False) -> None:
    """Hold all nudges back until: pli resume. Answers go on.

    Example: pli pause
    """
    home = installation()
    changed = PauseNudges(home.uow).pause(home.clock.now())
    if json:
        print_json({"paused": True, "changed": changed})
    else:
        say(
            "nudges are paused; let them go again with: pli resume"
            if changed
            else "nudges were paused already"
        )


def resume(json: Json = False) -> None:
    """Let nudges leave again. What became too late meanwhile is not sent but listed: pli problems.

    Example: pli resume
    """
    home = installation()
    changed = PauseNudges(home.uow).resume(home.clock.now())
    if json:
        print_json({"paused": False, "changed": changed})
    else:
        say("nudges leave again" if changed else "nudges were not paused")
