"""A backup while others write, on a full disk, killed at any step, and of a database larger than memory allows."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from sqlalchemy import text

from bot.domain.records import AuditKind, Patient
from bot.domain.values import PatientId, new_id
from bot.errors import PliError
from bot.workplace import publish, work_file, work_folder
from tests.rig.forked import Forked
from tests.rig.small_disk import FileSizeLimit, small_disk
from tests.safekeeping.scene import Scene, contents, everything_below

BACKUP_KILLS = [
    "storage.snapshot:Snapshot.fix after",
    "storage.snapshot:Snapshot.copy after",
    "storage.pack:Manifest.line after",
    "bot.backup:end_line after",
    "bot.backup:_sync after",
    "bot.backup:rehearse after",
    "bot.backup:publish before",
]
RESTORE_KILLS = [
    "storage.snapshot:Filling.table after",
    "storage.snapshot:Filling.end after",
    "bot.restore:look_through after",
    "storage.vault_copy:VaultFilling.write after",
    "bot.services.settle_restored:SettleRestored.__call__ after",
    "pathlib:Path.rename before",
]


def die(point: str, act: str, *rest: Path) -> None:
    place, when = point.split()
    command = ["tests.safekeeping.mortal", place, when, act, *map(str, rest)]
    assert Forked(command).wait() == -9


@pytest.mark.parametrize("point", BACKUP_KILLS)
def test_killed_while_it_backs_up_there_is_no_file_that_looks_whole(
    point: str, scene: Scene, tmp_path: Path
) -> None:
    scene.enrolled("anna")
    before = everything_below(scene.folder).keys()
    die(point, "backup", scene.folder, tmp_path / "to")
    assert not [p.name for p in (tmp_path / "to").iterdir() if not p.name.startswith(".pli-part-")]
    made = scene.backup(tmp_path / "to")
    assert [p.name for p in (tmp_path / "to").iterdir()] == [made.file.name], "what was left is gone"
    assert everything_below(scene.folder).keys() == before, "and so is what lay in the practice's folder"
    scene.restore(made.file, tmp_path / "new")


@pytest.mark.parametrize("point", RESTORE_KILLS)
def test_killed_while_it_restores_there_is_no_folder(point: str, scene: Scene, tmp_path: Path) -> None:
    scene.enrolled("anna")
    file = scene.backup(tmp_path / "to", with_vault=True).file
    (tmp_path / "place").mkdir()
    die(point, "restore", file, tmp_path / "place" / "new")
    assert not (tmp_path / "place" / "new").exists()
    scene.restore(file, tmp_path / "place" / "new")
    assert [p.name for p in (tmp_path / "place").iterdir()] == ["new"], "what was left is gone"


def test_a_full_disk_leaves_nothing(scene: Scene, tmp_path: Path) -> None:
    scene.enrolled("anna")
    place = tmp_path / "small"
    place.mkdir()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with small_disk(place) as disk:
        disk.fill(os.getpid())
        try:
            with pytest.raises(PliError) as refused:
                scene.backup(place / "to")
        finally:
            if isinstance(disk, FileSizeLimit):
                resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
            else:
                disk.free(os.getpid())
        assert refused.value.mend
        assert not (place / "to").exists() or list((place / "to").iterdir()) == []
        made = scene.backup(place / "to")
        assert made.file.exists()
        if not isinstance(disk, FileSizeLimit):
            disk.fill(os.getpid())
            with pytest.raises(PliError) as refused:
                scene.restore(made.file, place / "new")
            disk.free(os.getpid())
            assert refused.value.mend
            assert [p.name for p in place.iterdir()] == ["to"]


def test_while_others_write_it_is_one_moment_of_both_stores(anywhere: Scene, tmp_path: Path) -> None:
    """Two rows in one transaction: both or none. The audit log grows meanwhile, and still has its anchor."""
    anywhere.enrolled("anna")
    home, stop, written = anywhere.bot.home, threading.Event(), threading.Event()

    def write() -> None:
        while not stop.is_set():
            with home.uow() as uow:
                for _ in range(2):
                    uow.patients.add(Patient(id=PatientId(new_id("p")), reference=new_id("ref")))
                uow.audit.add(AuditKind.PATIENT_ADDED, home.clock.now())
                uow.commit()
            written.set()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert written.wait(30)
        files = [anywhere.backup(tmp_path / "to", with_vault=True).file for _ in range(5)]
    finally:
        stop.set()
        writer.join(30)
    counts = []
    for number, file in enumerate(files):
        anywhere.restore(file, tmp_path / f"new-{number}")
        found = contents(f"sqlite:///{tmp_path}/new-{number}/data/pli.db")
        pairs, odd = divmod(len(found["patient"]) - 1, 2)
        assert odd == 0
        assert pairs == sum(row["kind"] == "patient_added" for row in found["audit"])
        counts.append(pairs)
    assert counts == sorted(set(counts)), "others did write meanwhile"


_PEAK = """
import resource, sys
from pathlib import Path
from bot.backup import make_backup
from bot.restore import restore
from tests.safekeeping.mortal import installation
from tests.safekeeping.scene import PASSPHRASE
from tests.services.kit import HandClock
folder, to = Path(sys.argv[1]), Path(sys.argv[2])
made = make_backup(installation(folder), to, PASSPHRASE, with_vault=False)
with made.file.open("rb") as source:
    restore(source, PASSPHRASE, to / "new", database="", clock=HandClock())
print(made.size, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


def test_memory_does_not_grow_with_the_database(scene: Scene, tmp_path: Path) -> None:
    scene.enrolled("anna")

    def peak(to: Path) -> tuple[int, int]:
        command = [sys.executable, "-c", _PEAK, str(scene.folder), str(to)]
        size, memory = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
        return int(size), int(memory)

    small, before = peak(tmp_path / "small")
    with scene.bot.home.engine.begin() as db:
        db.execute(
            text(
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40000)"
                " INSERT INTO answer (id, appointment, recipient, time_revision, kind, state, at, blob)"
                " SELECT 'b-' || i, (SELECT id FROM appointment), 'r', 0, 'move', 'open',"
                " '2026-09-01T08:00:00.000000Z', randomblob(1500) FROM n"
            )
        )
    large, after = peak(tmp_path / "large")
    assert large - small > 75_000_000
    assert after - before < (large - small) / 3


def test_whoever_works_elsewhere_is_left_alone(tmp_path: Path) -> None:
    with work_folder(tmp_path, "backup") as first, work_file(tmp_path) as (part, _):
        (first / "file").write_bytes(b"a")
        with work_folder(tmp_path, "backup") as second, work_file(tmp_path) as (other, _):
            assert first.is_dir()
            assert part.exists()
            assert {first, second, part, other} == set(tmp_path.iterdir())
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_is_taken_is_left_alone_where_there_are_no_links_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").write_bytes(b"mine")

    def no_links(*_: object) -> None:
        raise PermissionError

    for number in range(2):
        with work_file(tmp_path) as (part, out):
            out.write(b"new")
            out.flush()
            assert publish(part, iter(("a", f"b{number}"))) == tmp_path / f"b{number}"
        monkeypatch.setattr(os, "link", no_links)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == {"a": b"mine", "b0": b"new", "b1": b"new"}
