"""The words of the statistics, in one language."""

from __future__ import annotations

from datetime import date
from typing import Final

from babel.dates import format_date, format_skeleton
from babel.numbers import format_decimal

from bot.domain.values import Language
from config.catalogue import load

NAME: Final = "statistics"  # of the catalogue


class StatisticsWords:
    """Texts, dates and numbers as the reader's country writes them."""

    def __init__(self, language: Language) -> None:
        self._catalogue = load(language, NAME)

    def __call__(self, identifier: str, **values: str) -> str:
        """Raises ``KeyError``."""
        return self._catalogue.fill(identifier, **values)

    def day(self, day: date) -> str:
        return str(format_date(day, "long", self._catalogue.locale))

    def short(self, day: date) -> str:
        return str(format_skeleton("MMMd", day, locale=self._catalogue.locale))

    def number(self, number: int) -> str:
        """The narrow space between thousands is not in the fonts: a no-break space stands for it."""
        return str(format_decimal(number, locale=self._catalogue.locale)).replace("\u202f", "\u00a0")
