"""One consistent look at a database while others write to it, and its tables as rows.

1. SQLite: the read transaction is begun by :meth:`Snapshot.fix`, and :meth:`Snapshot.copy` lets SQLite's own backup
   write a file of that state beside the practice's other files. The rows are then read from the copy at leisure: a long
   read transaction on the database itself would keep its log from being emptied, and writers waiting meanwhile.
2. PostgreSQL: one REPEATABLE READ, read-only transaction, held as long as the rows are read. It waits for nobody.
3. Rows are read and written by the columns that are there, in the form in which they are stored; memory is bounded.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, Engine, MetaData, Table, create_engine, func, insert, select, text
from sqlalchemy.exc import SQLAlchemyError

from bot.errors import Refused, StorageError
from storage.engine import BUSY_SECONDS
from storage.pack import Cell, table_lines

_BATCH: Final = 500
_REVISIONS: Final = "alembic_version"


class Snapshot:
    """Use in this order: :meth:`fix`, :meth:`copy`, :attr:`connection`; then :meth:`close`."""

    def __init__(self, engine: Engine, work: Path) -> None:
        """``work`` is a private folder for SQLite's copy."""
        self._url, self._work = engine.url, work
        self._is_sqlite = engine.dialect.name == "sqlite"
        self._source: sqlite3.Connection | None = None
        self._engine: Engine | None = None
        self._connection: Connection | None = None

    @property
    def connection(self) -> Connection:
        if self._connection is None:
            raise StorageError("the snapshot was not taken")
        return self._connection

    def fix(self) -> None:
        """From here on later writes are not seen. Raises :class:`StorageError`."""
        try:
            if self._is_sqlite:
                file = Path(str(self._url.database)).absolute().as_uri()
                source = sqlite3.connect(
                    f"{file}?mode=rw", uri=True, timeout=BUSY_SECONDS, isolation_level=None
                )
                self._source = source
                source.execute("PRAGMA query_only = ON")
                source.execute("BEGIN")
                source.execute("SELECT count(*) FROM sqlite_schema").fetchone()
            else:
                self._open(create_engine(self._url, hide_parameters=True, isolation_level="REPEATABLE READ"))
                self.connection.execute(text("SET TRANSACTION READ ONLY"))
                self.connection.execute(text("SELECT 1"))
        except (SQLAlchemyError, sqlite3.Error) as error:
            raise StorageError(f"the database does not answer ({type(error).__name__})") from None

    def copy(self) -> None:
        """Rule 1. Raises :class:`StorageError`."""
        if self._source is None:
            return
        file = self._work / "snapshot.db"
        try:
            os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
            with closing(sqlite3.connect(file)) as to:
                self._source.backup(to)
                to.execute("PRAGMA journal_mode = DELETE")
            self._source.close()
            self._source = None
            engine = create_engine(f"sqlite:///{file}", hide_parameters=True)
            self._open(engine)
        except (OSError, SQLAlchemyError, sqlite3.Error) as error:
            raise StorageError(
                f"the database cannot be copied ({type(error).__name__})", mend="is there room on the disk?"
            ) from None

    def _open(self, engine: Engine) -> None:
        self._engine, self._connection = engine, engine.connect()

    def close(self) -> None:
        if self._source is not None:
            self._source.close()
        if self._connection is not None:
            self._connection.close()
        if self._engine is not None:
            self._engine.dispose()


def schema_of(connection: Connection) -> str:
    """The revision of the schema. Raises :class:`Refused` where there is none."""
    found = MigrationContext.configure(connection).get_current_revision()
    if found is None:
        raise Refused("the database is empty", mend="run: pli upgrade")
    return found


def tables_of(connection: Connection) -> Sequence[Table]:
    """The tables that are there, those that others refer to first; the schema's own is left out."""
    metadata = MetaData()
    metadata.reflect(connection)
    return [table for table in metadata.sorted_tables if table.name != _REVISIONS]


def pack_tables(connection: Connection, counts: dict[str, int]) -> Iterator[bytes]:
    """Every table as lines; how many rows each had goes into ``counts``. Raises :class:`StorageError`."""
    try:
        for table in tables_of(connection):
            yield from table_lines(
                "table", table.name, table.columns.keys(), _rows(connection, table, counts)
            )
    except SQLAlchemyError as error:
        raise StorageError(f"the database cannot be read ({type(error).__name__})") from None


def _rows(connection: Connection, table: Table, counts: dict[str, int]) -> Iterator[Sequence[Cell]]:
    counts[table.name] = 0
    query = select(table).order_by(*table.primary_key.columns).execution_options(yield_per=_BATCH)
    for row in connection.execute(query):
        counts[table.name] += 1
        yield tuple(row)


def table_of(connection: Connection, name: str) -> Table:
    """One that is there, without those that it refers to."""
    return Table(name, MetaData(), autoload_with=connection, resolve_fks=False)


def count_rows(connection: Connection, tables: Iterable[Table]) -> dict[str, int]:
    """How many rows each of ``tables`` has."""
    return {
        table.name: int(connection.execute(select(func.count()).select_from(table)).scalar_one())
        for table in tables
    }


class Filling:
    """Puts rows into a database of the same schema, in the caller's transaction."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection
        self._known = {table.name: table for table in tables_of(connection)}
        self._table: Table | None = None
        self._columns: Sequence[str] = ()
        self._waiting: list[dict[str, Any]] = []

    @property
    def tables(self) -> Iterable[Table]:
        return self._known.values()

    def table(self, name: str, columns: Sequence[str]) -> None:
        """Raises :class:`Refused` for a table or column that this schema has not."""
        self.flush()
        table = self._known.get(name)
        if table is None or set(columns) != set(table.columns.keys()):
            raise Refused("the backup's tables are not those of its schema", mend="take another copy of it")
        self._table, self._columns = table, columns

    def row(self, cells: Sequence[Cell]) -> None:
        if self._table is None or len(cells) != len(self._columns):
            raise Refused("the backup's rows do not fit their table", mend="take another copy of it")
        self._waiting.append(dict(zip(self._columns, cells, strict=True)))
        if len(self._waiting) >= _BATCH:
            self.flush()

    def flush(self) -> None:
        if self._waiting and self._table is not None:
            self._db.execute(insert(self._table), self._waiting)
        self._waiting = []

    def end(self) -> None:
        """PostgreSQL gives the numbers of rows by sequences of its own: they go on behind what is there."""
        self.flush()
        if self._db.dialect.name != "postgresql":
            return
        for table in self._known.values():
            for column in table.primary_key.columns:
                name = self._db.execute(
                    select(func.pg_get_serial_sequence(f'"{table.name}"', column.name))
                ).scalar_one()
                if name is not None:
                    highest = select(func.coalesce(func.max(column), 0) + 1).scalar_subquery()
                    self._db.execute(select(func.setval(name, highest, False)))  # noqa: FBT003 - setval's own argument


def differing(found: Mapping[str, int], wanted: Mapping[str, int]) -> list[str]:
    """Names of tables whose numbers of rows are not the same; a table that one of the two lacks counts as empty."""
    return sorted(name for name in {*found, *wanted} if found.get(name, 0) != wanted.get(name, 0))
