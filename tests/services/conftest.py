"""One practice a test; the contract suites run it over SQLite and over PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services.kit import Practice


@pytest.fixture
def practice(tmp_path: Path) -> Iterator[Practice]:
    made = Practice(tmp_path)
    yield made
    made.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def anywhere(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Practice]:
    """A practice over each database that is supported."""
    url = request.getfixturevalue("postgres_url") if request.param == "postgresql" else ""
    made = Practice(tmp_path, database=url)
    yield made
    made.close()
