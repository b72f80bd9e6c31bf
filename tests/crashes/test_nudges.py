"""P9: killed at every point of a delivery to a hundred people, the bot sends every nudge, and each once."""

from __future__ import annotations

import random
import secrets
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.crashes.crowd import PEOPLE, Crowd
from tests.journey.practice import Practice
from tests.rig.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

# Where in a delivery: the first pass of what happens once a batch, the middle of what happens for each.
POINTS = {
    "before-claim": 1,
    "after-claim": 1,
    "before-sharing": 1,
    "after-sharing": 1,
    "after-encrypt": PEOPLE // 2,
    "after-put": PEOPLE // 2,
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def crowd(practice: Practice) -> AsyncIterator[Crowd]:
    async with Crowd.gather(practice) as gathered:
        yield gathered
        practice.kill()


@pytest.mark.parametrize("point", POINTS)
async def test_killed_at_a_point_every_nudge_comes_once(crowd: Crowd, point: str, tmp_path: Path) -> None:
    practice, armed = crowd.practice, tmp_path / "armed"
    practice.spawn(program=("tests.rig.mortal", point, str(POINTS[point]), str(armed)))
    await practice.wait_ready()
    armed.touch()
    crowd.plan()
    assert await practice.died() == -signal.SIGKILL
    assert crowd.states().get("sent", 0) < len(crowd.slots) * PEOPLE, "something was left to be done"
    await practice.start()
    await crowd.delivered()
    crowd.recorded()
    await crowd.read_back()
    practice.kill()
