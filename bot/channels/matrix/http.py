"""Raw calls to the client-server API: one method, time-outs on everything, one error.

The text of an error names neither path nor answer: both hold rooms and people. Retries are decided elsewhere.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import quote

import aiohttp
from yarl import URL

from bot.channels.matrix.safejson import JsonObject, as_list, as_object, as_text, parse
from bot.errors import ChannelError
from bot.tls import trusting

CLIENT: Final = "/_matrix/client/v3"
DEFAULT_TIMEOUT: Final = 30.0
_MAX_ANSWER: Final = 256 * 1024 * 1024
_MEDIA_SECONDS: Final = 120.0
_TOO_LARGE: Final = 413
_TRANSIENT_4XX: Final = frozenset({401, 408, 425, 429})


class MatrixError(ChannelError):
    """The homeserver refused or did not answer.

    ``status`` is 0 where there was no answer at all; ``errcode`` is the specification's, or empty; ``body``
    the refusal itself, needed for interactive authentication and never shown.
    """

    def __init__(
        self,
        *,
        status: int,
        errcode: str = "",
        retry_after: float | None = None,
        body: JsonObject | None = None,
    ) -> None:
        permanent = 400 <= status < 500 and status not in _TRANSIENT_4XX
        super().__init__(
            f"homeserver: {status} {errcode}".rstrip(), permanent=permanent, retry_after=retry_after
        )
        self.status = status
        self.errcode = errcode
        self.body: JsonObject = body or {}


def segment(value: str) -> str:
    """``value`` as one segment of a path."""
    return quote(value, safe="")


class Http:
    """One connection pool to one homeserver, with one account's token (or none).

    ``ca_file`` is the only authority whose certificates are believed; without it, the system's are.
    """

    def __init__(self, homeserver_url: str, token: str | None = None, *, ca_file: Path | None = None) -> None:
        self._base = homeserver_url.rstrip("/")
        self._tls = trusting(ca_file)
        self._token = token
        self._session: aiohttp.ClientSession | None = None
        self._closed = False

    async def call(
        self,
        method: Literal["GET", "POST", "PUT", "DELETE"],
        path: str,
        body: JsonObject | None = None,
        *,
        query: dict[str, str] | None = None,
        timeout: float = DEFAULT_TIMEOUT,  # noqa: ASYNC109 - handed to aiohttp, which keeps it
    ) -> JsonObject:
        """``path`` is already quoted (see :func:`segment`). Raises :class:`MatrixError`."""
        return as_object(await self._exchange(method, path, body, query, timeout))

    async def get_list(self, path: str) -> list[Any]:
        """Like :meth:`call`, for the few answers that are an array."""
        return as_list(await self._exchange("GET", path, None, None, DEFAULT_TIMEOUT))

    async def upload(self, data: bytes) -> str:
        """Store sealed bytes as media without a name; their ``mxc:`` address. Raises :class:`MatrixError`."""
        path = "/_matrix/media/v3/upload"
        kind = {"Content-Type": "application/octet-stream"}
        stored = as_object(_parsed(*await self._raw("POST", path, data, kind, _MEDIA_SECONDS, _MAX_ANSWER)))
        return as_text(stored.get("content_uri"))

    async def download(self, path: str, *, limit: int) -> bytes:
        """A body of at most ``limit`` bytes: no more than that is ever held. Raises :class:`MatrixError`, with status
        413 where there is more.
        """
        status, raw, named = await self._raw("GET", path, None, {}, _MEDIA_SECONDS, limit)
        if status >= 300:
            _parsed(status, raw, named)
        return raw

    async def close(self) -> None:
        """End the connections; later calls fail as if the homeserver were gone."""
        self._closed = True
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _exchange(
        self, method: str, path: str, body: JsonObject | None, query: dict[str, str] | None, seconds: float
    ) -> object:
        headers, data = {}, None
        if body is not None:
            headers["Content-Type"] = "application/json"
            data = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
        return _parsed(*await self._raw(method, path, data, headers, seconds, _MAX_ANSWER, query))

    async def _raw(
        self,
        method: str,
        path: str,
        data: bytes | None,
        headers: dict[str, str],
        seconds: float,
        limit: int,
        query: dict[str, str] | None = None,
    ) -> tuple[int, bytes, str]:
        """Status, body, and the pause that a header names. Raises :class:`MatrixError` where there is no answer, or one
        above ``limit`` bytes.
        """
        url = URL(self._base + path, encoded=True)
        if query:
            url = url.update_query(query)
        if self._token:
            headers = {**headers, "Authorization": f"Bearer {self._token}"}
        try:
            async with self._pool().request(
                method,
                url,
                data=data,
                headers=headers,
                timeout=aiohttp.ClientTimeout(total=seconds),
                allow_redirects=False,  # the token goes to one address
            ) as answer:
                raw = await _read(answer, limit if answer.status < 300 else _MAX_ANSWER)
                return answer.status, raw, answer.headers.get("Retry-After", "")
        except (aiohttp.ClientError, TimeoutError, OSError):
            # from None: aiohttp's texts hold the address that was asked for
            raise MatrixError(status=0) from None

    def _pool(self) -> aiohttp.ClientSession:
        if self._closed:
            raise MatrixError(status=0)
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=64, ssl=self._tls), auto_decompress=True, trust_env=False
            )
        return self._session


async def _read(answer: aiohttp.ClientResponse, limit: int) -> bytes:
    parts = bytearray()
    async for part in answer.content.iter_any():
        parts += part
        if len(parts) > limit:
            raise MatrixError(status=_TOO_LARGE if limit < _MAX_ANSWER else 0)
    return bytes(parts)


def _parsed(status: int, raw: bytes, named: str = "") -> object:
    try:
        parsed = parse(raw)
    except ValueError:
        if status < 300:
            raise MatrixError(status=502) from None
        parsed = {}
    if status >= 300:
        raise _refusal(status, as_object(parsed), named)
    return parsed


def _refusal(status: int, body: JsonObject, named: str = "") -> MatrixError:
    """The pause is Synapse's own field, or else the header of whoever stands before it, in whole seconds."""
    wait = body.get("retry_after_ms")
    if not isinstance(wait, int | float) and named.isascii() and named.isdecimal():
        wait = int(named[:9]) * 1000
    retry_after = wait / 1000 if isinstance(wait, int | float) and 0 <= wait < 86_400_000 else None
    return MatrixError(
        status=status, errcode=as_text(body.get("errcode")), retry_after=retry_after, body=as_object(body)
    )


async def pause(seconds: float, stop: asyncio.Event) -> bool:
    """Wait; True if ``stop`` was set meanwhile."""
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return False
    return True
