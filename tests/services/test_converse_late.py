"""Rule 6 of ``converse``, rules 1 to 3 of ``late``: what was typed long ago is asked about, not obeyed."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from bot.domain.late import MEANT_FOR
from bot.domain.messages import Oddity, OpenSentence
from bot.domain.records import OutboxKind
from tests.services.kit import OTHER_PIN, PIN, WRONG_PIN, Person, Practice, entry

LATE = MEANT_FOR + timedelta(seconds=1)


async def typed_before(person: Person, text: str, age: timedelta = LATE) -> list[str]:
    """The answers to what was typed that long ago."""
    message = person.message(text)
    return await person.handle(replace(message, at=message.at - age))


@pytest.mark.parametrize(
    "text", [PIN, WRONG_PIN, "12345", "1", "yes", "no", "confirm 1", "cancel 1", "keep 1"]
)
async def test_p5_rule_1_late_pins_answers_and_acts_are_asked_about(practice: Practice, text: str) -> None:
    anna = await practice.enrolled()
    practice.take(entry())
    before = practice.audited()
    assert await typed_before(anna, text) == ["reply.ask_pin"]
    assert practice.keys.tries_left(anna.recipient.id) == 10
    assert practice.audited() == before
    assert practice.answers() == []
    assert await anna.say(PIN) == ["release"], "nothing of it waits: the PIN shows the list"


async def test_rule_1_a_late_pin_is_redacted(practice: Practice) -> None:
    anna = await practice.enrolled()
    before = len(practice.channel.redacted)
    await typed_before(anna, PIN)
    assert len(practice.channel.redacted) > before


async def test_rule_1_late_changes_of_the_pin_and_leaving_are_not_begun(practice: Practice) -> None:
    anna = await practice.enrolled()
    for text in ("change pin", "leave"):
        assert await typed_before(anna, text) == ["reply.ask_pin"]
        assert await anna.say("yes") == ["reply.no_question"]


async def test_what_is_a_little_late_is_obeyed(practice: Practice) -> None:
    """The bot was down for minutes, or the two clocks differ."""
    anna = await practice.enrolled()
    practice.take(entry())
    assert await typed_before(anna, PIN, MEANT_FOR - timedelta(seconds=1)) == ["release"]
    assert await typed_before(anna, "help", -LATE) == ["reply.help"], (
        "nor is a stamp of the future in the way"
    )


async def test_rule_2_while_appointments_are_open_nothing_late_counts(practice: Practice) -> None:
    """A wish for another date looks like any text; the window closes, for something is wrong."""
    anna = await practice.enrolled()
    practice.take(entry())
    await anna.say(PIN)
    await anna.say("move 1")
    assert await typed_before(anna, "next Tuesday") == ["reply.ask_pin"]
    assert practice.answers() == []
    assert await anna.say("show") == ["reply.ask_pin"]


async def test_rule_3_free_text_is_answered_as_ever_and_stopping_is_never_too_late(
    practice: Practice,
) -> None:
    """Failure 26: who typed symptoms at night reads in the morning whom to call."""
    anna = await practice.enrolled()
    assert await typed_before(anna, "my chest hurts") == ["reply.other"]
    assert await typed_before(anna, "show") == ["reply.ask_pin"]
    assert await typed_before(anna, "stop") == ["reply.stopped,reply.ask_pin"]
    assert anna.recipient.reminders_on is False


async def test_rule_3_a_late_code_is_redeemed_and_its_late_yes_is_not_obeyed(practice: Practice) -> None:
    invited = practice.invite()
    person = practice.person()
    assert await typed_before(person, invited.code.reveal(), timedelta(days=1)) == ["reply.consent"]
    assert await typed_before(person, "yes") == ["reply.code_again"]
    await person.enrol(invited)


async def test_late_words_of_a_locked_patient_and_of_strangers(practice: Practice) -> None:
    anna = await practice.enrolled()
    assert await typed_before(practice.person("bob"), PIN) == [OpenSentence.HELLO.value]
    for number in range(10):
        practice.clock.forward(days=1)
        await anna.say(str(int(OTHER_PIN) + 7 * number))
    assert await typed_before(anna, PIN) == ["reply.locked"]


async def test_hearing_rule_5_what_came_out_of_its_order_is_redacted_only_where_it_may_be_secret(
    practice: Practice,
) -> None:
    anna = await practice.enrolled()
    for text, redacted in ((PIN, 1), ("cancel 1", 0), ("", 0), ("my code is 4829 15", 1), ("123", 1)):
        before = len(practice.outbox(OutboxKind.REDACT))
        assert await anna.say(text, oddity=Oddity.UNDECRYPTABLE) == [OpenSentence.UNREADABLE.value]
        assert len(practice.outbox(OutboxKind.REDACT)) - before == redacted, text
