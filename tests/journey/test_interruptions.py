"""The bot is killed, stopped and started: nothing is lost, nothing comes twice, nothing stays that should go."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from bot.domain.templates import Template
from tests.journey.practice import Practice, running_practice
from tests.journey.talk import PIN, WRONG_PIN, People, Talk
from tests.rig.homeserver import RigHomeserver
from tests.rig.waiting import until

PAST = "2000-01-01T00:00:00.000000Z"


@pytest.fixture(scope="module")
def practice(homeserver: RigHomeserver, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Practice]:
    with running_practice(tmp_path_factory.mktemp("own") / "practice", homeserver, cheap=True) as made:
        yield made


async def wait_row(practice: Practice, kind: str, state: str) -> None:
    async def there() -> bool:
        return bool(practice.query("SELECT 1 FROM outbox WHERE kind = ? AND state = ?", kind, state))

    await until(there, f"a {kind} that is {state}")


async def test_a_release_interrupted_before_it_left(people: People, practice: Practice) -> None:
    talk = await people.enrolled("I-1")
    await practice.pli("agenda", "add", "I-1", "--at", "2031-05-05T10:00", "--with", "Dr Quill")
    practice.kill()
    await practice.start(PLI_RELEASE__ANSWER_DELAY_SECONDS="8")  # a pause in which it can be killed
    await talk.ask("show")
    typed = await talk.say(PIN)
    await wait_row(practice, "release", "queued")
    practice.kill()
    rows = json.dumps([[str(v) for v in row] for row in practice.query("SELECT * FROM outbox")])
    assert "Quill" not in rows, "the text was in memory alone"
    await practice.start()
    assert (await talk.hear()).body == talk.text(Template.ASK_PIN), "the patient is asked again"
    assert "Dr Quill" in await talk.tell(PIN)
    await talk.wait_secrets_redacted()
    assert typed in practice.redacted(talk.room)
    await take_everything_back(talk)


async def test_a_release_interrupted_after_it_left(people: People, practice: Practice) -> None:
    """The crash between the homeserver's answer and our note of it: what a kill there leaves is put in place."""
    talk = await people.enrolled("I-2")
    await practice.pli("agenda", "add", "I-2", "--at", "2031-05-05T10:00", "--with", "Dr Quill")
    await talk.ask("show")
    await talk.ask(PIN)
    await practice.settled()
    practice.kill()
    ((row, event),) = practice.query(
        "SELECT id, event FROM outbox WHERE kind = 'release' AND recipient = ?", talk.recipient
    )
    practice.query("UPDATE outbox SET state = 'claimed', event = NULL, settled_at = NULL WHERE id = ?", row)
    practice.query("DELETE FROM outbox WHERE kind = 'redact' AND event = ?", event)
    await practice.start()
    await practice.settled()
    await take_everything_back(talk)
    assert event in practice.redacted(talk.room), (
        "the homeserver named the first event again, and it was taken back"
    )


async def test_what_fell_due_while_the_bot_was_down_is_taken_back(people: People, practice: Practice) -> None:
    talk = await people.enrolled("I-3")
    await talk.ask("show")
    await talk.ask(PIN)
    await practice.settled()
    assert await practice.stop() == 0
    assert practice.bring_forward("redact") >= 3
    event = await talk.say("show")
    secret = await talk.say(WRONG_PIN)
    await practice.start()
    assert (await talk.hear()).body == talk.text(Template.ASK_PIN)
    assert (await talk.hear()).body == talk.text(Template.PIN_WRONG), "what was typed meanwhile is answered"
    await practice.settled()
    gone = practice.redacted(talk.room)
    assert secret in gone
    assert event not in gone
    await take_everything_back(talk)


async def test_failure_13_a_nudge_is_sent_once_though_the_bot_died_after_sending(
    people: People, practice: Practice
) -> None:
    talk = await people.enrolled("I-4")
    await people.news("I-4")
    (nudge,) = await talk.wait_nudges(1)
    await practice.settled()
    practice.kill()
    practice.query(
        "UPDATE outbox SET state = 'claimed', event = NULL, settled_at = NULL WHERE event = ?", nudge.event
    )
    await practice.start()
    await practice.settled()
    assert await talk.quiet() == []
    assert [n.event for n in await talk.nudges()] == [nudge.event]
    assert practice.query("SELECT state FROM outbox WHERE event = ?", nudge.event)[0]["state"] == "sent"


async def test_failure_05_what_came_too_late_or_may_have_left_already_is_reported(
    people: People, practice: Practice
) -> None:
    """P9: neither is sent; the staff reads of both."""
    late, unknown = await people.enrolled("I-5"), await people.enrolled("I-6")
    practice.kill()
    await people.news("I-5")
    await people.news("I-6")
    practice.query("UPDATE reminder SET useful_until = ? WHERE recipient = ?", PAST, late.recipient)
    practice.query(
        "UPDATE outbox SET state = 'claimed', claimed_at = ?, claimed_by = (SELECT max(claimed_by) FROM outbox)"
        " WHERE id = (SELECT id FROM outbox WHERE kind = 'nudge' AND recipient = ? ORDER BY due)",
        PAST,
        unknown.recipient,
    )
    await practice.start()
    await practice.settled()
    for talk, problem in ((late, "too_late"), (unknown, "unknown_send")):
        assert await talk.quiet() == []
        assert await talk.nudges() == []
        problems = (await practice.pli("problems", "--json")).json()
        assert [p["kind"] for p in problems if p["recipient"] == talk.recipient] == [problem]


async def test_failure_12_what_gathered_while_the_bot_was_down_becomes_one_nudge(
    people: People, practice: Practice
) -> None:
    talk = await people.enrolled("I-7")
    practice.kill()
    for hour in ("09:00", "10:00", "11:00", "12:00"):
        await people.news("I-7", at=hour)
    waiting = practice.query(
        "SELECT id FROM outbox WHERE kind = 'nudge' AND recipient = ? AND due < ?",
        talk.recipient,
        datetime.now(UTC).isoformat(),
    )
    assert len(waiting) == 4
    await practice.start()
    await talk.wait_nudges(1)
    await practice.settled()
    assert await talk.quiet() == []
    assert len(await talk.nudges()) == 1


async def test_failure_09_killed_again_and_again_it_still_hears(people: People, practice: Practice) -> None:
    talk = await people.enrolled("I-8")
    for number in range(3):
        await talk.say("help")
        if number:  # killed at once, or when it has been answered or is about to be
            await talk.hear()
            await talk.say("help")
        practice.kill()
        await practice.start()
        assert (await talk.hear()).body in {talk.text(Template.HELP), talk.text(Template.ASK_PIN)}
    assert await talk.quiet() == []


async def take_everything_back(talk: Talk) -> None:
    """Let every redaction's time come; then nothing that told an appointment, and no secret, is left."""
    practice = talk.practice
    practice.bring_forward("redact")
    await practice.settled()
    gone = practice.redacted(talk.room)
    for message in await talk.from_bot():
        if message.event not in gone:
            assert message.body is not None
            assert "Quill" not in message.body
            assert "taken away" not in message.body
