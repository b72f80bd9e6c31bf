"""One practice and one running bot for all tests that need no other settings; patients of their own for each."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack

import pytest

from tests.journey.practice import Practice, running_practice
from tests.journey.talk import People
from tests.rig.homeserver import RigHomeserver


@pytest.fixture(scope="session")
def practice(homeserver: RigHomeserver, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Practice]:
    """Modules that need other settings, or stop the bot, have a fixture of this name of their own."""
    with running_practice(tmp_path_factory.mktemp("shared") / "practice", homeserver, cheap=True) as made:
        yield made


@pytest.fixture
async def people(practice: Practice) -> AsyncIterator[People]:
    """Makes patients of the practice; their clients end with the test."""
    async with AsyncExitStack() as stack:
        yield People(practice=practice, stack=stack)
