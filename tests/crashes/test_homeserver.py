"""The homeserver dies, or stands still for a minute, while a PIN is being answered and a nudge is due."""

from __future__ import annotations

import time

from bot.domain.templates import Template
from tests.crashes.conftest import LOST_SECONDS
from tests.journey.practice import Practice
from tests.journey.talk import PIN, People, Talk, body
from tests.rig.waiting import until

MINUTE = 60.0


async def released_with_pause(people: People, practice: Practice, reference: str) -> Talk:
    """A patient whose PIN was right: the answer is written, and is to leave in a few seconds."""
    await practice.start(PLI_RELEASE__ANSWER_DELAY_SECONDS="4")
    talk = await people.enrolled(reference)
    await practice.pli("agenda", "add", reference, "--at", "2031-05-05T10:00", "--with", "Dr Quill")
    assert await talk.tell("show") == talk.text(Template.ASK_PIN)
    await talk.say(PIN)

    async def waits() -> bool:
        sql = "SELECT 1 FROM outbox WHERE kind = 'release' AND state = 'queued' AND recipient = ?"
        return bool(practice.query(sql, talk.recipient))

    await until(waits, "a release that waits")
    return talk


async def told_once(talk: Talk) -> None:
    assert "Dr Quill" in body(await talk.hear(seconds=LOST_SECONDS))
    assert len(await talk.wait_nudges(1, seconds=LOST_SECONDS)) == 1
    await talk.practice.settled(seconds=LOST_SECONDS)
    assert await talk.quiet() == []
    assert len(await talk.nudges()) == 1
    await talk.wait_secrets_redacted()


async def test_the_homeserver_is_killed_before_a_release_leaves(people: People, practice: Practice) -> None:
    talk = await released_with_pause(people, practice, "H-1")
    practice.homeserver.kill()
    await people.news("H-1")
    await practice.wait_ready(ready=False)
    practice.homeserver.embedded.start()
    await practice.wait_ready()
    await told_once(talk)


async def test_the_homeserver_is_frozen_for_a_minute(people: People, practice: Practice) -> None:
    """It has taken in what was sent when it wakes up, and is sent it again: that must be one message."""
    talk = await released_with_pause(people, practice, "H-2")
    began = time.monotonic()
    practice.homeserver.freeze()
    try:
        await people.news("H-2")
        await practice.wait_ready(ready=False, seconds=MINUTE)

        async def over() -> bool:
            return time.monotonic() - began >= MINUTE

        await until(over, "the end of the minute", seconds=2 * MINUTE)
    finally:
        practice.homeserver.thaw()
    await practice.wait_ready()
    await told_once(talk)
