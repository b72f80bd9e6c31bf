"""``pli nudges``: what leaves when, and what the times tell."""

from __future__ import annotations

import typer

from bot.cli.nudges_leak import leak
from bot.cli.nudges_preview import preview

group = typer.Typer(no_args_is_help=True, help="When nudges leave, and what their times tell.")


def register(app: typer.Typer) -> None:
    app.add_typer(group, name="nudges")


group.command("preview")(preview)
group.command("leak")(leak)
