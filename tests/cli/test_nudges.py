"""``pli nudges``: what would go when and why, and what the times tell; as tables, as data, as pictures."""

from __future__ import annotations

import re
import stat
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest

from bot.app import Installation
from bot.services import measure_leak
from config.settings import FILE_NAME
from tests.cli.shell import pli
from tests.cli.test_both import enrol


@pytest.fixture
def booked(home: Installation) -> Installation:
    """Three patients; one is enrolled and has three visits, one is invited, one is nobody's."""
    for reference in ("P-1", "P-2", "P-3"):
        assert pli("patient", "add", reference, "--name", "Camille").code == 0
    for reference in ("P-1", "P-2"):
        assert pli("invite", reference, "--no-account").code == 0
    enrol(home, room=True)
    today = home.clock.now().date()
    for reference, days, hour in (("P-1", 4, 9), ("P-1", 4, 15), ("P-1", 9, 9), ("P-2", 5, 9), ("P-3", 6, 9)):
        at = f"{today + timedelta(days=days)}T{hour:02}:30"
        assert pli("agenda", "add", reference, "--at", at, "--with", "Dr Noël").code == 0
    return home


def set_level(home: Installation, level: str, language: str = "fr") -> None:
    file = home.settings.folder / FILE_NAME
    text = re.sub(r"^level = .*", f'level = "{level}"', file.read_text(), flags=re.MULTILINE)
    file.write_text(re.sub(r"^language = .*", f'language = "{language}"', text, flags=re.MULTILINE))


def test_the_calendar_as_data(booked: Installation) -> None:
    set_level(booked, "plain")
    data = pli("nudges", "preview", "--json").json()
    assert [slot["nudges"] for slot in data["slots"]] == [1, 1]
    assert [slot["rules"] for slot in data["slots"]] == [{"lead:1": 1}, {"lead:1": 1}]
    assert [slot["channels"] for slot in data["slots"]] == [{"matrix": 1}, {"matrix": 1}]
    assert data["not"] == {"not_enrolled": 1, "nobody": 1}
    assert (data["paused"], data["plot"]) == (False, None)
    assert "nudges" not in data, "one by one for one recipient alone"


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("fr", ("1 jour avant", "n’est pas (ou plus) inscrite", "personne n’est invité", "Matrix 1")),
        ("en", ("1 day before", "is not enrolled", "nobody is invited", "Matrix 1")),
    ],
)
def test_the_calendar_in_words(booked: Installation, language: str, words: tuple[str, ...]) -> None:
    set_level(booked, "plain", language)
    done = pli("nudges", "preview")
    assert done.code == 0, done.err
    for word in words:
        assert word in done.out, word
    pli("pause")
    assert pli("nudges", "preview", "--json").json()["paused"]
    assert len(pli("nudges", "preview").out.splitlines()) == len(done.out.splitlines()) + 1


def test_line_by_line_for_one_recipient(booked: Installation) -> None:
    set_level(booked, "plain")
    done = pli("nudges", "preview", "--recipient", "P-1")
    assert done.out.count("1 jour avant") == 3
    assert len(set(re.findall(r"a-[a-z0-9]{16}", done.out))) == 3
    for secret in ("P-1", "Camille", "Noël"):
        assert secret not in done.out
    data = pli("nudges", "preview", "--recipient", "P-1", "--json").json()
    assert [len(nudge["reasons"]) for nudge in data["nudges"]] == [2, 1]
    assert {r["because"] for n in data["nudges"] for r in n["reasons"]} == {"lead"}
    assert data["missing"] == []
    invited = pli("nudges", "preview", "--recipient", "P-2", "--json").json()
    assert [m["why"] for m in invited["missing"]] == ["not_enrolled"]
    assert "inscrite" in pli("nudges", "preview", "--recipient", "P-2").out
    assert pli("nudges", "preview", "--recipient", "P-9").code == 1


def test_a_drawn_day_says_which_it_is(booked: Installation) -> None:
    set_level(booked, "discreet")
    for days in range(20, 50):
        at = f"{booked.clock.now().date() + timedelta(days=days)}T10:00"
        pli("agenda", "add", "P-1", "--at", at)
    done = pli("nudges", "preview", "--days", "55", "--recipient", "P-1")
    told = " ".join(done.out.split())  # a terminal wraps
    assert "tiré au sort : 2 jours avant" in told
    assert "tiré au sort : 3 jours avant" in told
    assert "tiré au sort : 1 jour avant" not in told, "that is what the rule says anyway"


@pytest.mark.usefixtures("booked")
@pytest.mark.parametrize("kind", ["preview", "leak"])
def test_the_picture_is_private_and_writes_over_nothing(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, number in (("_MADE", 3_000), ("_WATCHED", 200), ("_TRIED", 100)):
        monkeypatch.setattr(measure_leak, name, number)
    file = tmp_path / "nudges.png"
    assert pli("nudges", kind, "--plot", str(file), "--json").json()["plot"] == str(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_bytes().startswith(b"\x89PNG")
    before = file.read_bytes()
    assert pli("nudges", kind, "--plot", str(file)).code == 1
    assert file.read_bytes() == before
    assert pli("nudges", kind, "--plot", str(tmp_path / "nudges.gif")).code == 2


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("days", ["0", "-1", "63", "x"])
def test_so_many_days_are_not_looked_at(days: str) -> None:
    assert pli("nudges", "preview", "--days", days).code == 2


@pytest.mark.parametrize(("language", "yours"), [("fr", "le vôtre"), ("en", "yours")])
def test_what_the_times_tell(
    home: Installation, language: str, yours: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, number in (("_MADE", 3_000), ("_WATCHED", 200), ("_TRIED", 100)):
        monkeypatch.setattr(measure_leak, name, number)
    set_level(home, "private", language)
    done = pli("nudges", "leak")
    assert done.code == 0, done.err
    (own,) = [line for line in done.out.splitlines() if yours in line]
    assert own.startswith("private")
    point = "," if language == "fr" else "."
    for bits in ("10.91", "5.91", "4.35", "3.64", "3.58", "3.21", "2.27", "0.99", "1.07", "0.00"):
        assert re.search(rf"\s{bits.replace('.', point)}\s", done.out), bits
    assert ("leurres apprennent" if language == "fr" else "Decoys teach people") in done.out
    data = pli("nudges", "leak", "--level", "plain", "--level", "private", "--json").json()
    assert [p["level"] for p in data["levels"]] == ["plain", "private"]
    assert [p["own"] for p in data["levels"]] == [False, True]
    assert data["policies"][1] == {"policy": "fixed", "bits": 5.907, "guess_day": 1.0}


@pytest.mark.usefixtures("home")
def test_what_cannot_be_measured() -> None:
    assert pli("nudges", "leak", "--level", "loud").code == 2
    done = pli("nudges", "leak", "--kind", "blood")
    assert done.code == 2
    assert "remède : " in done.err


def test_what_somebody_asked_for_at_the_desk(booked: Installation) -> None:
    set_level(booked, "plain")
    done = pli("nudges", "wish", "P-1", "--days", "3, 1", "--after-confirmation", "none")
    assert (done.code, done.out) == (0, "noté pour 1 personne\n")
    leads = Counter(
        reason["lead"]
        for nudge in pli("nudges", "preview", "--recipient", "P-1", "--json").json()["nudges"]
        for reason in nudge["reasons"]
    )
    assert leads == {1: 3, 3: 3}
    assert pli("nudges", "wish", "P-1", "--forget", "--json").json() == {"recipients": 1}
    told = pli("nudges", "preview", "--recipient", "P-1", "--json").json()
    assert {r["lead"] for n in told["nudges"] for r in n["reasons"]} == {1}
    kinds = [row["kind"] for row in pli("audit", "show", "--json").json()]
    assert kinds.count("times_set") == 2


def test_whose_quiet_hours_moved_a_nudge_is_told(booked: Installation) -> None:
    set_level(booked, "plain")
    before = pli("nudges", "preview", "--recipient", "P-1", "--json").json()["nudges"]
    assert {(r["because"], r["scope"]) for n in before for r in n["reasons"]} == {("lead", None)}
    assert pli("nudges", "wish", "P-1", "--quiet", "17:00-10:30", "--slots", "18:00", "--cap", "1").code == 0
    told = pli("nudges", "preview", "--recipient", "P-1")
    assert "heures calmes demandées par cette personne : déplacé à 10:30" in " ".join(told.out.split())
    found = pli("nudges", "preview", "--recipient", "P-1", "--json").json()["nudges"]
    assert {(r["because"], r["scope"]) for n in found for r in n["reasons"]} == {("quiet", "recipient")}


@pytest.mark.usefixtures("booked")
@pytest.mark.parametrize(
    ("given", "code"),
    [
        (("P-1",), 2),
        (("P-1", "--days", "soon"), 2),
        (("P-1", "--days", "1,,2"), 2),
        (("P-1", "--days", "61"), 2),
        (("P-1", "--level", "loud"), 2),
        (("P-1", "--slots", "17:00"), 2),
        (("P-1", "--slots", "soon"), 2),
        (("P-1", "--quiet", "21:00"), 2),
        (("P-1", "--quiet", "21:00-late"), 2),
        (("P-1", "--quiet", "08:00-20:00"), 2),
        (("P-1", "--cap", "0"), 2),
        (("P-9", "--forget"), 1),
        (("P-3", "--forget"), 1),
    ],
)
def test_a_wish_that_cannot_be(given: tuple[str, ...], code: int) -> None:
    done = pli("nudges", "wish", *given)
    assert (done.code, bool(done.err)) == (code, True)
