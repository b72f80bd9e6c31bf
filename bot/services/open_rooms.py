"""Rooms: opened by the bot only, one an account; what happens when somebody invites, joins or leaves."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from dataclasses import replace
from datetime import datetime, timedelta

from bot.domain.messages import OpenSentence
from bot.domain.records import OutboxKind, ProblemKind, RecipientState, Room
from bot.domain.values import Language, RoomId, UserId, new_id
from bot.ports import Clock, PrivateChannel
from bot.ports_storage import UnitOfWorkFactory

log = logging.getLogger("pli.rooms")

STRANGERS_AN_HOUR = 120
GREETINGS, WITHIN = 3, timedelta(minutes=10)  # whoever comes and goes is not greeted each time


class OpenRooms:
    """The bot's side of membership."""

    def __init__(
        self, uow: UnitOfWorkFactory, channel: PrivateChannel, *, clock: Clock, language: Language
    ) -> None:
        self._uow, self._channel, self._clock, self._language = uow, channel, clock, language
        self._lock = asyncio.Lock()
        self._opened: deque[datetime] = deque()
        self._greeted: deque[tuple[datetime, str]] = deque()

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
            if not self._may_open():
                log.warning("too many new rooms within the hour")
                return
            await self.open(user, self._language)

    async def open(self, user: UserId, language: Language) -> RoomId:
        """Open a room for ``user`` and remember it. Raises :class:`ChannelError`."""
        room = await self._channel.open_room(user)
        await asyncio.to_thread(self._remember, user, room, language)
        return room

    def _may_open(self) -> bool:
        now = self._clock.now()
        while self._opened and now - self._opened[0] > timedelta(hours=1):
            self._opened.popleft()
        if len(self._opened) >= STRANGERS_AN_HOUR:
            return False
        self._opened.append(now)
        return True

    def _known(self, user: UserId) -> Room | None:
        with self._uow() as uow:
            return uow.rooms.by_user(user)

    def _remember(self, user: UserId, room: RoomId, language: Language) -> None:
        with self._uow() as uow:
            known = uow.rooms.by_user(user)
            if known is None:
                uow.rooms.add(Room(id=new_id("room"), room=room, user=user, language=language))
            else:
                uow.rooms.save(replace(known, room=room, left=False))
            uow.commit()

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
            stranger = recipient is None or recipient.state in (RecipientState.INVITED, RecipientState.LEFT)
            if stranger and sum(known == room.id for _, known in self._greeted) < GREETINGS:
                self._greeted.append((now, room.id))
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
        await asyncio.to_thread(self._gone, room, user)

    def _gone(self, room: RoomId, user: UserId) -> None:
        now = self._clock.now()
        with self._uow() as uow:
            known = uow.rooms.by_room(room)
            if known is None or known.user != user or known.left:
                return
            uow.outbox.redact_now(known.id, now)
            recipient = uow.recipients.get(known.recipient) if known.recipient else None
            if recipient is None and not uow.outbox.has_waiting(known.id):
                uow.rooms.remove(known.id)  # nobody's, and nobody is there to be talked to
            else:
                uow.rooms.save(replace(known, left=True))
            if recipient is not None and recipient.state is RecipientState.ENROLLED:
                uow.problems.add(ProblemKind.ROOM_LEFT, now, recipient.id)
            uow.commit()
