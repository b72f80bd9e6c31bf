"""``pli run``: the bot."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from bot.cli.common import installation, put
from bot.logs import set_up_logs
from bot.runtime import BotProcess


def register(app: typer.Typer) -> None:
    app.command("run")(run)


def run(
    dry: Annotated[
        bool, typer.Option("--dry", help="Show how many nudges would leave, by slot, and send none.")
    ] = False,
) -> None:
    """Run the bot until stopped (Ctrl-C or SIGTERM). In a dry run nudges stay waiting; answers go on.

    Example: pli run
    """
    set_up_logs()
    home = installation()
    zone = home.settings.practice.zone
    if dry or home.settings.delivery.dry:
        put("dry: nudges are shown and stay waiting; answers go on", style="bold")
        process = BotProcess(home, show=lambda slots: _show(slots, zone))
    else:
        process = BotProcess(home)
    put("starting; stop with Ctrl-C")
    asyncio.run(process.run())
    put("stopped")


def _show(slots: Mapping[datetime, int], zone: ZoneInfo) -> None:
    """Counts alone."""
    if not slots:
        put("nothing would leave now")
    for slot, count in slots.items():
        put(f"would leave now: {count} of {slot.astimezone(zone):%Y-%m-%d %H:%M}")
