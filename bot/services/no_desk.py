"""A practice without an import side that works for the staff room: always away, and honest about it."""

from __future__ import annotations

from typing import Literal

from bot.domain.staff import StaffOrder, StaffReply
from bot.errors import DeskError


class NoDesk:
    """See :class:`bot.ports_staff.Desk`."""

    async def order(self, order: StaffOrder) -> StaffReply:  # noqa: ARG002 - the port's signature
        raise DeskError

    async def news(self, *, urgent: bool) -> StaffReply:  # noqa: ARG002 - as above
        raise DeskError

    async def told(self, token: str) -> None:  # noqa: ARG002 - as above
        raise DeskError

    async def morning(self) -> StaffReply:
        raise DeskError

    async def alive(self) -> Literal[True]:
        raise DeskError

    async def close(self) -> None:
        """Nothing is open."""
