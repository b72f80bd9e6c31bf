"""A homeserver that may be killed and comes back at its own address, and a practice on it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack

import pytest

from bot.homeserver.embedded import EmbeddedHomeserver
from bot.homeserver.settings import ServerOptions
from tests.journey.practice import Practice, free_port, judge_log
from tests.journey.talk import People
from tests.rig.homeserver import RigHomeserver

# After an outage the pauses between tries may have grown.
LOST_SECONDS = 120.0


@pytest.fixture(scope="package")
def mortal_homeserver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RigHomeserver]:
    """Of these tests alone: it is killed, frozen, and started again."""
    folder = tmp_path_factory.mktemp("mortal-homeserver")
    options = ServerOptions(generous_limits=True)
    with EmbeddedHomeserver(folder, port=free_port(), options=options) as embedded:
        yield RigHomeserver(
            url=embedded.url, server_name=embedded.server_name, folder=folder, embedded=embedded
        )


@pytest.fixture(scope="package")
def practice(
    mortal_homeserver: RigHomeserver, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Practice]:
    """Its bot is started by each test, and does not run in between."""
    made = Practice.make(tmp_path_factory.mktemp("mortal") / "practice", mortal_homeserver, cheap=True)
    try:
        yield made
    finally:
        made.kill()
    judge_log(made.log.read_text(encoding="utf-8"), errors=True)


@pytest.fixture
async def people(practice: Practice) -> AsyncIterator[People]:
    """Makes patients of the practice; their clients end with the test."""
    async with AsyncExitStack() as stack:
        yield People(practice=practice, stack=stack)


@pytest.fixture(autouse=True)
def put_in_order(request: pytest.FixtureRequest) -> Iterator[None]:
    """Whatever a test left: the bot is ended, and the homeserver runs."""
    yield
    if "practice" in request.fixturenames:
        made: Practice = request.getfixturevalue("practice")
        made.kill()
        made.homeserver.embedded.start()
