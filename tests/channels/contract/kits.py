"""Two channels as the suite sees them: two people who can be nudged, and what goes wrong on the way."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from bot.channels.matrix.channel import MatrixChannel
from bot.channels.matrix.http import segment
from bot.channels.telegram.channel import BotApiChannel
from bot.domain.messages import Nudge
from bot.domain.trust import Address
from bot.domain.values import Language, UserId
from tests.channels.bot_rig import TEXTS as MATRIX_TEXTS
from tests.channels.bot_rig import Ears, address, new_bot, new_txn
from tests.channels.proxy import Json, Proxy
from tests.rig.bot_api import BLOCKED, FLOOD, BotApi, Trouble, refusal
from tests.rig.homeserver import RigHomeserver
from tests.rig.js_patient import JsPatient
from tests.rig.waiting import until
from tests.telegram.kit import ANN, BEN, wired
from tests.telegram.kit import TEXTS as TELEGRAM_TEXTS


class Goes(Enum):
    """What becomes of the next nudge to a person."""

    SLOWER = "told to wait 2 seconds"
    DOWN = "the server fails"
    CLOSED = "refused for good"
    CUT = "the connection ends"


@dataclass(frozen=True, kw_only=True, slots=True)
class Kit:
    """``people`` are names; ``read`` gives the texts that a person got, and everything else that distinguishes them."""

    channel: type
    people: tuple[str, str]
    constants: dict[Language, str]
    nudge: Callable[[str, Nudge], Awaitable[None]]
    order: Callable[[str, Goes], None]
    read: Callable[[str], Awaitable[list[Any]]]
    seen: Callable[[str], Awaitable[list[str]]]
    secrets: Callable[[], list[str]]


@asynccontextmanager
async def matrix(homeserver: RigHomeserver, folder: Path) -> AsyncIterator[Kit]:
    """A real Synapse behind a proxy that can refuse; two strict clients that are not ours."""
    async with AsyncExitStack() as stack:
        proxy = await stack.enter_async_context(Proxy(homeserver.url))
        bot = await new_bot(homeserver, folder)
        channel, ears = await stack.enter_async_context(bot.running(Ears(), through=proxy.url))
        patients: dict[str, JsPatient] = {}
        places: dict[str, Address] = {}
        for name in ("ann", "ben"):
            user, password = await homeserver.new_user()
            patient = await stack.enter_async_context(await JsPatient.start(homeserver.url, user, password))
            room = await channel.open_room(UserId(patient.user))
            await patient.join(await patient.accept_invite())
            await ears.wait_joined(room)
            patients[name], places[name] = patient, address(room, patient.user)

        sent: Counter[str] = Counter()

        async def nudge(name: str, what: Nudge) -> None:
            await channel.nudge(places[name], what, new_txn())
            sent[name] += 1

        def order(name: str, goes: Goes) -> None:
            path = f"/rooms/{segment(places[name].room)}/send/"
            answers: dict[Goes, tuple[int, Json]] = {
                Goes.SLOWER: (429, {"errcode": "M_LIMIT_EXCEEDED", "retry_after_ms": 2000}),
                Goes.DOWN: (502, {}),
                Goes.CLOSED: (403, {"errcode": "M_FORBIDDEN"}),
                Goes.CUT: (500, {}),
            }
            proxy.failures[path] = [answers[goes]]

        async def got(name: str) -> list[Any]:
            found: list[Any] = []

            async def all_there() -> bool:
                messages = await patients[name].read()
                found[:] = [m for m in messages if m.decrypted and m.sender == bot.session.user]
                return len(found) >= sent[name]

            await until(all_there, "every nudge that left")
            return found

        async def read(name: str) -> list[Any]:
            return [(m.body, m.msgtype, m.wire_size) for m in await got(name)]

        async def seen(name: str) -> list[str]:
            return [str(m.body) for m in await got(name)]

        def secrets() -> list[str]:
            named = [*places.values()]
            return [bot.session.token.reveal(), *(p.room for p in named), *(p.user for p in named)]

        yield Kit(
            channel=MatrixChannel,
            people=("ann", "ben"),
            constants=dict(MATRIX_TEXTS.nudges),
            nudge=nudge,
            order=order,
            read=read,
            seen=seen,
            secrets=secrets,
        )


@asynccontextmanager
async def telegram() -> AsyncIterator[Kit]:
    """The library's HTTP client against a Bot API of ours."""
    chats = {"ann": ANN, "ben": BEN}
    async with BotApi(chats={a.chat for a in chats.values()}) as api, wired(api) as wire:

        async def nudge(name: str, what: Nudge) -> None:
            await wire.channel.nudge(chats[name], what, new_txn())

        def order(name: str, goes: Goes) -> None:
            assert name
            api.trouble(
                "sendMessage",
                {
                    Goes.SLOWER: refusal(429, f"{FLOOD} 2", retry_after=2),
                    Goes.DOWN: refusal(502, "Bad Gateway"),
                    Goes.CLOSED: refusal(403, BLOCKED),
                    Goes.CUT: Trouble(cut=True),
                }[goes],
            )

        def to(name: str) -> list[dict[str, Any]]:
            return [m for m in api.sent if int(m["chat_id"]) == chats[name].chat]

        async def read(name: str) -> list[Any]:
            await asyncio.sleep(0)
            return [sorted((k, repr(v)) for k, v in m.items() if k != "chat_id") for m in to(name)]

        async def seen(name: str) -> list[str]:
            await asyncio.sleep(0)
            return [str(m["text"]) for m in to(name)]

        def secrets() -> list[str]:
            return [api.token, *(str(a.chat) for a in chats.values())]

        yield Kit(
            channel=BotApiChannel,
            people=("ann", "ben"),
            constants=dict(TELEGRAM_TEXTS.nudges),
            nudge=nudge,
            order=order,
            read=read,
            seen=seen,
            secrets=secrets,
        )
