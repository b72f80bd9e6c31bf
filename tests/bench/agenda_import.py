"""Agenda import of 100,000 appointments for 20,000 people, beside sealing the same number alone.

Each run is a process of its own on a fresh copy of one practice's folder, so that its peak memory is its own. Half of
the sealing alone is measured before the import and half after it, so that a busy machine weighs on both.
"""

from __future__ import annotations

import json
import resource
import shutil
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from itertools import cycle, islice
from pathlib import Path

from bot.app import Installation
from bot.cli.agenda import import_file
from bot.domain.appointment import Detail
from bot.domain.values import AppointmentId
from bot.services.import_batch import ImportOptions
from config.settings import FILE_NAME
from storage.keys import ImportKeys
from storage.sealing import ImportSealer
from tests.agenda.generate import PATIENTS, write_big_csv, write_big_ics
from tests.bench.figures import Figure, Result
from tests.bench.people import add_people, enrolled
from tests.journey.practice import run_here

APPOINTMENTS = 100_000
UNITS = {
    "sealing alone": "appointments/s",
    "all new": "appointments/s",
    "all new, to sealing alone": "ratio",
    "again, unchanged": "appointments/s",
    "peak memory": "MiB",
}


def bench(folder: Path, runs: int) -> Result:
    """See the module."""
    template = folder / "practice"
    made = run_here("init", str(template))
    assert made.code == 0, made.err
    home = Installation.at(template / FILE_NAME)
    add_people(home, [f"P-{i:05}" for i in range(PATIENTS)])
    home.engine.dispose()
    today = home.clock.now().date()
    write_big_ics(folder / "big.ics", APPOINTMENTS, today)
    write_big_csv(folder / "big.csv", APPOINTMENTS, today)
    figures = []
    for kind, times in (("ics", runs), ("csv", 1)):  # the readers differ, all that follows is the same
        measured = []
        for run in range(times):
            copy = folder / f"{kind}-{run}"
            shutil.copytree(template, copy)
            measured.append(_child(copy, folder / f"big.{kind}"))
            shutil.rmtree(copy)
        figures += [
            Figure(name=f".{kind}: {name}", unit=unit, runs=tuple(row[name] for row in measured))
            for name, unit in UNITS.items()
        ]
    what = f"{APPOINTMENTS:,} appointments, {PATIENTS:,} people, SQLite; sealing alone = 1"
    return Result(name="import", what=what, figures=tuple(figures))


def _child(practice: Path, agenda: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "tests.bench.agenda_import", str(practice), str(agenda)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return {str(k): float(v) for k, v in json.loads(done.stdout).items()}


def _measure(practice: Path, agenda: Path) -> dict[str, float]:
    home = Installation.at(practice / FILE_NAME)
    half = APPOINTMENTS // 2
    sealing = _seal(home, half)
    first = _import(home, agenda, new=APPOINTMENTS)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sealing += _seal(home, half)
    again = _import(home, agenda, unchanged=APPOINTMENTS)
    return {
        "sealing alone": APPOINTMENTS / sealing,
        "all new": APPOINTMENTS / first,
        "all new, to sealing alone": sealing / first,
        "again, unchanged": APPOINTMENTS / again,
        "peak memory": memory,
    }


def _import(home: Installation, agenda: Path, **expected: int) -> float:
    began = time.perf_counter()
    counts = import_file(home, agenda, ImportOptions())
    took = time.perf_counter() - began
    found = {name: getattr(counts, name) for name in expected}
    assert found == expected, f"{found} instead of {expected}"
    return took


def _seal(home: Installation, number: int) -> float:
    """Seconds for ``number`` seals and signatures of details like those in the file."""
    keys = ImportKeys.load(home.import_dir)
    sealer = ImportSealer(keys)
    start = datetime(2030, 1, 7, 9, 0, tzinfo=UTC)
    detail = Detail(
        source="00000000-4f1c-4b0a-8c11-6e5d4c3b@cabinet.example",
        patient="P-00000",
        start=start,
        end=start + timedelta(minutes=15),
        zone="Europe/Paris",
        practitioner="Dr Hélène Noël",
        place="Cabinet, 12 rue des Tanneurs, salle 0",
        note="Apportez vos derniers résultats.",
    )
    recipients = [enrolled(keys) for _ in range(100)]
    appointment = AppointmentId("a-0000000000000000")
    began = time.perf_counter()
    for recipient in islice(cycle(recipients), number):
        sealer.seal(detail, appointment=appointment, recipient=recipient, revision=1)
    return time.perf_counter() - began


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_measure(Path(sys.argv[1]), Path(sys.argv[2]))))
