"""Days in words, by CLDR's own patterns, and one rule of the house: in French the first of a month is the "1er"."""

from __future__ import annotations

import re
from datetime import date
from typing import Final, Literal

from babel import Locale
from babel.dates import format_date

Form = Literal["full", "long", "medium"]
_NAMED_MONTH: Final = re.compile(r"\bd(?= MMM)")  # a day before a month in words, as CLDR writes a pattern


def day_in_words(day: date, form: Form, locale: Locale) -> str:
    """The day with its month in words; ``full`` has the day of the week too."""
    return _filled(day, str(locale.date_formats[form].pattern), locale)


def day_and_month(day: date, locale: Locale) -> str:
    """Without the year, the month shortened."""
    return _filled(day, str(locale.datetime_skeletons["MMMd"].pattern), locale)


def _filled(day: date, pattern: str, locale: Locale) -> str:
    if locale.language == "fr" and day.day == 1:
        pattern = _NAMED_MONTH.sub("'1er'", pattern)
    return str(format_date(day, pattern, locale=locale))
