"""A patient's client says that it showed the conversation: note when, for the list of whom to telephone.

1. Only of the account for which the bot opened that room; never later than now, whatever the homeserver says.
2. To the minute, and only forwards: a receipt that comes again changes nothing.
   One that is later than when their channel was switched off switches it on again.
3. A receipt is neither signed nor encrypted. It vouches for nobody, and nothing is released for it.
"""

from __future__ import annotations

import asyncio
from datetime import datetime

from bot.domain.values import RoomId, UserId
from bot.ports import Clock
from bot.ports_storage import UnitOfWorkFactory


class NoteSeen:
    """Called with room, account and moment. Raises :class:`bot.errors.StorageError`."""

    def __init__(self, uow: UnitOfWorkFactory, clock: Clock) -> None:
        self._uow, self._clock = uow, clock

    async def __call__(self, room: RoomId, user: UserId, at: datetime) -> None:
        await asyncio.to_thread(self._note, room, user, min(at, self._clock.now()))

    def _note(self, room: RoomId, user: UserId, at: datetime) -> None:
        with self._uow() as uow:
            known = uow.rooms.by_room(room)
            if known is None or known.user != user or known.recipient is None:
                return
            before = uow.recipients.signs([known.recipient]).get(known.recipient)
            minute = at.replace(second=0, microsecond=0)
            if before is None:
                return
            back = before.off_since is not None and at > before.off_since
            if back:
                uow.recipients.switch_on(known.recipient)
            fresh = before.seen_at is None or before.seen_at < minute
            if fresh:
                uow.recipients.note_seen(known.recipient, minute)
            if back or fresh:
                uow.commit()
