"""Ten wrong PINs, slower and slower; then the key is gone, and a new code mends it (P4)."""

from __future__ import annotations

from bot.domain.templates import Template
from tests.journey.practice import Practice
from tests.journey.talk import PIN, WRONG_PIN, People


async def test_ten_wrong_pins(people: People, practice: Practice) -> None:
    talk = await people.enrolled("L-1")
    await practice.pli("agenda", "add", "L-1", "--at", "2031-05-05T10:00", "--with", "Dr Quill")
    await talk.ask("show")
    answers = [await talk.tell(WRONG_PIN) for _ in range(3)]
    assert answers == [talk.text(Template.PIN_WRONG)] * 3
    assert "in 1 minute" in await talk.tell(WRONG_PIN)
    assert "does not count" in await talk.tell(PIN), "too early: not even looked at"
    assert await talk.tell("12345") == talk.text(Template.PIN_LENGTH), "no try either"
    for left in (5, 4, 3, 2, 1):
        practice.let_pin_delays_pass()
        assert f"{left} tr" in await talk.tell(WRONG_PIN), "the tries left are named"
    practice.let_pin_delays_pass()
    assert await talk.tell(WRONG_PIN) == talk.text(Template.LOCKED_NOW)
    practice.let_pin_delays_pass()
    assert await talk.tell(PIN) == talk.text(Template.LOCKED), "the right one is too late"
    problems = (await practice.pli("problems", "--json")).json()
    assert [p["kind"] for p in problems if p["recipient"] == talk.recipient] == ["locked"]
    await talk.wait_secrets_redacted()
    code = (await practice.pli("invite", "L-1", "--json")).json()["code"]
    await talk.enrol(code)
    assert "Dr Quill" not in await talk.unlock()


async def test_a_right_pin_in_between_makes_good_again(people: People, practice: Practice) -> None:
    talk = await people.enrolled("L-2")
    await talk.ask("show")
    for _ in range(3):
        await talk.ask(WRONG_PIN)
    practice.let_pin_delays_pass()
    assert "Nothing new" in await talk.tell(PIN)
    await talk.ask("pin")
    assert await talk.tell(WRONG_PIN) == talk.text(Template.PIN_WRONG), "the first again"
