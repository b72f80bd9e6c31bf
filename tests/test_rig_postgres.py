"""The rig's PostgreSQL: a fresh database for every test."""

from __future__ import annotations

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

_URLS: list[str] = []


@pytest.mark.parametrize("turn", [1, 2])
def test_every_test_has_an_empty_database_of_its_own(postgres_url: str, turn: int) -> None:
    assert postgres_url.startswith("postgresql+psycopg://")
    assert postgres_url not in _URLS
    _URLS.append(postgres_url)
    engine = create_engine(postgres_url, poolclass=NullPool)
    with engine.begin() as connection:
        assert connection.scalar(text("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")) == 0
        connection.execute(text("CREATE TABLE kept (turn int)"))
        connection.execute(text("INSERT INTO kept VALUES (:turn)"), {"turn": turn})
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT turn FROM kept")) == turn
        rows = connection.execute(text("SELECT turn FROM kept FOR UPDATE SKIP LOCKED")).all()
        assert [row.turn for row in rows] == [turn]
