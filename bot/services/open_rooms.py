"""Rooms: opened by the bot only, one an account; what happens when somebody invites, joins or leaves.

1. Within an hour at most :data:`ROOMS_EACH` rooms for one account, and :data:`STRANGERS_AN_HOUR` for accounts that are
   nobody's yet: whoever leaves and asks again cannot use up the rooms of others, and a crowd of strangers cannot keep a
   patient out.
2. Whoever comes and goes is greeted :data:`GREETINGS` times within :data:`WITHIN`.
3. The bot leaves a room when it is over: nobody's and left, or replaced by another.
4. So is the room of a recipient who left, :data:`FAREWELL` after the last words there: what the device's keys still
   hold of it goes with it. Whoever comes back is given another room.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from dataclasses import replace
from datetime import datetime, timedelta

from bot.domain.messages import OpenSentence
from bot.domain.records import OutboxKind, ProblemKind, RecipientState, Room
from bot.domain.values import Language, RoomId, UserId, new_id
from bot.errors import ChannelError
from bot.ports import Clock, PrivateChannel
from bot.ports_storage import UnitOfWorkFactory

log = logging.getLogger("pli.rooms")

STRANGERS_AN_HOUR = 120
ROOMS_EACH = 3
HOUR = timedelta(hours=1)
GREETINGS, WITHIN = 3, timedelta(minutes=10)
FAREWELL = timedelta(minutes=30)


class OpenRooms:
    """The bot's side of membership."""

    def __init__(
        self, uow: UnitOfWorkFactory, channel: PrivateChannel, *, clock: Clock, language: Language
    ) -> None:
        self._uow, self._channel, self._clock, self._language = uow, channel, clock, language
        self._lock = asyncio.Lock()
        self._opened: deque[tuple[datetime, UserId, bool]] = deque()
        self._greeted: deque[tuple[datetime, UserId]] = deque()

    async def opened_by_bot(self, room: RoomId) -> bool:
        return await asyncio.to_thread(self._is_known, room)

    def _is_known(self, room: RoomId) -> bool:
        with self._uow() as uow:
            return uow.rooms.by_room(room) is not None

    async def on_invited(self, user: UserId) -> None:
        """Somebody wants to talk: greet in the room that the bot opened for them, or open one."""
        async with self._lock:
            known = await asyncio.to_thread(self._known, user)
            if known is not None and not known.left:
                await asyncio.to_thread(self._greet, known)
                return
            if not self._may_open(user, stranger=known is None or known.recipient is None):
                log.warning("too many new rooms within the hour")
                return
            await self.open(user, self._language)

    async def open(self, user: UserId, language: Language) -> RoomId:
        """Open a room for ``user`` and remember it. Raises :class:`ChannelError`."""
        room = await self._channel.open_room(user)
        replaced = await asyncio.to_thread(self._remember, user, room, language)
        if replaced is not None:
            await self._close(replaced)
        return room

    def _may_open(self, user: UserId, *, stranger: bool) -> bool:
        """Rule 1."""
        now = self._clock.now()
        while self._opened and now - self._opened[0][0] > HOUR:
            self._opened.popleft()
        own = sum(each == user for _, each, _ in self._opened)
        strangers = sum(strange for _, _, strange in self._opened)
        if own >= ROOMS_EACH or (stranger and strangers >= STRANGERS_AN_HOUR):
            return False
        self._opened.append((now, user, stranger))
        return True

    async def close_left(self) -> None:
        """Rule 4. To be called now and then; a room that cannot be left for now is left later."""
        for room in await asyncio.to_thread(self._over):
            if not await self._close(room.room):
                return  # the homeserver is away: no use in asking for the next
            await asyncio.to_thread(self._forget, room)

    def _over(self) -> list[Room]:
        now = self._clock.now()
        with self._uow() as uow:
            left = [r.id for r in uow.recipients.all() if r.state is RecipientState.LEFT]
            rooms = [room for r in left if (room := uow.rooms.by_recipient(r)) is not None]
            return [room for room in rooms if uow.outbox.is_silent(room.id, since=now - FAREWELL)]

    def _forget(self, room: Room) -> None:
        with self._uow() as uow:
            known = uow.rooms.get(room.id)
            if known is not None and known.recipient == room.recipient:
                uow.rooms.remove(room.id)
            elif (
                known is not None
            ):  # a new code was typed there just now: whoever did asks for a room, and gets one
                uow.rooms.save(replace(known, left=True))
            uow.commit()

    async def _close(self, room: RoomId) -> bool:
        """Rules 3 and 4: whether it is left, or cannot be. What fails leaves an empty room, and nothing else."""
        try:
            await self._channel.leave_room(room)
        except ChannelError as error:
            log.warning("a room could not be left")
            return error.permanent
        return True

    def _known(self, user: UserId) -> Room | None:
        with self._uow() as uow:
            return uow.rooms.by_user(user)

    def _remember(self, user: UserId, room: RoomId, language: Language) -> RoomId | None:
        """The room that this one replaces."""
        with self._uow() as uow:
            known = uow.rooms.by_user(user)
            if known is None:
                uow.rooms.add(Room(id=new_id("room"), room=room, user=user, language=language))
            else:
                uow.rooms.save(replace(known, room=room, left=False))
            uow.commit()
        return known.room if known is not None else None

    async def on_joined(self, room: RoomId, user: UserId) -> None:
        known = await asyncio.to_thread(self._known, user)
        if known is not None and known.room == room:
            await asyncio.to_thread(self._greet, known)

    def _greet(self, room: Room) -> None:
        """Say hello to somebody who is not enrolled, once in a while; who is, hears nothing new."""
        now = self._clock.now()
        while self._greeted and now - self._greeted[0][0] >= WITHIN:
            self._greeted.popleft()
        with self._uow() as uow:
            recipient = uow.recipients.get(room.recipient) if room.recipient else None
            if room.left:
                uow.rooms.save(replace(room, left=False))
            if room.recipient is not None:
                uow.recipients.switch_on(room.recipient)
            stranger = recipient is None or recipient.state in (RecipientState.INVITED, RecipientState.LEFT)
            if stranger and sum(known == room.user for _, known in self._greeted) < GREETINGS:
                self._greeted.append((now, room.user))
                uow.outbox.add(
                    kind=OutboxKind.OPEN,
                    due=now,
                    room=room.id,
                    recipient=room.recipient,
                    template=OpenSentence.HELLO.value,
                )
            uow.commit()

    async def on_left(self, room: RoomId, user: UserId) -> None:
        """The patient left the room: nothing can be told there; the staff reads it.

        What is to be taken back is taken back now: should another room be opened, this one would not be found again.
        """
        if await asyncio.to_thread(self._gone, room, user):
            await self._close(room)

    def _gone(self, room: RoomId, user: UserId) -> bool:
        """Whether the room is over."""
        now = self._clock.now()
        with self._uow() as uow:
            known = uow.rooms.by_room(room)
            if known is None or known.user != user or known.left:
                return False
            uow.outbox.redact_now(known.id, now)
            recipient = uow.recipients.get(known.recipient) if known.recipient else None
            over = recipient is None and not uow.outbox.has_waiting(known.id)
            if over:
                uow.rooms.remove(known.id)  # nobody's, and nobody is there to be talked to
            else:
                uow.rooms.save(replace(known, left=True))
            if recipient is not None and recipient.state is RecipientState.ENROLLED:
                uow.problems.add(ProblemKind.ROOM_LEFT, now, recipient.id)
            uow.commit()
        return over
