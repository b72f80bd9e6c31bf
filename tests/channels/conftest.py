"""A bot of its own for each test, and patients moved by hand."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.channels.bot_rig import Bot, new_bot
from tests.channels.hand import Hand
from tests.rig.homeserver import RigHomeserver

NewHand = Callable[[], Awaitable[Hand]]


@pytest.fixture
async def bot(homeserver: RigHomeserver, tmp_path: Path) -> Bot:
    return await new_bot(homeserver, tmp_path / "bot")


@pytest.fixture
async def new_hand(homeserver: RigHomeserver, tmp_path: Path) -> AsyncIterator[NewHand]:
    """Makes an account with a device that does nothing by itself."""
    async with AsyncExitStack() as stack:

        async def make() -> Hand:
            hand = await Hand.start(homeserver, tmp_path / secrets.token_hex(4))
            stack.push_async_callback(hand.close)
            return hand

        yield make
