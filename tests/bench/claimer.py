"""One claimer of :mod:`tests.bench.claims`: ``python -m tests.bench.claimer URL HOW``.

Says "ready", begins at a line on its standard input, and prints which rows it had, from when to when.
"""

from __future__ import annotations

import json
import sys
import time
from datetime import UTC, datetime

from sqlalchemy import Engine, create_engine

from bot.domain.records import OutboxKind
from bot.domain.values import EventId
from storage.engine import connect
from storage.outbox import OutboxRows

BATCH = 20
NOW = datetime(2026, 9, 1, 18, 0, tzinfo=UTC)
ONE_WRITER, SKIP_LOCKED = "one-writer", "skip-locked"


def _engine(url: str, how: str) -> Engine:
    return connect(url) if how == ONE_WRITER else create_engine(url, hide_parameters=True)


def _claim(url: str, how: str) -> None:
    engine = _engine(url, how)
    with engine.connect():
        pass
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    begin, mine = time.monotonic(), []
    while True:
        with engine.begin() as db:
            rows = OutboxRows(db).claim(now=NOW, device="D", kinds=(OutboxKind.NUDGE,), limit=BATCH)
        if not rows:
            break
        mine += [row.id for row in rows]
        with engine.begin() as db:
            OutboxRows(db).sent({row.id: EventId("$e") for row in rows}, now=NOW)
    sys.stdout.write(json.dumps({"rows": mine, "begin": begin, "end": time.monotonic()}))


if __name__ == "__main__":
    _claim(sys.argv[1], sys.argv[2])
