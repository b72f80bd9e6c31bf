"""An appointment in one line; the rules by number are those of :mod:`bot.domain.one_line`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.one_line import OneLine, read_line
from bot.errors import Unclear, WrongUse

PARIS = ZoneInfo("Europe/Paris")
NOW = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)
START = datetime(2026, 12, 3, 13, 30, tzinfo=UTC)


def read(text: str) -> OneLine:
    return read_line(text, now=NOW, zone=PARIS)


@pytest.mark.parametrize(
    ("text", "practitioner", "place", "note"),
    [
        ("3/12 14h30", "", "", ""),
        ("3/12 14h30 Dr Noël", "Dr Noël", "", ""),
        (
            "3/12 14h30 Dr Noël @ Laboratoire des Tanneurs : à jeun",
            *("Dr Noël", "Laboratoire des Tanneurs", "à jeun"),
        ),
        ("3/12 14:30 Dr Noël à Lyon", "Dr Noël", "Lyon", ""),
        ("3 décembre à 14 h 30 Dr Noël chez le dentiste", "Dr Noël", "le dentiste", ""),
        ("3 dec at 2:30pm Dr Hall at the surgery: do not eat", "Dr Hall", "the surgery", "do not eat"),
        ("3/12 14h30 @ Rez-de-chaussée", "", "Rez-de-chaussée", ""),
        ("3/12 14h30 : venez à 14:15 : à jeun", "", "", "venez à 14:15 : à jeun"),
        ("3/12 14h30, Dr Noël", "Dr Noël", "", ""),
        ("3/12   14h30  Dr   Noël@Lyon", "Dr Noël", "Lyon", ""),
        ("3/12 14h30 Dr Batat", "Dr Batat", "", ""),
        ("3/12 14h30 Dr Noël @ Hôpital à Lyon", "Dr Noël", "Hôpital à Lyon", ""),
        ("3/12 14h30 Dr Noël :", "Dr Noël", "", ""),
        ("3/12 14H30 DR NOËL À LYON", "DR NOËL", "LYON", ""),
        ("3/12 14H30 DR NOËL CHEZ LUI", "DR NOËL", "LUI", ""),
    ],
)
def test_the_parts(text: str, practitioner: str, place: str, note: str) -> None:
    found = read(text)
    assert (found.start, found.length) == (START, timedelta(minutes=30))
    assert (found.practitioner, found.place, found.note) == (practitioner, place, note)


def test_rule_1_a_length() -> None:
    found = read("3/12 14h30 45 min Dr Noël")
    assert (found.length, found.practitioner) == (timedelta(minutes=45), "Dr Noël")
    assert read("3/12 14h30 1440 minutes").length == timedelta(days=1)
    assert read("3/12 14h30 1 MINUTE").length == timedelta(minutes=1)
    for text in ("3/12 14h30 0 min", "3/12 14h30 1441 min"):
        with pytest.raises(WrongUse, match="length"):
            read(text)


def test_rule_1_the_moment_comes_first() -> None:
    with pytest.raises(Unclear):
        read("Dr Noël 3/12 14h30")


@pytest.mark.parametrize(("part", "most"), [("practitioner", 200), ("place", 200), ("note", 600)])
def test_rule_3_what_is_too_long_is_refused_and_named(part: str, most: int) -> None:
    lines = {"practitioner": "3/12 14h30 {}", "place": "3/12 14h30 @ {}", "note": "3/12 14h30 : {}"}
    assert getattr(read(lines[part].format("x" * most)), part) == "x" * most
    with pytest.raises(WrongUse, match=part):
        read(lines[part].format("x" * (most + 1)))


def test_no_detail_shows() -> None:
    shown = repr(read("3/12 14h30 Dr Noël @ Lyon : à jeun"))
    assert not any(word in shown for word in ("Noël", "Lyon", "jeun"))


PLAIN = st.text("abcdefé", min_size=1, max_size=12)


@given(practitioner=PLAIN, place=PLAIN, note=PLAIN)
def test_what_is_written_is_read_back(practitioner: str, place: str, note: str) -> None:
    found = read(f"3/12 14h30 {practitioner} @ {place} : {note}")
    assert (found.practitioner, found.place, found.note) == (practitioner, place, note)


@given(st.text(max_size=80) | st.text("0123456789/:h @à\n", max_size=40))
def test_any_line_is_read_or_refused_without_being_quoted(text: str) -> None:
    try:
        read(text + " canary")
    except WrongUse as refused:
        told = f"{refused} {refused.mend}"
    else:
        told = ""
    assert "canary" not in told
