"""What every command shares: where the settings are, how results and errors are printed, exit codes.

0 done, 1 refused, 2 wrong use, 3 partly done.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bot.errors import PliError, StorageError, WrongUse

if TYPE_CHECKING:
    from bot.app import Installation

DONE, REFUSED, WRONG, PARTLY = 0, 1, 2, 3

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)

Json = Annotated[bool, typer.Option("--json", help="Print data as JSON.")]


def installation() -> Installation:
    """The practice named by ``--config``, ``PLI_CONFIG`` or the current folder."""
    from bot.app import Installation  # noqa: PLC0415 - the help page and the vault open no practice
    from config.settings import locate  # noqa: PLC0415 - as above

    return Installation.at(locate(None))


def choose_config(file: Path) -> None:
    """Remember ``--config`` for this process."""
    os.environ["PLI_CONFIG"] = str(file)


def say(text: str, style: str = "") -> None:
    """One line, wrapped by the terminal; values in it are never taken for markup."""
    out.print(Text(text, style=style), soft_wrap=True)


def warn(text: str) -> None:
    err.print(Text(text, style="yellow"), soft_wrap=True)


def print_json(data: object) -> None:
    typer.echo(json.dumps(data, ensure_ascii=False, indent=2, default=str))


def table(headings: Sequence[str], rows: Sequence[Sequence[object]], *, empty: str) -> None:
    """A table, or a sentence where there is nothing."""
    if not rows:
        say(empty)
        return
    drawn = Table(box=None, pad_edge=False, header_style="bold")
    for number, heading in enumerate(headings):
        drawn.add_column(heading, overflow="fold", no_wrap=number == 0)  # ids are copied whole
    for row in rows:
        drawn.add_row(*(Text(str(cell)) for cell in row))
    out.print(drawn)


def show(data: Mapping[str, Any]) -> None:
    """Names and values, one a line."""
    width = max(map(len, data), default=0)
    for name, value in data.items():
        say(f"{name.ljust(width)}  {value}")


def size_of(number: float) -> str:
    """Bytes for people."""
    for unit in ("bytes", "kB", "MB"):
        if number < 1000:
            return f"{number:.0f} {unit}" if unit == "bytes" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} GB"


def complain(error: PliError) -> int:
    """Print the error and its mend; the exit code."""
    err.print(Text.assemble(("error: ", "bold red"), str(error)), soft_wrap=True)
    mend = error.mend or ("see: pli doctor" if isinstance(error, StorageError) else "")
    if mend:
        err.print(Text.assemble(("  mend: ", "bold"), mend), soft_wrap=True)
    return WRONG if isinstance(error, WrongUse) else REFUSED
