"""From a code to a PIN, and all that can go wrong on the way."""

from __future__ import annotations

import aiohttp
import pytest

from bot.domain.codes import new_code
from bot.domain.messages import OpenSentence
from bot.domain.templates import Template
from tests.journey.practice import Practice
from tests.journey.talk import OTHER_PIN, PIN, People

PAST = "2000-01-01T00:00:00.000000Z"


def wrong_code() -> str:
    return new_code().display.reveal()


async def test_whoever_types_slowly_and_wrongly_gets_there(people: People) -> None:
    await people.add("E-1")
    talk, code = await people.arrive("E-1")
    hello = talk.practice.sentence(OpenSentence.HELLO)
    assert await talk.tell("hello, is this the doctor?") == hello
    assert await talk.tell(_with_a_typo(code)) == talk.practice.sentence(OpenSentence.CODE_TYPO)
    assert await talk.tell(code.lower().replace("-", " ").replace("0", "o")) == talk.text(Template.CONSENT)
    assert await talk.tell(PIN) == talk.text(Template.PIN_TOO_SOON, Template.CONSENT_ASK)
    assert await talk.tell("no") == talk.text(Template.CONSENT_REFUSED)
    assert await talk.tell("yes please") == talk.text(Template.CHOOSE_PIN)
    assert await talk.tell("1234") == talk.text(Template.PIN_LENGTH_CHOSEN)
    assert await talk.tell("123456") == talk.text(Template.PIN_EASY)
    assert await talk.tell("190385") == talk.text(Template.PIN_EASY), "a date"
    assert await talk.tell(PIN) == talk.text(Template.REPEAT_PIN)
    assert await talk.tell(OTHER_PIN) == talk.text(Template.PIN_DIFFERS)
    assert await talk.tell("٤٨٢٩١٥") == talk.text(Template.REPEAT_PIN)
    assert await talk.tell("4-8-2-9-1-5") == talk.text(Template.READY)
    assert await talk.unlock() != talk.text(Template.PIN_WRONG)
    await talk.wait_secrets_redacted()


async def test_a_wrong_code_slows_the_sender_and_spends_nothing(people: People, practice: Practice) -> None:
    await people.add("E-2")
    talk, code = await people.arrive("E-2")
    wrong, wait = practice.sentence(OpenSentence.CODE_WRONG), practice.sentence(OpenSentence.CODE_WAIT)
    answers = [await talk.tell(wrong_code()) for _ in range(6)]
    assert set(answers) == {wrong, wait}
    assert answers == sorted(answers, key=[wrong, wait].index), "slower and slower"
    assert await talk.tell(code) == wait, "the right one has to wait as well"
    practice.query("UPDATE guess SET at = ?", PAST)
    assert await talk.enrol(code)
    assert (await talk.from_bot())[-1].body == talk.text(Template.READY)
    await talk.wait_secrets_redacted()


async def test_one_senders_wrong_codes_do_not_slow_another(people: People, practice: Practice) -> None:
    await people.add("E-3")
    noisy, _ = await people.arrive("E-3")
    wait = practice.sentence(OpenSentence.CODE_WAIT)
    while await noisy.tell(wrong_code()) != wait:
        pass
    other, code = await people.arrive("E-3")
    assert await other.tell(code) == other.text(Template.CONSENT)


@pytest.mark.parametrize("end", ["expired", "revoked"])
async def test_a_code_that_is_over_is_like_a_wrong_one(people: People, practice: Practice, end: str) -> None:
    await people.add(f"E-{end}")
    talk, code = await people.arrive(f"E-{end}", "--expires", "30m")
    if end == "expired":
        practice.query("UPDATE invitation SET expires = ? WHERE recipient = ?", PAST, talk.recipient)
    else:
        revoked = await practice.pli("invite", "revoke", talk.recipient, "--json")
        assert revoked.json() == {"closed": 1}
    assert await talk.tell(code) == practice.sentence(OpenSentence.CODE_WRONG)


async def test_a_code_counts_for_the_account_that_redeems_it_first(
    people: People, practice: Practice
) -> None:
    await people.add("E-4")
    await people.add("E-5")
    first, code = await people.arrive("E-4")
    second, _ = await people.arrive("E-5")
    wrong = practice.sentence(OpenSentence.CODE_WRONG)
    assert await first.tell(code) == first.text(Template.CONSENT)
    assert await second.tell(code) == wrong
    assert await first.enrol(code), "it stays valid for the one who redeemed it until the PIN is set"
    assert (await first.from_bot())[-1].body == first.text(Template.READY)
    assert await second.tell(code) == wrong
    assert "Nothing new" in await first.unlock()


async def test_two_accounts_and_one_code_at_the_same_moment(people: People) -> None:
    await people.add("E-6")
    one, code = await people.arrive("E-6")
    two, _ = await people.arrive("E-6")
    await one.say(code)
    await two.say(code)
    answers = [(await one.hear()).body, (await two.hear()).body]
    assert sorted(a == one.text(Template.CONSENT) for a in answers) == [False, True]


async def test_whoever_forgot_gets_a_new_code_and_needs_a_new_import(
    people: People, practice: Practice
) -> None:
    talk = await people.enrolled("E-7")
    assert await talk.tell("I forgot my pin") == talk.text(Template.FORGOT_PIN)
    await practice.pli("agenda", "add", "E-7", "--at", "2031-05-05T10:00", "--with", "Dr Quill")
    again = (await practice.pli("invite", "E-7", "--json")).json()
    assert (again["reimport_due"], again["by_hand"]) == (True, 1)
    talk.pin = OTHER_PIN
    await talk.enrol(again["code"])
    assert "Dr Quill" not in await talk.unlock(), "the old key is gone"
    await practice.pli("agenda", "add", "E-7", "--at", "2031-05-05T10:00", "--with", "Dr Quill")
    assert "Dr Quill" in await talk.unlock()


async def test_sealed_before_the_patient_came(people: People, practice: Practice) -> None:
    await people.add("E-8")
    talk, code = await people.arrive("E-8")
    await practice.pli("agenda", "add", "E-8", "--at", "2031-06-06T09:15", "--with", "Dr Quill")
    await talk.enrol(code)
    listed = await talk.unlock()
    assert "Dr Quill" in listed
    assert "9:15" in listed


async def test_a_removed_patient_is_gone(people: People, practice: Practice) -> None:
    talk = await people.enrolled("E-9")
    await practice.pli("patient", "remove", "E-9", "--yes")
    assert await talk.tell("show") == practice.sentence(OpenSentence.HELLO)
    await practice.pli("patient", "show", "E-9", expect=1)


def _with_a_typo(code: str) -> str:
    last = "7" if code[-1] != "7" else "8"
    return code[:-1] + last


async def test_failure_24_the_practice_makes_the_account(people: People, practice: Practice) -> None:
    """The server takes nobody by itself: user, password and room come from the practice."""
    await people.add("E-10")
    invited = await people.invite("E-10", "--lang", "en")
    async with aiohttp.ClientSession() as session:
        url = f"{practice.homeserver.url}/_matrix/client/v3/register"
        async with session.post(url, json={"username": "me", "password": "x" * 20}) as answer:
            assert answer.status == 403
    phone = await people.client(invited)
    assert len(await phone.invites()) == 1, "the room waits"
    talk = await people.meet(invited, phone)
    assert await talk.tell(invited["code"]) == talk.text(Template.CONSENT)
    listed = (await practice.pli("patient", "show", "E-10")).out
    assert not {invited["password"], invited["code"]} & set(listed.split())
