"""Prepare ahead, little by little, what nudges need once for each device, so that a slot finds it done.

1. Everybody who could be nudged is prepared, whether a nudge waits for them or not, in an order that says nothing: what
   the other side sees of it tells nothing of who has an appointment.
2. A turn is for :data:`PART` people. After the last a round begins anew, for devices that appeared meanwhile.
3. Whoever left is not prepared, not even in the round under way.
4. What fails is logged, stops nobody, and is made good in the next round or by the nudge itself.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Final

from bot.domain.records import Recipient, RecipientState, Room
from bot.domain.trust import Address
from bot.domain.values import RecipientId
from bot.ports import NudgeChannel
from bot.ports_storage import UnitOfWorkFactory

log = logging.getLogger("pli.prepare")

PART: Final = 25


class PrepareNudges:
    """One instance a process."""

    def __init__(self, uow: UnitOfWorkFactory, channel: NudgeChannel) -> None:
        self._uow, self._channel = uow, channel
        self._round: list[RecipientId] | None = None

    async def turn(self) -> bool:
        """The next few; False where the round is over. Raises :class:`StorageError`."""
        part = await asyncio.to_thread(self._next)
        if part is None:
            return False
        try:
            await self._channel.prepare(part)
        except Exception as error:  # noqa: BLE001 - rule 4
            log.error("some could not be prepared", extra={"error": type(error).__name__})  # noqa: TRY400 - no traceback: locals may be quoted
        return True

    def _next(self) -> Sequence[Address] | None:
        with self._uow() as uow:
            if self._round is None:
                self._round = sorted(r.id for r in uow.recipients.all() if _is_enrolled(r))  # ids are random
            part, self._round = self._round[:PART], self._round[PART:]
            if not part:
                self._round = None
                return None
            people, rooms = uow.recipients.many(part), uow.rooms.by_recipients(part)
        found = [(people[who], rooms[who]) for who in part if who in people and who in rooms]
        return [_address(who, room) for who, room in found if _is_enrolled(who) and not room.left]


def _is_enrolled(recipient: Recipient) -> bool:
    return recipient.state is RecipientState.ENROLLED


def _address(recipient: Recipient, room: Room) -> Address:
    return Address(room=room.room, user=room.user, pin=recipient.pin)
