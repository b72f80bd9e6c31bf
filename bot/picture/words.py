"""The words of the statistics, in one language."""

from __future__ import annotations

from datetime import date, datetime
from typing import Final
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_time
from babel.numbers import format_decimal, format_percent

from bot.domain.values import Language
from config.catalogue import load
from config.day_format import day_and_month, day_in_words

NAME: Final = "statistics"  # of the catalogue


class StatisticsWords:
    """Texts, dates and numbers as the reader's country writes them."""

    def __init__(self, language: Language) -> None:
        self._catalogue = load(language, NAME)

    def __call__(self, identifier: str, **values: str) -> str:
        """Raises ``KeyError``."""
        return self._catalogue.fill(identifier, **values)

    def day(self, day: date) -> str:
        return day_in_words(day, "long", self._catalogue.locale)

    def short(self, day: date) -> str:
        return day_and_month(day, self._catalogue.locale)

    def weekday(self, day: date) -> str:
        return str(format_date(day, "ccc", self._catalogue.locale))

    def hour(self, at: datetime, zone: ZoneInfo) -> str:
        return str(format_time(at, "short", tzinfo=zone, locale=self._catalogue.locale))

    def decimal(self, number: float) -> str:
        return str(format_decimal(round(number, 1), format="#,##0.0", locale=self._catalogue.locale))

    def share(self, share: float) -> str:
        """In whole percent. The narrow spaces are not in the fonts, as below."""
        return str(format_percent(share, locale=self._catalogue.locale)).replace("\u202f", "\u00a0")

    def number(self, number: int) -> str:
        """The narrow space between thousands is not in the fonts: a no-break space stands for it."""
        return str(format_decimal(number, locale=self._catalogue.locale)).replace("\u202f", "\u00a0")
