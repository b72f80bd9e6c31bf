"""Updates that are brought; rules by number are those of :mod:`bot.channels.telegram.webhook`."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import aiohttp
import pytest

from bot.channels.telegram.health import Health
from bot.channels.telegram.webhook import Webhook
from bot.domain.telegram import Asked, Typed
from bot.domain.values import Secret
from bot.errors import StorageError, WrongUse
from tests.rig.bot_api import SECRET_HEADER, BotApi
from tests.telegram.kit import ANN, BEN, Ears, Wire

SECRET = "s" * 40
URL = "https://cabinet.example/hook/abc"


@pytest.fixture
async def hook(wire: Wire) -> AsyncIterator[Webhook]:
    webhook = Webhook(wire.line, url=URL, port=0, secret=Secret(SECRET), pause=wire.pauses)
    yield webhook
    await webhook.stop()


async def begun(api: BotApi, hook: Webhook, ears: Ears) -> str:
    """The address at which this process is found by the proxy."""
    await hook.once(ears)
    api.webhook_through = f"http://127.0.0.1:{hook.port}/hook/abc"
    return api.webhook_through


async def bring(url: str, body: bytes, secret: str | None = SECRET) -> int:
    headers = {SECRET_HEADER: secret} if secret is not None else {}
    async with aiohttp.ClientSession() as session, session.post(url, data=body, headers=headers) as answer:
        return answer.status


async def test_what_is_brought_is_heard_in_its_order(api: BotApi, wire: Wire, hook: Webhook) -> None:
    ears = Ears()
    await begun(api, hook, ears)
    assert api.webhook == {
        "url": URL,
        "secret_token": SECRET,
        "allowed_updates": ["message", "edited_message", "my_chat_member"],
        "max_connections": "1",
        "drop_pending_updates": False,
    }
    api.types(ANN.chat, "/help")
    api.types(BEN.chat, "hello")
    assert await api.deliver() == [200, 200]
    assert [type(thing) for thing in ears.things] == [Asked, Typed]
    assert wire.line.health is Health.CONNECTED
    assert api.of("getUpdates") == []


@pytest.mark.parametrize("secret", [None, "", "x", SECRET[:-1], SECRET + "s", "S" * 40, "é" * 20])
async def test_rule_1_only_who_knows_the_secret_is_heard(
    api: BotApi, hook: Webhook, secret: str | None
) -> None:
    ears = Ears()
    url = await begun(api, hook, ears)
    api.types(ANN.chat, "/help")
    body = json.dumps(next(iter(api._updates.values()))).encode()
    assert await bring(url, body, secret) == 403
    assert ears.heard == []
    assert await bring(url, body) == 200
    assert len(ears.heard) == 1


async def test_rule_2_what_the_storage_refused_is_brought_again(api: BotApi, hook: Webhook) -> None:
    ears = Ears(errors=[StorageError("full")])
    await begun(api, hook, ears)
    api.types(ANN.chat, "/help")
    api.types(ANN.chat, "/stop")
    assert await api.deliver() == [503]
    assert await api.deliver() == [200, 200]
    assert ears.numbers == [701, 702]


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"7", b"[" * 100_000, b"\xff\xfe", b'{"update_id": 7}', b'{"message": {}}']
)
async def test_rule_3_what_cannot_be_read_is_taken_and_dropped(
    api: BotApi, hook: Webhook, body: bytes
) -> None:
    ears = Ears()
    url = await begun(api, hook, ears)
    assert await bring(url, body) == 200
    assert ears.heard == []
    api.types(ANN.chat, "/help")
    assert await api.deliver() == [200]


async def test_rule_3_more_than_a_megabyte_is_refused(api: BotApi, hook: Webhook) -> None:
    ears = Ears()
    url = await begun(api, hook, ears)
    assert await bring(url, b" " * (1024 * 1024 + 1)) == 413
    assert ears.heard == []


async def test_what_is_brought_twice_is_heard_once(api: BotApi, hook: Webhook) -> None:
    ears = Ears()
    url = await begun(api, hook, ears)
    api.types(ANN.chat, "/help")
    body = json.dumps(next(iter(api._updates.values()))).encode()
    assert [await bring(url, body) for _ in range(3)] == [200] * 3
    assert ears.numbers == [701]


async def test_rule_5_anothers_webhook_is_told_of_and_ours_set_again(
    api: BotApi, wire: Wire, hook: Webhook
) -> None:
    ears = Ears()
    await begun(api, hook, ears)
    api.webhook = {"url": "https://elsewhere.example"}
    await hook.once(ears)
    assert wire.line.health is Health.CONFLICT
    await hook.once(ears)
    assert (wire.line.health, api.webhook["url"]) == (Health.CONNECTED, URL)
    assert wire.pauses.taken == [60.0] * 3


async def test_a_port_that_is_taken_is_said(api: BotApi, wire: Wire, hook: Webhook) -> None:
    await begun(api, hook, Ears())
    other = Webhook(wire.line, url=URL, port=hook.port, secret=Secret(SECRET), pause=wire.pauses)
    with pytest.raises(WrongUse, match="taken"):
        await other.once(Ears())
