"""Search files for texts that must not be there, in every shape in which they may lie.

1. Every byte of every file is read, in pieces that overlap by the longest needle: nothing hides on a seam.
2. A SQLite file is read twice, as bytes and row by row: a long value is cut into pages, and a needle may lie across
   the cut. Its WAL is a file of its own and is read as bytes.
3. What cannot be read is reported and never counts as clean. A file that is gone by then is no finding.
4. A finding names the place, the file, the shape and the kind of text, never the text.

The scanner shows nothing by silence alone: :mod:`bot.demo.control` plants every text in every shape and has it found.
"""

from __future__ import annotations

import contextlib
import sqlite3
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from bot.demo.forms import Form, shapes

PIECE: Final = 2 * 1024 * 1024
_SQLITE: Final = b"SQLite format 3\x00"
_GRAM: Final = 4


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Canary:
    """A text that must not be found; ``kind`` says what it is ("practitioner", "PIN"), for the report."""

    kind: str
    text: str

    def __repr__(self) -> str:
        return f"Canary({self.kind})"


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """Rule 4. ``canary`` is the text's number in the list that the scanner was given."""

    place: str
    file: str
    form: Form
    kind: str
    canary: int
    times: int


@dataclass(slots=True)
class Report:
    """What was searched and what was found; reports of several moments can be added up."""

    findings: list[Finding] = field(default_factory=list)
    files: Counter[str] = field(default_factory=Counter)
    read: Counter[str] = field(default_factory=Counter)
    unreadable: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        return not self.findings and not self.unreadable and bool(self.files)

    def hits(self, place: str, form: Form) -> int:
        return sum(f.times for f in self.findings if f.place == place and f.form == form)

    def found(self) -> set[tuple[int, Form]]:
        return {(f.canary, f.form) for f in self.findings}

    def add(self, other: Report) -> None:
        self.findings += other.findings
        self.unreadable += other.unreadable
        for place in other.files:
            self.files[place] = max(self.files[place], other.files[place])
            self.read[place] += other.read[place]


class Scanner:
    """Looks for the canaries it was made with; holds no state between two scans."""

    def __init__(self, canaries: Sequence[Canary], *, piece: int = PIECE) -> None:
        """``piece`` bytes are read at a time."""
        self.canaries = tuple(canaries)
        self._needles: dict[bytes, list[tuple[int, Form]]] = {}
        for number, canary in enumerate(self.canaries):
            for form, needle in shapes(canary.text):
                self._needles.setdefault(needle, []).append((number, form))
        self._longest = max(map(len, self._needles), default=1)
        self.piece = max(piece, self._longest)
        self._grams = {needle: _shifted_grams(needle) for needle in self._needles}

    @property
    def needles(self) -> int:
        return len(self._needles)

    def able(self) -> set[tuple[int, Form]]:
        """Every (canary, shape) that is looked for: all but texts that are too short to be told from noise."""
        return {meaning for meanings in self._needles.values() for meaning in meanings}

    def scan(self, places: Mapping[str, Iterable[Path]]) -> Report:
        """Search every file of every place."""
        report = Report()
        for place, files in places.items():
            for file in files:
                self._scan_file(place, file, report)
        return report

    def _scan_file(self, place: str, file: Path, report: Report) -> None:
        try:
            counts, size, head = self._search(_pieces(file, self.piece))
            if head == _SQLITE:
                rows, _, _ = self._search(_joined(_rows(file), self.piece))
                counts.update(rows)
        except FileNotFoundError:
            return
        except (OSError, sqlite3.Error) as error:
            report.unreadable.append(f"{place}: {file.name} ({type(error).__name__})")
            return
        report.files[place] += 1
        report.read[place] += size
        for needle, times in counts.items():
            for number, form in self._needles[needle]:
                kind = self.canaries[number].kind
                report.findings.append(
                    Finding(place=place, file=file.name, form=form, kind=kind, canary=number, times=times)
                )

    def _search(self, pieces: Iterable[bytes]) -> tuple[Counter[bytes], int, bytes]:
        counts: Counter[bytes] = Counter()
        size, head, tail = 0, b"", b""
        for piece in pieces:
            head = head or piece[: len(_SQLITE)]
            size += len(piece)
            window = tail + piece
            for needle in self._candidates(window):
                counts[needle] += _occurrences(window, needle, counted=len(tail))
            tail = window[-(self._longest - 1) :] if self._longest > 1 else b""
        return +counts, size, head

    def _candidates(self, window: bytes) -> Iterator[bytes]:
        """Needles that may occur. Thousands of them are looked for: whoever occurs has all its aligned groups of
        four bytes, from one of four shifts, among those of the window."""
        whole = len(window) - len(window) % _GRAM
        present = set(memoryview(window)[:whole].cast("I")) if whole else set()
        for needle, shifts in self._grams.items():
            if shifts is None or any(present.issuperset(grams) for grams in shifts):
                yield needle


def _shifted_grams(needle: bytes) -> tuple[frozenset[int], ...] | None:
    """For each shift the aligned groups that lie wholly in the needle; None where a shift holds none."""
    shifts = []
    for shift in range(_GRAM):
        ends = range(shift + _GRAM, len(needle) + 1, _GRAM)
        grams = frozenset(int.from_bytes(needle[end - _GRAM : end], sys.byteorder) for end in ends)
        if not grams:
            return None
        shifts.append(grams)
    return tuple(shifts)


def _occurrences(window: bytes, needle: bytes, *, counted: int) -> int:
    """How often ``needle`` ends behind the first ``counted`` bytes, which were searched with the piece before."""
    times = 0
    at = window.find(needle, max(0, counted - len(needle) + 1))
    while at >= 0:
        times += 1
        at = window.find(needle, at + 1)
    return times


def _pieces(file: Path, size: int) -> Iterator[bytes]:
    with file.open("rb") as handle:
        while piece := handle.read(size):
            yield piece


def _joined(parts: Iterable[bytes], size: int) -> Iterator[bytes]:
    """Many small pieces as few of at least ``size`` bytes: every piece is searched for thousands of needles."""
    waiting = bytearray()
    for part in parts:
        waiting += part
        if len(waiting) >= size:
            yield bytes(waiting)
            waiting.clear()
    if waiting:
        yield bytes(waiting)


def _rows(file: Path) -> Iterator[bytes]:
    """Rule 2: every value of every table as bytes, those of a row one after another."""
    with contextlib.closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True, timeout=10)) as database:
        database.text_factory = bytes
        tables = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (name,) in tables:
            quoted = name.decode().replace('"', '""')
            try:
                rows = database.execute(f'SELECT * FROM "{quoted}"')  # noqa: S608 - a name that the file itself gave
            except sqlite3.OperationalError as error:
                if "no such module" in str(error):  # a virtual table; what it stores lies in ordinary ones
                    continue
                raise
            for row in rows:
                yield b"\x00".join(v if isinstance(v, bytes) else str(v).encode() for v in row) + b"\x00"
