"""From the sheet of paper to "ready": what is printed is all that a patient needs, and how many messages it takes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest

from bot.domain.templates import Template
from bot.domain.values import Language
from bot.leaflet.page import NAME
from config.catalogue import load
from tests.journey.practice import Practice
from tests.journey.talk import PIN, People
from tests.leaflet.reading import qr_codes, words

MOST_MESSAGES = 5


def behind(said: str, label: str) -> str:
    """The word that is printed behind a label."""
    return said.split(f" {label} ", 1)[1].split(maxsplit=1)[0]


async def master_key_seen(practice: Practice, user: str, password: str) -> str:
    """The bot's, as the homeserver tells it to whoever logs in with what is on the paper."""
    url = f"{practice.homeserver.url}/_matrix/client/v3"
    login = {
        "type": "m.login.password",
        "identifier": {"type": "m.id.user", "user": user},
        "password": password,
    }
    async with aiohttp.ClientSession() as session:
        async with session.post(f"{url}/login", json=login) as answer:
            token = (await answer.json())["access_token"]
        wanted: dict[str, Any] = {"device_keys": {practice.bot_user: []}}
        headers = {"Authorization": f"Bearer {token}"}
        async with session.post(f"{url}/keys/query", json=wanted, headers=headers) as answer:
            found = (await answer.json())["master_keys"][practice.bot_user]["keys"]
        async with session.post(f"{url}/logout", json={}, headers=headers) as answer:
            assert answer.status == 200
    (key,) = found.values()
    return str(key)


@pytest.mark.parametrize("language", list(Language))
async def test_from_the_paper_alone_to_ready_in_four_messages(
    people: People, practice: Practice, tmp_path: Path, language: Language
) -> None:
    reference = f"L-{language}"
    await people.add(reference, name="Clémentine")
    file = tmp_path / "sheet.pdf"
    await practice.pli("invite", reference, "--account", "--lang", language.value, "--leaflet", str(file))
    pdf = file.read_bytes()
    said, texts = words(pdf), load(language, NAME).texts
    assert "Clémentine" not in said

    sign_in, contact = qr_codes(pdf)
    asked = parse_qs(urlsplit(sign_in).query)
    password = behind(said, texts["password"])
    user = f"@{behind(said, texts['account'])}:{asked['account_provider'][0]}"
    assert asked["login_hint"] == [f"mxid:{user}"]
    assert contact == f"https://matrix.to/#/{practice.bot_user}"
    seen = await master_key_seen(practice, user, password)
    assert " ".join(seen[start : start + 4] for start in range(0, len(seen), 4)) in said

    phone = await people.client({"user": user, "password": password})
    assert len(await phone.invites()) == 1, "the conversation waits, as the leaflet says"
    talk = await people.meet({"recipient": ""}, phone, lang=language.value)
    printed = re.search(r"(?:\b[0-9A-HJKMNP-TV-Z]{4} ){4}[0-9A-HJKMNP-TV-Z]{4}\b", said)
    assert printed is not None
    code, yes = printed[0], "oui" if language is Language.FR else "yes"
    last = await talk.enrol(code, yes=yes)
    assert last.body == talk.text(Template.READY)
    assert list(talk.typed.values()) == [code, yes, PIN, PIN]
    assert len(talk.typed) <= MOST_MESSAGES
