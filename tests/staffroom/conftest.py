"""A practice whose bot has the tests' own desk."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.journey.practice import Practice, judge_log
from tests.rig.homeserver import RigHomeserver
from tests.staffroom.desk import FileDesk
from tests.staffroom.seat import Staff


@pytest.fixture
async def staff(homeserver: RigHomeserver, tmp_path: Path) -> AsyncIterator[Staff]:
    """Running, and nobody is a member. What the bot wrote is judged in the end."""
    desk = FileDesk(folder=tmp_path / "desk")
    desk.folder.mkdir()
    values = {("staff", "morning"): "23:59", ("practice", "language"): "fr"}
    practice = await asyncio.to_thread(Practice.make, tmp_path / "practice", homeserver, values)
    async with AsyncExitStack() as stack:
        made = Staff(practice=practice, desk=desk, stack=stack)
        try:
            await made.start()
            yield made
        finally:
            practice.kill()
    judge_log(practice.log.read_text(encoding="utf-8"), errors=False)
