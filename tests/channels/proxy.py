"""A homeserver that lies, fails or stalls: a proxy before the real one."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import aiohttp
from aiohttp import web

Json = dict[str, Any]
Change = Callable[[Any], Json | list[Json] | bytes]


@dataclass
class Proxy:
    """Use as an asynchronous context manager in front of ``upstream``.

    ``changes`` alter the answers and ``failures`` replace them, by a part of the path; ``silent`` parts are never
    answered; what it ``refuses``, by path and body, is answered 503. ``requests`` keeps (method, path) of everything
    asked. ``before`` happens once, when such a request came and before it is passed on. ``ear`` is told method, path
    and body of each request that the homeserver took. ``poll_ms`` shortens the wait of a ``/sync``.
    """

    upstream: str
    url: str = ""
    changes: dict[str, Change] = field(default_factory=dict)
    failures: dict[str, list[tuple[int, Json]]] = field(default_factory=dict)
    silent: set[str] = field(default_factory=set)
    requests: list[tuple[str, str]] = field(default_factory=list)
    bodies: list[tuple[str, Json]] = field(default_factory=list)
    before: dict[str, Callable[[], Awaitable[None]]] = field(default_factory=dict)
    ear: Callable[[str, str, Json], None] | None = None
    poll_ms: int | None = None
    refuses: Callable[[str, Json], bool] = lambda _path, _body: False
    _runner: web.AppRunner | None = None
    _pool: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_route("*", "/{rest:.*}", self._pass)
        self._pool = aiohttp.ClientSession()
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
        if self._pool is not None:
            await self._pool.close()

    def count(self, part: str) -> int:
        return sum(part in path for _, path in self.requests)

    async def _pass(self, request: web.Request) -> web.Response:
        path = request.raw_path
        self.requests.append((request.method, path))
        if any(part in path for part in self.silent):
            await asyncio.Event().wait()
        for part, failures in self.failures.items():
            if part in path and failures:
                status, body = failures.pop(0)
                return web.json_response(body, status=status)
        data = await request.read()
        if data:
            self.bodies.append((path, json.loads(data)))
            if self.refuses(path, self.bodies[-1][1]):
                return web.json_response({}, status=503)
        for part in [part for part in self.before if part in path]:
            await self.before.pop(part)()
        if self.poll_ms is not None:
            path = re.sub(r"\btimeout=\d{5,}", f"timeout={self.poll_ms}", path)
        assert self._pool is not None
        headers = {k: v for k, v in request.headers.items() if k in {"Authorization", "Content-Type"}}
        async with self._pool.request(
            request.method, self.upstream + path, data=data, headers=headers
        ) as answer:
            raw = await answer.read()
            if self.ear is not None and data and answer.status == 200:
                self.ear(request.method, path, json.loads(data))
            for part, change in self.changes.items():
                if part in path and answer.status == 200:
                    changed = change(json.loads(raw))
                    raw = changed if isinstance(changed, bytes) else json.dumps(changed).encode()
            return web.Response(status=answer.status, body=raw, content_type="application/json")
