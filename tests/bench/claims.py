"""The claim loop: rows claimed and settled by 1, 2 and 4 processes at once, and none of them twice.

The transactions are the bot's: on SQLite one writer (``BEGIN IMMEDIATE``), on PostgreSQL one as well (an advisory lock)
and ``FOR UPDATE SKIP LOCKED``. Beside it, PostgreSQL with ``SKIP LOCKED`` alone: what the one lock costs. A claimer
takes twenty rows in one transaction and settles them as sent in another.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from sqlalchemy import delete, func, insert, select

from bot.domain.records import OutboxState
from bot.domain.values import RecipientId
from storage import tables as t
from storage.engine import connect
from storage.outbox import OutboxRows
from storage.schema import migrate
from tests.bench.claimer import BATCH, NOW, ONE_WRITER, SKIP_LOCKED
from tests.bench.figures import Figure, Result
from tests.rig.postgres import running_postgres

ROWS = 8_000
CLAIMERS = (1, 2, 4)


def bench(folder: Path, runs: int) -> Result:
    """See the module."""
    figures = []
    with _databases(folder) as databases:
        for name, url, how in databases:
            _people(url)
            for claimers in CLAIMERS:
                rates = tuple(_measure(url, how, claimers) for _ in range(runs))
                who = f"{claimers} claimer{'s' if claimers > 1 else ''}"
                figures.append(Figure(name=f"{name}, {who}", unit="rows/s", runs=rates))
    what = f"{ROWS:,} nudges claimed by {BATCH} and settled, none of them twice"
    return Result(name="claims", what=what, figures=tuple(figures))


@contextmanager
def _databases(folder: Path) -> Iterator[list[tuple[str, str, str]]]:
    """Name, address, and which transactions."""
    with running_postgres() as server, server.fresh_database() as url:
        migrate(connect(url))
        sqlite = f"sqlite:///{folder / 'pli.db'}"
        migrate(connect(sqlite))
        yield [
            ("SQLite", sqlite, ONE_WRITER),
            ("PostgreSQL", url, ONE_WRITER),
            ("PostgreSQL, SKIP LOCKED alone", url, SKIP_LOCKED),
        ]


def _people(url: str) -> None:
    engine = connect(url)
    values = {
        "language": "fr",
        "state": "enrolled",
        "key_id": "",
        "public_key": b"",
        "signature": b"",
        "salt": b"",
        "wrap": b"",
        "generation": 1,
        "reminders_on": True,
        "changes_on": True,
        "consent_version": "",
    }
    with engine.begin() as db:
        db.execute(delete(t.recipient))
        db.execute(insert(t.recipient), [{"id": f"r-{n}", **values} for n in range(ROWS)])
    engine.dispose()


def _measure(url: str, how: str, claimers: int) -> float:
    """Rows a second, from the first claim of anybody to the last settling."""
    engine = connect(url)
    with engine.begin() as db:
        db.execute(delete(t.outbox))
        until = {(RecipientId(f"r-{n}"), NOW): NOW + timedelta(hours=6) for n in range(ROWS)}
        OutboxRows(db).add_nudges(until)
    command = [sys.executable, "-m", "tests.bench.claimer", url, how]
    started = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(claimers)
    ]
    for process in started:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in started:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    told = [json.loads(process.communicate()[0]) for process in started]
    claimed = [row for each in told for row in each["rows"]]
    assert len(claimed) == len(set(claimed)) == ROWS, "a row was claimed twice, or not at all"
    with engine.begin() as db:
        sent = select(func.count()).where(t.outbox.c.state == OutboxState.SENT.value)
        assert db.execute(sent).scalar_one() == ROWS
    engine.dispose()
    began, ended = min(float(each["begin"]) for each in told), max(float(each["end"]) for each in told)
    return ROWS / (ended - began)
