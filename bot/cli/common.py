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

from bot.domain.values import Language
from bot.errors import PliError, StorageError, WrongUse

if TYPE_CHECKING:
    from bot.app import Installation
    from config.staff_words import StaffWords

DONE, REFUSED, WRONG, PARTLY = 0, 1, 2, 3

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)

Json = Annotated[bool, typer.Option("--json", help="Print data as JSON.")]


def installation() -> Installation:
    """The practice named by ``--config``, ``PLI_CONFIG`` or the current folder."""
    from bot.app import Installation  # noqa: PLC0415 - the help page and the vault open no practice
    from config.settings import locate  # noqa: PLC0415 - as above

    return Installation.at(locate(None))


def tongue() -> StaffWords:
    """The practice's words, as :func:`installation` would find it; English where there is none to be read."""
    from config.settings import load, locate  # noqa: PLC0415 - see above
    from config.staff_words import StaffWords  # noqa: PLC0415 - see above

    try:
        language = load(locate(None)).practice.language
    except PliError:
        language = Language.EN
    return StaffWords(language, terminal=True)


def choose_config(file: Path) -> None:
    """Remember ``--config`` for this process."""
    os.environ["PLI_CONFIG"] = str(file)


def put(text: str, style: str = "") -> None:
    """One line as it is, wrapped by the terminal; values in it are never taken for markup. Also what programs that keep
    running say of themselves: others wait for it.
    """
    out.print(Text(text, style=style), soft_wrap=True)


def say(english: str, style: str = "") -> None:
    """:func:`put` in the practice's language: see :meth:`config.staff_words.StaffWords.finished`."""
    put(tongue().finished(english), style)


def say_count(one: str, other: str, number: int) -> None:
    """:func:`say` of one of the two texts, with ``{number}``."""
    put(tongue().counted(one, other, number))


def caution(text: str) -> None:
    """One line as it is, beside the answer."""
    err.print(Text(text, style="yellow"), soft_wrap=True)


def warn(english: str) -> None:
    """:func:`caution` in the practice's language."""
    caution(tongue().finished(english))


def print_json(data: object) -> None:
    typer.echo(json.dumps(data, ensure_ascii=False, indent=2, default=str))


def table(headings: Sequence[str], rows: Sequence[Sequence[object]], *, empty: str) -> None:
    """A table, or a sentence where there is nothing; all of it as it is."""
    if not rows:
        put(empty)
        return
    drawn = Table(box=None, pad_edge=False, header_style="bold")
    for number, heading in enumerate(headings):
        drawn.add_column(heading, overflow="fold", no_wrap=number == 0)  # ids are copied whole
    for row in rows:
        drawn.add_row(*(Text(str(cell)) for cell in row))
    out.print(drawn)


def show(data: Mapping[str, Any]) -> None:
    """Names and values, one a line, as they are."""
    width = max(map(len, data), default=0)
    for name, value in data.items():
        put(f"{name.ljust(width)}  {value}")


def size_of(number: float) -> str:
    """Bytes for people."""
    for unit in ("bytes", "kB", "MB"):
        if number < 1000:
            return f"{number:.0f} {unit}" if unit == "bytes" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} GB"


def complain(error: PliError) -> int:
    """Print the error and its mend in the practice's language; the exit code."""
    words = tongue()
    err.print(Text.assemble((words("complain.error"), "bold red"), words.of(error)), soft_wrap=True)
    mend = error.mend or ("see: pli doctor" if isinstance(error, StorageError) else "")
    if mend:
        err.print(Text.assemble((words("complain.mend"), "bold"), words.finished(mend)), soft_wrap=True)
    return WRONG if isinstance(error, WrongUse) else REFUSED
