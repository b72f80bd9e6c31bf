"""One practice and one running bot for all of these tests; each module has a patient of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from tests.abuse.scene import Scene, new_scene
from tests.journey.practice import Practice, running_practice
from tests.rig.homeserver import RigHomeserver


@pytest.fixture(scope="session")
def practice(homeserver: RigHomeserver, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Practice]:
    """No error may be logged, whatever anybody sends: see ``judge_log``."""
    with running_practice(tmp_path_factory.mktemp("abuse") / "practice", homeserver) as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(practice: Practice, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    async with new_scene(practice, tmp_path_factory.mktemp("attackers")) as made:
        yield made
