"""The PIN in a conversation, with the real vault: waits, tries, replays, stale copies, one shape of every answer."""

from __future__ import annotations

from typing import Any

import pytest

from bot.domain.messages import OpenSentence
from bot.domain.records import OutboxKind, OutboxRow, OutboxState, ProblemKind, RecipientState
from tests.services.kit import OTHER_PIN, PIN, WRONG_PIN, Person, Practice, entry

GUESSES = ["730915", "730916", "730917", "730918", "730919", "730920", "730921", "730922", "730923", "730924"]
MINUTES = (0, 0, 0, 1, 5, 15, 60, 240, 720)


async def test_p4_ten_wrong_pins_with_their_waits_and_then_the_key_is_gone(anywhere: Practice) -> None:
    anna = await anywhere.enrolled()
    anywhere.take(entry())
    for number, (guess, minutes) in enumerate(zip(GUESSES[:9], MINUTES, strict=True), start=1):
        expected = "reply.pin_wrong" + ("_tries" if number >= 5 else "_wait" if minutes else "")
        assert await anna.say(guess) == [expected], number
        assert anywhere.keys.tries_left(anna.recipient.id) == 10 - number
        if number >= 5:
            told = anywhere.channel.of("private")[-1].text
            assert (
                str(10 - number) in told
                or ["one", "two", "three", "four", "five"][9 - number] in told.lower()
            )
        if minutes:
            anywhere.clock.moment -= anywhere.delay
            anywhere.clock.forward(seconds=minutes * 60 - 10)
            for early in (PIN, GUESSES[9]):
                assert await anna.say(early) == ["reply.pin_wait"]
                anywhere.clock.moment -= anywhere.delay
            assert anywhere.keys.tries_left(anna.recipient.id) == 10 - number
            anywhere.clock.forward(seconds=10)
    assert await anna.say(GUESSES[9]) == ["reply.locked_now"]
    assert anna.recipient.state is RecipientState.LOCKED
    assert anywhere.problems() == [ProblemKind.LOCKED]
    assert anywhere.nudge_rows(OutboxState.QUEUED) == []
    anywhere.clock.forward(days=2)
    assert await anna.say(PIN) == ["reply.locked"]
    assert anywhere.audited().count("pin_wrong") == 9
    assert anywhere.audited().count("locked") == 1


async def test_a_right_pin_lowers_the_counter(practice: Practice) -> None:
    anna = await practice.enrolled()
    for _ in range(4):
        for guess in GUESSES[:3]:
            assert await anna.say(guess) == ["reply.pin_wrong"]
        assert await anna.say(PIN) == ["release"]
        practice.clock.forward(minutes=11)


@pytest.mark.parametrize("text", ["1", "12345", "1234567890123", "4938 1", "4-9-3-8-1"])
async def test_a_pin_of_the_wrong_length_costs_no_try(practice: Practice, text: str) -> None:
    anna = await practice.enrolled()
    await anna.say("show")
    for _ in range(12):
        assert await anna.say(text) == ["reply.pin_length"]
    assert practice.keys.tries_left(anna.recipient.id) == 10


@pytest.mark.parametrize("text", ["493 817", "493-817", " 493817! ", "٤٩٣٨١٧", "PIN 493817", "code: 493817"])
async def test_a_pin_in_other_clothes(practice: Practice, text: str) -> None:
    anna = await practice.enrolled()
    practice.take(entry())
    assert await anna.say("show") == ["reply.ask_pin"]
    assert await anna.say(text) == ["release"]


async def test_a_bare_pin_after_a_nudge_means_show(practice: Practice) -> None:
    anna = await practice.enrolled()
    practice.take(entry())
    assert "10 September 2026 at 10:00" in await anna.read(PIN)


# -- rule 1: replays ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("restart", [False, True])
async def test_rule_1_a_message_is_obeyed_once(anywhere: Practice, restart: bool) -> None:
    """The same event, its ciphertext under a new event id, another one under its id: nothing is counted."""
    anna = await anywhere.enrolled()
    await anna.say(WRONG_PIN, event="$one", replay="megolm-1")
    assert anywhere.keys.tries_left(anna.recipient.id) == 9
    if restart:
        anywhere.start_bot()
        anywhere.deliver.recover()
    sent = len(anywhere.channel.of("private"))
    for event, replay in (("$one", "megolm-1"), ("$two", "megolm-1"), ("$one", "megolm-2")):
        assert await anna.say(WRONG_PIN, event=event, replay=replay) == []
    assert anywhere.keys.tries_left(anna.recipient.id) == 9
    assert len(anywhere.channel.of("private")) == sent
    assert await anna.say(WRONG_PIN, event="$three", replay="megolm-3") == ["reply.pin_wrong"]


async def test_rule_1_a_replayed_yes_confirms_nothing(practice: Practice) -> None:
    anna = await practice.enrolled()
    practice.take(entry("a"), entry("b", "2026-09-12 10:00"))
    await anna.say(PIN)
    await anna.say("cancel 1")
    await anna.say("yes", event="$yes", replay="m-yes")
    await anna.say("cancel 2")
    assert await anna.say("yes", event="$again", replay="m-yes") == []
    assert len(practice.answers()) == 1


# -- old copies -----------------------------------------------------------------------------------------------------


async def test_p4_a_restored_database_neither_burns_tries_nor_opens(practice: Practice) -> None:
    """The PIN was changed after the backup; the vault is newer than the database."""
    anna = await practice.enrolled()
    practice.take(entry())
    copy = practice.folder / "copy.db"
    practice.save_database(copy)
    await change_pin(anna, PIN, OTHER_PIN)
    practice.restore_database(copy)
    for pin in (PIN, OTHER_PIN, WRONG_PIN) * 5:
        assert await anna.say(pin) == ["reply.trouble"]
    assert practice.keys.tries_left(anna.recipient.id) == 10
    assert set(practice.problems()) == {ProblemKind.STORES_DIFFER}


async def test_p8_after_leaving_an_old_copy_stays_shut_with_the_pin_known(practice: Practice) -> None:
    anna = await practice.enrolled()
    practice.take(entry())
    copy = practice.folder / "copy.db"
    practice.save_database(copy)
    assert await anna.say("leave") == ["reply.ask_leave"]
    assert await anna.say("yes") == ["reply.left"]
    practice.restore_database(copy)
    assert await anna.say(PIN) == ["reply.locked_now"]
    assert "10:00" not in practice.channel.sent[-1].text


async def test_leaving_forgets_everything_but_that_somebody_left(practice: Practice) -> None:
    anna = await practice.enrolled()
    practice.take(entry())
    await anna.say(PIN)
    release = practice.channel.of("private")[-1]
    assert await anna.say("leave") == ["reply.ask_leave"]
    assert await anna.say("no") == ["reply.stayed"]
    await anna.say("leave")
    assert await anna.say("yes") == ["reply.left"]
    recipient = anna.recipient
    assert (recipient.state, recipient.wrap, recipient.salt) == (RecipientState.LEFT, b"", b"")
    rows = practice.everything()
    assert not rows["envelope"]
    assert not rows["reminder"]
    assert practice.nudge_rows(OutboxState.QUEUED) == []
    assert practice.problems() == [ProblemKind.LEFT]
    practice.clock.forward(minutes=11)
    await practice.send_replies()
    assert release.event in practice.channel.redacted
    assert await anna.say(PIN) == [OpenSentence.HELLO.value]


# -- changing it ----------------------------------------------------------------------------------------------------


async def change_pin(anna: Person, old: str, new: str) -> None:
    assert await anna.say("change pin") == ["reply.change_pin_old"]
    assert await anna.say(old) == ["reply.change_pin_new"]
    assert await anna.say(new) == ["reply.repeat_pin"]
    assert await anna.say(new) == ["reply.pin_changed"]


async def test_a_changed_pin(anywhere: Practice) -> None:
    anna = await anywhere.enrolled()
    anywhere.take(entry())
    await change_pin(anna, PIN, OTHER_PIN)
    assert anna.recipient.generation == 2
    assert await anna.say(PIN) == ["reply.pin_wrong"]
    assert await anna.say(OTHER_PIN) == ["release"]
    assert "pin_changed" in anywhere.audited()


async def test_the_wrong_old_pin_counts(practice: Practice) -> None:
    anna = await practice.enrolled()
    await anna.say("change pin")
    for guess in GUESSES[:3]:
        assert await anna.say(guess) == ["reply.pin_wrong"]
    assert practice.keys.tries_left(anna.recipient.id) == 7
    assert await anna.say(PIN) == ["reply.change_pin_new"]


async def test_a_change_that_is_broken_off_changes_nothing(practice: Practice) -> None:
    anna = await practice.enrolled()
    for words in (("no",), (OTHER_PIN, "no"), (OTHER_PIN, WRONG_PIN, "no")):
        await anna.say("change pin")
        await anna.say(PIN)
        for word in words[:-1]:
            await anna.say(word)
        assert await anna.say(words[-1]) == ["reply.pin_unchanged"]
        assert await anna.say(PIN) == ["release"]
        practice.clock.forward(minutes=11)


async def test_ten_minutes_later_the_old_pin_is_forgotten(practice: Practice) -> None:
    anna = await practice.enrolled()
    await anna.say("change pin")
    await anna.say(PIN)
    memory = practice.converse._memories[anna.room.room]
    assert memory.old_pin is not None
    practice.clock.forward(minutes=10)
    await practice.converse.forget()
    assert memory.old_pin is None
    assert await anna.say(OTHER_PIN) == ["reply.pin_wrong"], "taken for a PIN to show with"


# -- rule 4 and P6: one shape ---------------------------------------------------------------------------------------


def shape(rows: list[OutboxRow], start: Any) -> list[tuple[Any, ...]]:
    """What leaves and when: kind as the homeserver sees it, delay, what is taken back when, rotation."""
    seen = {OutboxKind.RELEASE: "private", OutboxKind.REPLY: "private"}
    return sorted(
        (seen.get(r.kind, r.kind.value), (r.due - start).total_seconds(), r.redact_after, r.rotate)
        for r in rows
    )


async def test_p6_every_answered_pin_has_one_shape(practice: Practice) -> None:
    """Right with something to come, right with nothing, wrong, too early, locked, odd, stale: all the same."""
    shapes: dict[str, list[tuple[Any, ...]]] = {}

    async def typed(name: str, person: Person, text: str) -> None:
        before = {r.id for r in practice.outbox()}
        start = practice.now
        await practice.converse.handle(person.message(text))
        shapes[name] = shape([r for r in practice.outbox() if r.id not in before], start)
        practice.clock.moment += practice.delay
        await practice.send_replies()

    anna = await practice.enrolled("P-1", name="anna")
    ben = await practice.enrolled("P-2", name="ben")
    practice.take(entry())
    await typed("right", anna, PIN)
    await typed("not needed", anna, PIN)
    await typed("nothing to come", ben, PIN)
    practice.clock.forward(minutes=11)
    await typed("odd", anna, "12345")
    for n, guess in enumerate(GUESSES[:4]):
        await typed(f"wrong {n}", anna, guess)
    await typed("early", anna, PIN)
    practice.keys.destroy(ben.recipient.id)
    await typed("destroyed", ben, PIN)
    await typed("locked", ben, PIN)
    practice.execute("UPDATE recipient SET generation = 99 WHERE id = :id", id=anna.recipient.id)
    await typed("stale", anna, PIN)
    assert set(map(str, shapes.values())) == {str(shapes["right"])}, shapes
    assert shapes["right"] == [("private", 2.0, 10, True), ("redact", 2.0, 0, False)]


async def test_p6_what_is_not_a_pin_is_answered_at_once(practice: Practice) -> None:
    anna = await practice.enrolled()
    before = {r.id for r in practice.outbox()}
    await practice.converse.handle(anna.message("help"))
    assert [r.due for r in practice.outbox() if r.id not in before] == [practice.now]


async def test_a_pin_at_the_wrong_moment_is_redacted(practice: Practice) -> None:
    anna = await practice.enrolled()
    for moment in ("help", "language", "leave", "stop"):
        await anna.say(moment)
        await anna.say(f"mon code est {PIN} merci")
        assert practice.channel.redacted[-1] == f"$typed-{anna.room.id}-{anna.typed}", moment
        await anna.say("no")


async def test_a_slow_check_delays_its_own_answer_alone(practice: Practice) -> None:
    """Two seconds, or longer where the check takes longer: never counted on top."""
    anna = await practice.enrolled()
    unlock = practice.keys.unlock

    def slow(*arguments: Any) -> Any:
        practice.clock.forward(seconds=5)
        return unlock(*arguments)

    practice.keys.unlock = slow  # type: ignore[method-assign, assignment]  # five seconds of Argon2id
    start = practice.now
    await practice.converse.handle(anna.message(PIN))
    (row,) = practice.outbox(OutboxKind.RELEASE)
    assert (row.due - start).total_seconds() == 5


def test_the_copy_helpers_copy(practice: Practice) -> None:
    copy = practice.folder / "copy.db"
    practice.save_database(copy)
    practice.invite()
    practice.restore_database(copy)
    assert practice.everything()["recipient"] == []
