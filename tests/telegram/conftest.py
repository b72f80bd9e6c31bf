"""A Bot API and a line to it for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.rig.bot_api import BotApi
from tests.services.kit import Practice
from tests.telegram.kit import ANN, BEN, Wire, wired


@pytest.fixture
async def api() -> AsyncIterator[BotApi]:
    async with BotApi(chats={ANN.chat, BEN.chat}) as running:
        yield running


@pytest.fixture
async def wire(api: BotApi) -> AsyncIterator[Wire]:
    async with wired(api) as made:
        yield made


@pytest.fixture
def practice(tmp_path: Path) -> Iterator[Practice]:
    """A database of its own."""
    made = Practice(tmp_path)
    yield made
    made.close()
