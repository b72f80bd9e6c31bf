"""A reset at the desk, against a real homeserver: key, account and phones begun anew."""

from __future__ import annotations

import pytest

from bot.domain.messages import OpenSentence
from bot.domain.templates import Template
from tests.journey.practice import Practice
from tests.journey.talk import People, body
from tests.journey.test_devices import on
from tests.rig.py_patient import PyPatient

NEW_PIN = "528164"


async def test_a_reset_begins_anew_with_key_account_and_phones(people: People, practice: Practice) -> None:
    talk = await people.enrolled("R-1")
    old = talk.patient
    assert isinstance(old, PyPatient)
    user, url = old.user, practice.homeserver.url
    await practice.pli("agenda", "add", "R-1", "--at", "2031-05-05T10:00", "--with", "Dr Quill")
    with pytest.raises(AssertionError, match="401"):  # a second identity is asked for the password …
        await PyPatient.start(url, user, old._password)
    (made,) = (await practice.pli("reset", "R-1", "--yes", "--json")).json()
    assert made["user"] == user
    assert made["password"]
    assert made["told"] is True
    assert made["patients"] == ["R-1"]
    assert body(await talk.hear()) == practice.sentence(OpenSentence.RESET), "before the phone was logged out"
    async with old._http.get(f"{url}/_matrix/client/v3/account/whoami") as response:
        assert response.status == 401, "the old phone is logged out"
    with pytest.raises(AssertionError, match="login"):
        await PyPatient.start(url, user, old._password)
    # … and is not for ten minutes after a reset.
    phone = await people.stack.enter_async_context(await PyPatient.start(url, user, made["password"]))
    fresh = on(talk, phone)
    assert await fresh.tell("show") == practice.sentence(OpenSentence.UNKNOWN_DEVICE)
    fresh.pin = NEW_PIN
    assert body(await fresh.enrol(made["code"])) == fresh.text(Template.READY)
    assert "Dr Quill" not in await fresh.unlock(), "what was sealed to the old key is gone with it"
