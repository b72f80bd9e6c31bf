"""What the homeserver alone can do: PUTs of an event of the bot's one size, without any encryption."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Sequence
from urllib.parse import quote

import aiohttp

from bot.channels.matrix.olm import MEGOLM
from bot.channels.matrix.wire import WIRE_CHARACTERS
from tests.bench.phones import Json, call

AT_ONCE = 32


def content() -> Json:
    """As long as what the bot sends, and read by nobody."""
    return {
        "algorithm": MEGOLM,
        "sender_key": "A" * 43,
        "ciphertext": secrets.token_urlsafe(WIRE_CHARACTERS)[:WIRE_CHARACTERS],
        "session_id": secrets.token_urlsafe(32),
        "device_id": "ABCDEFGHIJ",
    }


async def put(http: aiohttp.ClientSession, url: str, token: str, room: str) -> None:
    """One event."""
    path = f"rooms/{quote(room, safe='')}/send/m.room.encrypted/{secrets.token_hex(12)}"
    await call(http, "PUT", f"{url}/_matrix/client/v3/{path}", token, content())


async def puts(
    http: aiohttp.ClientSession, url: str, token: str, rooms: Sequence[str], *, at_once: int = AT_ONCE
) -> float:
    """Seconds for one event into each of ``rooms``."""
    gate = asyncio.Semaphore(at_once)

    async def one(room: str) -> None:
        async with gate:
            await put(http, url, token, room)

    began = time.perf_counter()
    await asyncio.gather(*(one(room) for room in rooms))
    return time.perf_counter() - began
