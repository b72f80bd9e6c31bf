"""A light account that reads: vodozemac alone, no Matrix library, and none of the bot's Matrix code.

It takes the to-device messages that wait for it, opens the Olm ones, keeps the room keys in them, and decrypts what
stands in its room. Who sent what is judged by the homeserver's own record.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import aiohttp
import vodozemac

from tests.bench.phones import Json, Phone

_PAGE = 500


@dataclass(frozen=True, kw_only=True, slots=True)
class Read:
    """One encrypted event: ``content`` is what it says, None where no key opens it."""

    event: str
    sender: str
    content: Json | None


@dataclass
class Reader:
    """One phone in one room."""

    phone: Phone
    room: str
    url: str
    _since: str = ""
    _olm: list[vodozemac.Session] = field(default_factory=list)
    _megolm: dict[str, vodozemac.InboundGroupSession] = field(default_factory=dict)

    async def read(self, http: aiohttp.ClientSession) -> list[Read]:
        """Every encrypted event of the room, in any order, as it stands now."""
        await self._take_keys(http)
        events = []
        token = ""
        while True:
            query = {"dir": "b", "limit": str(_PAGE), **({"from": token} if token else {})}
            page = await self._get(http, f"rooms/{quote(self.room, safe='')}/messages", query)
            events += page["chunk"]
            token = page.get("end", "")
            if not token or not page["chunk"]:
                break
        return [
            Read(event=e["event_id"], sender=e["sender"], content=self._open(e["content"]))
            for e in events
            if e["type"] == "m.room.encrypted" and e["content"]
        ]

    async def _take_keys(self, http: aiohttp.ClientSession) -> None:
        """Until there are no more: an answer holds a hundred of them at most."""
        while True:
            query = {"timeout": "0", "filter": _TO_DEVICE_ONLY} | (
                {"since": self._since} if self._since else {}
            )
            answer = await self._get(http, "sync", query)
            self._since = answer["next_batch"]
            events = answer.get("to_device", {}).get("events", [])
            for event in events:
                self._take(event["content"])
            if not events:
                return

    def _take(self, content: Json) -> None:
        mine = content["ciphertext"][self.phone.pin.curve25519]
        payload = json.loads(self._olm_plaintext(content["sender_key"], mine))
        if payload["type"] == "m.room_key":
            key = payload["content"]
            assert key["room_id"] == self.room, "a key of another room"
            session = vodozemac.InboundGroupSession(vodozemac.SessionKey(key["session_key"]))
            self._megolm.setdefault(session.session_id, session)

    def _olm_plaintext(self, sender_key: str, message: Json) -> bytes:
        if message["type"] == 0:
            first = vodozemac.PreKeyMessage.from_base64(message["body"])
            for session in self._olm:
                if session.session_matches(first):
                    return session.decrypt(first.to_any())
            key = vodozemac.Curve25519PublicKey.from_base64(sender_key)
            session, plain = self.phone.account.create_inbound_session(key, first)
            self._olm.append(session)
            return plain
        raise AssertionError("this phone never answers: its sessions do not get beyond their first message")

    def _open(self, content: Json) -> Json | None:
        session = self._megolm.get(content["session_id"])
        if session is None:
            return None
        message = vodozemac.MegolmMessage.from_base64(content["ciphertext"])
        plain: Json = json.loads(bytes(session.decrypt(message).plaintext))
        assert plain["room_id"] == self.room, "an event of another room"
        return plain

    async def _get(self, http: aiohttp.ClientSession, path: str, query: dict[str, str]) -> Any:
        headers = {"Authorization": f"Bearer {self.phone.token}"}
        async with http.get(f"{self.url}/_matrix/client/v3/{path}", params=query, headers=headers) as answer:
            assert answer.status == 200, f"the homeserver answered {answer.status}"
            return await answer.json()


_TO_DEVICE_ONLY = json.dumps(
    {"room": {"rooms": []}, "presence": {"types": []}, "account_data": {"types": []}}
)
