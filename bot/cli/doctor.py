"""``pli doctor``: is everything as it should be, and what to do where it is not."""

from __future__ import annotations

import asyncio

import typer

from bot.cli.common import REFUSED, Json, installation, out, print_json
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
        for check in checks:
            mark = "[green]ok [/green]" if check.ok else "[red]BAD[/red]"
            out.print(f"{mark} {check.name}: ", end="")
            out.print(check.found, markup=False)
            if not check.ok:
                out.print(f"    mend: {check.mend}", markup=False)
    if not all(c.ok for c in checks):
        raise typer.Exit(REFUSED)
