"""Phones that nobody vouched for, new phones, new identities (P5)."""

from __future__ import annotations

from bot.domain.messages import OpenSentence
from bot.domain.templates import Template
from tests.journey.practice import Practice
from tests.journey.talk import People, Talk, body
from tests.rig.js_patient import JsPatient
from tests.rig.patient import Patient
from tests.rig.py_patient import PyPatient


def on(talk: Talk, phone: Patient) -> Talk:
    """The same room on another phone."""
    return Talk(phone, talk.practice, talk.room, {}, recipient=talk.recipient, next=0)


async def test_failure_23_a_new_phone_rings_and_is_told_whom_to_call(
    people: People, practice: Practice
) -> None:
    talk = await people.enrolled("D-1")
    assert isinstance(talk.patient, PyPatient)
    fresh = on(talk, await people.stack.enter_async_context(await talk.patient.second_device()))
    await practice.pli("agenda", "add", "D-1", "--at", "2031-05-05T10:00", "--with", "Dr Quill")
    await talk.unlock()
    await people.news("D-1")
    for phone in (talk, fresh):
        (nudge,) = await phone.wait_nudges(1)
        assert nudge.body == practice.nudge()
    before = practice.query("SELECT * FROM answer")
    for text in ("show", talk.pin, "cancel 1", "yes", "leave", "yes"):
        assert await fresh.tell(text) == practice.sentence(OpenSentence.UNKNOWN_DEVICE)
        # The other phone hears it too; what it asks for itself comes behind that.
        assert body(await talk.hear()) == practice.sentence(OpenSentence.UNKNOWN_DEVICE)
    assert practice.query("SELECT * FROM answer") == before, "none of its words were acted on"
    await talk.unlock()
    answers = [m for m in await fresh.from_bot() if m.msgtype != "m.text"]
    readable = {m.body for m in answers if m.decrypted}
    assert readable == {practice.sentence(OpenSentence.UNKNOWN_DEVICE)}
    assert [m for m in answers if not m.decrypted and not m.redacted], "the private ones came and stayed shut"
    invited = (await practice.pli("invite", "D-1", "--relink", "--json")).json()
    assert await fresh.tell(invited["code"]) == talk.text(Template.RELINKED)
    assert "Dr Quill" in await fresh.unlock(), "key and PIN stay"
    assert await talk.tell("show") == practice.sentence(OpenSentence.UNKNOWN_DEVICE), "the old phone is out"


async def test_a_phone_that_the_patient_vouched_for_is_known_at_once(people: People) -> None:
    talk = await people.enrolled("D-2")
    assert isinstance(talk.patient, PyPatient)
    second = await people.stack.enter_async_context(await talk.patient.second_device())
    await talk.patient.sign_device(second.device)
    other = on(talk, second)
    assert "Nothing new" in await other.unlock()


async def test_without_cross_signing_the_redeeming_phone_alone_is_known(
    people: People, practice: Practice
) -> None:
    talk = await people.enrolled("D-3", cross_sign=False)
    assert isinstance(talk.patient, PyPatient)
    assert "Nothing new" in await talk.unlock()
    fresh = on(talk, await people.stack.enter_async_context(await talk.patient.second_device()))
    assert await fresh.tell("show") == practice.sentence(OpenSentence.UNKNOWN_DEVICE)


async def test_a_new_identity_is_pinned_anew_by_a_relink_code(people: People, practice: Practice) -> None:
    talk = await people.enrolled("D-4", strict=True)
    phone = talk.patient
    assert isinstance(phone, JsPatient)
    await practice.pli("agenda", "add", "D-4", "--at", "2031-05-05T10:00", "--with", "Dr Quill")
    await phone.reset_identity()
    assert await talk.tell("show") == practice.sentence(OpenSentence.UNKNOWN_DEVICE)
    invited = (await practice.pli("invite", "D-4", "--relink", "--json")).json()
    assert await talk.tell(invited["code"]) == talk.text(Template.RELINKED)
    assert "Dr Quill" in await talk.unlock()
    await talk.wait_secrets_redacted()
    kinds = [
        p["kind"]
        for p in (await practice.pli("problems", "--json")).json()
        if p["recipient"] == talk.recipient
    ]
    assert set(kinds) <= {"not_trusted"}
