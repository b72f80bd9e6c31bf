"""Planning a million appointments, and planning one recipient anew among a million that are stored.

The first is the planner alone in a process of its own, all appointments and all that is planned held in memory; beside
it stand the draws alone: as many hashes, and the least of each three. The second is the service on an SQLite file, each
time under rules that move every nudge, the commit with it; beside it stand the same among a thousand, and a commit of
one value.
"""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from pathlib import Path
from zoneinfo import ZoneInfo

from bot.app import Installation
from bot.domain.appointment import Status
from bot.domain.choices import Level
from bot.domain.planning import Booked, Person, Planned, plan
from bot.domain.records import StoredAppointment, StoredEnvelope
from bot.domain.slots import NudgeRules
from bot.domain.values import AppointmentId, RecipientId, new_id
from bot.services.plan_nudges import plan_nudges
from config.settings import FILE_NAME
from tests.bench.figures import Figure, Result, quantile
from tests.bench.people import add_people
from tests.journey.practice import run_here

APPOINTMENTS, FEW, EACH = 1_000_000, 1_000, 4
MEASURED = 200  # recipients that are planned anew
RULES = NudgeRules(zone=ZoneInfo("Europe/Paris"), level=Level.DISCREET)
NOW = datetime(2030, 1, 7, 9, 0, tzinfo=UTC)
DAYS = 90


def bench(folder: Path, runs: int) -> Result:
    """See the module."""
    planned = [_child("plan") for _ in range(runs)]
    many = _stored(folder / "many", APPOINTMENTS, runs)
    few = _stored(folder / "few", FEW, runs)

    def each(name: str, unit: str, values: Sequence[float], goal: str = "") -> Figure:
        return Figure(name=name, unit=unit, runs=tuple(values), goal=goal)

    ratio = [run["planned"] / run["drawn"] for run in planned]
    figures = [
        each("planning", "appointments/s", [run["planned"] for run in planned]),
        each("planning, to the draws alone", "ratio", ratio, "draws alone = 1"),
        each("planning: peak memory", "MiB", [run["peak memory"] for run in planned]),
        each("of it what is planned from and to", "MiB", [run["held"] for run in planned]),
        each("one recipient anew: median", "ms", [run["median"] for run in many]),
        each("one recipient anew: 95 of 100", "ms", [run["95"] for run in many]),
        each(
            f"the same, to {FEW:,} stored",
            "ratio",
            [a["median"] / b["median"] for a, b in zip(many, few, strict=True)],
        ),
        each(
            "the same, to a commit of one value",
            "ratio",
            [run["median"] / run["commit"] for run in many],
            "commit = 1",
        ),
    ]
    what = f"{APPOINTMENTS:,} appointments, {EACH} a recipient; SQLite"
    return Result(name="planning", what=what, figures=tuple(figures))


# -- the planner alone -------------------------------------------------------------------------------------------


def _child(what: str) -> dict[str, float]:
    command = [sys.executable, "-m", "tests.bench.planning", what]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return {str(k): float(v) for k, v in json.loads(done.stdout).items()}


def _plan() -> dict[str, float]:
    base = _peak()
    people = [
        (
            Person(id=RecipientId(f"r-{who:016}")),
            tuple(
                Booked(
                    id=AppointmentId(f"a-{who:014}{n}"), until=NOW + timedelta(days=1 + (who + 7 * n) % DAYS)
                )
                for n in range(EACH)
            ),
        )
        for who in range(APPOINTMENTS // EACH)
    ]
    began = time.perf_counter()
    planned: list[Planned] = []
    for person, booked in people:
        planned += plan(RULES, person, booked, NOW).nudges
    took = time.perf_counter() - began
    assert len(planned) > APPOINTMENTS * 0.9
    peak = _peak()
    began = time.perf_counter()
    least = 0
    for _, booked in people:
        for it in booked:
            least += min(
                blake2b(f"{it.id}/1/{it.id}/1/{n}".encode(), digest_size=16).digest() for n in range(3)
            )[0]
    drawn = time.perf_counter() - began
    assert least
    return {
        "planned": APPOINTMENTS / took,
        "drawn": APPOINTMENTS / drawn,
        "peak memory": peak,
        "held": peak - base,
    }


def _peak() -> float:
    """MiB, of this program alone."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


# -- one among many that are stored ------------------------------------------------------------------------------


def _stored(folder: Path, number: int, runs: int) -> list[dict[str, float]]:
    made = run_here("init", str(folder))
    assert made.code == 0, made.err
    home = Installation.at(folder / FILE_NAME)
    chosen = _real(home)
    home.engine.dispose()
    _others(folder / "data" / "pli.db", number - MEASURED * EACH)
    home = Installation.at(folder / FILE_NAME)
    found = [_replan(home, chosen) for _ in range(runs)]
    home.engine.dispose()
    return found


def _real(home: Installation) -> list[RecipientId]:
    """Recipients whose appointments the service can read."""
    recipients = add_people(home, [f"P-{n}" for n in range(MEASURED)])
    now = home.clock.now()
    with home.uow() as uow:
        for recipient in recipients:
            (patient,) = uow.patients.patients_of(recipient.id)
            rows = [
                StoredAppointment(
                    id=AppointmentId(new_id("a")),
                    patient=patient,
                    source_index=new_id("s"),
                    pair_index="",
                    day_tag=new_id("d"),
                    digest="",
                    when_digest="",
                    sequence=0,
                    modified=None,
                    status=Status.BOOKED,
                    revision=1,
                    time_revision=1,
                    change=1,
                    past_after=now + timedelta(days=12 * n + 8),
                    tell_until=now + timedelta(days=12 * n + 7),
                )
                for n in range(EACH)
            ]
            uow.appointments.add(rows)
            uow.envelopes.put(
                StoredEnvelope(
                    appointment=row.id, recipient=recipient.id, key_id=recipient.key_id, revision=1, blob=b"-"
                )
                for row in rows
            )
        uow.commit()
    return [recipient.id for recipient in recipients]


def _others(file: Path, number: int) -> None:
    """Rows like the first, which nobody opens: recipients with appointments, envelopes, reminders and nudges."""
    copies = (
        ("recipient", "id", f"n % {EACH} = 0", {"id": f"'r-' || (n / {EACH})"}),
        ("patient", "id", f"n % {EACH} = 0", {"id": f"'p-' || (n / {EACH})", "reference_idx": "'i' || n"}),
        (
            "appointment",
            "id",
            "1",
            {
                "id": "'a-' || n",
                "patient": f"'p-' || (n / {EACH})",
                "source_idx": "'s' || n",
                "day_tag": "'d' || n % 90",
            },
        ),
        (
            "envelope",
            "appointment",
            "1",
            {"appointment": "'a-' || n", "recipient": f"'r-' || (n / {EACH})"},
        ),
    )  # fmt: skip
    counted = f"SELECT 0 UNION ALL SELECT n + 1 FROM many WHERE n < {number - 1}"  # noqa: S608 - a number
    numbers = f"WITH RECURSIVE many(n) AS ({counted})"
    with closing(sqlite3.connect(file)) as db:
        db.execute("PRAGMA synchronous = OFF")
        for table, key, condition, values in copies:
            names = [row[1] for row in db.execute(f"PRAGMA table_info({table})")]
            chosen = ", ".join(values.get(name, f'first."{name}"') for name in names)
            quoted = ", ".join(f'"{name}"' for name in names)
            db.execute(
                f"INSERT INTO {table} ({quoted}) {numbers} SELECT {chosen} FROM many,"  # noqa: S608 - our own names
                f" (SELECT * FROM {table} ORDER BY {key} LIMIT 1) AS first WHERE {condition}"
            )
        slot = "strftime('%Y-%m-%dT18:00:00.000000Z', 'now', '+' || (1 + n % 90) || ' days')"
        db.execute(
            "INSERT INTO reminder (appointment, recipient, kind, slot, useful_until, lead)"  # noqa: S608 - as above
            f" {numbers} SELECT 'a-' || n, 'r-' || (n / {EACH}), 'remind', {slot}, {slot}, 1 FROM many"
        )
        db.execute(
            "INSERT INTO outbox (kind, state, txn, due, room, recipient, template, params, slot, useful_until,"  # noqa: S608 - as above
            f" redact_after, rotate, attempts, claimed_by) {numbers} SELECT 'nudge', 'queued', 't' || n, {slot}, '',"
            f" 'r-' || (n / {EACH}), '', '{{}}', {slot}, {slot}, 0, 0, 0, '' FROM many WHERE true"
            " ON CONFLICT DO NOTHING"
        )
        db.commit()


def _replan(home: Installation, chosen: Sequence[RecipientId]) -> dict[str, float]:
    """Milliseconds each."""
    now = home.clock.now()
    both = [
        replace(RULES, days_before=(1,), level=Level.PLAIN),
        replace(RULES, days_before=(3,), level=Level.PLAIN),
    ]
    times = []
    for rules in both:
        for recipient in chosen:
            began = time.perf_counter()
            with home.uow() as uow:
                new = plan_nudges(uow, [recipient], now, rules)
                uow.commit()
            times.append((time.perf_counter() - began) * 1000)
            assert new == EACH, "every nudge moved"
    commits = [*_commits(home, len(chosen))]
    return {"median": quantile(times, 0.5), "95": quantile(times, 0.95), "commit": quantile(commits, 0.5)}


def _commits(home: Installation, number: int) -> Iterator[float]:
    for n in range(number):
        began = time.perf_counter()
        with home.uow() as uow:
            uow.meta.set("bench", str(n))
            uow.commit()
        yield (time.perf_counter() - began) * 1000


if __name__ == "__main__":
    assert sys.argv[1:] == ["plan"]
    sys.stdout.write(json.dumps(_plan()))
