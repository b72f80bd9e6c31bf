"""A patient's device moved by hand: gives keys when told to, and says what no honest client says."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import vodozemac

from bot.channels.matrix.directory import Directory
from bot.channels.matrix.http import CLIENT, Http, segment
from bot.channels.matrix.identity import login, publish_identity
from bot.channels.matrix.olm import MEGOLM, Machine
from bot.channels.matrix.send import send_to_device
from bot.channels.matrix.session import Seeds
from bot.channels.matrix.upkeep import Upkeep
from bot.domain.values import EventId, RoomId, Secret, SecretBytes, UserId
from tests.rig.homeserver import RigHomeserver


@dataclass
class Hand:
    """One logged-in, cross-signed device that does nothing by itself."""

    http: Http
    machine: Machine
    directory: Directory
    sessions: dict[RoomId, vodozemac.GroupSession] = field(default_factory=dict)
    since: str = ""

    @classmethod
    async def start(
        cls, homeserver: RigHomeserver, folder: Path, *, user: str = "", password: str = "", sign: bool = True
    ) -> Self:
        """A new account, or a further device of ``user``, which then is not signed."""
        if not user:
            user, password = await homeserver.new_user()
        session = await login(homeserver.url, user, Secret(password), folder)
        http = Http(homeserver.url, session.token.reveal())
        machine = Machine(
            user=session.user,
            device_id=session.device_id,
            folder=folder,
            pickle_key=SecretBytes(secrets.token_bytes(32)),
        )
        machine.admit(may_share=lambda *_: True, may_speak=lambda _: True)
        await Upkeep(http, machine).publish()
        if sign:
            await publish_identity(http, Seeds.load_or_make(folder), machine)
        return cls(http, machine, Directory(http, machine, own_master_key=None))

    @property
    def user(self) -> UserId:
        return self.machine.user

    async def join(self, room: RoomId) -> None:
        await self.http.call("POST", f"{CLIENT}/rooms/{segment(room)}/join", {})

    async def share(self, room: RoomId, with_user: UserId) -> None:
        """Give the room's key, as it stands, to every device of ``with_user``."""
        session = self.session(room)
        await self.give(with_user, room, session.session_id, session.session_key.to_base64())

    async def give(self, with_user: UserId, room: RoomId, session_id: str, session_key: str) -> None:
        devices = (await self.directory.current(with_user)).devices
        await self.directory.claim([device for device in devices if not self.machine.has_session(device)])
        key = {"algorithm": MEGOLM, "room_id": room, "session_id": session_id, "session_key": session_key}
        contents = {device: self.machine.encrypt_to(device, "m.room_key", key) for device in devices}
        await send_to_device(self.http, {d: content for d, content in contents.items() if content})

    def session(self, room: RoomId) -> vodozemac.GroupSession:
        return self.sessions.setdefault(room, vodozemac.GroupSession())

    def encrypt(
        self, room: RoomId, content: dict[str, Any], *, kind: str = "m.room.message"
    ) -> dict[str, Any]:
        """The content of an ``m.room.encrypted`` event."""
        session = self.session(room)
        payload = {"type": kind, "room_id": room, "content": content}
        return {
            "algorithm": MEGOLM,
            "sender_key": self.machine.curve25519,
            "device_id": self.machine.device_id,
            "session_id": session.session_id,
            "ciphertext": session.encrypt(json.dumps(payload).encode()).to_base64(),
        }

    async def put(self, room: RoomId, content: dict[str, Any], *, kind: str = "m.room.encrypted") -> EventId:
        path = f"{CLIENT}/rooms/{segment(room)}/send/{kind}/{secrets.token_hex(8)}"
        return EventId((await self.http.call("PUT", path, content))["event_id"])

    async def say(self, room: RoomId, text: str) -> EventId:
        return await self.put(room, self.encrypt(room, {"msgtype": "m.text", "body": text}))

    async def take_keys(self) -> int:
        """Read the device events that have come since the last call; returns their number."""
        query = {"timeout": "0"} | ({"since": self.since} if self.since else {})
        answer = await self.http.call("GET", f"{CLIENT}/sync", query=query)
        self.since = answer["next_batch"]
        events = answer.get("to_device", {}).get("events", [])
        for event in events:
            self.machine.receive(event)
        return len(events)

    async def close(self) -> None:
        await self.http.close()
        self.machine.close()
