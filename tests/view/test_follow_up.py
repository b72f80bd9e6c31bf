"""P6 after the PIN: what is answered to the next words tells no more than the words themselves."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from bot.domain.records import OutboxKind
from tests.services.kit import PIN, WRONG_PIN, Person, Practice, entry

Shape = list[tuple[str, timedelta, int, bool]]
WORDS = (
    "show",
    "more",
    "my data",
    "confirm 1",
    "cancel 1",
    "keep 1",
    "move 1",
    "no",
    "help",
    "thanks",
    "stop",
    "start",
    "pin",
)


@pytest.fixture
def practice(tmp_path: Path) -> Iterator[Practice]:
    made = Practice(tmp_path)
    yield made
    made.close()


async def shape(practice: Practice, person: Person, text: str) -> Shape:
    """What leaves because of ``text``, as the homeserver sees it: private or not, when, taken back when, rotation."""
    before, start = {row.id for row in practice.outbox()}, practice.now
    await practice.converse.handle(person.message(text))
    rows = [row for row in practice.outbox() if row.id not in before]
    practice.clock.moment += practice.delay
    await practice.send_replies()
    private = {OutboxKind.RELEASE: "private", OutboxKind.REPLY: "private"}
    return [(private.get(r.kind, r.kind.value), r.due - start, r.redact_after, r.rotate) for r in rows]


async def after(practice: Practice, person: Person, *texts: str) -> Shape:
    """The shape of the last one, from a window that is closed."""
    practice.clock.forward(minutes=31)
    for text in texts[:-1]:
        await shape(practice, person, text)
    return await shape(practice, person, texts[-1])


@pytest.mark.parametrize("word", WORDS)
async def test_rule_8_of_converse_right_and_wrong_look_alike_in_what_follows(
    practice: Practice, word: str
) -> None:
    anna, ben = await practice.enrolled("P-1", name="anna"), await practice.enrolled("P-2", name="ben")
    practice.take(entry("u-1"), entry("u-2", "2026-09-11 10:00"))
    seen = {
        "right": await after(practice, anna, PIN, word),
        "right and shown": await after(practice, anna, PIN, "show", word),
        "right, and everything held shown": await after(practice, anna, "my data", PIN, word),
        "wrong, for everything held": await after(practice, anna, "my data", WRONG_PIN, word),
        "wrong": await after(practice, anna, WRONG_PIN, word),
        "none": await after(practice, anna, word),
        "right, nothing to come": await after(practice, ben, PIN, word),
        "wrong, nothing to come": await after(practice, ben, WRONG_PIN, word),
    }
    assert len(set(map(str, seen.values()))) == 1, seen


@pytest.mark.parametrize(("before", "word"), [("cancel 1", "yes"), ("cancel", "1")])
async def test_rule_8_of_converse_the_second_half_of_a_command_looks_like_a_word_alone(
    practice: Practice, before: str, word: str
) -> None:
    anna = await practice.enrolled("P-1")
    practice.take(entry("u-1"), entry("u-2", "2026-09-11 10:00"))
    open_, shut = await after(practice, anna, PIN, before, word), await after(practice, anna, before, word)
    (told,) = [row for row in open_ if row[0] == "private"]
    assert [row for row in shut if row[0] == "private"] == [told]
    assert told[2] == practice.settings.release.redact_after_minutes


async def test_the_last_words_stay(practice: Practice) -> None:
    """Who left can still read how to come back; that somebody left is seen by the homeserver anyway."""
    anna = await practice.enrolled("P-1")
    found = await after(practice, anna, "leave", "yes")
    assert [row[2] for row in found] == [0]
    assert anna.recipient.state.value == "left"
