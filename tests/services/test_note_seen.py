"""Read receipts; the rules by number are those of :mod:`bot.services.note_seen`."""

from __future__ import annotations

from datetime import datetime, timedelta

from bot.domain.values import RoomId, UserId
from bot.services.note_seen import NoteSeen
from tests.services.kit import Person, Practice, entry


def seen(person: Person) -> datetime | None:
    who = person.recipient.id
    with person.practice.home.uow() as uow:
        return uow.recipients.signs([who])[who].seen_at


async def test_to_the_minute_only_forwards_and_never_ahead(anywhere: Practice) -> None:
    anna = await anywhere.enrolled()
    anywhere.take(entry())
    note = NoteSeen(anywhere.home.uow, anywhere.clock)
    start = anywhere.clock.moment = anywhere.now.replace(second=0, microsecond=0) + timedelta(minutes=10)
    await note(anna.room.room, anna.room.user, start - timedelta(minutes=2) + timedelta(seconds=31))
    assert seen(anna) == start - timedelta(minutes=2)
    await note(anna.room.room, anna.room.user, start - timedelta(minutes=5))
    assert seen(anna) == start - timedelta(minutes=2)
    await note(anna.room.room, anna.room.user, start + timedelta(days=300))
    assert seen(anna) == start


async def test_rule_1_nobody_elses_receipt_counts(practice: Practice) -> None:
    anna = await practice.enrolled("P-1", name="anna")
    ben = await practice.enrolled("P-2", name="ben")
    before = practice.everything()
    note = NoteSeen(practice.home.uow, practice.clock)
    await note(anna.room.room, ben.room.user, practice.now)
    await note(RoomId("!other:example.org"), anna.room.user, practice.now)
    await note(practice.person("cleo").room.room, UserId("@cleo:example.org"), practice.now)
    rows = practice.everything()
    assert rows["recipient"] == before["recipient"]


async def test_rule_2_the_same_receipt_again_writes_nothing(practice: Practice) -> None:
    anna = await practice.enrolled()
    note = NoteSeen(practice.home.uow, practice.clock)
    await note(anna.room.room, anna.room.user, practice.now)
    before = practice.everything()
    await note(anna.room.room, anna.room.user, practice.now)
    assert practice.everything() == before
