"""A homeserver that looks: everything that the bot asks of it, with sizes and moments.

What is compared is reduced to what does not depend on chance: names become places, random ids become lengths.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from aiohttp import web

from tests.channels.proxy import Proxy

_EVENT = re.compile(rb'"event_id":\s*"(\$[^"]+)"')
_PREFIX = "/_matrix/client/v3/"
_AT_ONCE = frozenset({"POST keys/query", "GET rooms/state"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """One request; ``at`` on the monotonic clock, ``kind`` without ids."""

    at: float
    kind: str
    place: str
    path: str
    body: dict[str, Any] = field(repr=False)
    body_size: int

    def concerns(self, room: str, user: str) -> bool:
        """Whether it is about this patient: by the room in the path, or by the account in the body."""
        return self.place == room or (not self.place and f'"{user}"' in json.dumps(self.body))


@dataclass(frozen=True, kw_only=True, slots=True)
class Sign:
    """What a homeserver can tell of one request."""

    kind: str
    path_size: int
    body_size: int
    told: tuple[object, ...]


@dataclass
class Tap(Proxy):
    """``delivered`` has the moment at which each event was handed to the bot for the first time."""

    asked: list[Asked] = field(default_factory=list)
    delivered: dict[str, float] = field(default_factory=dict)

    async def _pass(self, request: web.Request) -> web.Response:
        at, data = time.monotonic(), await request.read()
        kind, place = kind_of(request.method, request.raw_path)
        body = json.loads(data) if data else {}
        self.asked.append(
            Asked(at=at, kind=kind, place=place, path=request.raw_path, body=body, body_size=len(data))
        )
        answer = await super()._pass(request)
        if kind == "GET sync":
            assert isinstance(answer.body, bytes)
            now = time.monotonic()
            for event in _EVENT.findall(answer.body):
                self.delivered.setdefault(event.decode(), now)
        return answer


def point_at(tap: Proxy, folder: Path) -> None:
    """Let the bot whose practice lies in ``folder`` talk to its homeserver through the tap."""
    file = folder / "bot" / "session.json"
    session = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps({**session, "homeserver": tap.url}), encoding="utf-8")


def kind_of(method: str, path: str) -> tuple[str, str]:
    """``PUT rooms/send/m.room.encrypted`` and the room; what is not known is told as it is."""
    parts = [unquote(part) for part in path.partition("?")[0].removeprefix(_PREFIX).split("/")]
    if parts[0] == "rooms" and len(parts) > 2:
        kept = parts[2:4] if parts[2] == "send" else parts[2:3]
        return f"{method} rooms/{'/'.join(kept)}", parts[1]
    if parts[0] == "sendToDevice":
        return f"{method} {'/'.join(parts[:2])}", ""
    return f"{method} {'/'.join(parts)}", ""


def signs(asked: Sequence[Asked], *, typed: Sequence[str], said: Sequence[str]) -> list[Sign]:
    """The canonical sequence of what concerns one patient. ``typed`` and ``said`` are the events of both, in order."""
    sessions: list[str] = []
    found = [_sign(request, typed, said, sessions) for request in asked]
    for n in range(1, len(found)):  # these two leave beside one another, in any order
        if {found[n - 1].kind, found[n].kind} == _AT_ONCE and found[n].kind < found[n - 1].kind:
            found[n - 1], found[n] = found[n], found[n - 1]
    return found


def _sign(request: Asked, typed: Sequence[str], said: Sequence[str], sessions: list[str]) -> Sign:
    told: tuple[object, ...] = ()
    if request.kind == "PUT rooms/redact":
        event = unquote(request.path.split("/redact/")[1].split("/")[0])
        told = ("typed", typed.index(event)) if event in typed else ("said", said.index(event))
    elif "ciphertext" in request.body:
        session = request.body["session_id"]
        if session not in sessions:
            sessions.append(session)
        told = (len(request.body["ciphertext"]), *sorted(request.body), sessions.index(session))
    elif "messages" in request.body:
        told = tuple(
            sorted(
                (part["type"], len(part["body"]))
                for devices in request.body["messages"].values()
                for content in devices.values()
                for part in content["ciphertext"].values()
            )
        )
    return Sign(kind=request.kind, path_size=len(request.path), body_size=request.body_size, told=told)
