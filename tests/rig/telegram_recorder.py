"""What arrives at Telegram, as far as a sender of nudges can tell: a local server that takes them and answers late."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

LATENCY_SECONDS = 0.005


@dataclass
class TelegramRecorder:
    """``arrived`` are the transaction ids of the copies, which the real Telegram never sees, in order; ``chats`` where
    each went.
    """

    url: str = ""
    arrived: list[str] = field(default_factory=list)
    chats: list[int] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.Response:
        told = await request.json()
        self.arrived.append(told["txn"])
        self.chats.append(told["chat_id"])
        await asyncio.sleep(LATENCY_SECONDS)  # the way there and back, in which a sender may die
        return web.json_response({"ok": True, "result": {"message_id": len(self.arrived)}})


@asynccontextmanager
async def telegram_recorder() -> AsyncIterator[TelegramRecorder]:
    """One that runs until the block ends."""
    recorder = TelegramRecorder()
    app = web.Application()
    app.router.add_post("/sendMessage", recorder.take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    recorder.url = f"http://127.0.0.1:{runner.addresses[0][1]}/sendMessage"
    try:
        yield recorder
    finally:
        await runner.cleanup()
