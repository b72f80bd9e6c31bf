"""One practice behind a hostile homeserver for all of these tests: it is not quick to make."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace

import pytest
import pytest_asyncio

from tests.channels.proxy import Proxy
from tests.hostile.server import Hostile
from tests.hostile.world import World
from tests.journey.practice import Practice, judge_log
from tests.journey.talk import People
from tests.rig.homeserver import RigHomeserver


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def shared(homeserver: RigHomeserver, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """The bot knows the proxy's address only; the patients speak to the real homeserver."""
    folder = tmp_path_factory.mktemp("hostile") / "practice"
    async with AsyncExitStack() as stack:
        proxy = await stack.enter_async_context(Proxy(homeserver.url))
        hostile = Hostile(proxy)
        lied_to = replace(homeserver, url=proxy.url)
        practice = await asyncio.to_thread(Practice.make, folder, lied_to, cheap=True)
        practice.homeserver = homeserver
        stack.callback(practice.kill)
        await practice.start()
        people = People(practice=practice, stack=stack)
        made = World(practice=practice, hostile=hostile, people=people, stack=stack)
        await made.fill()
        yield made
    judge_log(practice.log.read_text(encoding="utf-8"), errors=True)


@pytest_asyncio.fixture(loop_scope="package")
async def world(shared: World) -> AsyncIterator[World]:
    """Honest again after each test, and nothing private was read by anybody it should not be."""
    await shared.calm()
    yield shared
    shared.hostile.honest()
    shared.check_readable(*shared.attackers, *(ghost.keys for ghost in shared.hostile.ghosts))
