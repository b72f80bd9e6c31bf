"""A strange device on the bot's own account: somebody who could read along (P5)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bot.domain.messages import OpenSentence
from bot.domain.templates import Template
from tests.journey.practice import Practice, running_practice
from tests.journey.talk import People
from tests.rig.homeserver import RigHomeserver
from tests.rig.py_patient import PyPatient


@pytest.fixture(scope="module")
def practice(homeserver: RigHomeserver, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Practice]:
    with running_practice(
        tmp_path_factory.mktemp("own") / "practice", homeserver, errors=True, cheap=True
    ) as made:
        yield made


async def test_no_pin_is_asked_for_while_it_is_there(people: People, practice: Practice) -> None:
    talk = await people.enrolled("U-1")
    password = practice.folder.with_suffix(".password").read_text(encoding="utf-8")
    ghost = await PyPatient.start(practice.homeserver.url, practice.bot_user, password, cross_sign=False)
    await practice.wait_ready(ready=False)
    assert practice.health()[1]["own_account_clean"] is False
    assert await talk.tell("show") == practice.sentence(OpenSentence.UNKNOWN_DEVICE)
    await people.news("U-1")
    await talk.wait_nudges(1)
    said = [m for m in await ghost.read() if m.sender == practice.bot_user]
    assert not [m for m in said if m.decrypted], "it reads nothing of the bot's, not even the nudge"
    await ghost.logout()
    await practice.wait_ready()
    assert await talk.tell("show") == talk.text(Template.ASK_PIN)
