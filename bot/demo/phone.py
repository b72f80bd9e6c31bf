"""A patient's phone: a Matrix client that is not ours (matrix-nio), in the one conversation that it has."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from tests.rig.py_patient import PyPatient

_ANSWER_SECONDS = 40.0


@dataclass(slots=True)
class Phone:
    """``next`` is the first event that was not looked at yet. See :func:`bot.demo.clone.require_tests`."""

    client: PyPatient
    room: str
    bot: str
    next: int = 0

    @classmethod
    async def log_in(cls, url: str, *, user: str, password: str, bot: str) -> Self:
        """Log in as a person does with a letter in hand, and open the one conversation that is waiting."""
        from tests.rig.py_patient import PyPatient  # noqa: PLC0415 - the tests' client is not installed with Pli

        client = await PyPatient.start(url, user, password)
        try:
            room = await client.accept_invite()
        except BaseException:
            await client.close()
            raise
        return cls(client=client, room=room, bot=bot)

    async def say(self, text: str) -> str:
        """Send; the event's id."""
        return await self.client.send(self.room, text)

    async def hear(self, *, seconds: float | None = None) -> tuple[str, str, bool]:
        """The bot's next message: event id, text, whether it rings."""
        message = await self.client.wait_message(
            since=self.next, sender=self.bot, room=self.room, seconds=seconds or _ANSWER_SECONDS
        )
        self.next = message.index + 1
        return message.event, message.body or "", message.msgtype == "m.text"

    async def gone(self, event: str) -> None:
        """Wait until a message has disappeared from the conversation."""
        await self.client.wait_redacted(event, seconds=_ANSWER_SECONDS)

    async def close(self) -> None:
        with contextlib.suppress(Exception):
            await self.client.close()
