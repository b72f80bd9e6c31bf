"""One practice with two people, backed up; tests that only read share it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.safekeeping.scene import Scene


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    made = Scene(tmp_path / "practice")
    yield made
    made.bot.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def anywhere(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Scene]:
    """A practice over each database that is supported."""
    url = request.getfixturevalue("postgres_url") if request.param == "postgresql" else ""
    made = Scene(tmp_path / "practice", database=url)
    yield made
    made.bot.close()
