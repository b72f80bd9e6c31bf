"""The staff room itself: opened, its members invited and pinned, everybody else sent away.

1. The room is opened once there is a member. Whoever leaves by themselves is invited again after a day.
2. Whoever is there and is no member is sent away: one who was removed is then forgotten, a stranger is audited and told
   to the staff. Nothing is said in the room before that is done (:mod:`bot.channels.matrix.send`, 9).
3. The first cross-signing identity that is seen of a member who is joined is pinned. Another one that comes later is
   refused, audited and told once, until it is pinned at the command line; the member's role never moves by itself.
4. Where the room is no longer as the bot made it, or the bot was put out of it, another is opened, once an hour at
   most.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from bot.domain.records import AuditKind, ProblemKind
from bot.domain.staff import Member, StaffAddress, StaffRoom
from bot.domain.trust import Pin
from bot.domain.values import RoomId, UserId, new_id
from bot.errors import ChannelError, Refused, Untrusted
from bot.ports import Clock, StaffChannel
from bot.ports_storage import UnitOfWork, UnitOfWorkFactory

log = logging.getLogger("pli.staff")

LOOK_AGAIN: Final = timedelta(minutes=1)
TRY_AGAIN: Final = timedelta(seconds=5)
INVITE_AGAIN: Final = timedelta(days=1)
OPEN_AGAIN: Final = timedelta(hours=1)


class KeepStaffRoom:
    """One instance a process."""

    def __init__(self, uow: UnitOfWorkFactory, channel: StaffChannel, *, clock: Clock, name: str) -> None:
        self._uow, self._channel, self._clock, self._name = uow, channel, clock, name
        self._lock = asyncio.Lock()
        self._room: StaffRoom | None = None
        self._seen: Sequence[Member] = ()
        self._due: datetime | None = None
        self._invited: dict[UserId, datetime] = {}
        self._opened_at: datetime | None = None
        self._told_unfit = False

    def load(self) -> None:
        """Before anything is heard."""
        with self._uow() as uow:
            self._room = uow.staff_rooms.get()

    def is_room(self, room: RoomId) -> bool:
        return self._room is not None and self._room.room == room

    @property
    def room_id(self) -> str:
        """Its name in the outbox."""
        return self._room.id if self._room else ""

    def members(self) -> Sequence[Member]:
        """Those who are not leaving."""
        with self._uow() as uow:
            return [member for member in uow.staff.all() if not member.leaving]

    async def address(self) -> StaffAddress:
        """As the database has it now. Raises :class:`Refused` where there is no room."""
        members = await asyncio.to_thread(self.members)
        if self._room is None:
            raise Refused("there is no staff room yet")
        return StaffAddress(room=self._room.room, members=tuple(members))

    def look_soon(self) -> None:
        """Somebody came or went."""
        self._due = None

    async def look(self, *, at_once: bool = False) -> Sequence[Member]:
        """See to the room where something changed, or a while has passed; who was pinned. Raises nothing for what the
        homeserver does.
        """
        async with self._lock:
            everybody = await asyncio.to_thread(self._everybody)
            now = self._clock.now()
            changed = at_once or everybody != self._seen or self._is_stranger_there(everybody)
            if not everybody or (not changed and self._due is not None and now < self._due):
                return ()
            try:
                pinned = await self._see_to(everybody, now)
            except ChannelError as error:
                log.warning("the staff room was not looked at")
                self._due = now + max(TRY_AGAIN, timedelta(seconds=error.retry_after or 0))
                self._seen = everybody
                return ()
            self._seen = await asyncio.to_thread(self._everybody)
            self._due = now + LOOK_AGAIN
            return pinned

    def _is_stranger_there(self, everybody: Sequence[Member]) -> bool:
        known = {member.user for member in everybody}
        return self._room is not None and not self._channel.followed(self._room.room).keys() <= known

    def _everybody(self) -> Sequence[Member]:
        with self._uow() as uow:
            return uow.staff.all()

    async def _see_to(self, everybody: Sequence[Member], now: datetime) -> Sequence[Member]:
        if self._room is None:
            if all(member.leaving for member in everybody):
                await asyncio.to_thread(self._forget, everybody)
                return ()
            await self._open(now)
        present = await self._present(now)
        if present is None:
            return ()
        known = {member.user: member for member in everybody if not member.leaving}
        leaving = [member for member in everybody if member.leaving]
        for user in present.keys() - known.keys():  # rule 2
            await self._send_away(user, stranger=user not in {m.user for m in leaving}, now=now)
        await asyncio.to_thread(self._forget, leaving)
        for user in known.keys() - present.keys():
            await self._invite(user, now)
        joined = [known[user] for user, is_joined in present.items() if is_joined and user in known]
        return [member for each in joined if (member := await self.identify(each)) is not None]

    # -- rule 3 -------------------------------------------------------------------------------------------------

    async def identify(self, member: Member) -> Member | None:
        """Look at whose identity the member's account shows; the member, if it was pinned just now."""
        key = await self._channel.identity(member.user)
        if key is None:
            return None
        return await asyncio.to_thread(self.noted, member, key)

    def noted(self, member: Member, key: str) -> Member | None:
        """``key`` was seen as the member's master key; the member, if it was pinned by that."""
        now = self._clock.now()
        with self._uow() as uow:
            known = uow.staff.by_user(member.user)
            if known is None or known.leaving:
                return None
            if known.pin is None:
                pinned = replace(known, pin=Pin(master_key=key))
                uow.staff.save(pinned)
                uow.audit.add(AuditKind.STAFF_PINNED, now, member=known.id)
                uow.commit()
                return pinned
            other = "" if key == known.pin.master_key else key
            if other != known.other:
                uow.staff.save(replace(known, other=other))
                if other:
                    uow.audit.add(AuditKind.STAFF_IDENTITY, now, member=known.id)
                    uow.problems.add(ProblemKind.STAFF_IDENTITY, now)
                uow.commit()
        return None

    # -- the room -----------------------------------------------------------------------------------------------

    async def _open(self, now: datetime) -> None:
        room = StaffRoom(id=new_id("staff"), room=await self._channel.open_room(self._name))
        self._opened_at = now
        self._invited.clear()
        await asyncio.to_thread(self._remember, room)
        self._room = room
        log.info("opened the staff room")

    def _remember(self, room: StaffRoom) -> None:
        with self._uow() as uow:
            uow.staff_rooms.put(room)
            uow.commit()

    async def _present(self, now: datetime) -> Mapping[UserId, bool] | None:
        """Rule 4. None where there is no fit room for now."""
        for _ in range(2):
            try:
                present = await self._channel.present(await self.address())
            except (Untrusted, ChannelError) as error:
                if isinstance(error, ChannelError) and not error.permanent:
                    raise
                if self._opened_at is not None and now - self._opened_at < OPEN_AGAIN:
                    await asyncio.to_thread(self._tell_unfit, now)
                    return None
                await asyncio.to_thread(self._tell_unfit, now)
                await self._open(now)
            else:
                self._told_unfit = False
                return present
        return None

    def _tell_unfit(self, now: datetime) -> None:
        if not self._told_unfit:
            log.error("the staff room is not as it was made")
            with self._uow() as uow:
                uow.problems.add(ProblemKind.STAFF_ROOM, now)
                uow.commit()
            self._told_unfit = True

    async def _invite(self, user: UserId, now: datetime) -> None:
        """Rule 1."""
        last = self._invited.get(user)
        if last is not None and now - last < INVITE_AGAIN:
            return
        address = await self.address()
        try:
            await self._channel.invite(address.room, user)
        except ChannelError as error:
            if not error.permanent:
                raise
            log.warning("a member could not be invited")  # no such account, say: nobody else waits for it
        self._invited[user] = now

    async def _send_away(self, user: UserId, *, stranger: bool, now: datetime) -> None:
        """Rule 2."""
        self._invited.pop(user, None)
        address = await self.address()
        await self._channel.remove(address.room, user)
        if stranger:
            await asyncio.to_thread(self._tell_stranger, now)

    def _tell_stranger(self, now: datetime) -> None:
        with self._uow() as uow:
            uow.audit.add(AuditKind.STAFF_STRANGER, now)
            uow.problems.add(ProblemKind.STAFF_STRANGER, now)
            uow.commit()

    def _forget(self, members: Sequence[Member]) -> None:
        if members:
            with self._uow() as uow:
                for member in members:
                    _forget_still_leaving(uow, member)
                uow.commit()


def _forget_still_leaving(uow: UnitOfWork, member: Member) -> None:
    """Whoever was added again meanwhile has another row."""
    known = uow.staff.by_user(member.user)
    if known is not None and known.id == member.id and known.leaving:
        uow.staff.remove(member.id)
