"""A bot of its own for each test, and patients moved by hand."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from bot.domain.values import SecretBytes
from tests.channels.bot_rig import Bot, new_bot
from tests.channels.hand import Hand
from tests.channels.pair import PEER, Pair, device_of, new_machine
from tests.channels.proxy import Proxy
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


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    key = SecretBytes(secrets.token_bytes(32))
    bot = new_machine("@bot:pli.localhost", tmp_path / "bot", key)
    peer = new_machine(PEER, tmp_path / "peer")
    one_time, _ = bot.prepare_one_time_keys(5, fallback=False)
    assert peer.start_session(device_of(bot), next(iter(one_time.values()))["key"])
    pair = Pair(bot, peer, tmp_path / "bot", key)
    yield pair
    pair.bot.close()
    peer.close()


@pytest.fixture
async def proxy(homeserver: RigHomeserver) -> AsyncIterator[Proxy]:
    """A homeserver that lies, fails or stalls, before the real one."""
    async with Proxy(homeserver.url) as running:
        yield running
