"""A patient's phone moved by hand, on vodozemac alone: its private keys are open to the tests."""

from __future__ import annotations

import uuid
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import aiohttp

from tests.hostile.device import Speaker, device_keys, one_time_keys, open_session, to_device
from tests.hostile.wiretap import Keys
from tests.rig.cross_signing import CrossSigner
from tests.rig.waiting import until

Json = dict[str, Any]
_ONE_TIME_KEYS = 20
_FILTER = quote('{"room":{"timeline":{"limit":100}}}')


class Phone:
    """One logged-in device. ``heard`` are the bot's words, None where they cannot be read; ``unlocks`` by ``pin``."""

    def __init__(self, http: aiohttp.ClientSession, url: str, *, bot: str, user: str, device_id: str) -> None:
        self.http, self._url = http, url
        self.bot, self.user, self.device_id = bot, user, device_id
        self.keys = Keys()
        self.speaker = Speaker(self.keys, device_id)
        self.signer: CrossSigner | None = None
        self.room = ""
        self.heard: list[str | None] = []
        self.typed: list[str] = []
        self._since = ""
        self._events: list[Json] = []
        self._given: set[str] = set()
        self._looked = 0

    @classmethod
    async def start(
        cls, url: str, user: str, password: str, *, bot: str, signer: CrossSigner | None = None
    ) -> Self:
        """Log in on a new device, vouched for by ``signer`` or by an identity of its own."""
        http = aiohttp.ClientSession()
        login = {
            "type": "m.login.password",
            "identifier": {"type": "m.id.user", "user": user},
            "password": password,
        }
        async with http.post(f"{url}/_matrix/client/v3/login", json=login) as answer:
            made = await answer.json()
        http.headers["Authorization"] = f"Bearer {made['access_token']}"
        self = cls(http, url, bot=bot, user=user, device_id=made["device_id"])
        await self.call(
            "POST",
            "keys/upload",
            {
                "device_keys": device_keys(self.keys, user, self.device_id),
                "one_time_keys": one_time_keys(self.keys, user, self.device_id, _ONE_TIME_KEYS),
            },
        )
        if signer is None:
            self.signer = CrossSigner(user)
            await self.signer.publish(
                http,
                url,
                device=self.device_id,
                sign_by_device=lambda data: self.keys.account.sign(data).to_base64(),
            )
        else:
            await signer.sign_device(http, url, device=self.device_id)
        return self

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.http.close()

    async def call(self, method: str, path: str, body: Json | None = None) -> Json:
        async with self.http.request(method, f"{self._url}/_matrix/client/v3/{path}", json=body) as answer:
            made: Json = await answer.json()
            assert answer.status == 200, f"the homeserver answered {answer.status} {made.get('errcode')}"
            return made

    # -- speaking -----------------------------------------------------------------------------------------------

    async def accept_invite(self) -> str:
        async def invited() -> str | None:
            answer = await self.call("GET", "sync?timeout=0")
            return next(iter(answer.get("rooms", {}).get("invite", {})), None)

        self.room = await until(invited, "an invitation")
        await self.join(self.room)
        return self.room

    async def join(self, room: str) -> None:
        await self.call("POST", f"rooms/{quote(room)}/join", {})

    async def leave(self, room: str) -> None:
        await self.call("POST", f"rooms/{quote(room)}/leave", {})

    async def devices_of(self, user: str) -> dict[str, Json]:
        """As the real homeserver lists them."""
        answer = await self.call("POST", "keys/query", {"device_keys": {user: []}})
        devices: dict[str, Json] = answer["device_keys"][user]
        return devices

    async def one_time_key(self, bot: Json) -> Json:
        """One of the bot's device, claimed."""
        user, device_id = bot["user_id"], bot["device_id"]
        wanted = {"one_time_keys": {user: {device_id: "signed_curve25519"}}}
        answer = await self.call("POST", "keys/claim", wanted)
        (key,) = answer["one_time_keys"][user][device_id].values()
        made: Json = key
        return made

    async def claim(self, bot: Json, keys: Keys | None = None) -> None:
        """Open an Olm session with the bot's device for this phone, or for other ``keys``."""
        key = await self.one_time_key(bot)
        open_session(keys or self.keys, bot["keys"][f"curve25519:{bot['device_id']}"], key["key"])

    async def bot_device(self) -> Json:
        (device,) = (await self.devices_of(self.bot)).values()
        return device

    async def share(self, room: str) -> None:
        """Give the room's key, as it stands, to the bot's device."""
        bot = await self.bot_device()
        if not self.keys.olm.get(bot["keys"][f"curve25519:{bot['device_id']}"]):
            await self.claim(bot)
        content = to_device(self.keys, self.user, bot, "m.room_key", self.speaker.room_key(room))
        path = f"sendToDevice/m.room.encrypted/{uuid.uuid4()}"
        await self.call("PUT", path, {"messages": {self.bot: {bot["device_id"]: content}}})

    async def put(self, content: Json, *, kind: str = "m.room.encrypted") -> str:
        """An event of whatever kind; its id."""
        answer = await self.call("PUT", f"rooms/{quote(self.room)}/send/{kind}/{uuid.uuid4()}", content)
        event = str(answer["event_id"])
        self.typed.append(event)
        return event

    async def say(self, text: str) -> str:
        """Type something, after giving the key if the session is new."""
        session = self.speaker.session(self.room).session_id
        if session not in self._given:
            self._given.add(session)
            await self.share(self.room)
        return await self.put(self.speaker.encrypt(self.room, text))

    async def say_in_clear(self, text: str) -> str:
        return await self.put({"msgtype": "m.text", "body": text}, kind="m.room.message")

    # -- hearing ------------------------------------------------------------------------------------------------

    async def sync(self) -> None:
        """Take in what has come. What could not be read at first is tried again."""
        since = f"&since={quote(self._since)}" if self._since else ""
        answer = await self.call("GET", f"sync?timeout=0&filter={_FILTER}{since}")
        self._since = answer["next_batch"]
        for event in answer.get("to_device", {}).get("events", []):
            one = event["content"].get("ciphertext", {}).get(self.keys.curve25519)
            if one is not None:
                self.keys.open_olm(event["content"]["sender_key"], one["type"], one["body"])
        joined = answer.get("rooms", {}).get("join", {}).get(self.room, {})
        self._events += [
            event
            for event in joined.get("timeline", {}).get("events", [])
            if event["type"] == "m.room.encrypted" and event["sender"] != self.user
        ]
        self.heard = []
        for event in self._events:
            opened = self.keys.open_megolm(event["content"])
            self.heard.append(str(opened["content"]["body"]) if opened else None)

    async def hear(self, *, seconds: float = 30.0) -> str:
        """The next of the bot's messages that can be read."""

        async def readable() -> str | None:
            await self.sync()
            for place in range(self._looked, len(self.heard)):
                if (words := self.heard[place]) is not None:
                    self._looked = place + 1
                    return words
            return None

        return await until(readable, "the bot's answer", seconds=seconds)

    @property
    def readable(self) -> list[str]:
        """All of the bot's words, as far as they could be read."""
        return [words for words in self.heard if words is not None]

    def count(self, part: str) -> int:
        """How many of the bot's messages hold ``part``."""
        return sum(part in words for words in self.readable)

    async def state(self) -> list[Json]:
        """Of the room, as the real homeserver has it."""
        made: Any = await self.call("GET", f"rooms/{quote(self.room)}/state")
        return list(made)

    async def catch_up(self) -> None:
        """Pass over what has come."""
        await self.sync()
        self._looked = len(self.heard)

    async def tell(self, text: str) -> str:
        """Type, and read the answer."""
        await self.say(text)
        return await self.hear()
