"""The homeserver dies or stands still, the disk is full, another process holds the files.

Nothing is released, counted, lost or doubled meanwhile, ``/readyz`` says so, and everything goes on by itself.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.domain.templates import Template
from bot.domain.values import RecipientId, Secret
from bot.errors import StorageError
from tests.crashes.conftest import LOST_SECONDS
from tests.journey.practice import Practice, judge_log
from tests.journey.talk import OTHER_PIN, PIN, WRONG_PIN, People, Talk, body
from tests.rig.homeserver import RigHomeserver
from tests.rig.locker import locked
from tests.rig.small_disk import Disk, FileSizeLimit, small_disk
from tests.rig.waiting import until

MINUTE = 60.0
LOCKED_SECONDS = 30.0
KEYS_LOCKED_SECONDS = 8.0
FULL_SECONDS = 8.0


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


async def told_in_the_end(talk: Talk) -> None:
    """The list, or a sentence after which the PIN opens it; once, with no try burned and no PIN left."""
    heard = body(await talk.hear(seconds=LOST_SECONDS))
    if heard in {talk.text(Template.ASK_PIN), talk.text(Template.TROUBLE)}:
        heard = await talk.tell(talk.pin)
    assert "Dr Quill" in heard
    assert talk.practice.home.keyring.tries_left(RecipientId(talk.recipient)) == 10
    assert await talk.quiet() == []
    await talk.wait_secrets_redacted()


async def at_the_question(people: People, reference: str) -> Talk:
    """Enrolled, with an appointment, and asked for the PIN."""
    talk = await people.enrolled(reference)
    await people.practice.pli("agenda", "add", reference, "--at", "2031-05-05T10:00", "--with", "Dr Quill")
    assert await talk.tell("show") == talk.text(Template.ASK_PIN)
    return talk


async def nudge_in(practice: Practice, people: People, reference: str, seconds: float) -> None:
    """The bot is down; when it is up again a nudge falls due, about when the storage refuses."""
    await people.news(reference)
    soon = (datetime.now(UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    practice.query(
        "UPDATE outbox SET due = ? WHERE kind = 'nudge' AND state = 'queued' AND due < ?", soon, soon
    )


async def nudged_once(talk: Talk) -> None:
    """One nudge, or none where the list came first and told the news: then the nudge is not wanted any more."""
    practice = talk.practice
    await practice.settled(seconds=LOST_SECONDS)
    sql = "SELECT state FROM outbox WHERE kind = 'nudge' AND recipient = ? AND state <> 'queued'"
    ((state,),) = practice.query(sql, talk.recipient)
    assert state in {"sent", "dropped"}
    assert not practice.query(
        "SELECT 1 FROM problem WHERE recipient = ? AND kind <> 'trouble'", talk.recipient
    )
    if state == "sent":
        await talk.wait_nudges(1, seconds=LOST_SECONDS)
    assert len(await talk.nudges()) == (state == "sent")


async def storage_says(practice: Practice, *, well: bool, seconds: float = 60.0) -> None:
    async def as_wanted() -> bool:
        _, checks = await asyncio.to_thread(practice.health)
        return checks.get("storage") is well

    await until(as_wanted, f"/readyz to say of the storage: {well}", seconds=seconds, every=0.2)


async def passed(began: float, seconds: float) -> None:
    async def over() -> bool:
        return time.monotonic() - began >= seconds

    await until(over, "the end of an outage", seconds=2 * seconds)


async def test_the_homeserver_is_killed_before_a_release_leaves(people: People, practice: Practice) -> None:
    talk = await released_with_pause(people, practice, "H-1")
    practice.homeserver.kill()
    await people.news("H-1")
    await practice.wait_ready(ready=False)
    practice.homeserver.embedded.start()
    await practice.wait_ready()
    await told_once(talk)


async def test_a_frozen_homeserver_and_locked_files(
    people: People, practice: Practice, homeserver: RigHomeserver, tmp_path: Path
) -> None:
    """In one minute, at two practices with a homeserver each: neither outage waits for the end of the other."""
    other = await asyncio.to_thread(Practice.make, tmp_path / "practice", homeserver, cheap=True)
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as both:
        stack.callback(other.kill)
        both.create_task(frozen_for_a_minute(people, practice))
        both.create_task(locked_for_thirty_seconds(People(practice=other, stack=stack), other))
    judge_log(other.log.read_text(encoding="utf-8"), errors=True)


async def frozen_for_a_minute(people: People, practice: Practice) -> None:
    """When it wakes up it takes in what was sent meanwhile, and is sent it again: that must be one message."""
    talk = await released_with_pause(people, practice, "H-2")
    began = time.monotonic()
    practice.homeserver.freeze()
    try:
        await people.news("H-2")
        await practice.wait_ready(ready=False, seconds=MINUTE)
        await passed(began, MINUTE)
    finally:
        practice.homeserver.thaw()
    await practice.wait_ready()
    await told_once(talk)


async def locked_for_thirty_seconds(people: People, practice: Practice) -> None:
    """The database and the vault all the time, the device's keys in the beginning: one PIN comes before, one within."""
    await practice.start()
    early, late = await at_the_question(people, "S-1"), await at_the_question(people, "S-2")
    keys = practice.home.bot_dir / "crypto" / "olm.db"
    practice.kill()
    await nudge_in(practice, people, "S-1", KEYS_LOCKED_SECONDS)
    await practice.start()
    await early.say(PIN)
    began = time.monotonic()
    with locked(practice.database, practice.home.vault_path):
        with locked(keys):
            await late.say(PIN)
            await passed(began, KEYS_LOCKED_SECONDS)
        await storage_says(practice, well=False, seconds=LOCKED_SECONDS)
        assert practice.ready() is False
        await passed(began, LOCKED_SECONDS)
    await storage_says(practice, well=True)
    await practice.wait_ready(seconds=LOST_SECONDS)
    await told_in_the_end(early)
    await told_in_the_end(late)
    await nudged_once(early)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    folder = tmp_path / "practice"
    folder.mkdir()
    with small_disk(folder) as made:
        yield made


async def test_the_disk_is_full(homeserver: RigHomeserver, disk: Disk, tmp_path: Path) -> None:
    await full_for_a_while(homeserver, disk, tmp_path / "practice")


@pytest.mark.nightly
async def test_the_process_may_write_nothing(homeserver: RigHomeserver, tmp_path: Path) -> None:
    """The same where a limit, and not a disk, refuses: the error is another one."""
    await full_for_a_while(homeserver, FileSizeLimit(), tmp_path / "practice")


async def full_for_a_while(homeserver: RigHomeserver, disk: Disk, folder: Path) -> None:
    practice = await asyncio.to_thread(Practice.make, folder, homeserver, cheap=True)
    async with AsyncExitStack() as stack:
        people = People(practice=practice, stack=stack)
        await practice.start()
        stack.callback(practice.kill)
        talk = await at_the_question(people, "S-3")
        practice.kill()
        await nudge_in(practice, people, "S-3", FULL_SECONDS)
        await practice.start()
        pid, written = practice.pid, practice.log.stat().st_size
        disk.fill(pid)
        began = time.monotonic()
        await talk.say(PIN)
        await storage_says(practice, well=False)
        if disk.for_all:
            refused_here(practice, talk)
        await passed(began, FULL_SECONDS)
        disk.free(pid)
        full = practice.log.read_bytes()[written:]
        assert full.count(b"\n") < 10 * FULL_SECONDS, "the log says it now and then"
        assert not disk.for_all or b"refused" in full
        await storage_says(practice, well=True)
        await practice.wait_ready(seconds=LOST_SECONDS)
        assert practice.pid == pid, "it lived through it"
        await told_in_the_end(talk)
        await nudged_once(talk)
    judge_log(practice.log.read_text(encoding="utf-8"), errors=True)


def refused_here(practice: Practice, talk: Talk) -> None:
    """Nothing is compared that could not be counted, nothing changed that could not be written: P4."""
    with practice.home.uow() as uow:
        recipient = uow.recipients.get(RecipientId(talk.recipient))
    assert recipient is not None
    keyring = practice.home.keyring
    for pin in (WRONG_PIN, PIN):
        with pytest.raises(StorageError):
            keyring.unlock(recipient, Secret(pin))
    with pytest.raises(StorageError):
        keyring.rewrap(recipient, Secret(PIN), Secret(OTHER_PIN))
    with pytest.raises(StorageError):
        keyring.destroy(recipient.id)
    assert keyring.tries_left(recipient.id) == 10
