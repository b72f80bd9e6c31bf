"""The positive control: plant every text in every shape, in files like the real ones, and have the scanner find it.

1. What is planted is made by the ordinary encoders from a longer text with the canary inside, never from the scanner's
   own needles: a wrong needle is found out.
2. Each shape is planted in all its variants: three places within base64's groups, both alphabets, byte orders, cases.
3. One text lies in a SQLite file across the pages of long values, where a search of the bytes alone is blind, and one
   on the seam between two pieces of a large file: each is found, and found once.
"""

from __future__ import annotations

import base64
import json
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote, quote_plus

from bot.demo.forms import Form
from bot.demo.leaks import Scanner

_FILLER: Final = "The quick brown fox jumps over the lazy dog. "  # 45 bytes: a multiple of three
_PAGE: Final = 4096

_Encoder = Callable[[str], bytes]


def _in_base64(shift: int, *, urlsafe: bool) -> _Encoder:
    encode = base64.urlsafe_b64encode if urlsafe else base64.b64encode
    return lambda text: encode((_FILLER + "~" * shift + text + _FILLER).encode())


def _in_text(encoding: str) -> _Encoder:
    return lambda text: (_FILLER + text + _FILLER).encode(encoding)


_VARIANTS: Final[tuple[tuple[Form, _Encoder], ...]] = (
    (Form.UTF8, _in_text("utf-8")),
    (Form.LATIN1, _in_text("latin-1")),
    (Form.LATIN1, _in_text("cp1252")),
    (Form.UTF16, _in_text("utf-16-le")),
    (Form.UTF16, _in_text("utf-16-be")),
    (Form.JSON, lambda text: json.dumps({"body": _FILLER + text}).encode()),
    (Form.JSON, lambda text: json.dumps({"body": _FILLER + text}, ensure_ascii=False).encode()),
    (Form.URL, lambda text: quote(_FILLER + text).encode()),
    (Form.URL, lambda text: quote(_FILLER + text, safe="").encode()),
    (Form.URL, lambda text: quote_plus(_FILLER + text).encode()),
    *((Form.BASE64, _in_base64(shift, urlsafe=urlsafe)) for shift in range(3) for urlsafe in (False, True)),
    (Form.HEX, lambda text: (_FILLER + text).encode().hex().encode()),
    (Form.HEX, lambda text: (_FILLER + text).encode().hex().upper().encode()),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Control:
    """How many texts were planted and found, by shape (variants counted singly), and the two hiding places."""

    planted: Mapping[Form, int]
    found: Mapping[Form, int]
    across_pages: bool
    on_a_seam: bool

    @property
    def passed(self) -> bool:
        everything = all(0 < self.planted[form] == self.found[form] for form in Form)
        return everything and self.across_pages and self.on_a_seam


def run_control(scanner: Scanner, folder: Path) -> Control:
    """Plant into ``folder``, which is made anew, and search it."""
    folder.mkdir(parents=True)
    planted, found = dict.fromkeys(Form, 0), dict.fromkeys(Form, 0)
    able = scanner.able()
    for number, (form, encode) in enumerate(_VARIANTS):
        file = folder / f"{number:02}-{form.name.lower()}"
        expected = set()
        with file.open("wb") as out:
            for index, canary in enumerate(scanner.canaries):
                if (index, form) not in able:
                    continue
                try:
                    out.write(encode(canary.text) + b"\n")
                except UnicodeEncodeError:
                    continue
                expected.add((index, form))
        planted[form] += len(expected)
        found[form] += len(expected & scanner.scan({"": [file]}).found())
    return Control(
        planted=planted,
        found=found,
        across_pages=_across_pages(scanner, folder / "pages.db"),
        on_a_seam=_on_a_seam(scanner, folder / "seam"),
    )


def _across_pages(scanner: Scanner, file: Path) -> bool:
    """Rule 3: long values with the text a little further on in each, so that some lie across a cut."""
    index, text = _longest(scanner)
    step = max(1, len(text) // 2)
    # Values of one length are all cut at the same places.
    values = [("." * at + text.decode() + "." * (3 * _PAGE - at),) for at in range(0, 2 * _PAGE, step)]
    with closing(sqlite3.connect(file)) as database, database:
        database.execute("CREATE TABLE planted (value TEXT)")
        database.executemany("INSERT INTO planted VALUES (?)", values)
    as_bytes = file.read_bytes().count(text)
    return as_bytes < len(values) and _times(scanner, file, index) == as_bytes + len(values)


def _on_a_seam(scanner: Scanner, file: Path) -> bool:
    index, text = _longest(scanner)
    file.write_bytes(bytes(scanner.piece - len(text) // 2) + text + bytes(scanner.piece))
    return _times(scanner, file, index) == 1


def _longest(scanner: Scanner) -> tuple[int, bytes]:
    """The longest text, which is part of no other, and its number."""
    index, canary = max(enumerate(scanner.canaries), key=lambda numbered: len(numbered[1].text))
    return index, canary.text.encode()


def _times(scanner: Scanner, file: Path, index: int) -> int:
    """How often a text was found as it is."""
    findings = scanner.scan({"": [file]}).findings
    return sum(f.times for f in findings if f.canary == index and f.form is Form.UTF8)
