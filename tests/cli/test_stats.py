"""``pli stats``: the same counts as a table, as data and as a picture."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from bot.app import Installation
from bot.services.tallies import WEEK, Counted, monday, tally
from tests.cli.shell import pli

LANGUAGE = "en"


@pytest.fixture
def counted(home: Installation) -> Installation:
    """Three weeks that are over: 12, 3 and 40 notices, 4 of each answer; and some of this week."""
    now = home.clock.now()
    for back, number in ((3, 12), (2, 3), (1, 40), (0, 99)):
        with home.uow() as uow:
            tally(uow, Counted.NUDGED, now - back * WEEK, number)
            for what in (Counted.CONFIRMED, Counted.CANCELLED, Counted.MOVE):
                tally(uow, what, now - back * WEEK, 4)
            uow.commit()
    return home


def test_data(counted: Installation) -> None:
    data = pli("stats", "--weeks", "4", "--json").json()
    assert [week["nudged"] for week in data["weeks"]] == [None, 12, "<5", 40]
    assert [week["confirmed"] for week in data["weeks"]] == [None, "<5", "<5", "<5"]
    assert [week["missed"] for week in data["weeks"]] == [None] * 4, "the agenda does not tell who came"
    first = monday(counted.clock.now()) - 4 * WEEK
    assert data["weeks"][0]["from"] == first.isoformat()
    assert data["at_least"]["nudged"] == 52
    assert data["at_least"]["confirmed"] == 0
    assert len(pli("stats", "--json").json()["weeks"]) == 12


def test_no_small_number_is_anywhere(counted: Installation, tmp_path: Path) -> None:
    """Neither 3 nor 4 nor 99 nor a sum with them in it."""
    done = pli("stats", "--plot", str(tmp_path / "weeks.svg"))
    assert done.code == 0, done.err
    rows = [line.split("2026")[-1].split() for line in done.out.splitlines() if "<5" in line]
    rows = [row for row in rows if row and row[0][0] in "<0123456789"]
    assert len(rows) == 3
    drawn = (tmp_path / "weeks.svg").read_text().split("</style>")[1]
    texts = [part.split("<")[0] for part in drawn.split(">") if part]
    for number in ("3", "4", "99", "55", "154", "151"):
        assert all(number not in row for row in rows), number
        assert number not in texts, number
    assert "40" in texts
    del counted


@pytest.mark.usefixtures("counted")
def test_the_picture_is_private_and_writes_over_nothing(tmp_path: Path) -> None:
    file = tmp_path / "weeks.png"
    assert pli("stats", "--plot", str(file), "--json").json()["plot"] == str(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_bytes().startswith(b"\x89PNG")
    before = file.read_bytes()
    assert pli("stats", "--plot", str(file)).code == 1
    assert file.read_bytes() == before


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("name", ["weeks.jpg", "weeks", "weeks.png.txt"])
def test_another_kind_of_picture_is_refused(tmp_path: Path, name: str) -> None:
    done = pli("stats", "--plot", str(tmp_path / name))
    assert done.code == 2
    assert "mend: " in done.err
    assert list(tmp_path.glob("weeks*")) == []


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("weeks", ["0", "-1", "105", "x"])
def test_so_many_weeks_are_not_kept(weeks: str) -> None:
    assert pli("stats", "--weeks", weeks).code == 2


@pytest.mark.usefixtures("home")
def test_without_a_count_it_says_so() -> None:
    done = pli("stats")
    assert done.code == 0
    assert "nothing to count" in done.out
