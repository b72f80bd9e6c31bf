"""One practice and one bot a module; patients of their own for each test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack

import pytest

from tests.journey.practice import Practice
from tests.journey.talk import People
from tests.rig.homeserver import RigHomeserver


@pytest.fixture(scope="module")
def practice(
    request: pytest.FixtureRequest, homeserver: RigHomeserver, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Practice]:
    """A practice whose bot runs. A module's ``SETTINGS`` go into its ``pli.toml``.

    What the bot wrote to standard error is looked at in the end: constant lines, no traceback.
    """
    folder = tmp_path_factory.mktemp("practice") / "practice"
    made = Practice.make(folder, homeserver, getattr(request.module, "SETTINGS", {}))
    asyncio.run(made.start())
    try:
        yield made
    finally:
        made.kill()
    log = made.log.read_text(encoding="utf-8")
    assert "Traceback" not in log, log
    assert '"level": "ERROR"' not in log, log


@pytest.fixture
async def people(practice: Practice) -> AsyncIterator[People]:
    async with AsyncExitStack() as stack:
        yield People(practice=practice, stack=stack)
