"""How the story looks: scenes of rows in three columns or four, or one below the other where the window is narrow."""

from __future__ import annotations

import asyncio
import os
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from rich import box
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.rule import Rule
from rich.status import Status
from rich.table import Table
from rich.text import Text

PLAIN_WIDTH: Final = 100
MAX_WIDTH: Final = 150
_NARROW: Final = {3: 84, 4: 100}
PATIENT, PRACTICE, OUTSIDE, TELEGRAM = "green", "bright_blue", "red", "magenta"


@dataclass(frozen=True, kw_only=True, slots=True)
class Headings:
    """The names of the columns; the fourth one stands in scenes in which Telegram sees something."""

    patient: str
    practice: str
    outside: str
    telegram: str


class Stage:
    """Prints as it happens."""

    def __init__(self, console: Console, headings: Headings) -> None:
        self.console = console
        self._headings = headings
        self._phone = headings.patient
        self._columns = 3
        self._began = time.monotonic()
        self._scenes = 0
        self._status: Status | None = None

    # -- words --------------------------------------------------------------------------------------------------

    def opening(self, title: str, *paragraphs: str) -> None:
        text = wrapped(Text("\n\n".join(paragraphs)), self.width - 6)
        self.show(
            Panel(text, title=Text(title, style="bold"), box=box.ROUNDED, padding=(1, 2), width=self.width)
        )

    def chapter(self, title: str, *sentences: str) -> None:
        """A line with the chapter's number and the time since the start, then what happens in it."""
        self._scenes += 1
        seconds = int(time.monotonic() - self._began)
        line = Table.grid(expand=True)
        line.add_column()
        line.add_column(justify="right")
        clock = f"{seconds // 60}:{seconds % 60:02}"
        line.add_row(Text(f"{self._scenes}. {title}", style="bold"), Text(clock, style="dim"))
        self.show(Text(), Rule(style="dim"), line)
        if self._status is not None:
            self._status.update(f"{title} …")
        for sentence in sentences:
            self.remark(sentence)
        self.show(Text())

    def scene(self, title: str, *sentences: str, patient: str | None = None, telegram: bool = False) -> None:
        """A chapter in three columns, or four with what Telegram sees; ``patient`` is whose phone it is."""
        self.chapter(title, *sentences)
        self._phone = patient or self._headings.patient
        self._columns = 4 if telegram else 3
        if self.wide:
            self._row(*(Text(name, style=f"bold {style}") for name, style in self._heads))

    def remark(self, sentence: str) -> None:
        self.show(wrapped(Text(sentence, style="italic"), self.width))

    def show(self, *things: RenderableType) -> None:
        """Anything, over the whole width."""
        for thing in things:
            self.console.print(thing, width=self.width, highlight=False)

    # -- rows ---------------------------------------------------------------------------------------------------

    def row(
        self,
        *,
        patient: Text | str = "",
        practice: Text | str = "",
        outside: Text | str = "",
        telegram: Text | str = "",
    ) -> None:
        """One thing that happened, as each of them sees it; ``telegram`` in a scene that has the column."""
        told = (patient, practice, outside, telegram)
        cells = [
            (name, style, _text(cell, style)) for (name, style), cell in zip(self._heads, told, strict=False)
        ]
        if self.wide:
            self._row(*(cell for _, _, cell in cells))
            return
        for name, style, cell in cells:
            if cell:
                self.show(Text(name, style=f"bold {style}"))
                self.show(Padding(wrapped(cell, self.column), (0, 0, 0, 2)))

    @property
    def _heads(self) -> list[tuple[str, str]]:
        """Name and colour of each column."""
        names = self._headings
        heads = [(self._phone, PATIENT), (names.practice, PRACTICE), (names.outside, OUTSIDE)]
        return [*heads, (names.telegram, TELEGRAM)][: self._columns]

    def _row(self, *cells: Text) -> None:
        table = Table(
            box=box.MINIMAL, show_header=False, show_edge=False, width=self.width, border_style="dim"
        )
        for _ in cells:
            table.add_column(ratio=1, overflow="fold")
        table.add_row(*(wrapped(cell, self.column) for cell in cells))
        table.add_row(*(Text() for _ in cells))
        self.show(table)

    # -- meanwhile ----------------------------------------------------------------------------------------------

    @contextmanager
    def pulse(self) -> Iterator[None]:
        """In a terminal, show below the story that something is going on."""
        if not self.console.is_terminal:
            yield
            return
        with self.console.status("…") as status:
            self._status = status
            try:
                yield
            finally:
                self._status = None

    async def wait_until(self, moment: datetime, words: str) -> None:
        """Say what is waited for, and in a terminal count down to the aware ``moment``."""
        if self._status is None and (left := _seconds_to(moment)) >= 1:
            self.remark(f"{words} {left:.0f} s")
        while self._status is not None and (left := _seconds_to(moment)) > 0:
            self._status.update(f"{words} {left:.0f} s")
            await asyncio.sleep(0.5)

    # -- size ---------------------------------------------------------------------------------------------------

    @property
    def width(self) -> int:
        return min(self.console.width, MAX_WIDTH)

    @property
    def column(self) -> int:
        """Characters of a line in a column."""
        return (self.width - self._columns + 1) // self._columns - 2 if self.wide else self.width - 2

    @property
    def wide(self) -> bool:
        return self.width >= _NARROW[self._columns]


def new_console() -> Console:
    """As wide as the terminal, or a plain hundred characters where the output goes elsewhere."""
    console = Console(record=True, highlight=False)
    if not console.is_terminal and not os.environ.get("COLUMNS"):
        console = Console(record=True, highlight=False, width=PLAIN_WIDTH)
    return console


def wrapped(text: Text, width: int) -> Text:
    """``text`` with its lines broken at ordinary spaces only: Rich breaks at those that must not break as well."""
    broken = "\n".join(
        piece
        for line in text.plain.split("\n")
        for piece in textwrap.wrap(line, width, break_long_words=False, break_on_hyphens=False) or [line]
    )
    if len(broken) != len(text.plain):  # more than one space in a row: leave it to Rich
        return text
    done = text.copy()
    done.plain = broken  # of the same length, so that the styles stay where they are
    return done


def _seconds_to(moment: datetime) -> float:
    return (moment - datetime.now(moment.tzinfo)).total_seconds()


def _text(cell: Text | str, style: str) -> Text:
    return cell if isinstance(cell, Text) else Text(cell, style=style)


def typed(text: str, style: str = PATIENT) -> Text:
    """What a person typed."""
    return Text.assemble(("❯ ", f"bold {style}"), (text, f"bold {style}"))


def command(text: str) -> Text:
    """A command of the practice."""
    return Text.assemble(("$ ", f"bold {PRACTICE}"), (text, f"bold {PRACTICE}"))


def lines(*parts: Text | str, style: str = "") -> Text:
    """Parts under each other."""
    return Text("\n").join(part if isinstance(part, Text) else Text(part, style=style) for part in parts)


def excerpt(raw: str, length: int) -> str:
    """The beginning of something long, ``length`` characters in all."""
    return raw if len(raw) <= length else raw[: length - 1] + "…"
