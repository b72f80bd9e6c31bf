"""Updates that Telegram brings, to a port of this machine behind the practice's proxy.

1. Only who knows the secret is heard; it is compared in constant time, before the body is read.
2. It is answered when it was handled; where the storage refuses with 503, and Telegram brings it again.
3. What cannot be read is answered 200: else it would be brought again and again, and hold up the rest.
4. One connection: updates come in their order.
5. Somebody else's webhook, or a program that polls, is told of; ours is set again once a minute.
"""

from __future__ import annotations

import asyncio
import hmac
import json
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web

from bot.channels.telegram.faults import Fault
from bot.channels.telegram.health import Health
from bot.channels.telegram.line import Line
from bot.channels.telegram.listening import Intake, Pause, Rests
from bot.channels.telegram.reading import ALLOWED_UPDATES
from bot.domain.values import Secret
from bot.errors import StorageError, WrongUse
from bot.ports_telegram import UpdateHandler

_HEADER: Final = "X-Telegram-Bot-Api-Secret-Token"
_LOOK_SECONDS: Final = 60.0
_MOST_BYTES: Final = 1024 * 1024


class Webhook:
    """See :class:`bot.channels.telegram.listening.Listener`. ``url`` is what Telegram is told, ``port`` where the proxy
    finds this process on loopback (0: any, see :attr:`port`).
    """

    def __init__(
        self, line: Line, *, url: str, port: int, secret: Secret, pause: Pause = asyncio.sleep
    ) -> None:
        self._line, self._url, self.port, self._secret = line, url, port, secret
        self._pause, self._rests, self._intake = pause, Rests(pause), Intake()
        self._runner: web.AppRunner | None = None
        self._turn = asyncio.Lock()
        self._set = False

    async def once(self, handle: UpdateHandler) -> None:
        """Raises :class:`WrongUse` where the port is taken."""
        if self._runner is None:
            await self._serve(handle)
        try:
            if not self._set:
                await self._announce()
            known = await self._line.listen(self._line.api.get_webhook_info)
        except Fault as fault:
            await self._rests.after(fault)
            return
        self._rests.worked()
        if known.url != self._url:  # rule 5
            self._line.now(Health.CONFLICT)
            self._set = False
        await self._pause(_LOOK_SECONDS)

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _announce(self) -> None:
        await self._line.greet()
        await self._line.listen(
            lambda: self._line.api.set_webhook(
                self._url,
                secret_token=self._secret.reveal(),
                allowed_updates=list(ALLOWED_UPDATES),
                max_connections=1,  # rule 4
                drop_pending_updates=False,
            )
        )
        self._set = True

    async def _serve(self, handle: UpdateHandler) -> None:
        async def take(request: web.Request) -> web.Response:
            told = request.headers.get(_HEADER, "").encode("utf-8", "surrogateescape")
            if not hmac.compare_digest(told, self._secret.reveal().encode()):  # rule 1
                return web.Response(status=403)
            raw = await request.read()
            try:
                read: object = json.loads(raw)
            except (ValueError, RecursionError):
                return web.Response()  # rule 3
            try:
                async with self._turn:
                    await self._intake.take(read, handle)
            except StorageError:
                return web.Response(status=503)  # rule 2
            return web.Response()

        app = web.Application(client_max_size=_MOST_BYTES)
        app.router.add_post(urlsplit(self._url).path or "/", take)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", self.port)
        try:
            await site.start()
        except OSError:
            await runner.cleanup()
            raise WrongUse(
                "the webhook's port is taken", mend="set [telegram] webhook_port in pli.toml"
            ) from None
        self._runner = runner
        self.port = runner.addresses[0][1]
