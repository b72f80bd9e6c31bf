"""What leaves for Telegram, and what comes of it; rules by number are those of the module that is named."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest
from telegram.error import NetworkError, TelegramError, TimedOut

from bot.channels.telegram.api import _Connections
from bot.channels.telegram.channel import room_link
from bot.channels.telegram.faults import Fault, judged
from bot.channels.telegram.health import Health
from bot.domain.messages import Nudge
from bot.domain.telegram import ChatAddress, ChatId, TelegramSentence
from bot.domain.values import Language, TransactionId, UserId
from tests.rig.bot_api import (
    BLOCKED,
    DEACTIVATED,
    FLOOD,
    NEVER_STARTED,
    NOT_FOUND,
    BotApi,
    Trouble,
    refusal,
)
from tests.telegram.kit import ANN, BEN, BOT, TEXTS, Wire, wired

TXN = TransactionId("t-1")
FRENCH = Nudge(language=Language.FR)


async def fault_of(wire: Wire, to: ChatAddress = ANN) -> Fault:
    with pytest.raises(Fault) as caught:
        await wire.channel.nudge(to, FRENCH, TXN)
    return caught.value


async def test_channel_rules_1_to_3_a_nudge_is_one_text_and_one_button(api: BotApi, wire: Wire) -> None:
    await wire.channel.nudge(ANN, FRENCH, TXN)
    (request,) = api.requests
    assert request.method == "sendMessage"
    assert request.values == {
        "chat_id": str(ANN.chat),
        "text": TEXTS.nudges[Language.FR],
        "protect_content": True,
        "link_preview_options": {"is_disabled": True},
        "reply_markup": {
            "inline_keyboard": [[{"text": "Ouvrir la conversation", "url": f"https://matrix.to/#/{BOT}"}]]
        },
    }


async def test_channel_rules_1_and_2_each_sentence_is_its_constant(api: BotApi, wire: Wire) -> None:
    for sentence in TelegramSentence:
        for language in Language:
            await wire.channel.say(ANN, sentence, language)
    assert [r.values for r in api.requests] == [
        {
            "chat_id": str(ANN.chat),
            "text": TEXTS.sentences[sentence, language],
            "protect_content": True,
            "link_preview_options": {"is_disabled": True},
        }
        for sentence in TelegramSentence
        for language in Language
    ]


def test_the_link_names_only_the_bot() -> None:
    assert room_link(UserId("@messages:pli.localhost")) == "https://matrix.to/#/@messages:pli.localhost"
    assert room_link(UserId("@b?via=x#/!y:z")) == "https://matrix.to/#/@b%3Fvia%3Dx%23%2F%21y:z"


async def test_the_same_bytes_whoever_gets_them(api: BotApi, wire: Wire) -> None:
    """P2, on this channel: addressee aside."""
    api.chats |= set(range(1, 41))
    for chat in range(1, 41):
        txn = TransactionId(f"t-{chat}")
        await wire.channel.nudge(ChatAddress(chat=ChatId(chat)), FRENCH, txn)
    bodies = [parse_qs(r.body.decode()) for r in api.requests]
    assert {int(body.pop("chat_id")[0]) for body in bodies} == set(range(1, 41))
    assert all(body == bodies[0] for body in bodies)
    assert {r.path for r in api.requests} == {f"/bot{api.token}/sendMessage"}


@pytest.mark.parametrize(
    ("trouble", "why", "permanent", "unsure", "pause"),
    [
        (refusal(429, f"{FLOOD} 7", retry_after=7), "flood", False, False, 7.0),
        (refusal(403, BLOCKED), "closed", True, False, None),
        (refusal(403, DEACTIVATED), "closed", True, False, None),
        (refusal(403, NEVER_STARTED), "closed", True, False, None),
        (refusal(400, NOT_FOUND), "closed", True, False, None),
        (
            refusal(400, "Bad Request: group chat was upgraded", migrate_to_chat_id=-5),
            "closed",
            True,
            False,
            None,
        ),
        (refusal(400, "Bad Request: BUTTON_URL_INVALID"), "refused", False, False, None),
        (refusal(401, "Unauthorized"), "revoked", False, False, None),
        (refusal(404, "Not Found"), "revoked", False, False, None),
        (refusal(409, "Conflict: something"), "conflict", False, False, None),
        (refusal(500, "Internal Server Error"), "away", False, True, None),
        (refusal(502, "Bad Gateway"), "away", False, True, None),
        (refusal(503, "Service Unavailable"), "away", False, False, None),
        (Trouble(status=504, answer=b"<h1>late</h1>"), "away", False, True, None),
        (Trouble(status=200, answer=b"<h1>welcome to the hotel</h1>"), "away", False, True, None),
        (Trouble(status=200, answer={"ok": True}), "away", False, True, None),
        (Trouble(status=403, answer=b"<h1>forbidden here</h1>"), "refused", False, False, None),
        (Trouble(status=404, answer=b"<h1>not found</h1>"), "away", False, False, None),
        (Trouble(status=403, answer={"error": "proxy"}), "refused", False, False, None),
        (Trouble(status=302, answer=b""), "away", False, False, None),
        (Trouble(cut=True), "away", False, True, None),
    ],
)
async def test_faults_rules_2_and_3_what_an_answer_means(
    api: BotApi, wire: Wire, *, trouble: Trouble, why: str, permanent: bool, unsure: bool, pause: float | None
) -> None:
    api.trouble("sendMessage", trouble)
    fault = await fault_of(wire)
    assert (fault.why, fault.permanent, fault.unsure, fault.retry_after) == (why, permanent, unsure, pause)


async def test_api_rule_2_an_answer_of_a_later_version_is_an_answer(api: BotApi, wire: Wire) -> None:
    api.trouble("sendMessage", Trouble(after=True, answer={"ok": True, "result": {"odd": 1}}))
    await wire.channel.nudge(ANN, FRENCH, TXN)
    assert len(api.sent) == 1


async def test_faults_rule_2_nobody_there_is_sure(api: BotApi) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]  # bound, and nobody listens
        async with wired(api, url=f"http://127.0.0.1:{port}") as wire:
            fault = await fault_of(wire)
    assert (fault.why, fault.permanent, fault.unsure) == ("away", False, False)


async def test_faults_rule_2_a_time_out_after_success_is_unsure(api: BotApi) -> None:
    api.trouble("sendMessage", Trouble(after=True, silent=True))
    async with wired(api, seconds=0.3) as wire:
        fault = await fault_of(wire)
    assert (fault.why, fault.permanent, fault.unsure) == ("away", False, True)
    assert len(api.sent) == 1


async def test_faults_rule_2_a_connection_that_ends_after_success_is_unsure(api: BotApi, wire: Wire) -> None:
    api.trouble("sendMessage", Trouble(after=True, cut=True))
    assert (await fault_of(wire)).unsure
    assert len(api.sent) == 1


def raised(error: TelegramError, cause: Exception) -> TelegramError:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "unsure"),
    [
        (lambda: raised(TimedOut(), httpx.ConnectTimeout("x")), False),
        (lambda: raised(TimedOut(), httpx.PoolTimeout("x")), False),
        (lambda: raised(TimedOut(), httpx.ReadTimeout("x")), True),
        (lambda: raised(TimedOut(), httpx.WriteTimeout("x")), True),
        (lambda: raised(NetworkError("x"), httpx.ConnectError("x")), False),
        (lambda: raised(NetworkError("x"), httpx.ReadError("x")), True),
        (lambda: raised(NetworkError("x"), httpx.WriteError("x")), True),
        (lambda: raised(NetworkError("x"), httpx.RemoteProtocolError("x")), True),
        (lambda: TelegramError("a kind of a later version"), True),
        (lambda: KeyError("result"), True),
    ],
)
def test_faults_rule_2_all_that_may_have_left_is_unsure(
    error: Callable[[], Exception], *, unsure: bool
) -> None:
    fault = judged(error())
    assert (fault.permanent, fault.unsure) == (False, unsure)


async def test_line_rule_2_a_revoked_token_is_not_tried_again(api: BotApi, wire: Wire) -> None:
    api.revoked = True
    assert (await fault_of(wire)).why == "revoked"
    asked = len(api.requests)
    for _ in range(20):
        assert (await fault_of(wire, BEN)).why == "revoked"
    assert len(api.requests) == asked
    assert wire.told == [Health.REVOKED]
    assert wire.line.broken


async def test_line_rule_3_one_failing_chat_says_nothing_of_the_line(api: BotApi, wire: Wire) -> None:
    await wire.line.greet()
    api.blocked.add(ANN.chat)
    for _ in range(5):
        assert (await fault_of(wire)).permanent
        await wire.channel.nudge(BEN, FRENCH, TXN)
    assert wire.line.health is Health.CONNECTED
    api.trouble("sendMessage", *[refusal(502, "Bad Gateway")] * 5)
    for expected in (Health.CONNECTED, Health.CONNECTED, Health.AWAY):
        await fault_of(wire)
        assert wire.line.health is expected


async def test_line_rule_4_away_is_not_broken_for_ten_minutes(api: BotApi, wire: Wire) -> None:
    assert wire.line.health is Health.AWAY
    assert not wire.line.broken
    await wire.line.greet()
    wire.clock.seconds += 5000
    assert not wire.line.broken
    for health in (Health.AWAY, Health.CONFLICT):
        wire.line.now(health)
        wire.clock.seconds += 299
        assert not wire.line.broken
    wire.clock.seconds += 2
    assert wire.line.broken
    await wire.line.greet()
    assert not wire.line.broken
    assert api.of("getMe")


async def test_a_message_is_taken_back_and_one_that_is_gone_is_no_error(api: BotApi, wire: Wire) -> None:
    number = api.types(ANN.chat, "482916")
    await wire.channel.take_back(ANN, number)
    await wire.channel.take_back(ANN, number)
    assert api.deleted == [(ANN.chat, number)]
    api.trouble("deleteMessage", refusal(400, "Bad Request: message can't be deleted for everyone"))
    await wire.channel.take_back(ANN, 1)
    api.trouble("deleteMessage", refusal(502, "Bad Gateway"))
    with pytest.raises(Fault):
        await wire.channel.take_back(ANN, 1)


async def test_a_group_is_left_and_leaving_twice_is_no_error(api: BotApi, wire: Wire) -> None:
    api.groups.add(-77)
    for _ in range(2):
        await wire.channel.leave(ChatId(-77))
    assert api.groups == set()
    api.trouble("leaveChat", refusal(429, f"{FLOOD} 3", retry_after=3))
    with pytest.raises(Fault):
        await wire.channel.leave(ChatId(-77))


async def test_the_link_needs_the_bots_name(api: BotApi, wire: Wire) -> None:
    with pytest.raises(Fault) as caught:
        wire.channel.link("abc")
    assert not caught.value.permanent
    await wire.line.greet()
    assert wire.channel.link("a-b_C") == f"https://t.me/{api.me['username']}?start=a-b_C"


async def test_api_rule_3_no_second_sees_more_than_thirty(
    api: BotApi, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seventy at once, from wherever they come."""
    left: list[float] = []
    real = _Connections.do_request

    async def noted(self: _Connections, *args: Any, **kwargs: Any) -> tuple[int, bytes]:
        left.append(asyncio.get_running_loop().time())
        return await real(self, *args, **kwargs)

    monkeypatch.setattr(_Connections, "do_request", noted)
    api.chats |= set(range(1, 71))
    to = [ChatAddress(chat=ChatId(chat)) for chat in range(1, 71)]
    await asyncio.gather(*(wire.channel.say(one, TelegramSentence.HELP, Language.FR) for one in to))
    assert len(api.sent) == 70
    assert max(sum(at <= other < at + 1 for other in left) for at in left) <= 30


async def test_one_chats_limit_holds_that_chat_alone(api: BotApi, wire: Wire) -> None:
    api.per_chat_seconds = 3600
    await wire.channel.nudge(ANN, FRENCH, TXN)
    fault = await fault_of(wire)
    assert (fault.why, fault.retry_after) == ("flood", 1.0)
    await wire.channel.nudge(BEN, FRENCH, TXN)
    assert [int(m["chat_id"]) for m in api.sent] == [ANN.chat, BEN.chat]
