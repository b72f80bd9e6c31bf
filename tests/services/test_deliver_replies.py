"""Everything but nudges out of the outbox: rules 1 and 3 to 6 of :mod:`bot.services.deliver`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime

import pytest

from bot.domain.messages import OpenSentence
from bot.domain.records import OutboxKind, OutboxState, ProblemKind
from bot.domain.trust import Address
from bot.errors import ChannelError, StorageError, Untrusted
from bot.services.settle_sent import Sending, Work
from tests.services.kit import PIN, Person, Practice, entry

BUSY = ChannelError("busy", permanent=False)


async def shown(practice: Practice) -> Person:
    """Somebody enrolled, with an appointment to come."""
    anna = await practice.enrolled()
    practice.take(entry())
    practice.channel.sent.clear()
    return anna


async def type_pin(practice: Practice, anna: Person) -> None:
    """The message is handled; nothing was sent yet."""
    await practice.converse.handle(anna.message(PIN))
    practice.clock.moment += practice.delay


def rows(practice: Practice, *states: OutboxState) -> list[OutboxKind]:
    """Kinds of the messages in these states; what takes messages back and nudges left out."""
    words = (OutboxKind.OPEN, OutboxKind.REPLY, OutboxKind.RELEASE)
    return [r.kind for r in practice.outbox(*words) if r.state in states]


async def test_a_release_is_never_in_the_database(anywhere: Practice) -> None:
    anna = await anywhere.enrolled()
    anywhere.take(entry(practitioner="Dr Canari", place="Canariville", note="canarium"))
    await type_pin(anywhere, anna)
    stored = repr(anywhere.everything())
    assert "anari" not in stored
    assert "10:00" not in stored
    assert "September" not in stored
    await anywhere.send_replies()
    assert "Canari" in anywhere.channel.of("private")[-1].text
    assert "anari" not in repr(anywhere.everything())


async def test_a_release_is_taken_back_in_time(anywhere: Practice) -> None:
    anna = await anywhere.enrolled()
    anywhere.take(entry())
    assert await anna.say(PIN) == ["release"]
    release = anywhere.channel.of("private")[-1]
    anywhere.clock.forward(minutes=9, seconds=59)
    await anywhere.send_replies()
    assert release.event not in anywhere.channel.redacted
    anywhere.clock.forward(seconds=1)
    await anywhere.send_replies()
    assert release.event in anywhere.channel.redacted


async def test_a_release_is_taken_back_although_the_bot_was_down_and_has_another_device(
    practice: Practice,
) -> None:
    anna = await shown(practice)
    await anna.say(PIN)
    release = practice.channel.of("private")[-1]
    practice.clock.forward(days=3)
    practice.device = "ANOTHER"
    practice.start_bot()
    practice.deliver.recover()
    await practice.send_replies()
    assert release.event in practice.channel.redacted


async def test_a_redaction_is_repeated_until_it_worked(practice: Practice) -> None:
    """Also beyond the time for which a homeserver remembers: taking back twice harms nobody."""
    anna = await shown(practice)
    await anna.say(PIN)
    release = practice.channel.of("private")[-1]
    practice.channel.fault = lambda kind, _to: BUSY if kind == "redact" else None
    practice.clock.forward(minutes=11)
    await practice.send_replies()
    practice.clock.forward(hours=40)
    await practice.send_replies()
    assert release.event not in practice.channel.redacted
    practice.channel.fault = lambda *_: None
    practice.clock.forward(minutes=10)
    await practice.send_replies()
    assert release.event in practice.channel.redacted
    assert practice.problems() == []


async def test_a_redaction_outlives_the_patient(practice: Practice) -> None:
    """Removed by the practice a minute after a release: the message disappears all the same."""
    anna = await shown(practice)
    await anna.say(PIN)
    release = practice.channel.of("private")[-1]
    practice.remove("P-1")
    practice.clock.forward(minutes=11)
    await practice.send_replies()
    assert release.event in practice.channel.redacted


# -- rule 4 ---------------------------------------------------------------------------------------------------------


async def test_rule_4_after_a_crash_the_pin_is_asked_for_again(anywhere: Practice) -> None:
    anna = await anywhere.enrolled()
    anywhere.take(entry())
    anywhere.channel.sent.clear()
    await type_pin(anywhere, anna)
    anywhere.start_bot()
    anywhere.deliver.recover()
    await anywhere.send_replies()
    (told,) = anywhere.channel.of("private")
    assert "10:00" not in told.text
    assert anywhere.outbox()[-1].template in ("reply.ask_pin", "")
    assert await anna.say(PIN) == ["release"]


async def test_rule_4_a_release_that_had_arrived_is_still_taken_back(practice: Practice) -> None:
    """The homeserver answers the repeated transaction with the first event."""
    anna = await shown(practice)
    await type_pin(practice, anna)

    settle = practice.deliver._settle

    def refuse(sendings: Sequence[Sending], behind: Sequence[Work] = ()) -> datetime | None:
        if sendings[0].work.row.kind is OutboxKind.RELEASE:
            raise StorageError("the disk is full")
        return settle(sendings, behind)

    practice.deliver._settle = refuse  # type: ignore[method-assign]  # the crash
    await practice.send_replies()
    (release,) = practice.channel.of("private")
    assert "10:00" in release.text
    practice.start_bot()
    practice.deliver.recover()
    await practice.send_replies()
    assert practice.channel.of("private") == [release]
    practice.clock.forward(minutes=11)
    await practice.send_replies()
    assert release.event in practice.channel.redacted


async def test_rule_4_a_release_that_waits_past_its_window_asks_for_the_pin(practice: Practice) -> None:
    """The homeserver was away for an hour: whoever holds the phone now did not type that PIN."""
    anna = await shown(practice)
    await type_pin(practice, anna)
    practice.channel.fault = lambda *_: BUSY
    await practice.send_replies()
    practice.clock.forward(hours=1)
    practice.channel.fault = lambda *_: None
    await practice.send_replies()
    (told,) = practice.channel.of("private")
    assert "10:00" not in told.text


async def test_what_is_held_in_memory_is_forgotten_after_the_window(practice: Practice) -> None:
    anna = await shown(practice)
    await type_pin(practice, anna)
    practice.channel.fault = lambda *_: BUSY
    await practice.send_replies()
    assert practice.deliver._releases
    practice.clock.forward(hours=1)
    practice.deliver.tidy()
    assert not practice.deliver._releases


async def test_a_held_row_answers_after_a_crash_in_the_middle_of_a_message(practice: Practice) -> None:
    """The process died while Argon2id ran: the patient is asked again and not left in silence."""
    anna = await shown(practice)

    def dies(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    practice.converse._acts.do = dies  # type: ignore[method-assign, assignment]  # the crash
    with pytest.raises(KeyboardInterrupt):
        await practice.converse.handle(anna.message(PIN))
    practice.start_bot()
    practice.deliver.recover()
    await practice.send_replies()
    (told,) = practice.channel.of("private")
    assert "PIN" in told.text
    assert await anna.say(PIN) == ["release"]


# -- rules 3, 5 and 6 -----------------------------------------------------------------------------------------------


async def test_rule_3_a_reply_that_may_have_been_forgotten_is_reported(practice: Practice) -> None:
    anna = await shown(practice)
    practice.channel.fault = lambda *_: BUSY
    await anna.say("help")
    practice.clock.forward(hours=25)
    practice.channel.fault = lambda *_: None
    await practice.send_replies()
    assert practice.channel.of("private") == []
    assert practice.problems() == [ProblemKind.UNKNOWN_SEND]


async def test_rule_5_a_doubt_sends_a_plain_sentence_and_a_line_to_the_staff(practice: Practice) -> None:
    anna = await shown(practice)
    practice.channel.fault = lambda kind, _to: Untrusted("device") if kind == "private" else None
    await anna.say(PIN)
    await practice.send_replies()
    assert practice.channel.of("private") == []
    assert [s.text for s in practice.channel.of("open")] == [f"{OpenSentence.UNKNOWN_DEVICE.value} en"]
    assert practice.problems() == [ProblemKind.NOT_TRUSTED]
    assert rows(practice, OutboxState.FAILED) == [OutboxKind.RELEASE]
    assert not practice.deliver._releases


async def test_rule_5_a_doubt_about_everything_does_not_go_round_in_circles(practice: Practice) -> None:
    anna = await shown(practice)
    practice.channel.fault = lambda *_: Untrusted("room")
    await anna.say("help")
    await practice.send_replies()
    assert practice.channel.sent == []
    assert rows(practice, OutboxState.QUEUED, OutboxState.CLAIMED) == []


@pytest.mark.parametrize("error", [ChannelError("gone", permanent=True), RuntimeError("a defect")])
async def test_failure_06_what_cannot_be_sent_stops_nothing_else(
    practice: Practice, error: Exception
) -> None:
    anna = await shown(practice)
    ben = await practice.enrolled("P-2", name="ben")
    practice.channel.sent.clear()
    failed: list[str] = []

    def fault(_kind: str, to: Address) -> Exception | None:
        if to.user == anna.room.user and not failed:
            failed.append(to.user)
            return error
        return None

    practice.channel.fault = fault
    for person in (anna, ben, anna, ben):
        await practice.converse.handle(person.message("help"))
    await practice.send_replies()
    assert [s.to.user for s in practice.channel.of("private")].count(anna.room.user) == 1
    assert [s.to.user for s in practice.channel.of("private")].count(ben.room.user) == 2
    assert practice.problems() == [ProblemKind.SEND_FAILED]
    assert rows(practice, OutboxState.CLAIMED, OutboxState.QUEUED) == []


async def test_rule_6_an_hour_without_a_homeserver_loses_nothing_and_keeps_the_order(
    practice: Practice,
) -> None:
    anna = await shown(practice)
    practice.channel.fault = lambda *_: BUSY
    for word in ("help", "language", "stop"):
        await anna.say(word)
    for _ in range(12):
        practice.clock.forward(minutes=5)
        await practice.send_replies()
    practice.channel.fault = lambda *_: None
    practice.clock.forward(minutes=10)
    await practice.send_replies()
    assert len(practice.channel.of("private")) == 3
    templates = {r.txn: r.template for r in practice.outbox()}
    assert [templates[s.txn] for s in practice.channel.of("private")] == [
        "reply.help",
        "reply.language_ask",
        "reply.stopped",
    ]


async def test_a_storage_failure_after_a_reply_is_put_right_without_a_restart(practice: Practice) -> None:
    anna = await shown(practice)

    def refuse(*_: object) -> None:
        raise StorageError("the disk is full")

    settle, practice.deliver._settle = practice.deliver._settle, refuse  # type: ignore[method-assign, assignment]  # the failure
    await practice.converse.handle(anna.message("help"))
    await practice.send_replies()
    practice.deliver._settle = settle  # type: ignore[method-assign]  # as above
    assert rows(practice, OutboxState.CLAIMED) == [OutboxKind.REPLY]
    practice.deliver.tidy()
    await practice.send_replies()
    assert len(practice.channel.of("private")) == 1
    assert rows(practice, OutboxState.CLAIMED, OutboxState.QUEUED) == []


async def test_rooms_do_not_wait_for_one_another_and_one_room_keeps_its_order(practice: Practice) -> None:
    anna = await shown(practice)
    ben = await practice.enrolled("P-2", name="ben")
    practice.channel.sent.clear()
    gate, others = asyncio.Event(), asyncio.Event()
    say = practice.channel.say

    async def slow(to: Address, text: object, txn: object, *, rotate: bool) -> object:
        if to.user == anna.room.user:
            await gate.wait()
        else:
            others.set()
        return await say(to, text, txn, rotate=rotate)  # type: ignore[arg-type]  # passed on

    practice.channel.say = slow  # type: ignore[method-assign, assignment]  # the slow room
    for person in (anna, anna, ben):
        await practice.converse.handle(person.message("help"))
    await practice.deliver.replies_due()
    async with asyncio.timeout(10):
        await others.wait()
    assert [s.to.user for s in practice.channel.of("private")] == [ben.room.user]
    await practice.converse.handle(anna.message("stop"))
    assert await practice.deliver.replies_due() == 0, "a busy room is left alone"
    gate.set()
    await practice.deliver.drain()
    await practice.send_replies()
    templates = {r.txn: r.template for r in practice.outbox()}
    annas = [templates[s.txn] for s in practice.channel.of("private") if s.to.user == anna.room.user]
    assert annas == ["reply.help", "reply.help", "reply.stopped"]


async def test_counts_by_state(practice: Practice) -> None:
    await shown(practice)
    counts = practice.deliver.counts()
    assert counts[OutboxState.SENT] >= 4
    assert counts[OutboxState.QUEUED] >= 1
