"""The staff room as the bot's process sees it: one thing to listen, one thing to do again and again.

Where there is no member, nothing of it runs: no room is opened and the desk is asked nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from bot.domain.messages import Incoming
from bot.domain.staff import StaffReply, StaffSentence
from bot.domain.values import RoomId, UserId
from bot.errors import PliError, StorageError
from bot.ports import Clock, StaffChannel
from bot.ports_staff import Desk
from bot.ports_storage import UnitOfWorkFactory
from bot.services.hear_staff import HearStaff
from bot.services.keep_staff_room import KeepStaffRoom
from bot.services.say_to_staff import SayToStaff
from bot.services.tell_staff import StaffHours, TellStaff

log = logging.getLogger("pli.staff")
_WELCOMED = "staff_welcomed"


@dataclass(frozen=True, kw_only=True, slots=True)
class StaffRules:
    """``redact_after`` for private messages; ``room_name`` is seen by the homeserver."""

    room_name: str
    redact_after: timedelta
    max_file_bytes: int
    hours: StaffHours


class StaffDuty:
    """One instance a process."""

    def __init__(
        self,
        uow: UnitOfWorkFactory,
        channel: StaffChannel,
        *,
        desk: Desk,
        sentences: Mapping[StaffSentence, str],
        clock: Clock,
        rules: StaffRules,
    ) -> None:
        self._uow, self._channel, self._clock, self._sentences = uow, channel, clock, sentences
        self._keep = KeepStaffRoom(uow, channel, clock=clock, name=rules.room_name)
        self._say = SayToStaff(uow, channel, keep=self._keep, clock=clock, redact_after=rules.redact_after)
        self._tell = TellStaff(
            uow, desk=desk, say=self._say, sentences=sentences, clock=clock, hours=rules.hours
        )
        self._hear = HearStaff(
            uow,
            channel,
            desk=desk,
            keep=self._keep,
            say=self._say,
            sentences=sentences,
            clock=clock,
            max_file_bytes=rules.max_file_bytes,
            desk_answered=self._tell.desk_answered,
        )
        self._active = False

    def load(self) -> None:
        """Before anything is heard. Raises :class:`StorageError`."""
        self._keep.load()
        self._active = self._any()

    @property
    def desk(self) -> str:
        """For the health page: ``unused`` where there is no member."""
        if not self._active:
            return "unused"
        return "away" if self._tell.desk_away else "there"

    # -- from the channel ---------------------------------------------------------------------------------------

    def is_room(self, room: RoomId) -> bool:
        return self._keep.is_room(room)

    async def on_message(self, incoming: Incoming) -> None:
        """Only what was said in the staff room."""
        await self._hear.handle(incoming)

    async def on_moved(self) -> None:
        """Somebody joined the staff room or left it. Before what they say is handled: the same lane."""
        await self._look(at_once=True)

    async def on_invited(self, user: UserId) -> bool:
        """Whether ``user`` is a member: then no patient's room is opened for them."""
        return await asyncio.to_thread(self._is_member, user)

    # -- by the clock -------------------------------------------------------------------------------------------

    def wake(self) -> None:
        """Something happened that the staff may have to know at once."""
        self._tell.wake()

    async def keep(self) -> None:
        """To be called every moment: the room and who is in it. Raises :class:`StorageError`."""
        self._active = await asyncio.to_thread(self._any)
        if self._active:
            await self._look()

    async def tell(self) -> None:
        """To be called every moment, beside :meth:`keep`: what is due to be said. Raises :class:`StorageError`."""
        if self._active and await asyncio.to_thread(self._has_readers):
            await self._hear.finish_left_over()
            await self._tell.tick()

    async def _look(self, *, at_once: bool = False) -> None:
        if not await self._keep.look(at_once=at_once) or await asyncio.to_thread(self._is_welcomed):
            return
        reply = StaffReply(texts=(self._sentences[StaffSentence.WELCOME],))
        try:
            key = f"welcome {self._keep.room_id} {self._clock.now().isoformat()}"
            await self._say.unasked(reply, key=key, rings=False)
        except StorageError:
            raise
        except PliError as error:
            log.warning("a remark did not reach the staff room", extra={"error": type(error).__name__})
        else:
            await asyncio.to_thread(self._note_welcomed)

    def _is_welcomed(self) -> bool:
        """Once a room: whoever comes later is told by those who are there, and by ``help``."""
        with self._uow() as uow:
            return uow.meta.get(_WELCOMED) == self._keep.room_id

    def _note_welcomed(self) -> None:
        with self._uow() as uow:
            uow.meta.set(_WELCOMED, self._keep.room_id)
            uow.commit()

    def _any(self) -> bool:
        with self._uow() as uow:
            return uow.staff.any()

    def _has_readers(self) -> bool:
        """Nobody pinned means nobody who could be told: the desk keeps its news."""
        return any(member.pin is not None for member in self._keep.members())

    def _is_member(self, user: UserId) -> bool:
        with self._uow() as uow:
            member = uow.staff.by_user(user)
        return member is not None and not member.leaving
