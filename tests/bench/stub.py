"""A homeserver that does nothing but answer, in a process of its own: what is left is what the bot does.

It has the rooms of :mod:`tests.bench.start`, and for each patient one device with real keys. ``python -m
tests.bench.stub ROOMS`` prints its address once it is ready.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import vodozemac
from aiohttp import web

from tests.bench.phones import Phone
from tests.bench.start import first_answer, room_and_patient

CLIENT = "/_matrix/client/v3"
Json = dict[str, Any]


@contextmanager
def stub_homeserver(rooms: int) -> Iterator[str]:
    """Its address; it ends with the block."""
    command = [sys.executable, "-m", "tests.bench.stub", str(rooms)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            yield server.stdout.readline().strip()
        finally:
            server.terminate()


class _Stub:
    def __init__(self, rooms: int) -> None:
        self._sync = json.dumps(first_answer(rooms)).encode()
        self._keys = {user: _phone(user).keys(1) for user in (room_and_patient(n)[1] for n in range(rooms))}
        self._events = itertools.count()

    def app(self) -> web.Application:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_get(f"{CLIENT}/sync", self.sync)
        app.router.add_post(f"{CLIENT}/keys/query", self.query)
        app.router.add_post(f"{CLIENT}/keys/claim", self.claim)
        app.router.add_put(f"{CLIENT}/sendToDevice/{{rest:.*}}", self.nothing)
        app.router.add_put(f"{CLIENT}/rooms/{{rest:.*}}", self.send)
        app.router.add_route("*", "/{rest:.*}", self.refuse)
        return app

    async def sync(self, request: web.Request) -> web.Response:
        if "since" in request.query:
            await asyncio.sleep(60)
        return web.Response(body=self._sync, content_type="application/json")

    async def query(self, request: web.Request) -> web.Response:
        asked = (await request.json())["device_keys"]
        found = {user: {"PHONE": self._keys[user]["device_keys"]} for user in asked if user in self._keys}
        return web.json_response({"device_keys": found, "failures": {}})

    async def claim(self, request: web.Request) -> web.Response:
        asked = (await request.json())["one_time_keys"]
        found = {user: {"PHONE": self._keys[user]["one_time_keys"]} for user in asked if user in self._keys}
        return web.json_response({"one_time_keys": found, "failures": {}})

    async def nothing(self, request: web.Request) -> web.Response:
        await request.read()
        return web.json_response({})

    async def send(self, request: web.Request) -> web.Response:
        await request.read()
        return web.json_response({"event_id": f"${next(self._events)}"})

    async def refuse(self, _: web.Request) -> web.Response:
        return web.json_response({}, status=503)


def _phone(user: str) -> Phone:
    return Phone(user=user, device="PHONE", token="", account=vodozemac.Account())  # type: ignore[arg-type]  # a made-up account


async def _serve(rooms: int) -> None:
    runner = web.AppRunner(_Stub(rooms).app())
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    sys.stdout.write(f"http://127.0.0.1:{runner.addresses[0][1]}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
