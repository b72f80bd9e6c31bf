"""Appointments in words. Rules are those numbered in ``config.rendering``."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from zoneinfo import ZoneInfo

import pytest
from babel import Locale
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.appointment import Detail
from bot.domain.templates import Listed, Mark
from bot.domain.values import Language
from bot.errors import WrongUse
from config.catalogue import load
from config.rendering import MAX_LISTED, isolate, plain
from config.wording import MAX_TEXT_BYTES, PracticeFacts, Wording

PARIS = ZoneInfo("Europe/Paris")
UNTIL = datetime(2026, 12, 1, 13, 42, tzinfo=UTC)


def wording(language: Language = Language.FR, zone: ZoneInfo = PARIS) -> Wording:
    return Wording(language, PracticeFacts(name="Cabinet du Port", phone="01 23 45 67 89", zone=zone))


def detail(start: datetime, **changes: Any) -> Detail:
    zone = cast("ZoneInfo", start.tzinfo)
    base = Detail(
        source="s", patient="p", start=start, end=start.astimezone(UTC) + timedelta(minutes=20), zone=zone.key
    )
    return replace(base, **changes)


AT = datetime(2026, 12, 3, 14, 30, tzinfo=PARIS)
FULL = detail(AT, practitioner="Dr Durand", place="12 rue Haute", note="Venir à jeun", given_name="Léo")


def page(
    *details: Detail, language: Language = Language.FR, several: bool = False, more: bool = False
) -> str:
    listed = [Listed(number=n, detail=d) for n, d in enumerate(details, start=1)]
    return wording(language).list(listed, several_patients=several, until=UNTIL, more=more)


def test_a_list_tells_all_there_is_to_know() -> None:
    assert page(FULL, several=True).split("\n\n") == [
        "Voici vos rendez-vous à venir.",
        "1. jeudi 3 décembre 2026 à 14:30\nPour Léo\nAvec Dr Durand\n"
        "Lieu\u00a0: 12 rue Haute\nÀ savoir\u00a0: Venir à jeun",
        "Pour répondre\u00a0: «\u00a0confirmer\u00a0», «\u00a0annuler\u00a0» ou «\u00a0déplacer\u00a0».\n"
        "Ce message sera retiré à 14:42.",
    ]
    assert page(FULL, language=Language.EN).split("\n\n")[1] == (
        "1. Thursday, 3 December 2026 at 14:30\nWith Dr Durand\nPlace: 12 rue Haute\nPlease note: Venir à jeun"
    )


def test_what_is_not_known_is_not_mentioned() -> None:
    assert page(detail(AT)).split("\n\n")[1] == "1. jeudi 3 décembre 2026 à 14:30"


def test_nothing_to_come_is_told_and_disappears_too() -> None:
    assert page().split("\n\n") == [
        "Rien de nouveau\u00a0: aucun rendez-vous à venir n’est noté ici.",
        "Ce message sera retiré à 14:42.",
    ]


def test_numbers_count_on_and_more_is_told() -> None:
    listed = [Listed(number=n, detail=FULL) for n in (6, 7)]
    text = wording().list(listed, several_patients=False, until=UNTIL, more=True)
    assert "6. jeudi" in text
    assert "7. jeudi" in text
    assert "«\u00a0suite\u00a0»" in text
    assert "«\u00a0suite\u00a0»" not in page(FULL)


def test_a_page_has_five_at_most() -> None:
    page(*[FULL] * MAX_LISTED)
    with pytest.raises(WrongUse):
        page(*[FULL] * (MAX_LISTED + 1))


@pytest.mark.parametrize("mark", Mark)
def test_marks_stand_below_the_date(mark: Mark) -> None:
    text = wording().list(
        [Listed(number=1, detail=FULL, mark=mark)], several_patients=False, until=UNTIL, more=False
    )
    assert text.split("\n\n")[1].split("\n")[1] == load(Language.FR).texts[mark]


def test_failure_10_the_release_names_the_patient_where_there_are_several() -> None:
    other = replace(FULL, given_name="Zoé")
    assert "Pour Léo" in page(FULL, other, several=True)
    assert "Pour Zoé" in page(FULL, other, several=True)
    assert "pour Zoé" in wording().one(other, several_patients=True)
    assert "Léo" not in page(FULL)
    assert "Zoé" not in wording().one(other, several_patients=False)


@pytest.mark.parametrize("language", Language)
def test_failure_15_every_hour_is_told_on_a_24_hour_clock(language: Language) -> None:
    for hour in range(24):
        text = wording(language).one(detail(AT.replace(hour=hour, minute=5)), several_patients=False)
        assert f"{hour:02d}:05" in text
        assert "AM" not in text.upper().split()
        assert "PM" not in text.upper().split()


@pytest.mark.parametrize("language", Language)
def test_failure_15_day_and_month_are_never_exchanged(language: Language) -> None:
    """The 3rd of April and the 4th of March, in words."""
    for month, french, english in ((4, "3 avril 2026", "3 April 2026"), (3, "3 mars 2026", "3 March 2026")):
        text = page(detail(datetime(2026, month, 3, 9, 0, tzinfo=PARIS)), language=language)
        assert (french if language is Language.FR else english) in text


@pytest.mark.parametrize(
    ("zone", "moment", "told"),
    [
        ("Europe/Paris", datetime(2026, 3, 28, 8, 0, tzinfo=UTC), "samedi 28 mars 2026 à 09:00"),
        ("Europe/Paris", datetime(2026, 3, 29, 7, 0, tzinfo=UTC), "dimanche 29 mars 2026 à 09:00"),
        ("Europe/Paris", datetime(2026, 10, 24, 7, 0, tzinfo=UTC), "samedi 24 octobre 2026 à 09:00"),
        ("Europe/Paris", datetime(2026, 10, 25, 8, 0, tzinfo=UTC), "dimanche 25 octobre 2026 à 09:00"),
        ("America/New_York", datetime(2026, 3, 7, 14, 0, tzinfo=UTC), "samedi 7 mars 2026 à 09:00"),
        ("America/New_York", datetime(2026, 3, 8, 13, 0, tzinfo=UTC), "dimanche 8 mars 2026 à 09:00"),
        ("America/New_York", datetime(2026, 11, 1, 14, 0, tzinfo=UTC), "dimanche 1 novembre 2026 à 09:00"),
        ("Australia/Lord_Howe", datetime(2026, 4, 4, 22, 30, tzinfo=UTC), "dimanche 5 avril 2026 à 09:00"),
    ],
)
def test_failure_07_both_sides_of_a_clock_change_are_told_right(
    zone: str, moment: datetime, told: str
) -> None:
    there = ZoneInfo(zone)
    text = wording(zone=there).one(detail(moment.astimezone(there)), several_patients=False)
    assert text.replace("1er", "1") == told


def test_rule_1_an_hour_that_occurs_twice_names_its_season() -> None:
    twice = datetime(2026, 10, 25, 2, 30, tzinfo=PARIS)
    first, second = (wording().one(detail(twice.replace(fold=f)), several_patients=False) for f in (0, 1))
    assert first.endswith("02:30 (heure d’été d’Europe centrale)")
    assert second.endswith("02:30 (heure normale d’Europe centrale)")


def test_rule_1_an_hour_that_a_change_skips_is_told_as_it_will_be() -> None:
    skipped = datetime(2026, 3, 29, 2, 30, tzinfo=PARIS).astimezone(UTC).astimezone(PARIS)
    assert wording().one(detail(skipped), several_patients=False) == "dimanche 29 mars 2026 à 03:30"


def test_rule_1_the_zone_is_named_where_its_clock_differs() -> None:
    away = detail(datetime(2026, 7, 3, 14, 30, tzinfo=ZoneInfo("Indian/Reunion")))
    assert wording().one(away, several_patients=False).endswith("14:30 (heure locale\u00a0: La Réunion)")
    assert wording(Language.EN).one(away, several_patients=False).endswith("14:30 (local time: Réunion)")
    same = detail(datetime(2026, 7, 3, 14, 30, tzinfo=ZoneInfo("Europe/Brussels")))
    assert wording().one(same, several_patients=False).endswith("14:30")


def test_a_whole_day_has_no_hour() -> None:
    day = datetime(2026, 12, 3, tzinfo=PARIS)
    text = page(detail(day, end=day + timedelta(days=1), all_day=True))
    assert "jeudi 3 décembre 2026, toute la journée" in text
    assert "00:00" not in text
    away = datetime(2026, 12, 3, tzinfo=ZoneInfo("Pacific/Auckland"))
    assert "jeudi 3 décembre 2026" in page(detail(away, end=away + timedelta(days=1), all_day=True))


def test_the_disappearance_is_told_in_the_practices_zone() -> None:
    text = wording(zone=ZoneInfo("America/Martinique")).list(
        [], several_patients=False, until=UNTIL, more=False
    )
    assert "09:42" in text


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("a\nb\r\n\tc\u2028d\u2029e\u0085f", "a b c d e f"),
        ("\u202egnp.exe\u202c \u2066x\u2069\u200f", "gnp.exe x"),
        ("a\x00b\x1b[31m", "a b [31m"),
        ("  Dr\u00a0 Durand ", "Dr Durand"),
        ("E\u0301cole", "École"),
        ("\ud800x\ue000y", "xy"),
        ("👩\u200d⚕️", "👩\u200d⚕️"),
        ("", ""),
    ],
)
def test_rule_2_values_become_one_line_of_visible_characters(value: str, shown: str) -> None:
    assert plain(value, 1000) == shown


def test_rule_2_an_agenda_cannot_forge_a_line() -> None:
    forged = replace(FULL, practitioner="X\n\n2. vendredi\nCe message sera retiré", note="{phone} %s {0}")
    text = page(forged)
    assert "\n2." not in text
    assert "{phone} %s {0}" in text


def test_rule_3_values_are_isolated_in_right_to_left_languages_alone() -> None:
    catalogue = load(Language.FR)
    assert isolate("x", catalogue) == "x"
    assert isolate("x", replace(catalogue, locale=Locale("ar"))) == "\u2068x\u2069"


@given(st.text(st.characters()), st.integers(3, 200))
def test_rule_4_a_cut_value_stays_within_its_bytes(value: str, limit: int) -> None:
    shown = plain(value, limit)
    assert len(shown.encode()) <= limit
    assert shown == plain(shown, limit)


_ANY = st.text(st.characters(), max_size=400)


@given(
    st.lists(st.tuples(_ANY, _ANY, _ANY, st.text(st.characters(), max_size=3000)), max_size=MAX_LISTED),
    st.sampled_from(Language),
    st.sampled_from([None, *Mark]),
)
def test_rule_4_five_appointments_fit_whatever_they_hold(
    rows: list[tuple[str, str, str, str]], language: Language, mark: Mark | None
) -> None:
    away = AT.astimezone(ZoneInfo("America/Argentina/ComodRivadavia"))
    listed = [
        Listed(
            number=n,
            mark=mark,
            detail=detail(away, practitioner=a, place=b, given_name=c, note=d),
        )
        for n, (a, b, c, d) in enumerate(rows, start=101)
    ]
    text = wording(language).list(listed, several_patients=True, until=UNTIL, more=True)
    assert len(text.encode()) <= MAX_TEXT_BYTES
    for each in listed:
        assert f"{each.number}. " in text


def test_rule_4_long_notes_are_cut_and_short_ones_are_not() -> None:
    long, short = replace(FULL, note="mot " * 1000), FULL
    text = page(long, short, short, short, short)
    assert MAX_TEXT_BYTES * 0.5 < len(text.encode()) <= MAX_TEXT_BYTES
    assert text.count("Venir à jeun\n") == 4
    assert "mot mot mot" in text
    assert text.count("…") == 1


def test_one_long_note_has_the_room_that_the_others_leave() -> None:
    assert "x" * 1000 in page(replace(FULL, note="x" * 1000))


def test_rule_4_a_budget_too_small_is_refused() -> None:
    with pytest.raises(WrongUse):
        wording().list(
            [Listed(number=1, detail=FULL)], several_patients=False, until=UNTIL, more=False, max_bytes=100
        )


@given(_ANY, _ANY, _ANY)
def test_one_line_stays_one_line(a: str, b: str, c: str) -> None:
    text = wording().one(detail(AT, practitioner=a, place=b, given_name=c), several_patients=True)
    assert "\n" not in text
    assert len(text.encode()) <= 500


def test_a_line_of_a_list_shows_nothing_in_its_repr() -> None:
    moment = datetime(2026, 9, 8, 12, 30, tzinfo=UTC)
    detail = Detail(source="u", patient="P-1", start=moment, end=moment, zone="Europe/Paris")
    assert repr(Listed(number=1, detail=detail)) == "Listed(…)"


@pytest.mark.parametrize("language", list(Language))
def test_the_example_names_one_that_can_be_answered(language: Language) -> None:
    off, on = (Listed(number=0, detail=FULL, mark=mark) for mark in (Mark.CANCELLED, None))
    confirm = {Language.FR: "confirmer", Language.EN: "confirm"}[language]

    def foot(*listed: Listed) -> str:
        numbered = [replace(each, number=n) for n, each in enumerate(listed, 1)]
        text = wording(language).list(numbered, several_patients=False, until=UNTIL, more=False)
        return text.split("\n\n")[-1]

    assert f"{confirm} 1" in foot(on, on).replace("\u00a0", " ")
    assert f"{confirm} 2" in foot(off, on).replace("\u00a0", " ")
    assert f"{confirm} 3" in foot(off, off, on).replace("\u00a0", " ")
    assert confirm not in foot(off, off)
    assert confirm not in foot(off)
    assert "14:42" in foot(off, off)
