"""One engine a process. SQLite: WAL, full sync, immediate transactions, deleted bytes overwritten.

Every transaction takes the write lock at its start, so that a read and the write that follows from it cannot be
separated by another process. Statements are never logged with their parameters.
"""

from __future__ import annotations

import sqlite3
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from bot.errors import StorageError, WrongUse

BUSY_SECONDS = 30
_LOCK = 0x706C69  # "pli"


def connect(url: str) -> Engine:
    """Engine for ``url``; raises :class:`WrongUse` for an address that SQLAlchemy cannot read."""
    try:
        if url.startswith("sqlite"):
            engine = create_engine(url, hide_parameters=True, connect_args={"timeout": BUSY_SECONDS})
            _prepare_sqlite(engine)
        else:
            engine = create_engine(url, hide_parameters=True, pool_pre_ping=True)
            _prepare_postgresql(engine)
    except (ArgumentError, ImportError):
        raise WrongUse(
            "the database address is not understood", mend="set [storage] database to a SQLAlchemy URL"
        ) from None
    return engine


def _prepare_sqlite(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def _pragmas(dbapi: Any, _record: object) -> None:  # noqa: ANN401 - the driver's own type
        dbapi.isolation_level = None  # transactions are begun below, not by the driver
        cursor = dbapi.cursor()
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "secure_delete=ON"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _immediate(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _prepare_postgresql(engine: Engine) -> None:
    @event.listens_for(engine, "begin")
    def _one_writer(connection: Connection) -> None:
        # The same order of things as under SQLite: transactions are short, and none is held across HTTP.
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{BUSY_SECONDS}s'")
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")


def truncate_wal(engine: Engine) -> bool:
    """Write SQLite's log back into the file and empty it, so that deleted bytes leave the log as well.

    False where somebody reads for so long that it could not be emptied.
    """
    if engine.dialect.name != "sqlite":
        return True
    busy = 1
    try:
        with engine.connect() as connection:
            raw = connection.connection.dbapi_connection
            if raw is not None:
                cursor = raw.cursor()
                busy = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
                cursor.close()
    except (
        SQLAlchemyError,
        sqlite3.Error,
    ) as error:  # the driver's own, as no statement of SQLAlchemy's runs here
        raise StorageError(f"the database does not answer ({type(error).__name__})") from None
    return not busy
