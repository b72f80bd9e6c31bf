"""A Bot API that only answers, in a process of its own: ``python -m tests.bench.telegram_stub LATENCY CHATS``.

It prints its address once it is ready. LATENCY in seconds is the way there and back.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tests.rig.bot_api import BotApi


@contextmanager
def stub_telegram(latency: float, chats: int) -> Iterator[str]:
    """Its address; it ends with the block."""
    command = [sys.executable, "-m", "tests.bench.telegram_stub", str(latency), str(chats)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            yield server.stdout.readline().strip()
        finally:
            server.terminate()


async def _serve(latency: float, chats: int) -> None:
    async with BotApi(latency=latency, chats=set(range(1, chats + 1))) as api:
        sys.stdout.write(f"{api.url}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(float(sys.argv[1]), int(sys.argv[2])))
