"""python-telegram-bot's client, as far as it is used: its own connections, and nothing of it that shows the token.

1. The token is in every address that is asked: no representation shows it, and the library's loggers are silenced
   (:mod:`bot.logs`). ``Bot.initialize`` is not called, as its error quotes the token.
2. Updates are taken as they came: what the library cannot make an object of would come again for ever. So is the
   answer to a message: that it cannot be read does not mean that the message did not leave.
3. The library's rate limiter is a second belt: nudges have their own pace (:mod:`bot.domain.pacing`). In no second do
   more than thirty messages leave, whatever asks for them.
4. Redirects are not followed and no proxy of the environment is used: the token goes to one address.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from telegram.ext import AIORateLimiter, ExtBot
from telegram.request import HTTPXRequest

from bot.channels.telegram.faults import ServerFailed
from bot.channels.telegram.reading import ALLOWED_UPDATES
from bot.domain.values import Secret

ANSWER_SECONDS: Final = 20.0
_CONNECT_SECONDS: Final = 10.0
_POLL_MARGIN: Final = 15.0  # beyond a long poll: then Telegram counts as gone
_AT_ONCE: Final = 32
_NAME: Final = re.compile(r"[A-Za-z0-9_]{1,64}")
# At most 5 + 25 in any second: a bucket lets its burst and its rate through.
_BURST, _BURST_SECONDS = 5, 0.2


class _Connections(HTTPXRequest):
    def __init__(self, size: int, seconds: float) -> None:
        super().__init__(
            connection_pool_size=size,
            read_timeout=seconds,
            write_timeout=seconds,
            connect_timeout=_CONNECT_SECONDS,
            pool_timeout=seconds,
            httpx_kwargs={"trust_env": False, "follow_redirects": False},  # rule 4
        )

    async def do_request(self, *args: Any, **kwargs: Any) -> tuple[int, bytes]:  # noqa: ANN401 - the library's arguments, handed on
        status, payload = await super().do_request(*args, **kwargs)
        if status >= 500:
            raise ServerFailed(status)
        return status, payload


class Api(ExtBot[int]):
    """One bot. ``api_url`` without its end; ``seconds`` to wait for an answer; ``burst`` for rule 3."""

    __slots__ = ("_connections",)

    def __init__(
        self, *, token: Secret, api_url: str, seconds: float = ANSWER_SECONDS, burst: int = _BURST
    ) -> None:
        sending, polling = _Connections(_AT_ONCE, seconds), _Connections(1, seconds)
        super().__init__(
            token.reveal(),
            base_url=f"{api_url.rstrip('/')}/bot",
            request=sending,
            get_updates_request=polling,
            rate_limiter=AIORateLimiter(overall_max_rate=burst, overall_time_period=_BURST_SECONDS),
        )
        with self._unfrozen():
            self._connections = (sending, polling)

    def __repr__(self) -> str:
        return "Api(…)"

    async def raw_updates(self, *, offset: int | None, seconds: int) -> object:
        """Rule 2. ``seconds`` is how long Telegram may wait for the first; ``offset`` confirms all before it."""
        return await self._post(
            "getUpdates",
            {"timeout": seconds, "offset": offset, "allowed_updates": list(ALLOWED_UPDATES)},
            read_timeout=seconds + _POLL_MARGIN,
        )

    async def own_name(self) -> str:
        """The account's name, by which links to it are made; empty where Telegram tells none."""
        me = await self._post("getMe")
        name = me.get("username") if isinstance(me, dict) else None
        return name if isinstance(name, str) and _NAME.fullmatch(name) else ""

    async def send_constant(self, values: Mapping[str, object]) -> None:
        """Rule 2."""
        await self._post("sendMessage", dict(values))

    async def close_connections(self) -> None:
        for connections in self._connections:
            await connections.shutdown()
