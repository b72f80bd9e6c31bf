"""A watched folder: rules of :mod:`bot.agenda.watch` by number, without waiting."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bot.agenda.watch import Told, WatchFolder
from bot.app import Installation
from bot.domain.appointment import ImportCounts, Refusal
from bot.errors import AgendaError, PliError, Refused, StorageError
from tests.cli.shell import pli
from tests.rig.waiting import until

LANGUAGE = "en"


@dataclass
class Watched:
    """``fault`` is raised for the files named in it."""

    folder: Path
    fault: dict[str, Exception] = field(default_factory=dict)
    taken: list[str] = field(default_factory=list)
    told: list[tuple[str, Told]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.watch = WatchFolder(
            self.folder,
            self._take,
            report=lambda counts: {"new": counts.new, "refused": len(counts.refused)},
            told=lambda name, told: self.told.append((name, told)),
        )

    def _take(self, file: Path) -> ImportCounts:
        self.taken.append(file.name)
        if (error := self.fault.get(file.name)) is not None:
            raise error
        return ImportCounts(new=1, refused=(Refusal(where="line 1", field="f", why="w", mend="m"),))

    def rounds(self, number: int) -> None:
        for _ in range(number):
            self.watch.round()

    def moved(self, where: str) -> dict[str, dict[str, object]]:
        """Reports by the name that the file had."""
        found = {}
        for report in (self.folder / where).glob("*.report.json"):
            file = report.with_name(report.name.removesuffix(".report.json"))
            assert file.is_file()
            found[file.name.split("-", 1)[1]] = json.loads(report.read_text())
        return found


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path)


def test_rule_1_a_file_is_taken_once_it_is_settled(watched: Watched) -> None:
    file = watched.folder / "a.ics"
    file.write_text("1")
    watched.rounds(1)
    assert watched.taken == []
    file.write_text("12")
    watched.rounds(1)
    assert watched.taken == [], "it grew"
    os.utime(file, (1, 1))
    watched.rounds(1)
    assert watched.taken == [], "it was touched"
    watched.rounds(1)
    assert watched.taken == ["a.ics"]
    watched.rounds(3)
    assert watched.taken == ["a.ics"]
    assert watched.moved("done") == {"a.ics": {"new": 1, "refused": 1}}


def test_rule_1_what_is_hidden_or_half_loaded_is_left_alone(watched: Watched) -> None:
    for name in (".a.ics", "a.ics.part", "a.csv.tmp", "a.ics~", "a.crdownload"):
        (watched.folder / name).write_text("x")
    (watched.folder / "folder.ics").mkdir()
    watched.rounds(3)
    assert watched.taken == []


def test_whatever_else_appears_is_taken_and_judged(watched: Watched) -> None:
    watched.fault["a.xlsx"] = AgendaError(where="file", why="is an Excel file", mend="export it as .csv")
    for name in ("a.xlsx", "B.ICS", "c"):
        (watched.folder / name).write_text("x")
    watched.rounds(2)
    assert watched.moved("done").keys() == {"B.ICS", "c"}
    assert watched.moved("refused") == {
        "a.xlsx": {"why": "file: is an Excel file", "mend": "export it as .csv"}
    }


def test_rule_3_one_file_never_stops_the_others(watched: Watched) -> None:
    watched.fault |= {
        "a.ics": AgendaError(where="file", why="is empty", mend="export it again"),
        "b.ics": Refused("too many", mend="look"),
        "c.ics": RuntimeError("canary"),
    }
    for name in ("a.ics", "b.ics", "c.ics", "d.ics"):
        (watched.folder / name).write_text("x")
    watched.rounds(2)
    assert watched.moved("done").keys() == {"d.ics"}
    reports = watched.moved("refused")
    assert reports.keys() == {"a.ics", "b.ics", "c.ics"}
    assert "canary" not in json.dumps(reports)
    assert [isinstance(t, PliError) for _, t in watched.told] == [True, True, True, False]


def test_rule_3_a_storage_that_refuses_leaves_the_file_where_it_is(watched: Watched) -> None:
    watched.fault["a.ics"] = StorageError("busy")
    (watched.folder / "a.ics").write_text("x")
    watched.rounds(1)
    for _ in range(3):
        with pytest.raises(StorageError):
            watched.watch.round()
    assert [p.name for p in watched.folder.iterdir()] == ["a.ics"]
    watched.fault.clear()
    watched.rounds(2)
    assert watched.moved("done").keys() == {"a.ics"}


def test_two_files_of_one_name_keep_both_reports(watched: Watched) -> None:
    for _ in range(2):
        (watched.folder / "a.ics").write_text("x")
        watched.watch.round(settled=True)
    assert len(list((watched.folder / "done").glob("*.ics"))) == 2


def test_a_file_that_somebody_takes_away_meanwhile(watched: Watched) -> None:
    file = watched.folder / "a.ics"
    file.write_text("x")
    take = watched.watch._take

    def gone(taken: Path) -> ImportCounts:
        taken.unlink()
        return take(taken)

    watched.watch._take = gone
    watched.watch.round(settled=True)
    assert watched.taken == ["a.ics"]
    assert len(watched.told) == 1


def test_a_folder_that_is_not_there_or_goes_away(tmp_path: Path) -> None:
    with pytest.raises(Refused):
        Watched(tmp_path / "none")
    (tmp_path / "here").mkdir()
    watched = Watched(tmp_path / "here")
    (tmp_path / "here").rmdir()
    with pytest.raises(StorageError):
        watched.watch.round()


async def test_watching_until_it_is_stopped(home: Installation, tmp_path: Path) -> None:
    """As a process: takes a file while it runs, and ends cleanly on SIGTERM."""
    pli("patient", "add", "P-1")
    folder = tmp_path / "exports"
    folder.mkdir()
    process = subprocess.Popen(  # noqa: ASYNC220 - it is only started here
        [sys.executable, "-m", "bot", "agenda", "watch", str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "PLI_CONFIG": str(home.settings.folder)},
    )
    try:
        (folder / "a.csv").write_text("nonsense")

        async def moved() -> bool:
            return not (folder / "a.csv").exists()

        await until(moved, "the file to be moved", seconds=60)
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 0
    assert b"refused: a.csv" in out
    assert b"Traceback" not in out
