"""Days in words, and the first of a month in French."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from babel import Locale
from babel.dates import format_date, format_skeleton

from bot.domain.values import Language
from bot.picture.words import StatisticsWords
from config.catalogue import load
from config.day_format import Form, day_and_month, day_in_words
from config.staff_words import StaffWords

FRENCH, ENGLISH = (load(language).locale for language in (Language.FR, Language.EN))
FIRST = date(2026, 9, 1)
FORMS: tuple[Form, ...] = ("full", "long", "medium")


def test_the_first_of_a_month_in_french() -> None:
    told = [day_in_words(FIRST, form, FRENCH) for form in FORMS]
    assert told == ["mardi 1er septembre 2026", "1er septembre 2026", "1er sept. 2026"]
    assert day_and_month(FIRST, FRENCH) == "1er sept."
    assert StatisticsWords(Language.FR).day(FIRST) == "1er septembre 2026"
    assert StatisticsWords(Language.FR).short(FIRST) == "1er sept."
    assert StaffWords(Language.FR).day(FIRST) == "mardi 1er septembre 2026"


@pytest.mark.parametrize("locale", [FRENCH, ENGLISH], ids=str)
def test_every_other_day_is_as_cldr_writes_it(locale: Locale) -> None:
    days = [date(2026, 1, 1) + timedelta(days=n) for n in range(365)]
    for day in days:
        if day.day == 1 and locale is FRENCH:
            continue
        assert [day_in_words(day, form, locale) for form in FORMS] == [
            format_date(day, form, locale) for form in FORMS
        ]
        assert day_and_month(day, locale) == format_skeleton("MMMd", day, locale=locale)
