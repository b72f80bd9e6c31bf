"""Telegram as the demo has it: a server of the tests that behaves like its Bot API, and the app of one patient there.

Everything that Pli sends there is recorded as it came.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from bot.demo.telegram_saw import Request

if TYPE_CHECKING:
    from tests.rig.bot_api import BotApi

_CHAT: Final = 6_120_457_893
_ANSWER_SECONDS: Final = 40.0


class Telegram:
    """Use as an asynchronous context manager. See :func:`bot.demo.clone.require_tests`."""

    def __init__(self) -> None:
        self._api: BotApi
        self._closing = AsyncExitStack()
        self._heard = self._shown = 0

    async def __aenter__(self) -> Self:
        from tests.rig.bot_api import BotApi  # noqa: PLC0415 - the tests' server is not installed with Pli

        self._api = await self._closing.enter_async_context(BotApi())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._closing.aclose()

    @property
    def token(self) -> str:
        return self._api.token

    def settings(self, bot_folder: Path) -> dict[str, str]:
        """Put the bot's token where it is looked for; the variables that name it."""
        file = bot_folder / "telegram.token"
        file.touch(mode=0o600)
        file.write_text(f"{self.token}\n", encoding="ascii")
        return {"PLI_TELEGRAM__TOKEN_FILE": str(file), "PLI_TELEGRAM__API_URL": self._api.url}

    # -- in the patient's hand ------------------------------------------------------------------------------------

    @property
    def chat(self) -> int:
        """The number of her chat."""
        return _CHAT

    def say(self, text: str, language: str) -> int:
        """Type something in an app that speaks ``language``; the number of the message."""
        sender = {"id": _CHAT, "is_bot": False, "first_name": "Odette", "language_code": language}
        written: dict[str, Any] = {"from": sender}
        return self._api.types(_CHAT, text, **written)

    async def hear(self, *, seconds: float = _ANSWER_SECONDS) -> tuple[str, str]:
        """The bot's next message: text, and the label of its button where it has one."""
        await self._until(lambda: len(self._api.sent) > self._heard, "a message in Telegram", seconds=seconds)
        message = self._api.sent[self._heard]
        self._heard += 1
        rows = message.get("reply_markup", {}).get("inline_keyboard", [])
        return str(message["text"]), "".join(str(button["text"]) for row in rows for button in row)

    async def gone(self, message: int) -> None:
        """Wait until a message has disappeared from the chat."""
        await self._until(lambda: (_CHAT, message) in self._api.deleted, "a deletion in Telegram")

    # -- what the server sees -------------------------------------------------------------------------------------

    async def listened_to(self) -> None:
        """Wait until the bot asks for messages."""
        await self._until(lambda: bool(self._api.of("getUpdates")), "the bot to listen to Telegram")

    @property
    def requests(self) -> list[Request]:
        """All of them, as they came."""
        return [
            Request(method=r.method, path=r.path, body=r.body, values=r.values) for r in self._api.requests
        ]

    def news(self) -> tuple[list[Request], list[Request]]:
        """Those before, and those since this was asked last."""
        every, shown = self.requests, self._shown
        self._shown = len(every)
        return every[:shown], every[shown:]

    def keep(self, file: Path) -> None:
        """Write every request: as it came, and below as it reads, for a form may hold JSON."""
        file.parent.mkdir(exist_ok=True)
        with file.open("wb") as out:
            for request in self.requests:
                reads = json.dumps(request.values, ensure_ascii=False).encode()
                out.write(b"\n".join((request.path.encode(), request.body, reads, b"", b"")))

    async def _until(
        self, happened: Callable[[], bool], what: str, *, seconds: float = _ANSWER_SECONDS
    ) -> None:
        from tests.rig.waiting import until  # noqa: PLC0415 - as above

        async def probe() -> bool:
            return happened()

        await until(probe, what, seconds=seconds)
