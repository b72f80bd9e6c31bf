"""``pli run``: the bot."""

from __future__ import annotations

import asyncio

import typer

from bot.cli.common import installation, put
from bot.logs import set_up_logs
from bot.runtime import BotProcess


def register(app: typer.Typer) -> None:
    app.command("run")(run)


def run() -> None:
    """Run the bot until stopped (Ctrl-C or SIGTERM).

    Example: pli run
    """
    set_up_logs()
    home = installation()
    put("starting; stop with Ctrl-C")
    asyncio.run(BotProcess(home).run())
    put("stopped")
