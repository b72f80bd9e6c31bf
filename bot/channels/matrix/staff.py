"""The staff room's side of the Matrix channel: see :class:`bot.ports.StaffChannel`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bot.channels.matrix import media, rooms
from bot.channels.matrix.client import Client
from bot.channels.matrix.directory import Directory
from bot.channels.matrix.http import Http
from bot.channels.matrix.safejson import JsonObject
from bot.channels.matrix.send import Sender
from bot.domain.messages import Attachment
from bot.domain.staff import StaffAddress, StaffFile
from bot.domain.trust import Pin
from bot.domain.values import EventId, RoomId, TransactionId, UserId


class MatrixStaff:
    """``parts`` gives what there is once the channel was started, and raises :class:`bot.errors.WrongUse` before."""

    def __init__(self, http: Http, parts: Callable[[], tuple[Client, Directory, Sender]]) -> None:
        self._http, self._parts = http, parts

    async def open_room(self, name: str) -> RoomId:
        return await rooms.open_staff_room(self._http, name=name)

    async def invite(self, room: RoomId, user: UserId) -> None:
        client, _, _ = self._parts()
        await client.meet(user)  # first: their client speaks as soon as it has joined
        await rooms.invite(self._http, room, user)

    async def remove(self, room: RoomId, user: UserId) -> None:
        await rooms.remove(self._http, room, user)

    async def leave_room(self, room: RoomId) -> None:
        await rooms.leave(self._http, room)

    async def present(self, to: StaffAddress) -> Mapping[UserId, bool]:
        state = await rooms.fetch_state(self._http, to.room)
        client, _, _ = self._parts()
        # who is there is judged by the service: only how the room is made counts here
        state.check_staff(bot=client.user, members=state.present())
        return _others(state, client.user)

    def followed(self, room: RoomId) -> Mapping[UserId, bool]:
        client, _, _ = self._parts()
        state = client.state_of(room)
        return {} if state is None else _others(state, client.user)

    async def identity(self, user: UserId) -> str | None:
        _, directory, _ = self._parts()
        return (await directory.current(user)).master_key

    async def say(self, to: StaffAddress, text: str, txn: TransactionId, *, rings: bool) -> EventId:
        content: JsonObject = {"msgtype": "m.text" if rings else "m.notice", "body": text}
        return await self._send(to, content, txn)

    async def show(self, to: StaffAddress, file: StaffFile, txn: TransactionId) -> EventId:
        return await self._send(to, await media.store(self._http, file), txn)

    async def fetch(self, described: Attachment) -> bytes:
        return await media.fetch(self._http, described)

    async def _send(self, to: StaffAddress, content: JsonObject, txn: TransactionId) -> EventId:
        pins: dict[UserId, Pin | None] = {member.user: member.pin for member in to.members}
        _, _, sender = self._parts()
        return await sender.send_staff(to.room, pins, content, txn)


def _others(state: rooms.RoomState, bot: UserId) -> Mapping[UserId, bool]:
    """Who is there beside the bot, and whether joined."""
    return {user: state.membership(user) == "join" for user in state.present() - {bot}}
