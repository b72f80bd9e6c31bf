"""What the homeserver sees does not tell a right PIN from a wrong one, nor something from nothing (P6)."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass

from tests.journey.practice import Practice
from tests.journey.talk import PIN, WRONG_PIN, People, Talk


@dataclass(frozen=True)
class Traffic:
    """What the bot did in a room between two moments, as the homeserver has it."""

    messages: int
    redactions: int
    sizes: frozenset[int]
    sessions: int


def traffic(talk: Talk, *, since: int) -> Traffic:
    sql = (
        "SELECT e.type type, j.json json FROM events e JOIN event_json j USING (event_id)"
        " WHERE e.room_id = ? AND e.sender = ? AND e.stream_ordering > ?"
    )
    rows = talk.practice.seen_by_homeserver(sql, talk.room, talk.practice.bot_user, since)
    kinds = Counter(row["type"] for row in rows)
    contents = [json.loads(row["json"])["content"] for row in rows if row["type"] == "m.room.encrypted"]
    return Traffic(
        messages=kinds["m.room.encrypted"],
        redactions=kinds["m.room.redaction"],
        sizes=frozenset(len(c["ciphertext"]) for c in contents if c),
        sessions=len({c["session_id"] for c in contents if c}),
    )


def now(practice: Practice) -> int:
    return int(practice.seen_by_homeserver("SELECT max(stream_ordering) FROM events")[0][0])


async def pin_and_after(talk: Talk, pin: str, *, word: str = "show") -> Traffic:
    """From ``word`` until the answer is taken back."""
    talk.practice.bring_forward("redact")
    await talk.practice.settled()
    start = now(talk.practice)
    await talk.ask(word)
    typed = await talk.say(pin)
    answer = await talk.hear()
    await talk.wait_redacted(typed)
    await talk.practice.settled()
    talk.practice.bring_forward("redact")
    await talk.wait_redacted(answer.event)
    await talk.practice.settled()
    return traffic(talk, since=start)


async def test_right_wrong_and_nothing_look_alike(people: People, practice: Practice) -> None:
    full, empty = await people.enrolled("S-1"), await people.enrolled("S-2")
    for number in range(9):
        await practice.pli(
            *("agenda", "add", "S-1", "--at", f"2031-05-0{number + 1}T10:00", "--with", "Dr Quill"),
            *("--note", "fasting " * 20),
        )
    seen = [
        await pin_and_after(full, WRONG_PIN),
        await pin_and_after(empty, WRONG_PIN),
        await pin_and_after(full, PIN),
        await pin_and_after(empty, PIN),
    ]
    assert seen[0].messages == 2, "one before the PIN, one after"
    assert seen[0].redactions == 3, "the PIN, its answer, and the answer to the word before"
    assert set(seen) == {seen[0]}


async def test_every_text_has_one_size(people: People, practice: Practice) -> None:
    talk = await people.enrolled("S-3")
    for number in range(6):
        await practice.pli(
            "agenda", "add", "S-3", "--at", f"2031-05-0{number + 1}T10:00", "--with", "Dr Ünal"
        )
    await talk.unlock()
    for text in (
        "more",
        "help",
        "confirm 1",
        "cancel 2",
        "yes",
        "français",
        "aide",
        "arrêter",
        "quoi ?",
        "langue",
    ):
        await talk.ask(text)
    await people.news("S-3")
    await talk.wait_nudges(1)
    said = await talk.from_bot()
    assert len({m.wire_size for m in said}) == 1
    assert None not in {m.wire_size for m in said}
    sizes = {row[0] for row in practice.seen_by_homeserver(_ALL_SIZES, practice.bot_user)}
    assert len(sizes) == 1, "over all patients, languages and kinds"


_ALL_SIZES = (
    "SELECT length(json_extract(j.json, '$.content.ciphertext')) FROM events e JOIN event_json j USING (event_id)"
    " WHERE e.sender = ? AND e.type = 'm.room.encrypted' AND json_extract(j.json, '$.content.ciphertext') IS NOT NULL"
)
