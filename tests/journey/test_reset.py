"""A reset at the desk, against a real homeserver: key, account and phones begun anew."""

from __future__ import annotations

from typing import Any

import pytest

from bot.domain.messages import OpenSentence
from bot.domain.templates import Template
from tests.journey.practice import Practice
from tests.journey.talk import People, body
from tests.journey.test_devices import on
from tests.rig.cross_signing import CrossSigner
from tests.rig.js_patient import JsError, JsPatient
from tests.rig.py_patient import PyPatient

NEW_PIN = "528164"


async def test_a_reset_begins_anew_with_key_account_and_phones(people: People, practice: Practice) -> None:
    """The new phone makes an identity of its own in place of the old one, with the new password alone."""
    talk = await people.enrolled("RESET-1")
    old = talk.patient
    assert isinstance(old, PyPatient)
    user, url = old.user, practice.homeserver.url
    await practice.pli("agenda", "add", "RESET-1", "--at", "2031-05-05T10:00", "--with", "Dr Quill")
    (made,) = (await practice.pli("reset", "RESET-1", "--yes", "--json")).json()
    assert made["user"] == user
    assert made["told"] is True
    assert made["patients"] == ["RESET-1"]
    assert body(await talk.hear()) == practice.sentence(OpenSentence.RESET), "before the phone was logged out"
    async with old._http.get(f"{url}/_matrix/client/v3/account/whoami") as response:
        assert response.status == 401, "the old phone is logged out"
    with pytest.raises(AssertionError, match="login"):
        await PyPatient.start(url, user, old._password)
    started = await PyPatient.start(url, user, made["password"], cross_sign=False)
    phone = await people.stack.enter_async_context(started)
    await _replace_identity(phone, url, made["password"])
    fresh = on(talk, phone)
    assert await fresh.tell("show") == practice.sentence(OpenSentence.UNKNOWN_DEVICE)
    fresh.pin = NEW_PIN
    assert body(await fresh.enrol(made["code"])) == fresh.text(Template.READY)
    assert "Dr Quill" not in await fresh.unlock(), "what was sealed to the old key is gone with it"


async def test_a_strict_phone_begins_anew_after_a_reset(people: People, practice: Practice) -> None:
    """It logs in, finds the old identity, replaces it under the new password, and talks with the bot."""
    talk = await people.enrolled("RESET-2", strict=True)
    old = talk.patient
    assert isinstance(old, JsPatient)
    before, url = await old.identity(), practice.homeserver.url
    (made,) = (await practice.pli("reset", "RESET-2", "--yes", "--json")).json()
    with pytest.raises(JsError, match="M_UNKNOWN_TOKEN"):
        await old.send(talk.room, "show")
    with pytest.raises(JsError, match="M_FORBIDDEN"):
        await JsPatient.start(url, old.user, old._password)
    phone = await people.stack.enter_async_context(await JsPatient.start(url, old.user, made["password"]))
    assert (await phone.identity()).master not in {before.master, None}
    assert await phone.devices_of(old.user) == {phone.device: True}, "of the old devices none is left"
    fresh = on(talk, phone)
    assert await fresh.tell("show") == practice.sentence(OpenSentence.UNKNOWN_DEVICE)
    fresh.pin = NEW_PIN
    assert body(await fresh.enrol(made["code"])) == fresh.text(Template.READY)
    await practice.pli("agenda", "add", "RESET-2", "--at", "2031-05-05T10:00", "--with", "Dr Quill")
    assert "Dr Quill" in await fresh.unlock()


async def _replace_identity(phone: PyPatient, url: str, password: str) -> None:
    """As a client does whose account has an identity already: the homeserver asks for the password first."""
    signer = CrossSigner(phone.user)
    keys: dict[str, Any] = {
        "master_key": signer._key_object("master"),
        "self_signing_key": signer._sign(signer._key_object("self_signing"), by="master"),
        "user_signing_key": signer._sign(signer._key_object("user_signing"), by="master"),
    }
    path = f"{url}/_matrix/client/v3/keys/device_signing/upload"
    async with phone._http.post(path, json=keys) as asked:
        session = (await asked.json())["session"]
        assert asked.status == 401
    identifier = {"type": "m.id.user", "user": phone.user}
    auth = {
        "type": "m.login.password",
        "identifier": identifier,
        "password": password,
        "session": session,
    }
    async with phone._http.post(path, json=keys | {"auth": auth}) as answer:
        assert answer.status == 200
    phone._signer = signer
    await phone.sign_device(phone.device)
