"""What a command answers: a value that the command line prints and the staff room shows as plain text.

A command that both have returns a :class:`Reply` and prints nothing itself; :func:`bot.cli.seat.told` sees to the rest,
``--json`` included.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from bot.cli.common import caution, print_json, put, show, table
from bot.domain.staff import StaffFile

MAX_TEXT_BYTES = 2600  # of one message: the wire takes 2,800
MAX_TEXTS = 12
_CUT = "…"


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """One sentence."""

    text: str = field(repr=False)
    bold: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Remark:
    """What is worth knowing beside the answer: on standard error, on the command line."""

    text: str = field(repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """Names and values, one a line."""

    values: tuple[tuple[str, str], ...] = field(repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """``named``: in the room, where there are no columns, its heading stands before each value."""

    heading: str
    named: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Rows:
    """A table on the command line, a line or two an entry in the room; ``empty`` is said where there is none."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...] = field(repr=False)
    empty: str


Part = Line | Remark | Facts | Rows


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """``data`` is what ``--json`` prints. ``private``: details are in it, so the room takes it back.

    ``files`` go to the room alone: on the command line the command has written them where an option said.
    ``partly``: some of it was not done (exit code 3).
    """

    parts: tuple[Part, ...]
    data: object = field(repr=False)
    files: tuple[StaffFile, ...] = ()
    private: bool = False
    partly: bool = False


def print_reply(reply: Reply, *, json: bool) -> None:
    """On the command line."""
    if json:
        print_json(reply.data)
        return
    for part in reply.parts:
        match part:
            case Line():
                put(part.text, style="bold" if part.bold else "")
            case Remark():
                caution(part.text)
            case Facts():
                show(dict(part.values))
            case Rows():
                table([c.heading for c in part.columns], part.rows, empty=part.empty)


def as_texts(parts: Sequence[Part], *, cut: str) -> tuple[str, ...]:
    """For the room: messages of at most :data:`MAX_TEXT_BYTES` UTF-8 bytes; ``cut`` ends the last of too many."""
    texts: list[str] = []
    for block in _blocks(parts):
        if texts and len(f"{texts[-1]}\n{block}".encode()) <= MAX_TEXT_BYTES:
            texts[-1] += f"\n{block}"
        else:
            texts.append(_shortened(block))
    if len(texts) > MAX_TEXTS:
        return (*texts[: MAX_TEXTS - 1], cut)
    return tuple(texts)


def _blocks(parts: Sequence[Part]) -> Iterator[str]:
    """What is not parted: a sentence, a fact, an entry."""
    for part in parts:
        match part:
            case Line() | Remark():
                yield plain(part.text)
            case Facts():
                for name, value in part.values:
                    yield f"{plain(name)} : {plain(value)}" if value else plain(name)
            case Rows():
                if not part.rows:
                    yield plain(part.empty)
                for row in part.rows:
                    yield _entry(part.columns, row)


def _entry(columns: Sequence[Column], row: Sequence[str]) -> str:
    """The unnamed cells in one line, the named ones in a second."""
    cells = [(column, plain(cell)) for column, cell in zip(columns, row, strict=True) if cell]
    first = " · ".join(cell for column, cell in cells if not column.named)
    second = " · ".join(f"{column.heading} {cell}" for column, cell in cells if column.named)
    return "\n  ".join(filter(None, (f"• {first}", second)))


def plain(text: str) -> str:
    """Without what controls a terminal or turns a line around."""
    return "".join(c for c in text if c == "\n" or unicodedata.category(c) not in ("Cc", "Cf"))


def _shortened(text: str) -> str:
    data = text.encode()
    if len(data) <= MAX_TEXT_BYTES:
        return text
    return data[: MAX_TEXT_BYTES - len(_CUT.encode())].decode(errors="ignore") + _CUT
