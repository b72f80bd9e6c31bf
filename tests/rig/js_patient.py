"""The strict patient: ``tests/js/patient.mjs`` under Node, spoken to in lines of JSON."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, Self

from tests.rig.node import ensure_node_modules
from tests.rig.patient import Identity, Message, Patient

_LINE_LIMIT = 64 * 1024 * 1024
_ANSWER_SECONDS = 60.0
_FIELDS = frozenset(field.name for field in fields(Message))


class JsError(Exception):
    """The client answered with an error."""


class JsPatient(Patient):
    """matrix-js-sdk with ``OnlySignedDevicesIsolationMode``. Each instance is a new device.

    ``timings`` has milliseconds from the start of the login to: login, crypto, first_sync, ready.
    """

    def __init__(self, process: asyncio.subprocess.Process, *, url: str, password: str) -> None:
        self._process = process
        self._url = url
        self._password = password
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._last = 0
        self._listener = asyncio.create_task(self._listen())
        self.timings: Mapping[str, int] = {}

    @classmethod
    async def start(cls, url: str, user: str, password: str, *, cross_sign: bool = True) -> Self:
        """Log in on a new device. Without ``cross_sign`` the device stays unsigned."""
        folder = await asyncio.to_thread(ensure_node_modules)
        environment = {
            name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")
        }
        process = await asyncio.create_subprocess_exec(
            "node",
            "patient.mjs",
            cwd=folder,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=_LINE_LIMIT,
            env=environment,
        )
        self = cls(process, url=url, password=password)
        try:
            made = await self._ask("login", url=url, user=user, password=password, cross_sign=cross_sign)
        except BaseException:
            await self.close()
            raise
        self.user, self.device, self.timings = made["user"], made["device"], made["ms"]
        return self

    async def second_device(self, *, cross_sign: bool = False) -> JsPatient:
        """Another phone on the same account, which nobody has signed."""
        return await JsPatient.start(self._url, self.user, self._password, cross_sign=cross_sign)

    async def close(self) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), 10)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        self._listener.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._listener

    async def logout(self) -> None:
        await self._ask("logout")
        await self.close()

    async def invites(self) -> Sequence[str]:
        return [entry["room"] for entry in await self._ask("invites")]

    async def rooms(self) -> Sequence[Mapping[str, Any]]:
        """Joined rooms: ``room``, ``name``, ``encrypted``, ``members`` as pairs of user and membership."""
        found: list[Mapping[str, Any]] = await self._ask("rooms")
        return found

    async def join(self, room: str) -> None:
        await self._ask("join", room=room)

    async def leave(self, room: str) -> None:
        await self._ask("leave", room=room)

    async def create_dm(self, user: str) -> str:
        return str(await self._ask("create_dm", user=user))

    async def send(self, room: str, text: str) -> str:
        return str(await self._ask("send", room=room, text=text))

    async def send_raw(self, room: str, type_: str, content: dict[str, Any]) -> str:
        return str(await self._ask("send_raw", room=room, type=type_, content=content))

    async def send_clear(self, room: str, type_: str, content: dict[str, Any]) -> str:
        return str(await self._ask("send_clear", room=room, type=type_, content=content))

    async def send_file(self, room: str, name: str, media_type: str, data: bytes, **lies: Any) -> str:
        """Send an encrypted attachment. ``lies`` (msgtype, size, sha256) replace what the event says of it."""
        encoded = base64.b64encode(data).decode()
        return str(
            await self._ask("send_file", room=room, name=name, type=media_type, data=encoded, lies=lies)
        )

    async def read_file(self, event: str) -> bytes:
        """Fetch and decrypt the attachment of an event that was read."""
        return base64.b64decode(await self._ask("read_file", event=event))

    async def redact(self, room: str, event: str) -> None:
        await self._ask("redact", room=room, event=event)

    async def read(self, since: int = 0) -> Sequence[Message]:
        found = await self._ask("read", since=since)
        return [
            Message(**{name: value for name, value in entry.items() if name in _FIELDS}) for entry in found
        ]

    async def set_pusher(self, url: str, *, event_id_only: bool = False) -> None:
        await self._ask("set_pusher", url=url, event_id_only=event_id_only)

    async def identity(self) -> Identity:
        return Identity(**await self._ask("identity"))

    async def devices_of(self, user: str) -> Mapping[str, bool]:
        """Device ids of ``user``, freshly asked for, and whether the owner has signed each."""
        found: Mapping[str, bool] = await self._ask("devices_of", user=user)
        return found

    async def sign_device(self, device: str) -> None:
        """Vouch for another device of the same account."""
        await self._ask("sign_device", device=device)

    async def reset_identity(self) -> None:
        """Throw the cross-signing identity away and publish a new one."""
        await self._ask("reset_identity", password=self._password)

    async def _ask(self, command: str, **parameters: Any) -> Any:
        if self._listener.done():
            raise JsError("the client has ended")
        self._last += 1
        number = self._last
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"id": number, "cmd": command, **parameters}).encode() + b"\n")
        try:
            await self._process.stdin.drain()
            return await asyncio.wait_for(answer, _ANSWER_SECONDS)
        finally:
            self._waiting.pop(number, None)

    async def _listen(self) -> None:
        assert self._process.stdout is not None
        try:
            while line := await self._process.stdout.readline():
                answer = json.loads(line)
                waiting = self._waiting.get(answer["id"])
                if waiting is None or waiting.done():
                    continue
                if "error" in answer:
                    waiting.set_exception(JsError(answer["error"]))
                else:
                    waiting.set_result(answer["ok"])
        finally:
            for waiting in self._waiting.values():
                if not waiting.done():
                    waiting.set_exception(JsError("the client has ended; PLI_JS_LOG=1 shows why"))
