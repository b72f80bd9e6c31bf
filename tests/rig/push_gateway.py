"""A push gateway on loopback that keeps what the homeserver tells the push provider."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from aiohttp import web

_PATH = "/_matrix/push/v1/notify"


@dataclass
class PushGateway:
    """Use as an asynchronous context manager. ``notifications`` grows by one a request, in order.

    Where it is ``rejecting`` it knows no push key, as a real one knows none that it did not give.
    """

    rejecting: bool = False
    notifications: list[dict[str, Any]] = field(default_factory=list)
    url: str = ""
    _runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post(_PATH, self._notify)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}{_PATH}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    def events(self) -> list[str]:
        """Event ids that were pushed; a push that only lowers the unread count names none."""
        return [event for push in self.notifications if (event := push.get("event_id"))]

    async def _notify(self, request: web.Request) -> web.Response:
        told = (await request.json())["notification"]
        self.notifications.append(told)
        keys = [device["pushkey"] for device in told["devices"]]
        return web.json_response({"rejected": keys if self.rejecting else []})
