"""Days and hours as people write them; the rules by number are those of :mod:`bot.domain.human_dates`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.human_dates import (
    Days,
    read_days,
    read_moment,
    read_since,
    running_days,
    split_days,
    take_day,
    take_moment,
)
from bot.errors import Unclear, WrongUse

PARIS = ZoneInfo("Europe/Paris")
NOW = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)  # a Wednesday, ten in the morning in Paris
ZONES = (
    "Europe/Paris",
    "America/New_York",
    "Australia/Lord_Howe",
    "Pacific/Auckland",
    "UTC",
    "Asia/Kathmandu",
)
FR_MONTHS = (
    "janvier",
    "février",
    "mars",
    "avril",
    "mai",
    "juin",
    "juillet",
    "août",
    "septembre",
    "octobre",
    "novembre",
    "décembre",
)
EN_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
FR_DAYS = ("lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche")
EN_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def local(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=PARIS).astimezone(UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3/12 14h30", "2026-12-03 14:30"),
        ("3/12 14h", "2026-12-03 14:00"),
        ("03/12/2026 14:30", "2026-12-03 14:30"),
        ("03.12.2026 14:30", "2026-12-03 14:30"),
        ("03-12-2026 14:30", "2026-12-03 14:30"),
        ("3/12/26 14:30", "2026-12-03 14:30"),
        ("jeudi 3 décembre à 14 h 30", "2026-12-03 14:30"),
        ("Jeudi 3 DÉCEMBRE, 14H30", "2026-12-03 14:30"),
        ("le jeudi 3 déc. 14h30", "2026-12-03 14:30"),
        ("jeu. 3/12 à 9h05", "2026-12-03 09:05"),
        ("1er décembre 8 heures", "2026-12-01 08:00"),
        ("1er décembre à 8 heures 15", "2026-12-01 08:15"),
        ("demain 9h", "2026-11-26 09:00"),
        ("demain à 9 h", "2026-11-26 09:00"),
        ("après-demain 9h30", "2026-11-27 09:30"),
        ("apres demain midi", "2026-11-27 12:00"),
        ("aujourd’hui 18h", "2026-11-25 18:00"),
        ("tomorrow at 9", "2026-11-26 09:00"),
        ("today at 6 pm", "2026-11-25 18:00"),
        ("the day after tomorrow 09:15", "2026-11-27 09:15"),
        ("3 dec 2pm", "2026-12-03 14:00"),
        ("3rd of December at 2:30 pm", "2026-12-03 14:30"),
        ("December 3 at noon", "2026-12-03 12:00"),
        ("Thursday, December 3rd, 2026 at 12 pm", "2026-12-03 12:00"),
        ("Thu 3 dec 12 am", "2026-12-03 00:00"),
        ("2026-12-03T14:30", "2026-12-03 14:30"),
        ("2026-12-03 14:30", "2026-12-03 14:30"),
        ("2026-12-03T13:30Z", "2026-12-03 14:30"),
        ("2026-12-03T14:30:00+01:00", "2026-12-03 14:30"),
        ("2026-12-03t13:30z", "2026-12-03 14:30"),
        ("jeudi 14h", "2026-11-26 14:00"),
        ("mardi 14h", "2026-12-01 14:00"),
        ("14h30 le 3/12", "2026-12-03 14:30"),
        ("9h demain", "2026-11-26 09:00"),
        ("demain 2h de l'après-midi", "2026-11-26 14:00"),
        ("demain 9h du matin", "2026-11-26 09:00"),
        ("demain 12h de l'après-midi", "2026-11-26 12:00"),
        ("demain 13h de l'après-midi", "2026-11-26 13:00"),
        ("demain 23h du soir", "2026-11-26 23:00"),
        ("demain 1 pm", "2026-11-26 13:00"),
        ("demain 14h59", "2026-11-26 14:59"),
        ("demain 23h", "2026-11-26 23:00"),
        ("9h jeudi", "2026-11-26 09:00"),
        ("1/2 10h", "2027-02-01 10:00"),
        ("25/11 18h", "2026-11-25 18:00"),
        ("25/10 10h", "2027-10-25 10:00"),
    ],
)
def test_what_people_write(text: str, expected: str) -> None:
    assert read_moment(text, now=NOW, zone=PARIS) == local(expected)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("", "day"),
        ("bientôt", "day"),
        ("14h30", "day"),
        ("3/12", "hour"),
        ("3/12 14", "hour"),
        ("3/1214h30", "day"),
        ("3 déc.14h30", "hour"),
        ("3/12 24h", "no_such_hour"),
        ("3/12 25h", "no_such_hour"),
        ("3/12 14h60", "no_such_hour"),
        ("3/12 0 am", "no_such_hour"),
        ("3/12 13h du matin", "no_such_hour"),
        ("3/12 24h du soir", "no_such_hour"),
        ("3/12 14h75", "no_such_hour"),
        ("3/12 13 pm", "no_such_hour"),
        ("12/25 14h", "no_such_month"),
        ("31/11 14h", "no_such_day"),
        ("30 février 14h", "no_such_day"),
        ("29/02/2027 14h", "no_such_day"),
        ("29/02 14h", "far"),
        ("25/11 9h", "far"),
        ("25/11 10h", "far"),
        ("9h le 25/11", "far"),
        ("24/11 9h", "far"),
        ("26/10 9h", "far"),
        ("vendredi 3 décembre 14h30", "weekday"),
        ("Friday 3/12/2026 2pm", "weekday"),
        ("mercredi 14h", "which_week"),
        ("3/12 14h30 Dr Noël", "rest"),
        ("demain minuit", "hour"),
    ],
)
def test_what_is_refused_and_where(text: str, place: str) -> None:
    with pytest.raises(Unclear) as refused:
        read_moment(text, now=NOW, zone=PARIS)
    assert refused.value.place == place
    assert refused.value.mend


@pytest.mark.parametrize(
    ("text", "expected"),
    [("29/3/2026 2h30", "2026-03-29T01:30+00:00"), ("25/10/2026 2h30", "2026-10-25T00:30+00:00")],
)
def test_rule_4_a_skipped_hour_moves_on_and_one_that_comes_twice_is_the_first(
    text: str, expected: str
) -> None:
    assert read_moment(text, now=NOW, zone=PARIS) == datetime.fromisoformat(expected)


@pytest.mark.parametrize(
    ("text", "expected", "rest"),
    [
        ("3/12 14h30 Dr Noël @ Laboratoire", "2026-12-03 14:30", "Dr Noël @ Laboratoire"),
        ("3 déc. 14h30, Dr Mars", "2026-12-03 14:30", "Dr Mars"),
        ("demain à 9h à Lyon", "2026-11-26 09:00", "à Lyon"),
        ("tomorrow at 9 Dr Hall", "2026-11-26 09:00", "Dr Hall"),
        ("3/12 14h A. Petit", "2026-12-03 14:00", "A. Petit"),
        ("3/12 14h X. Petit", "2026-12-03 14:00", "X. Petit"),
        ("demain 14h de l'après-midi Dr Noël", "2026-11-26 14:00", "Dr Noël"),
    ],
)
def test_the_rest_is_given_back_as_it_was_typed(text: str, expected: str, rest: str) -> None:
    assert take_moment(text, now=NOW, zone=PARIS) == (local(expected), rest)


@pytest.mark.parametrize("text", ["3/12 14h30", "2026-12-03T13:30Z"])
def test_rule_4_moments_come_out_in_utc(text: str) -> None:
    assert read_moment(text, now=NOW, zone=PARIS).tzinfo is UTC


def test_today_is_that_of_the_zone() -> None:
    noon = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)  # tomorrow in the Pacific
    for zone, day in ((PARIS, 26), (ZoneInfo("Pacific/Chatham"), 27)):
        tomorrow = date(2026, 11, day)
        assert read_moment("demain 9h", now=noon, zone=zone).astimezone(zone).date() == tomorrow
        assert take_day("demain", now=noon, zone=zone) == (tomorrow, "")
        assert read_days("demain", now=noon, zone=zone).first == tomorrow
        assert split_days("Dr Noël demain", now=noon, zone=zone)[1].first == tomorrow


def test_a_clock_without_a_zone_is_refused() -> None:
    with pytest.raises(WrongUse, match=r"^now "):
        read_moment("demain 9h", now=NOW.replace(tzinfo=None), zone=PARIS)


def test_a_day_alone() -> None:
    assert take_day("3/12 Dr Noël", now=NOW, zone=PARIS) == (date(2026, 12, 3), "Dr Noël")
    with pytest.raises(Unclear):
        take_day("Dr Noël", now=NOW, zone=PARIS)


def days(first: str, last: str = "", half: str | None = None) -> Days:
    return Days(
        first=date.fromisoformat(first),
        last=date.fromisoformat(last or first),
        half=half,  # type: ignore[arg-type]  # one of the two words
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3/12", days("2026-12-03")),
        ("jeudi", days("2026-11-26")),
        ("3/12-5/12", days("2026-12-03", "2026-12-05")),
        ("3/12-3/12", days("2026-12-03")),
        ("1/12-4/3", days("2026-12-01", "2027-03-04")),
        ("3/12 – 5/12", days("2026-12-03", "2026-12-05")),
        ("3-5/12", days("2026-12-03", "2026-12-05")),
        ("3-5/12/2026", days("2026-12-03", "2026-12-05")),
        ("du 3 au 5 décembre", days("2026-12-03", "2026-12-05")),
        ("du 3/12 au 5/12", days("2026-12-03", "2026-12-05")),
        ("from 3 dec to 5 dec", days("2026-12-03", "2026-12-05")),
        ("30/12 au 2/1", days("2026-12-30", "2027-01-02")),
        ("demain au 2/12", days("2026-11-26", "2026-12-02")),
        ("2026-12-03 - 2026-12-05", days("2026-12-03", "2026-12-05")),
        ("03-12-2026", days("2026-12-03")),
        ("ce matin", days("2026-11-25", half="morning")),
        ("cet après-midi", days("2026-11-25", half="afternoon")),
        ("this afternoon", days("2026-11-25", half="afternoon")),
        ("demain matin", days("2026-11-26", half="morning")),
        ("3/12 après-midi", days("2026-12-03", half="afternoon")),
        ("aujourd’hui", days("2026-11-25")),
    ],
)
def test_days_of_absence(text: str, expected: Days) -> None:
    assert read_days(text, now=NOW, zone=PARIS) == expected
    assert split_days(f"Dr Hélène Noël {text}", now=NOW, zone=PARIS) == ("Dr Hélène Noël", expected)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Dr Noël: 3/12", "Dr Noël"),
        ("Dr Noël, 3/12", "Dr Noël"),
        ("X. Noël X 3/12", "X. Noël X"),
        ("Cabinet 1/2 3/12", "Cabinet 1/2"),
    ],
)
def test_the_name_before_days_of_absence(text: str, name: str) -> None:
    assert split_days(text, now=NOW, zone=PARIS) == (name, days("2026-12-03"))


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("Dr Noël", "day"),
        ("3/12", "day"),
        ("Dr Noël 5/12/2026-3/12/2026", "backwards"),
        ("Dr Noël 1/12-31/5", "long"),
        ("Dr Noël 1/12-5/3", "long"),
        ("Dr Noël 20/12-5/12", "far"),
        ("Dr Noël 20/12/2026-5/12", "far"),
        ("Dr Noël 31/11", "no_such_day"),
        ("Dr Noël 3/12 soon", "rest"),
        ("Dr Noël 3/12 au revoir", "rest"),
        ("Dr Noël 3/12-5/12 soon", "rest"),
        ("Dr Noël vendredi 3/12", "weekday"),
        ("Dr Noël mercredi", "which_week"),
    ],
)
def test_absences_that_are_refused(text: str, place: str) -> None:
    with pytest.raises(Unclear) as refused:
        split_days(text, now=NOW, zone=PARIS)
    assert refused.value.place == place


def styles(wall: datetime) -> list[str]:
    """One local time in many hands; all with the year, as it may be any day."""
    d, m, y, h, mi = wall.day, wall.month, wall.year, wall.hour, wall.minute
    french = f"{FR_DAYS[wall.weekday()]} {d} {FR_MONTHS[m - 1]} {y}"
    english = f"{EN_DAYS[wall.weekday()]}, {EN_MONTHS[m - 1]} {d}, {y}"
    twelve = f"{(h - 1) % 12 + 1}:{mi:02} {'am' if h < 12 else 'pm'}"
    return [
        f"{d}/{m}/{y} {h}h{mi:02}",
        f"{d:02}/{m:02}/{y % 100:02} {h}:{mi:02}",
        f"{french} à {h} h {mi:02}",
        f"{english} at {twelve}",
        f"{h:02}:{mi:02} {d} {EN_MONTHS[m - 1][:3]} {y}",
        wall.isoformat(timespec="minutes"),
    ]


@given(
    zone=st.sampled_from(ZONES).map(ZoneInfo),
    minutes=st.integers(0, 366 * 24 * 60),
    style=st.integers(0, 5),
)
def test_what_is_written_is_read_back(zone: ZoneInfo, minutes: int, style: int) -> None:
    moment = datetime(2026, 11, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    wall = moment.astimezone(zone)
    read = read_moment(styles(wall)[style], now=NOW, zone=zone)
    assert read.astimezone(zone).replace(tzinfo=None, fold=0) == wall.replace(tzinfo=None, fold=0)
    assert read == moment or wall.fold == 1, "only the second of two equal hours cannot be meant"


@pytest.mark.parametrize("name", ZONES)
def test_every_day_of_a_year_without_its_year(name: str) -> None:
    zone = ZoneInfo(name)
    today = NOW.astimezone(zone).date()
    for ahead in range(1, 330):
        day = today + timedelta(days=ahead)
        for text in (f"{day.day}/{day.month} 9h", f"{day.day} {FR_MONTHS[day.month - 1]} à 9 h"):
            assert read_moment(text, now=NOW, zone=zone).astimezone(zone).date() == day


@given(
    minutes=st.integers(0, 20 * 366 * 24 * 60),
    day=st.integers(1, 31),
    month=st.integers(1, 12),
)
def test_rule_2_never_in_the_past_and_never_over_eleven_months(minutes: int, day: int, month: int) -> None:
    now = datetime(2020, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    found = tried(read_moment, f"{day}/{month} 9h", now=now)
    if isinstance(found, Unclear):
        assert found.place in ("far", "no_such_day")
    else:
        assert isinstance(found, datetime)
        assert now < found < now + timedelta(days=338)  # eleven months, and the hour


def tried(reader: Callable[..., object], text: str, *, now: datetime = NOW) -> object:
    """What is read, or the refusal."""
    try:
        return reader(text, now=now, zone=PARIS)
    except Unclear as unclear:
        return unclear


@given(st.text(max_size=60) | st.text("0123456789/-:.hapm àdu3decjeuà ", max_size=24))
def test_any_text_is_read_or_refused(text: str) -> None:
    for reader in (read_moment, read_days, take_moment, take_day, split_days):
        assert tried(reader, text) is not None


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("hier", "2026-11-24"),
        ("yesterday", "2026-11-24"),
        ("avant-hier", "2026-11-23"),
        ("24/11", "2026-11-24"),
        ("25/11", "2026-11-25"),
        ("3/12", "2025-12-03"),
        ("3 décembre", "2025-12-03"),
        ("29/2", "2024-02-29"),
        ("lundi", "2026-11-23"),
        ("1er", "2026-11-01"),
        ("le 1er novembre", "2026-11-01"),
        ("2026-11-20", "2026-11-20"),
    ],
)
def test_rule_2_what_is_asked_for_since_a_day_is_the_last_such_day(text: str, day: str) -> None:
    assert read_since(text, now=NOW, zone=PARIS) == local(f"{day} 00:00")


def test_a_moment_as_programs_write_it_is_taken_for_since_too() -> None:
    assert read_since("2026-11-20T10:30", now=NOW, zone=PARIS) == local("2026-11-20 10:30")
    assert read_since("2026-11-20T10:30Z", now=NOW, zone=PARIS) == datetime(2026, 11, 20, 10, 30, tzinfo=UTC)
    for text, place in (
        ("lately", "day"),
        ("hier soir", "rest"),
        ("mercredi", "which_week"),
        ("30/2", "no_such_day"),
    ):
        with pytest.raises(Unclear) as unclear:
            read_since(text, now=NOW, zone=PARIS)
        assert unclear.value.place == place, text


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("1er", "2026-12-01"),
        ("le 1er", "2026-12-01"),
        ("mardi 1er", "2026-12-01"),
        ("1er/12", "2026-12-01"),
        ("1er décembre", "2026-12-01"),
        ("the 1st", "2026-12-01"),
    ],
)
def test_the_first_of_a_month_is_written_so(text: str, day: str) -> None:
    assert take_day(text, now=NOW, zone=PARIS) == (date.fromisoformat(day), "")
    assert take_moment(f"{text} 9h30 Dr Noël", now=NOW, zone=PARIS) == (local(f"{day} 09:30"), "Dr Noël")
    first = datetime(2026, 12, 1, 9, tzinfo=UTC)
    assert take_day("1er", now=first, zone=PARIS)[0] == date(2026, 12, 1), "today included"
    assert read_days("1er-3/12", now=NOW, zone=PARIS) == Days(first=date(2026, 12, 1), last=date(2026, 12, 3))


@pytest.mark.parametrize(
    "text",
    [
        "lundi prochain",
        "lundi prochain 9h",
        "le jeudi suivant",
        "mardi en huit",
        "next monday",
        "next Monday at 9",
        "coming friday",
        "la semaine prochaine",
        "next week",
        "mois prochain",
    ],
)
def test_rule_3_next_could_be_two_days(text: str) -> None:
    for read in (take_day, take_moment, read_days):
        with pytest.raises(Unclear) as unclear:
            read(text, now=NOW, zone=PARIS)
        assert unclear.value.place == "next"
    with pytest.raises(Unclear, match="two days"):
        split_days(f"Dr Noël {text}", now=NOW, zone=PARIS)


def test_rule_2_a_year_that_is_far_is_a_slip() -> None:
    assert take_day("25/11/2029", now=NOW, zone=PARIS)[0] == date(2029, 11, 25)
    for text in ("26/11/2029", "3/12/2062", "3 décembre 2031", "3/12/99"):
        with pytest.raises(Unclear) as unclear:
            take_day(text, now=NOW, zone=PARIS)
        assert unclear.value.place == "years", text
    assert take_day("2031-12-03", now=NOW, zone=PARIS)[0] == date(2031, 12, 3), "as programs write it"
    leap = datetime(2028, 2, 29, 9, tzinfo=UTC)
    assert take_day("28/2/2031", now=leap, zone=PARIS)[0] == date(2031, 2, 28)


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("du 1/12 au 31/12", "2026-12-01", "2026-12-31"),
        ("du 1/11 au 30/11", "2026-11-01", "2026-11-30"),
        ("du 1er au 30 novembre", "2026-11-01", "2026-11-30"),
        ("25/11-27/11", "2026-11-25", "2026-11-27"),
        ("demain", "2026-11-26", "2026-11-26"),
        ("from 1 dec to 5 dec", "2026-12-01", "2026-12-05"),
    ],
)
def test_days_of_an_export_may_have_begun(text: str, first: str, last: str) -> None:
    found = running_days(text, now=NOW, zone=PARIS)
    assert (found.first.isoformat(), found.last.isoformat()) == (first, last)


def test_an_export_has_whole_days() -> None:
    with pytest.raises(Unclear):
        running_days("demain matin", now=NOW, zone=PARIS)
