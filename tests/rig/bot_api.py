"""A server of ours that behaves like Telegram's Bot API, as far as its public documentation says how that behaves.

What was sent is in :attr:`BotApi.sent`, every request with its address and body in :attr:`BotApi.requests`. Trouble is
ordered beforehand with :meth:`BotApi.trouble`, one for each of the next calls of a method.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Self

import aiohttp
from aiohttp import web

TOKEN: Final = "1234567:AAE-canary-of-the-token-0123456789abcde"
Json = dict[str, Any]
SECRET_HEADER: Final = "X-Telegram-Bot-Api-Secret-Token"


@dataclass(frozen=True, kw_only=True, slots=True)
class Recorded:
    """One request as it came: ``body`` raw, ``values`` read from it."""

    method: str
    path: str
    body: bytes
    values: Json
    at: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Trouble:
    """``after``: what was asked is done before. Then: ``status`` with ``answer`` (JSON, or bytes as they are), or
    ``silent`` (no answer at all), or ``cut`` (the connection ends).
    """

    status: int = 200
    answer: Json | bytes = b""
    after: bool = False
    silent: bool = False
    cut: bool = False


def refusal(code: int, description: str, **parameters: int) -> Trouble:
    """As the API words it."""
    answer: Json = {"ok": False, "error_code": code, "description": description}
    return Trouble(status=code, answer={**answer, **({"parameters": parameters} if parameters else {})})


FLOOD: Final = "Too Many Requests: retry after"
BLOCKED: Final = "Forbidden: bot was blocked by the user"
DEACTIVATED: Final = "Forbidden: user is deactivated"
NEVER_STARTED: Final = "Forbidden: bot can't initiate conversation with a user"
NOT_FOUND: Final = "Bad Request: chat not found"


class _Refused(Exception):
    def __init__(self, code: int, description: str, **parameters: int) -> None:
        super().__init__(description)
        self.trouble = refusal(code, description, **parameters)


@dataclass
class BotApi:
    """Use as an asynchronous context manager. ``chats`` are those that started the bot; ``groups`` those that it is in.

    ``per_second`` and ``per_chat_seconds`` are the limits (0: none), above which it answers 429 and does nothing.
    ``shuffled`` and ``repeats``: updates come in any order, and once more after they were confirmed.
    """

    token: str = TOKEN
    url: str = ""
    me: Json = field(
        default_factory=lambda: {
            "id": 1234567,
            "is_bot": True,
            "first_name": "Pli",
            "username": "pli_messages_bot",
            "can_join_groups": False,
            "can_read_all_group_messages": False,
        }
    )
    texts: dict[str, str] = field(
        default_factory=lambda: {"name": "Pli", "description": "", "short_description": ""}
    )
    photos: int = 1
    chats: set[int] = field(default_factory=set)
    groups: set[int] = field(default_factory=set)
    blocked: set[int] = field(default_factory=set)
    deactivated: set[int] = field(default_factory=set)
    unknown: set[int] = field(default_factory=set)
    migrated: dict[int, int] = field(default_factory=dict)
    revoked: bool = False
    latency: float = 0.0
    per_second: int = 0
    per_chat_seconds: float = 0.0
    shuffled: bool = False
    repeats: bool = False
    webhook: Json = field(default_factory=dict)
    webhook_through: str = ""
    monotonic: Callable[[], float] = time.monotonic
    requests: list[Recorded] = field(default_factory=list)
    sent: list[Json] = field(default_factory=list)
    deleted: list[tuple[int, int]] = field(default_factory=list)
    messages: set[tuple[int, int]] = field(default_factory=set)
    confirmed: set[int] = field(default_factory=set)
    _updates: dict[int, Json] = field(default_factory=dict)
    _trouble: dict[str, deque[Trouble]] = field(default_factory=lambda: defaultdict(deque))
    _number: int = 700
    _message: int = 0
    _poller: asyncio.Event | None = None
    _new: asyncio.Event = field(default_factory=asyncio.Event)
    _ends: asyncio.Event = field(default_factory=asyncio.Event)
    _taken: deque[float] = field(default_factory=deque)
    _last: dict[int, float] = field(default_factory=dict)
    _runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_route("*", "/{rest:.*}", self._take)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ends.set()
        if self._runner is not None:
            await self._runner.cleanup()

    # -- what people there do -----------------------------------------------------------------------------------

    def trouble(self, method: str, *troubles: Trouble) -> None:
        self._trouble[method].extend(troubles)

    def push(self, update: Json) -> int:
        """An update for the bot, numbered unless it has a number."""
        self._number += 1
        number = int(update.get("update_id", self._number))
        self._updates[number] = {"update_id": number, **update}
        self._new.set()
        return number

    def types(self, chat: int, text: str | None = None, *, kind: str = "private", **more: Any) -> int:
        """Somebody writes; the number of the message."""
        self._message += 1
        if kind == "private":
            self.chats.add(chat)
        else:
            self.groups.add(chat)
        sender = {"id": abs(chat), "is_bot": False, "first_name": "Someone", "language_code": "fr"}
        message: Json = {
            "message_id": self._message,
            "date": 1_790_000_000,
            "chat": {"id": chat, "type": kind},
            "from": sender,
            **({"text": text} if text is not None else {}),
            **more,
        }
        self.messages.add((chat, self._message))
        self.push({"message": message})
        return self._message

    def blocks(self, chat: int) -> None:
        self.blocked.add(chat)
        self.push({"my_chat_member": membership(chat, "kicked")})

    async def deliver(self) -> list[int]:
        """Bring what waits to the webhook, one after the other, until one is not taken; the answers' statuses."""
        statuses = []
        async with aiohttp.ClientSession() as session:
            for number in sorted(self._updates):
                headers = {SECRET_HEADER: self.webhook.get("secret_token", "")}
                async with session.post(
                    self.webhook_through, json=self._updates[number], headers=headers
                ) as answer:
                    statuses.append(answer.status)
                if answer.status != 200:
                    break
                self._confirm(number)
        return statuses

    def of(self, method: str) -> list[Recorded]:
        return [request for request in self.requests if request.method == method]

    # -- the server ---------------------------------------------------------------------------------------------

    async def _take(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        token, _, method = request.path.removeprefix("/bot").partition("/")
        values = await _values(request, body)
        self.requests.append(
            Recorded(method=method, path=request.raw_path, body=body, values=values, at=self.monotonic())
        )
        if self.latency:
            await asyncio.sleep(self.latency)
        trouble = self._trouble[method].popleft() if self._trouble[method] else None
        if token != self.token or self.revoked:
            return _answered(refusal(401, "Unauthorized"))
        if trouble is not None and not trouble.after:
            return await self._troubled(request, trouble)
        try:
            result = await self._do(method, values)
        except _Refused as refused:
            return _answered(refused.trouble)
        if trouble is not None:
            return await self._troubled(request, trouble)
        return web.json_response({"ok": True, "result": result})

    async def _troubled(self, request: web.Request, trouble: Trouble) -> web.StreamResponse:
        if trouble.silent:
            await self._ends.wait()
        if trouble.cut or trouble.silent:
            assert request.transport is not None
            request.transport.abort()
        return _answered(trouble)

    async def _do(self, method: str, values: Json) -> object:  # noqa: PLR0911 - one line a method
        match method:
            case "getMe":
                return self.me
            case "getUpdates":
                return await self._get_updates(values)
            case "sendMessage":
                return self._send(values)
            case "deleteMessage":
                return self._delete(int(values["chat_id"]), int(values["message_id"]))
            case "leaveChat":
                return self._leave(int(values["chat_id"]))
            case "setWebhook":
                self.webhook = dict(values)
                return True
            case "deleteWebhook":
                self.webhook = {}
                return True
            case "getWebhookInfo":
                pending = len(self._updates)
                return {
                    "url": self.webhook.get("url", ""),
                    "has_custom_certificate": False,
                    "pending_update_count": pending,
                }
            case "getUserProfilePhotos":
                photo = {"file_id": "f", "file_unique_id": "u", "width": 9, "height": 9}
                return {"total_count": self.photos, "photos": [[photo]] * self.photos}
            case "getMyName" | "getMyDescription" | "getMyShortDescription":
                name = _snake(method.removeprefix("getMy"))
                return {name: self.texts[name]}
            case "setMyName" | "setMyDescription" | "setMyShortDescription":
                name = _snake(method.removeprefix("setMy"))
                self.texts[name] = str(values.get(name, ""))
                return True
        raise _Refused(404, "Not Found")

    async def _get_updates(self, values: Json) -> list[Json]:
        if self.webhook.get("url"):
            raise _Refused(409, "Conflict: can't use getUpdates method while webhook is active")
        if self._poller is not None:
            self._poller.set()
        mine = self._poller = asyncio.Event()
        offset = int(values.get("offset", 0))
        for number in [n for n in self._updates if n < offset]:
            self._confirm(number)
        allowed = values.get("allowed_updates") or []
        end = time.monotonic() + float(values.get("timeout", 0))
        while not mine.is_set():
            found = [u for n, u in sorted(self._updates.items()) if not allowed or set(allowed) & u.keys()]
            if self.shuffled:
                random.shuffle(found)
            left = end - time.monotonic()
            if found or left <= 0:
                return found[:100]
            self._new.clear()
            waits = [asyncio.create_task(event.wait()) for event in (self._new, mine, self._ends)]
            await asyncio.wait(waits, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            for task in waits:
                task.cancel()
            if self._ends.is_set():
                return []
        raise _Refused(
            409,
            "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running",
        )

    def _confirm(self, number: int) -> None:
        if self.repeats and number not in self.confirmed:
            self.confirmed.add(number)
            return
        self.confirmed.add(number)
        self._updates.pop(number, None)

    def _send(self, values: Json) -> Json:
        chat = int(values["chat_id"])
        if not str(values.get("text", "")).strip():
            raise _Refused(400, "Bad Request: message text is empty")
        if chat in self.migrated:
            raise _Refused(
                400,
                "Bad Request: group chat was upgraded to a supergroup chat",
                migrate_to_chat_id=self.migrated[chat],
            )
        self._reachable(chat)
        self._within_limits(chat)
        self._message += 1
        self.sent.append(dict(values))
        return {
            "message_id": self._message,
            "date": 1_790_000_000,
            "text": values["text"],
            "chat": {"id": chat, "type": "private"},
            "from": self.me,
        }

    def _reachable(self, chat: int) -> None:
        if chat in self.unknown:
            raise _Refused(400, NOT_FOUND)
        if chat in self.blocked:
            raise _Refused(403, BLOCKED)
        if chat in self.deactivated:
            raise _Refused(403, DEACTIVATED)
        if chat not in self.chats | self.groups:
            raise _Refused(403, NEVER_STARTED)

    def _within_limits(self, chat: int) -> None:
        now = self.monotonic()
        while self._taken and self._taken[0] <= now - 1:
            self._taken.popleft()
        if self.per_second and len(self._taken) >= self.per_second:
            raise _Refused(429, f"{FLOOD} 1", retry_after=1)
        if self.per_chat_seconds and now - self._last.get(chat, float("-inf")) < self.per_chat_seconds:
            raise _Refused(429, f"{FLOOD} 1", retry_after=1)
        self._taken.append(now)
        self._last[chat] = now

    def _delete(self, chat: int, message: int) -> bool:
        self._reachable(chat)
        if (chat, message) not in self.messages:
            raise _Refused(400, "Bad Request: message to delete not found")
        self.messages.discard((chat, message))
        self.deleted.append((chat, message))
        return True

    def _leave(self, chat: int) -> bool:
        if chat not in self.groups:
            raise _Refused(403, "Forbidden: bot is not a member of the supergroup chat")
        self.groups.discard(chat)
        return True


def membership(chat: int, status: str, *, kind: str = "private") -> Json:
    bot = {"id": 1234567, "is_bot": True, "first_name": "Pli"}
    return {
        "chat": {"id": chat, "type": kind},
        "date": 1_790_000_000,
        "from": {"id": abs(chat), "is_bot": False, "first_name": "Someone"},
        "old_chat_member": {"user": bot, "status": "member"},
        "new_chat_member": {
            "user": bot,
            "status": status,
            **({"until_date": 0} if status == "kicked" else {}),
        },
    }


def _answered(trouble: Trouble) -> web.Response:
    if isinstance(trouble.answer, bytes):
        return web.Response(status=trouble.status, body=trouble.answer)
    return web.json_response(trouble.answer, status=trouble.status)


async def _values(request: web.Request, body: bytes) -> Json:
    """JSON or a form, whose values may be JSON themselves."""
    if request.content_type == "application/json":
        return dict(json.loads(body or b"{}"))
    form: Mapping[str, Any] = await request.post()
    return {**{name: _read(str(value)) for name, value in form.items()}, **request.query}


def _read(value: str) -> Any:
    if value[:1] in ("{", "["):
        return json.loads(value)
    return {"true": True, "false": False}.get(value, value)


def _snake(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")
