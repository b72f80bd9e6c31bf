"""What the staff reads, on the command line and in its room, in the practice's language.

1. Identifiers are symbolic, as in the patients' catalogue; errors of the tree are found by their English text.
2. There is a text for everything: an error that has none of its own is told in a sentence around the English one.
"""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_datetime, format_skeleton
from babel.numbers import format_decimal, format_percent

from bot.domain.values import Language
from config.catalogue import load

NAME = "staff"


class StaffWords:
    """Texts of one language. Holds nothing of a patient."""

    def __init__(self, language: Language) -> None:
        self.language = language
        self._catalogue = load(language, NAME)

    def __call__(self, identifier: str, **values: object) -> str:
        """The text with its values, which are never read as formats. Raises ``KeyError`` for an unknown one."""
        return self._catalogue.fill(identifier, **{name: str(value) for name, value in values.items()})

    def count(self, identifier: str, number: int) -> str:
        """``identifier`` followed by the plural category of ``number``, with ``{number}``."""
        return self._catalogue.fill_counted(identifier, number)

    def moment(self, at: datetime, zone: ZoneInfo) -> str:
        """Day and hour as the reader's country writes them; ``at`` is aware."""
        return format_datetime(at, "short", tzinfo=zone, locale=self._catalogue.locale)

    def day(self, day: date) -> str:
        """With its weekday, as the reader's country writes it."""
        return format_date(day, "full", locale=self._catalogue.locale)

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

    def error(self, text: str, mend: str) -> str:
        """Rule 2: an error and its mend, each in these words where there are any."""
        return f"{self._own(text, 'error.other')} {self._own(mend, 'error.mend')}".strip()

    def _own(self, english: str, frame: str) -> str:
        if not english:
            return ""
        own = self._catalogue.texts.get(english)
        return own if own is not None else self(frame, text=english)
