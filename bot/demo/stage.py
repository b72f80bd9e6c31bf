"""How the story looks: scenes of rows in three columns, or one below the other where the window is narrow."""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from rich import box
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

PLAIN_WIDTH: Final = 100
MAX_WIDTH: Final = 150
_NARROW: Final = 84
PATIENT, PRACTICE, OUTSIDE = "green", "bright_blue", "red"


@dataclass(frozen=True, kw_only=True, slots=True)
class Headings:
    """The names of the three columns."""

    patient: str
    practice: str
    outside: str


class Stage:
    """Prints as it happens."""

    def __init__(self, console: Console, headings: Headings) -> None:
        self.console = console
        self._headings = headings
        self._phone = headings.patient
        self._began = time.monotonic()
        self._scenes = 0

    # -- words --------------------------------------------------------------------------------------------------

    def opening(self, title: str, *paragraphs: str) -> None:
        body = Group(*(Padding(Text(p), (0, 0, 1, 0)) for p in paragraphs[:-1]), Text(paragraphs[-1]))
        self._print(
            Panel(body, title=Text(title, style="bold"), box=box.ROUNDED, padding=(1, 2), width=self.width)
        )

    def scene(self, title: str, *sentences: str, patient: str | None = None) -> None:
        """A new chapter: its number, the time since the start, what happens in it; ``patient`` is whose phone it is."""
        self._scenes += 1
        seconds = int(time.monotonic() - self._began)
        line = Table.grid(expand=True)
        line.add_column()
        line.add_column(justify="right")
        line.add_row(
            Text(f"{self._scenes}. {title}", style="bold"),
            Text(f"{seconds // 60}:{seconds % 60:02}", style="dim"),
        )
        self._print(Text(), Rule(style="dim"), line)
        for sentence in sentences:
            self.remark(sentence)
        self._print(Text())
        self._phone = patient or self._headings.patient
        if self.wide:
            self._row(
                Text(self._phone, style=f"bold {PATIENT}"),
                Text(self._headings.practice, style=f"bold {PRACTICE}"),
                Text(self._headings.outside, style=f"bold {OUTSIDE}"),
            )

    def remark(self, sentence: str) -> None:
        self._print(Text(sentence, style="italic"))

    def show(self, *things: RenderableType) -> None:
        """Anything, over the whole width."""
        self._print(*things)

    # -- rows ---------------------------------------------------------------------------------------------------

    def row(self, *, patient: Text | str = "", practice: Text | str = "", outside: Text | str = "") -> None:
        """One thing that happened, as each of the three sees it."""
        cells = (
            (self._phone, PATIENT, _text(patient, PATIENT)),
            (self._headings.practice, PRACTICE, _text(practice, PRACTICE)),
            (self._headings.outside, OUTSIDE, _text(outside, OUTSIDE)),
        )
        if self.wide:
            self._row(*(cell for _, _, cell in cells))
            return
        for name, style, cell in cells:
            if cell:
                self._print(Text(name, style=f"bold {style}"), Padding(cell, (0, 0, 0, 2)))

    def _row(self, *cells: Text) -> None:
        table = Table(
            box=box.MINIMAL, show_header=False, show_edge=False, width=self.width, border_style="dim"
        )
        for _ in cells:
            table.add_column(ratio=1, overflow="fold")
        table.add_row(*cells)
        table.add_row(*(Text() for _ in cells))
        self._print(table)

    async def wait_until(self, moment: datetime, words: str) -> None:
        """Count down to an aware ``moment``; ``words`` say for what."""

        def left() -> int:
            return max(0, round((moment - datetime.now(moment.tzinfo)).total_seconds()))

        if not self.console.is_terminal or left() < 2:
            return
        with self.console.status(words) as status:
            while seconds := left():
                status.update(f"{words} {seconds} s")
                await asyncio.sleep(0.5)

    # -- size ---------------------------------------------------------------------------------------------------

    @property
    def width(self) -> int:
        return min(self.console.width, MAX_WIDTH)

    @property
    def wide(self) -> bool:
        return self.width >= _NARROW

    def _print(self, *things: RenderableType) -> None:
        for thing in things:
            self.console.print(thing, width=self.width, highlight=False)


def new_console() -> Console:
    """As wide as the terminal, or a plain hundred characters where the output goes elsewhere."""
    console = Console(record=True, highlight=False)
    if not console.is_terminal and not os.environ.get("COLUMNS"):
        console = Console(record=True, highlight=False, width=PLAIN_WIDTH)
    return console


def _text(cell: Text | str, style: str) -> Text:
    return cell if isinstance(cell, Text) else Text(cell, style=style)


def typed(text: str) -> Text:
    """What a person typed."""
    return Text.assemble(("❯ ", f"bold {PATIENT}"), (text, f"bold {PATIENT}"))


def command(text: str) -> Text:
    """A command of the practice."""
    return Text.assemble(("$ ", f"bold {PRACTICE}"), (text, f"bold {PRACTICE}"))


def lines(*parts: Text | str, style: str = "") -> Text:
    """Parts under each other."""
    return Text("\n").join(part if isinstance(part, Text) else Text(part, style=style) for part in parts)


def excerpt(raw: str, length: int) -> str:
    """The beginning of something long."""
    return raw if len(raw) <= length else raw[:length] + "…"


def opening_words(text: str) -> str:
    """The first paragraph of a long message, or all of a short one."""
    first, *more = text.split("\n\n")
    return f"{first}\n[…]" if len(more) > 1 and len(text) > 600 else text
