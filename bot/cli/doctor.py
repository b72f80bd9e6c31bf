"""``pli doctor``: is everything as it should be, and what to do where it is not."""

from __future__ import annotations

import asyncio

import typer
from rich.text import Text

from bot.cli.common import REFUSED, Json, installation, out, print_json, put, tongue
from bot.doctor import examine


def register(app: typer.Typer) -> None:
    app.command("doctor")(doctor)


def doctor(json: Json = False) -> None:
    """Check files, database, vault, homeserver, identity, keys, an encrypted round trip, clock and zone data.

    Example: pli doctor
    """
    checks = asyncio.run(examine(installation()))
    if json:
        print_json([{"check": c.name, "ok": c.ok, "found": c.found, "mend": c.mend} for c in checks])
    else:
        words = tongue()
        for check in checks:
            mark = Text(words("doctor.ok"), "green") if check.ok else Text(words("doctor.bad"), "red")
            name, found = words.own(check.name), words.finished(check.found)
            out.print(Text.assemble(mark, " ", words("error.where", where=name, why=found)), soft_wrap=True)
            if not check.ok:
                put(f"  {words('complain.mend')}{words.finished(check.mend)}")
    if not all(c.ok for c in checks):
        raise typer.Exit(REFUSED)
