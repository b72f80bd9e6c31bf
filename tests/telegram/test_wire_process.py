"""``pli run`` with Telegram and without: what ``/readyz``, ``pli status``, ``pli doctor`` and the log say."""

from __future__ import annotations

import asyncio
import re
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from urllib.parse import unquote_plus

import pytest

from bot.domain.telegram import TelegramSentence
from bot.domain.templates import Template
from bot.domain.values import Language
from tests.journey.practice import PHONE, Practice, free_port, judge_log, write_settings
from tests.journey.talk import People, body, tomorrow
from tests.rig.bot_api import TOKEN, BotApi
from tests.rig.homeserver import RigHomeserver
from tests.rig.waiting import until

STRANGER = 33_333


def made(folder: Path, homeserver: RigHomeserver, api: BotApi) -> Practice:
    practice = Practice.make(folder / "practice", homeserver)
    token = practice.home.bot_dir / "telegram.token"
    token.write_text(TOKEN + "\n", encoding="ascii")
    token.chmod(0o600)
    write_settings(
        practice.folder / "pli.toml",
        {("telegram", "token_file"): "bot/telegram.token", ("telegram", "api_url"): api.url},
    )
    return Practice(
        folder=practice.folder,
        homeserver=homeserver,
        bot_user=practice.bot_user,
        health_port=practice.health_port,
    )


async def says(practice: Practice, state: str) -> dict[str, Any]:
    """``/readyz``, once it says so of Telegram."""

    async def as_wanted() -> dict[str, Any] | None:
        _, checks = await asyncio.to_thread(practice.health)
        return checks if checks.get("telegram") == state else None

    return await until(as_wanted, f"/readyz to say of Telegram: {state}", seconds=60.0)


async def problems(practice: Practice) -> list[str] | None:
    rows = await practice.pli("problems", "--json")
    return [row["kind"] for row in rows.json()] or None


async def findings(practice: Practice) -> dict[str, dict[str, Any]]:
    done = await practice.pli("doctor", "--json", expect=1)
    return {c["check"]: c for c in done.json() if c["check"].startswith("Telegram")}


async def test_without_a_token_a_running_bot_loads_nothing_of_the_library(
    homeserver: RigHomeserver, tmp_path: Path
) -> None:
    practice = await asyncio.to_thread(Practice.make, tmp_path / "practice", homeserver)
    practice.python = (sys.executable, "-X", "importtime")
    try:
        await practice.start()
        assert (await says(practice, "off"))["ready"] is True
        shown = await practice.pli("status")
        assert re.search(r"Telegram\s+│ (off|désactivé)", shown.out)
        assert await practice.stop() == 0
    finally:
        if practice.running:
            practice.kill()
    log = practice.log.read_text(encoding="utf-8")
    imported = {
        line.rpartition("|")[2].strip() for line in log.splitlines() if line.startswith("import time:")
    }
    assert "bot.telegram_duty" in imported, "the lines of the import are read"
    assert [m for m in imported if m.split(".")[0] in {"telegram", "httpx", "httpcore", "aiolimiter"}] == []


async def test_with_a_token(homeserver: RigHomeserver, tmp_path: Path) -> None:
    async with BotApi() as api:
        practice = await asyncio.to_thread(made, tmp_path, homeserver, api)
        try:
            await practice.start()
            assert (await says(practice, "connected"))["ready"] is True
            api.types(STRANGER, "482916 is my PIN")

            async def answered() -> bool:
                return bool(api.sent and api.deleted)

            await until(answered, "an answer to a stranger", seconds=30.0)
            constants = {
                practice.home.words[lang].telegram_text(s) for s in TelegramSentence for lang in Language
            }
            assert {m["text"] for m in api.sent} <= constants
            assert all("482916" not in str(r.body) + r.path for r in api.requests)

            api.me["can_join_groups"] = True
            api.texts["description"] = "Le secrétariat de votre médecin"
            found = await findings(practice)
            assert {name: c["ok"] for name, c in found.items()} == {
                "Telegram: token": True,
                "Telegram: groups": False,
                "Telegram: what strangers see": False,
                "Telegram: who listens": True,
            }
            assert "médecin" not in str(found)

            api.revoked = True
            api.types(STRANGER, "hello?")  # ends the long poll: the next one is refused
            checks = await says(practice, "revoked")
            assert checks["ready"] is False
            assert await until(lambda: problems(practice), "a line for the staff") == ["telegram_revoked"]
            assert await practice.stop() == 0
        finally:
            if practice.running:
                practice.kill()
    log = practice.log.read_text(encoding="utf-8")
    judge_log(log, errors=True)
    assert "Telegram refuses the bot's token" in log
    assert TOKEN not in log


@pytest.mark.parametrize(
    ("content", "mode", "word"),
    [
        (None, 0o600, "read"),
        ("not a token", 0o600, "something else"),
        (TOKEN, 0o644, "open to other accounts"),
    ],
)
async def test_a_token_file_that_cannot_be_used_is_refused_at_the_start(
    homeserver: RigHomeserver, tmp_path: Path, content: str | None, mode: int, word: str
) -> None:
    async with BotApi() as api:
        practice = await asyncio.to_thread(made, tmp_path, homeserver, api)
    token = practice.home.bot_dir / "telegram.token"
    if content is None:
        token.unlink()
    else:
        token.write_text(content, encoding="ascii")
        token.chmod(mode)
    done = await practice.pli_process("run")
    assert done.code == 2
    assert "token_file" in done.err
    assert TOKEN not in done.err + done.out
    assert word in done.err or practice.home.settings.practice.language is Language.FR


async def test_a_linked_patient_is_nudged_in_constants_alone(
    homeserver: RigHomeserver, tmp_path: Path
) -> None:
    """P1 and P2 over everything that Telegram was asked: linked in the room, nudged, a PIN typed there, stopped."""
    chat = 44_444
    async with BotApi() as api, AsyncExitStack() as stack:
        practice = await asyncio.to_thread(made, tmp_path, homeserver, api)
        try:
            await practice.start()
            await says(practice, "connected")
            people = People(practice=practice, stack=stack)
            talk = await people.enrolled("T-1")
            await practice.pli("agenda", "add", "T-1", "--at", tomorrow("10:00"), "--with", "Dr Quill")
            assert "Dr Quill" in await talk.unlock()
            link = re.search(r"https://t\.me/pli_messages_bot\?start=(\S+)", await talk.tell("telegram"))
            assert link is not None
            api.types(chat, f"/start {link[1]}")
            assert body(await talk.hear()) == talk.text(Template.TELEGRAM_LINKED)
            words = practice.home.words[Language.EN]

            await people.news("T-1", at="11:00")

            async def nudged() -> bool:
                return words.telegram_nudge() in [m["text"] for m in api.sent]

            await until(nudged, "a nudge on Telegram", seconds=60.0)
            typed = api.types(chat, talk.pin)
            assert body(await talk.hear()) == talk.text(Template.TELEGRAM_SECRET)
            api.types(chat, "/stop")
            assert body(await talk.hear()) == talk.text(Template.TELEGRAM_STOPPED)

            async def stopped() -> bool:
                return words.telegram_text(TelegramSentence.STOPPED) in [m["text"] for m in api.sent]

            await until(stopped, "the last word on Telegram", seconds=30.0)
            assert api.deleted == [(chat, typed)]
            assert await practice.stop() == 0
        finally:
            if practice.running:
                practice.kill()
    constants = {practice.home.words[lang].telegram_nudge() for lang in Language} | {
        practice.home.words[lang].telegram_text(s) for s in TelegramSentence for lang in Language
    }
    assert {m["text"] for m in api.sent} <= constants
    paths = {
        f"/bot{TOKEN}/{m}" for m in ("getMe", "deleteWebhook", "getUpdates", "sendMessage", "deleteMessage")
    }
    assert {r.path for r in api.requests} == paths
    for request in api.requests:
        for secret in (
            "Quill",
            "T-1",
            talk.pin,
            talk.patient.user,
            talk.room,
            talk.recipient,
            link[1],
            PHONE,
        ):
            assert secret not in request.body.decode() + unquote_plus(request.body.decode()) + request.path
        assert request.values.keys() <= _NAMES[request.method]
    judge_log(practice.log.read_text(encoding="utf-8"), errors=False)


# What a request can hold at all, by method.
_NAMES = {
    "getMe": set[str](),
    "deleteWebhook": {"drop_pending_updates"},
    "getUpdates": {"timeout", "offset", "allowed_updates"},
    "sendMessage": {"chat_id", "text", "reply_markup", "protect_content", "link_preview_options"},
    "deleteMessage": {"chat_id", "message_id"},
}


async def test_in_webhook_mode_only_telegram_itself_is_heard(
    homeserver: RigHomeserver, tmp_path: Path
) -> None:
    """A process behind a proxy: brought with the secret it is handled, with any other it is refused and not read."""
    secret, port = "w" * 20 + "0123456789abcdef", free_port()
    async with BotApi(chats={STRANGER}) as api:
        practice = await asyncio.to_thread(made, tmp_path, homeserver, api)
        hook = practice.home.bot_dir / "webhook.secret"
        hook.write_text(secret, encoding="ascii")
        hook.chmod(0o600)
        write_settings(
            practice.folder / "pli.toml",
            {
                ("telegram", "mode"): "webhook",
                ("telegram", "webhook_url"): "https://practice.example/hook/x",
                ("telegram", "webhook_port"): port,
                ("telegram", "webhook_secret_file"): "bot/webhook.secret",
            },
        )
        try:
            await practice.start()
            assert (await says(practice, "connected"))["ready"] is True

            async def announced() -> bool:
                return bool(api.webhook.get("url"))  # Telegram answers before it is told where to bring what

            await until(announced, "the webhook to be set")
            assert (api.webhook["url"], api.webhook["secret_token"]) == (
                "https://practice.example/hook/x",
                secret,
            )
            api.webhook_through = f"http://127.0.0.1:{port}/hook/x"
            api.types(STRANGER, "482916 canary of the patient")
            for wrong in ("", "w" * 36, secret.upper()):
                api.webhook["secret_token"] = wrong
                assert await api.deliver() == [403]
            assert (api.sent, api.deleted) == ([], [])
            api.webhook["secret_token"] = secret
            assert await api.deliver() == [200]
            stranger = {
                practice.home.words[lang].telegram_text(TelegramSentence.STRANGER) for lang in Language
            }
            (answer,) = api.sent
            assert answer["text"] in stranger
            assert len(api.deleted) == 1
            assert api.of("getUpdates") == []
            assert await practice.stop() == 0
        finally:
            if practice.running:
                practice.kill()
    log = practice.log.read_text(encoding="utf-8")
    judge_log(log, errors=False)
    for word in (TOKEN, secret, "canary", "482916", str(STRANGER), "/hook"):
        assert word not in log
