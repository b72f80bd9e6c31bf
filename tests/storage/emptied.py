"""One PostgreSQL database for many tests: migrated once, emptied for each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import text

from storage import tables as t
from storage.engine import connect
from storage.schema import migrate
from tests.rig.postgres import RigPostgres


@contextmanager
def shared_database(server: RigPostgres) -> Iterator[str]:
    with server.fresh_database() as url:
        engine = connect(url)
        migrate(engine)
        engine.dispose()
        yield url


def emptied(url: str) -> str:
    """``url``, its tables empty and their counters at the start."""
    engine = connect(url)
    names = ", ".join(table.name for table in t.metadata.sorted_tables)
    with engine.begin() as db:
        db.execute(text(f"TRUNCATE {names} RESTART IDENTITY CASCADE"))
    engine.dispose()
    return url
