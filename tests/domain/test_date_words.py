"""Names of months and weekdays, each of them read as what it is."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from bot.domain.date_words import MONTH, WEEKDAY
from bot.domain.human_dates import read_days

PARIS = ZoneInfo("Europe/Paris")
NOW = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)
MONTHS = {
    1: ("janvier", "janv", "jan", "January"),
    2: ("février", "fevr", "fév", "fev", "February", "Feb"),
    3: ("mars", "mar", "March"),
    4: ("avril", "avr", "April", "Apr"),
    5: ("mai", "May"),
    6: ("juin", "June", "Jun"),
    7: ("juillet", "juil", "July", "Jul"),
    8: ("août", "August", "Aug"),
    9: ("septembre", "sept", "Sep", "September"),
    10: ("octobre", "oct", "October"),
    11: ("novembre", "nov", "November"),
    12: ("décembre", "dec", "December"),
}
WEEKDAYS = {  # the days of March 2027 that are theirs
    1: ("lundi", "lun", "Monday", "Mon"),
    2: ("mardi", "mar", "Tuesday", "tues", "tue"),
    3: ("mercredi", "mer", "Wednesday", "Wed"),
    4: ("jeudi", "jeu", "Thursday", "thurs", "thur", "Thu"),
    5: ("vendredi", "ven", "Friday", "Fri"),
    6: ("samedi", "sam", "Saturday", "Sat"),
    7: ("dimanche", "dim", "Sunday", "Sun"),
}


@pytest.mark.parametrize(("number", "name"), [(n, name) for n, names in MONTHS.items() for name in names])
def test_names_of_months(number: int, name: str) -> None:
    assert read_days(f"2 {name} 2027", now=NOW, zone=PARIS).first == date(2027, number, 2)


@pytest.mark.parametrize(("day", "name"), [(n, name) for n, names in WEEKDAYS.items() for name in names])
def test_names_of_weekdays(day: int, name: str) -> None:
    assert read_days(f"{name} {day} mars 2027", now=NOW, zone=PARIS).first == date(2027, 3, day)


def test_there_are_no_others() -> None:
    assert set(MONTH.values()) == set(range(1, 13))
    assert set(WEEKDAY.values()) == set(range(7))
    assert all(name.isalpha() and name.islower() for name in (*MONTH, *WEEKDAY))
