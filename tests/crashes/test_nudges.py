"""P9: killed at every point of a delivery to a hundred people, the bot sends every nudge, and each once."""

from __future__ import annotations

import asyncio
import random
import secrets
import signal
import time
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


async def test_killed_at_each_point_every_nudge_comes_once(crowd: Crowd, tmp_path: Path) -> None:
    """One delivery, and whoever begins it again dies at the next point: nothing is settled before the last."""
    practice, armed = crowd.practice, tmp_path / "armed"
    armed.touch()
    crowd.plan()
    for point, nth in POINTS.items():
        practice.spawn(program=("tests.rig.mortal", point, str(nth), str(armed)))
        assert await practice.died() == -signal.SIGKILL
        assert crowd.left() == PEOPLE
        assert crowd.claimed() == (0 if point == "before-claim" else PEOPLE)
        crowd.recorded(point, finished=False)
    assert crowd.arrived() >= POINTS["after-put"]
    await practice.start()
    await crowd.delivered("all points")
    await crowd.read_back()


async def test_killed_at_ten_random_moments_every_nudge_comes_once(crowd: Crowd) -> None:
    await random_kills(crowd, 10)


@pytest.mark.nightly
async def test_killed_at_two_hundred_random_moments_every_nudge_comes_once(crowd: Crowd) -> None:
    await random_kills(crowd, 200)


async def random_kills(crowd: Crowd, count: int) -> None:
    """Each is drawn from the time in which an undisturbed delivery starts, recovers and is done."""
    practice, seed = crowd.practice, secrets.randbits(32)
    draw = random.Random(seed)  # noqa: S311 - moments, not secrets
    crowd.plan()
    began = await _spawn(practice)
    await crowd.delivered("nothing", every=0.02)
    whole = time.monotonic() - began
    practice.kill()
    unfinished = 0
    for number in range(count):
        if not crowd.left():
            crowd.plan()
        await _spawn(practice)
        await asyncio.sleep(draw.uniform(0, whole))  # the moment itself, not a wait for something
        practice.kill()
        unfinished += bool(crowd.left())
        crowd.recorded(f"{number} of seed {seed}", finished=False)
    assert unfinished, f"seed {seed}: no kill hit a delivery"
    await practice.start()
    await crowd.delivered(f"the last of seed {seed}")
    await crowd.read_back()


async def _spawn(practice: Practice) -> float:
    """The bot, from when it has its device and its stores; that moment."""
    practice.spawn()

    async def answers() -> bool:
        return await asyncio.to_thread(practice.ready) is not None

    await until(answers, "the bot's health page", seconds=60, every=0.02)
    return time.monotonic()


async def test_the_homeserver_is_killed_in_a_delivery(crowd: Crowd) -> None:
    practice, homeserver = crowd.practice, crowd.practice.homeserver
    await practice.start()
    before = crowd.arrived()
    crowd.plan()

    async def begun() -> bool:
        return crowd.arrived() > before

    await until(begun, "the first nudge at the homeserver", every=0.01)
    homeserver.kill()
    assert crowd.left(), "the delivery was over already"
    await practice.wait_ready(ready=False)
    homeserver.embedded.start()
    await practice.wait_ready()
    await crowd.delivered("the homeserver's death")
    await crowd.read_back()
