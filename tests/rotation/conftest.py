"""A practice with people in every state in which a key of theirs is used."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rig.postgres import RigPostgres
from tests.services.kit import Practice
from tests.storage.emptied import emptied, shared_database


@pytest.fixture(scope="session")
def shared_postgres(postgres_server: RigPostgres) -> Iterator[str]:
    with shared_database(postgres_server) as url:
        yield url


@pytest.fixture
def practice(tmp_path: Path) -> Iterator[Practice]:
    made = Practice(tmp_path)
    yield made
    made.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def anywhere(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Practice]:
    url = emptied(request.getfixturevalue("shared_postgres")) if request.param == "postgresql" else ""
    made = Practice(tmp_path, url)
    yield made
    made.close()
