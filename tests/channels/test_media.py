"""Attachments against a homeserver that does not keep to what it said. Rules: ``media``."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from nio.crypto.attachments import encrypt_attachment  # type: ignore[import-untyped]  # nio ships no types

from bot.channels.matrix.http import Http, MatrixError
from bot.channels.matrix.media import fetch
from bot.domain.messages import Attachment
from bot.errors import ChannelError, InvalidSeal

PLAIN = b"one agenda" * 50


@asynccontextmanager
async def serving(handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> AsyncIterator[Http]:
    """A homeserver that answers everything with ``handler``."""
    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    http = Http(f"http://127.0.0.1:{runner.addresses[0][1]}", "token")
    try:
        yield http
    finally:
        await http.close()
        await runner.cleanup()


def described(**changes: object) -> tuple[bytes, Attachment]:
    sealed, keys = encrypt_attachment(PLAIN)
    values: dict[str, object] = {
        "name": "a.ics",
        "media_type": "text/calendar",
        "size": len(PLAIN),
        "url": "mxc://server.example/Media-1_x",
        "key": keys["key"]["k"],
        "iv": keys["iv"],
        "sha256": keys["hashes"]["sha256"],
        **changes,
    }
    return sealed, Attachment(**values)  # type: ignore[arg-type]  # fields of the value


async def test_a_file_is_asked_for_by_its_address_and_with_the_token() -> None:
    sealed, file = described()
    asked: list[tuple[str, str]] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append((request.raw_path, request.headers["Authorization"]))
        return web.Response(body=sealed)

    async with serving(answer) as http:
        assert await fetch(http, file) == PLAIN
    assert asked == [("/_matrix/client/v1/media/download/server.example/Media-1_x", "Bearer token")]


async def test_rule_2_an_endless_answer_is_not_read_on() -> None:
    _, file = described()
    ended = asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        stream = web.StreamResponse()
        await stream.prepare(request)
        try:
            while True:
                await stream.write(secrets.token_bytes(65_536))
        except (ConnectionError, asyncio.CancelledError):
            ended.set()
            raise

    async with serving(answer) as http:
        with pytest.raises(InvalidSeal):
            await fetch(http, file)
        await asyncio.wait_for(ended.wait(), 10)


@pytest.mark.parametrize("body", [b"", PLAIN[:-1], PLAIN + b"x"])
async def test_rule_2_another_length_than_the_event_names(body: bytes) -> None:
    _, file = described()

    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=body)

    async with serving(answer) as http:
        with pytest.raises(InvalidSeal):
            await fetch(http, file)


@pytest.mark.parametrize(
    "changes",
    [
        {"sha256": "A" * 43},
        {"sha256": "not base64 !"},
        {"key": "A"},
        {"key": "é"},
        {"iv": "A"},
        {"url": "https://server.example/x"},
        {"url": "mxc://server.example/../../v3/account/whoami"},
        {"url": "mxc://server.example/a?b"},
        {"size": -1},
    ],
)
async def test_rule_3_what_does_not_fit_is_no_file(changes: dict[str, object]) -> None:
    sealed, file = described(**changes)

    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=sealed)

    async with serving(answer) as http:
        with pytest.raises(InvalidSeal):
            await fetch(http, file)


@pytest.mark.parametrize(("status", "permanent"), [(404, True), (403, True), (307, False), (502, False)])
async def test_what_cannot_be_had(status: int, permanent: bool) -> None:
    """A refusal may be longer than the file; a redirection is not followed: the token goes to one address."""
    _, file = described()

    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=status, body=b"x" * 10_000, headers={"Location": "/elsewhere"})

    async with serving(answer) as http:
        with pytest.raises(ChannelError) as refused:
            await fetch(http, file)
    assert isinstance(refused.value, MatrixError)
    assert (refused.value.status, refused.value.permanent) == (status, permanent)
