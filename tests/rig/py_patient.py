"""The quick patient: matrix-nio in this process, with cross-signing published by the tests' own code.

Unlike the strict one it verifies every device that the homeserver lists, and so does not judge the bot's identity.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import aiohttp
from nio import (  # type: ignore[import-untyped]  # nio ships no types
    AsyncClient,
    AsyncClientConfig,
    BadEvent,
    Event,
    JoinResponse,
    KeysQueryResponse,
    LoginResponse,
    MatrixRoom,
    MegolmEvent,
    RedactedEvent,
    RedactionEvent,
    RoomSendResponse,
    SyncResponse,
)
from nio.crypto.attachments import (  # type: ignore[import-untyped]  # as above
    decrypt_attachment,
    encrypt_attachment,
)
from nio.exceptions import EncryptionError  # type: ignore[import-untyped]  # as above
from nio.store import SqliteMemoryStore  # type: ignore[import-untyped]  # as above

from tests.rig.cross_signing import CrossSigner
from tests.rig.patient import Identity, Message, Patient
from tests.rig.waiting import until

_SYNC_MILLISECONDS = 10_000


class _Client(AsyncClient):  # type: ignore[misc]  # as above
    """Remembers the ciphertexts' sizes, which nio drops once an event is decrypted; verifies who is listed."""

    def __init__(self, url: str, user: str) -> None:
        config = AsyncClientConfig(store=SqliteMemoryStore, encryption_enabled=True, store_sync_tokens=False)
        super().__init__(url, user, store_path="in-memory", config=config)
        self.wire_sizes: dict[str, int] = {}

    async def keys_query(self) -> Any:
        """The sync loop and a send may both find that keys are to be asked for: the second has nothing to ask."""
        return await super().keys_query() if self.should_query_keys else None

    def _handle_olm_response(self, response: Any) -> None:
        """Verified as soon as it is known: no send of the same moment finds a device that is still undecided."""
        super()._handle_olm_response(response)
        if isinstance(response, KeysQueryResponse):
            for devices in response.changed.values():
                for device in devices.values():
                    self.verify_device(device)

    async def parse_body(self, transport_response: aiohttp.ClientResponse) -> dict[Any, Any]:
        body: dict[Any, Any] = await super().parse_body(transport_response)
        for room in body.get("rooms", {}).get("join", {}).values() if "next_batch" in body else ():
            for event in room.get("timeline", {}).get("events", ()):
                if isinstance(ciphertext := event.get("content", {}).get("ciphertext"), str):
                    self.wire_sizes[event["event_id"]] = len(ciphertext)
        return body


@dataclass
class _Seen:
    room: str
    event: Event | BadEvent
    encrypted: bool


@dataclass
class _Log:
    events: list[_Seen] = field(default_factory=list)
    redacted: set[str] = field(default_factory=set)


class PyPatient(Patient):
    """matrix-nio with an in-memory store. Each instance is a new device."""

    def __init__(self, client: _Client, http: aiohttp.ClientSession, *, url: str, password: str) -> None:
        self._client = client
        self._http = http
        self._url = url
        self._password = password
        self._signer: CrossSigner | None = None
        self._log = _Log()
        self._syncing: asyncio.Task[None] | None = None
        self.user = client.user_id
        self.device = client.device_id

    @classmethod
    async def start(cls, url: str, user: str, password: str, *, cross_sign: bool = True) -> Self:
        """Log in on a new device and sync. Without ``cross_sign`` the device stays unsigned."""
        client = _Client(url, user)
        answer = await client.login(password, device_name="phone")
        assert isinstance(answer, LoginResponse), "the homeserver refused the login"
        http = aiohttp.ClientSession(headers={"Authorization": f"Bearer {client.access_token}"})
        self = cls(client, http, url=url, password=password)
        client.add_event_callback(self._note, (Event, BadEvent))
        await client.keys_upload()
        if cross_sign:
            self._signer = CrossSigner(user)
            await self._signer.publish(
                http,
                url,
                device=client.device_id,
                sign_by_device=lambda data: self._olm.account.sign(data.decode()),
            )
        first = await client.sync(timeout=0, full_state=True)
        assert isinstance(first, SyncResponse), "the first sync failed"
        self._syncing = asyncio.create_task(
            client.sync_forever(timeout=_SYNC_MILLISECONDS, loop_sleep_time=0)
        )
        return self

    async def second_device(self, *, cross_sign: bool = False) -> PyPatient:
        """Another phone on the same account; unsigned unless :meth:`sign_device` vouches for it."""
        return await PyPatient.start(self._url, self.user, self._password, cross_sign=cross_sign)

    async def sign_device(self, device: str) -> None:
        """Vouch for another device of the same account."""
        assert self._signer is not None, "this device holds no cross-signing keys"
        await self._signer.sign_device(self._http, self._url, device=device)

    async def close(self) -> None:
        try:
            if self._syncing is not None:
                self._syncing.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await self._syncing
        finally:
            await self._client.close()
            await self._http.close()

    async def logout(self) -> None:
        await self._client.logout()
        await self.close()

    async def invites(self) -> Sequence[str]:
        self._raise_if_dead()
        return list(self._client.invited_rooms)

    async def join(self, room: str) -> None:
        answer = await self._client.join(room)
        assert isinstance(answer, JoinResponse), "the homeserver refused the join"

        async def known() -> bool:
            self._raise_if_dead()
            return room in self._client.rooms

        await until(known, "the joined room")

    async def leave(self, room: str) -> None:
        await self._client.room_leave(room)

    async def create_dm(self, user: str) -> str:
        encryption = {
            "type": "m.room.encryption",
            "state_key": "",
            "content": {"algorithm": "m.megolm.v1.aes-sha2"},
        }
        body = {"preset": "private_chat", "is_direct": True, "invite": [user], "initial_state": [encryption]}
        room = str((await self._call("POST", "createRoom", body))["room_id"])

        async def known() -> bool:
            self._raise_if_dead()
            return room in self._client.rooms and self._client.rooms[room].encrypted

        await until(known, "the new room")
        return room

    async def send(self, room: str, text: str) -> str:
        return await self.send_raw(room, "m.room.message", {"msgtype": "m.text", "body": text})

    async def send_raw(self, room: str, type_: str, content: dict[str, Any]) -> str:
        answer = await self._client.room_send(room, type_, content)
        assert isinstance(answer, RoomSendResponse), "the homeserver refused the message"
        return str(answer.event_id)

    async def send_clear(self, room: str, type_: str, content: dict[str, Any]) -> str:
        return str(
            (await self._call("PUT", f"rooms/{room}/send/{type_}/{uuid.uuid4()}", content))["event_id"]
        )

    async def send_file(self, room: str, name: str, media_type: str, data: bytes) -> str:
        """Send an encrypted attachment."""
        sealed, keys = encrypt_attachment(data)
        async with self._http.post(f"{self._url}/_matrix/media/v3/upload", data=sealed) as response:
            url = (await response.json())["content_uri"]
        content = {
            "msgtype": "m.file",
            "body": name,
            "info": {"mimetype": media_type, "size": len(data)},
            "file": {**keys, "url": url},
        }
        return await self.send_raw(room, "m.room.message", content)

    async def read_file(self, event: str) -> bytes:
        """Fetch and decrypt the attachment of an event that was read."""
        message = await self.wait_event(event)
        file = message.content["file"]
        path = file["url"].removeprefix("mxc://")
        async with self._http.get(f"{self._url}/_matrix/client/v1/media/download/{path}") as response:
            assert response.status == 200, f"the homeserver answered {response.status}"
            sealed = await response.read()
        return bytes(decrypt_attachment(sealed, file["key"]["k"], file["hashes"]["sha256"], file["iv"]))

    async def can_read(self, event: dict[str, Any], room: str) -> bool:
        """Whether this client has the key of a raw event, however it came by it."""
        parsed = Event.parse_encrypted_event({**event, "room_id": room})
        assert isinstance(parsed, MegolmEvent), "not an encrypted event"
        try:
            self._olm.decrypt_megolm_event(parsed, room)
        except EncryptionError:
            return False
        return True

    async def redact(self, room: str, event: str) -> None:
        await self._call("PUT", f"rooms/{room}/redact/{event}/{uuid.uuid4()}", {})

    async def read(self, since: int = 0) -> Sequence[Message]:
        self._raise_if_dead()
        return [self._describe(index) for index in range(since, len(self._log.events))]

    async def set_pusher(self, url: str, *, event_id_only: bool = False) -> None:
        pusher = {
            "kind": "http",
            "app_id": "pli.test",
            "app_display_name": "test",
            "device_display_name": "phone",
            "pushkey": self.device,
            "lang": "fr",
            "data": {"url": url, "format": "event_id_only"} if event_id_only else {"url": url},
        }
        await self._call("POST", "pushers/set", pusher)

    async def identity(self) -> Identity:
        keys = self._olm.account.identity_keys
        return Identity(
            user=self.user,
            device=self.device,
            ed25519=keys["ed25519"],
            curve25519=keys["curve25519"],
            master=self._signer.master if self._signer else None,
        )

    @property
    def _olm(self) -> Any:
        return self._client.olm

    def _raise_if_dead(self) -> None:
        if self._syncing is not None and self._syncing.done():
            self._syncing.result()

    async def _note(self, room: MatrixRoom, event: Event | BadEvent) -> None:
        if isinstance(event, RedactionEvent):
            self._log.redacted.add(event.redacts)
        encrypted = (
            isinstance(event, MegolmEvent) or event.decrypted or event.event_id in self._client.wire_sizes
        )
        self._log.events.append(_Seen(room=room.room_id, event=event, encrypted=encrypted))

    def _describe(self, index: int) -> Message:
        seen = self._log.events[index]
        if isinstance(seen.event, MegolmEvent):  # its key may have come since
            with contextlib.suppress(EncryptionError):
                late = self._client.decrypt_event(seen.event)
                if isinstance(late, Event):
                    seen.event = late
        event = seen.event
        redacted = event.event_id in self._log.redacted or isinstance(event, RedactedEvent)
        content = {} if redacted else event.source.get("content", {})
        return Message(
            index=index,
            room=seen.room,
            event=event.event_id,
            type=event.source["type"],
            sender=event.sender,
            msgtype=content.get("msgtype"),
            body=content.get("body"),
            content=content,
            encrypted=seen.encrypted,
            decrypted=event.decrypted,
            redacted=redacted,
            wire_size=self._client.wire_sizes.get(event.event_id),
        )

    async def _call(self, method: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        async with self._http.request(method, f"{self._url}/_matrix/client/v3/{path}", json=body) as response:
            answer: dict[str, Any] = await response.json()
            assert response.status == 200, f"the homeserver answered {response.status}"
            return answer
