"""What is wrong with a line, said like every other error: what, and where to read on."""

from __future__ import annotations

import re
from typing import Any, Final

import typer

from bot.errors import WrongUse

# Typer carries its own click inside: this is its door to the errors of the parser.
UsageError: Final[type[Exception]] = typer.BadParameter.__mro__[1]
_FRAMED: Final = re.compile(r"(?<=: )Value error, ")  # how a check of a value names itself
_MEANT: Final = re.compile(r"\s+(?:\(Possible options: |Did you mean )")


def shown_instead(error: Any) -> bool:  # noqa: ANN401 - not nameable here
    """A group without a word behind it: its help page has been asked for, and is printed."""
    if type(error).__name__ != "NoArgsIsHelpError":
        return False
    typer.echo(error.ctx.get_help(), err=True)
    return True


def wrong_use(error: Any) -> WrongUse:  # noqa: ANN401 - as above
    """The parser's error, its own words cleared of what only a programmer reads."""
    plain = " ".join(_FRAMED.sub("", error.format_message()).split())
    text, *meant = _MEANT.split(plain, maxsplit=1)
    page = f"{error.ctx.command_path if error.ctx is not None else 'pli'} -h"
    mend = f"perhaps {meant[0].strip('?.()')}; see: {page}" if meant else f"see: {page}"
    return WrongUse(text.removesuffix("."), mend=mend)
