"""A pause that the homeserver, or a proxy before it, names is handed on."""

from __future__ import annotations

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bot.channels.matrix.http import Http, MatrixError


async def refusal(answer: web.Response) -> MatrixError:
    """What comes of a server that gives ``answer``."""

    async def give(_: web.Request) -> web.Response:
        return answer

    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", give)
    async with TestServer(app) as server:
        http = Http(str(server.make_url("")))
        try:
            with pytest.raises(MatrixError) as caught:
                await http.call("PUT", "/_matrix/client/v3/anything", {})
        finally:
            await http.close()
    return caught.value


async def test_synapses_own_field() -> None:
    body = {"errcode": "M_LIMIT_EXCEEDED", "retry_after_ms": 2500}
    error = await refusal(web.json_response(body, status=429, headers={"Retry-After": "9"}))
    assert (error.permanent, error.retry_after) == (False, 2.5)


@pytest.mark.parametrize("status", [429, 503])
async def test_a_proxys_header(status: int) -> None:
    error = await refusal(web.Response(text="<h1>busy</h1>", status=status, headers={"Retry-After": "77"}))
    assert (error.permanent, error.retry_after) == (False, 77.0)


@pytest.mark.parametrize(
    "header", ["", "soon", "-5", "9999999999999999999999", "Wed, 21 Oct 2026 07:28:00 GMT", "٣"]
)
async def test_what_is_no_number_of_seconds_is_none(header: str) -> None:
    error = await refusal(web.Response(status=503, headers={"Retry-After": header}))
    assert error.retry_after is None
