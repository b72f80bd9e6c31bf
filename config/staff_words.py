"""What the staff reads, on the command line and in its room.

1. Identifiers are symbolic, as in the patients' catalogue; what the program says in English (errors, mends, the older
   commands) is found by that text. Where a value stands in it, its identifier has a ``{name}`` in that place.
2. There are two catalogues. ``staff`` has the room's words, and what is the same on the command line; ``terminal`` has
   what is said otherwise there, as commands have other names there, and what is said there alone.
3. There is a text for everything: in the room an error that has none of its own is told in a sentence around the
   English one, on the command line the English one stands for itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from zoneinfo import ZoneInfo

from babel.dates import format_datetime, format_skeleton, format_time
from babel.numbers import format_decimal, format_percent

from bot.domain.values import Language
from bot.errors import AgendaError, PliError
from config.catalogue import Catalogue, load
from config.day_format import day_in_words

NAME = "staff"
TERMINAL = "terminal"
_HOLE = re.compile(r"\{(\w+)\}")


class StaffWords:
    """Texts of one language, for the room or for the command line. Holds nothing of a patient."""

    def __init__(self, language: Language, *, terminal: bool = False) -> None:
        self.language, self._is_terminal = language, terminal
        self._catalogue = load(language, NAME)
        self._other = load(language, TERMINAL)

    def __call__(self, identifier: str, **values: object) -> str:
        """The text with its values, which are never read as formats. Raises ``KeyError`` for an unknown one."""
        own = self._is_terminal and identifier in self._other.texts
        catalogue = self._other if own else self._catalogue
        return catalogue.fill(identifier, **{name: str(value) for name, value in values.items()})

    def count(self, identifier: str, number: int) -> str:
        """``identifier`` followed by the plural category of ``number``, with ``{number}``."""
        return self(f"{identifier}_{self._catalogue.locale.plural_form(number)}", number=number)

    def moment(self, at: datetime, zone: ZoneInfo) -> str:
        """Day and hour as the reader's country writes them; ``at`` is aware."""
        return format_datetime(at, "short", tzinfo=zone, locale=self._catalogue.locale)

    def hour(self, at: datetime, zone: ZoneInfo) -> str:
        """The hour of the day alone."""
        return format_time(at, "short", tzinfo=zone, locale=self._catalogue.locale)

    def day(self, day: date) -> str:
        """With its weekday, as the reader's country writes it."""
        return day_in_words(day, "full", self._catalogue.locale)

    def weekday(self, at: datetime, zone: ZoneInfo) -> str:
        """The day of the week, short."""
        return format_skeleton("E", at, tzinfo=zone, locale=self._catalogue.locale)

    def decimal(self, number: float, digits: int = 1) -> str:
        """So many digits behind the comma or point."""
        rounded = round(number, digits)
        return format_decimal(rounded, format=f"#,##0.{'0' * digits}", locale=self._catalogue.locale)

    def share(self, share: float) -> str:
        """In percent: one digit behind the comma where it is under ten."""
        locale = self._catalogue.locale
        pattern = str(locale.percent_formats[None].pattern)
        if share < 0.0995:
            pattern = pattern.replace("0", "0.0")
        return format_percent(share, format=pattern, locale=locale)

    def has(self, identifier: str) -> bool:
        return identifier in self._catalogue.texts

    # -- what the program says in English -----------------------------------------------------------------------

    def own(self, english: str, **values: object) -> str:
        """``english`` in these words, with its values."""
        found = next((texts[english] for texts in self._texts() if english in texts), english)
        return found.format_map({name: str(value) for name, value in values.items()})

    def counted(self, one: str, other: str, number: int, **values: object) -> str:
        """:meth:`own` of one of two texts, with ``{number}``: nothing is a plural in English, and none in French."""
        is_one = self._catalogue.locale.plural_form(number) == "one"
        return self.own(one if is_one else other, number=number, **values)

    def finished(self, english: str) -> str:
        """A text whose values stand in it already, in these words; as it is where there are none for it."""
        return self._found(english) or english

    def of(self, error: PliError) -> str:
        """:meth:`finished` of an error's text; the place in an agenda is told for itself."""
        if isinstance(error, AgendaError):
            return self("error.where", where=self.finished(error.where), why=self.finished(error.why))
        return self.finished(str(error))

    def error(self, error: PliError) -> str:
        """Rule 3: an error and its mend."""
        told = self._framed(str(error), "error.other")
        if isinstance(error, AgendaError):
            told = self.of(error)
        return f"{told} {self._framed(error.mend, 'error.mend')}".strip()

    def _framed(self, english: str, frame: str) -> str:
        if not english:
            return ""
        return self._found(english) or self(frame, text=english)

    def _texts(self) -> Sequence[Mapping[str, str]]:
        """Rule 2, in the order in which they are asked. English errors on the command line are as they are."""
        return [load(self.language, name).texts for name in self._names()]

    def _names(self) -> Sequence[str]:
        if not self._is_terminal:
            return NAME, TERMINAL
        return (TERMINAL,) if self.language is Language.EN else (TERMINAL, NAME)

    def _found(self, english: str) -> str | None:
        """By the whole text first, then by its shape: the one with the most letters of its own."""
        for texts in self._texts():
            if english in texts:
                return texts[english]
        for name in self._names():
            for shape in _shapes(self.language, name):
                if (match := shape.pattern.fullmatch(english)) is not None:
                    values = {name: self.finished(value) for name, value in match.groupdict().items()}
                    return shape.text.format_map(values)
        return None


@dataclass(frozen=True, kw_only=True, slots=True)
class _Shape:
    """A text with values in it, as it is recognised."""

    pattern: re.Pattern[str]
    text: str


@cache
def _shapes(language: Language, name: str) -> Sequence[_Shape]:
    """The most letters first, so that the narrower of two wins."""
    catalogue: Catalogue = load(language, name)
    found = [
        (len(_HOLE.sub("", english)), _Shape(pattern=_pattern(english), text=text))
        for english, text in catalogue.texts.items()
        if " " in english and _HOLE.search(english)
    ]
    return [shape for _, shape in sorted(found, key=lambda each: -each[0])]


def _pattern(english: str) -> re.Pattern[str]:
    pieces = _HOLE.split(english)
    named = [rf"(?P<{piece}>.+?)" if n % 2 else re.escape(piece) for n, piece in enumerate(pieces)]
    return re.compile("".join(named), re.DOTALL)
