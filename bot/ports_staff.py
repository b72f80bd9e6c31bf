"""The Protocol between the staff room and the import side, which alone holds the keys that seal and open.

The bot's process carries lines and files to it and its answers back; it never loads those keys.
"""

from __future__ import annotations

from typing import Literal, Protocol

from bot.domain.staff import StaffOrder, StaffReply


class Desk(Protocol):
    """Works for the members of the practice. Every method raises :class:`bot.errors.DeskError` where it is away."""

    async def order(self, order: StaffOrder) -> StaffReply:
        """Carry out one line, or look at one file. Refusals are replies too, in the practice's words."""

    async def news(self, *, urgent: bool) -> StaffReply:
        """What nobody was told yet: only what cannot wait, or all of it."""

    async def told(self, token: str) -> None:
        """That piece of news has arrived in the room."""

    async def morning(self) -> StaffReply:
        """The day's one line of counts. Always has a text."""

    async def alive(self) -> Literal[True]:
        """Whether it answers at all."""
