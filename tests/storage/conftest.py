"""A database of each kind that is supported, with its columns, vault and audit chain."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rig.postgres import RigPostgres
from tests.storage.emptied import emptied, shared_database
from tests.storage.store import Store


@pytest.fixture(scope="session")
def shared_postgres(postgres_server: RigPostgres) -> Iterator[str]:
    with shared_database(postgres_server) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def store(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Store]:
    url = emptied(request.getfixturevalue("shared_postgres")) if request.param == "postgresql" else ""
    made = Store(tmp_path, url)
    yield made
    made.engine.dispose()


@pytest.fixture
def sqlite_store(tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path)
    yield made
    made.engine.dispose()
