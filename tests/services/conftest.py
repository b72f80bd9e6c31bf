"""One practice a test; the contract suites run it over SQLite and over PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rig.postgres import RigPostgres
from tests.services.kit import Practice
from tests.storage.emptied import emptied, shared_database


@pytest.fixture
def practice(tmp_path: Path) -> Iterator[Practice]:
    made = Practice(tmp_path)
    yield made
    made.close()


@pytest.fixture(scope="session")
def shared_postgres(postgres_server: RigPostgres) -> Iterator[str]:
    with shared_database(postgres_server) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def anywhere(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Practice]:
    """A practice over each database that is supported."""
    url = emptied(request.getfixturevalue("shared_postgres")) if request.param == "postgresql" else ""
    made = Practice(tmp_path, database=url)
    yield made
    made.close()
