"""What the practice and the patient may ask of a bot that runs: everything held, a purge, new keys."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.domain.templates import Template
from tests.journey.practice import Practice, running_practice
from tests.journey.talk import PIN, WRONG_PIN, People, body
from tests.journey.test_sizes import now, traffic
from tests.rig.homeserver import RigHomeserver
from tests.rig.waiting import until

CANARY = "canary-of-what-is-too-old-" * 200


@pytest.fixture(scope="module")
def practice(homeserver: RigHomeserver, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Practice]:
    """One that is stopped and whose keys are changed."""
    with running_practice(tmp_path_factory.mktemp("rights") / "practice", homeserver, cheap=True) as made:
        yield made


async def test_p6_everything_held_is_one_message_like_any_other(people: People, practice: Practice) -> None:
    talk = await people.enrolled("R-1")
    await practice.pli("agenda", "add", "R-1", "--at", "2031-05-05T10:00", "--with", "Dr Roy")
    seen = {}
    for ask, pin in (("show", WRONG_PIN), ("my data", WRONG_PIN), ("my data", PIN), ("show", PIN)):
        practice.bring_forward("redact")
        await practice.settled()
        start = now(practice)
        await talk.ask(ask)
        typed = await talk.say(pin)
        answer = await talk.hear()
        await talk.wait_redacted(typed)
        await practice.settled()
        practice.bring_forward("redact")
        await talk.wait_redacted(answer.event)
        await practice.settled()
        seen[ask, pin] = traffic(talk, since=start)
        if (ask, pin) == ("my data", PIN):
            for held in ("R-1", "Dr Roy", "wrong PIN", "PIN chosen"):
                assert held in body(answer), held
        practice.let_pin_delays_pass()
    assert len(set(seen.values())) == 1, seen


async def test_nothing_purged_is_left_in_any_file_while_the_bot_runs(
    people: People, practice: Practice
) -> None:
    talk = await people.enrolled("R-2")
    done = await practice.pli("agenda", "add", "R-2", "--at", "2031-05-05T10:00", "--json")
    appointment = done.json()["id"]

    async def night() -> bool:
        return bool(practice.query("SELECT 1 FROM meta WHERE name = 'purged'"))

    await until(night, "the purge of this night")
    practice.query("UPDATE envelope SET blob = ? WHERE appointment = ?", CANARY.encode(), appointment)
    practice.query(
        "UPDATE appointment SET past_after = '2000-01-01T00:00:00.000000Z' WHERE id = ?", appointment
    )
    practice.query("INSERT INTO seen VALUES (?, '2000-01-01T00:00:00.000000Z')", CANARY)
    assert await _found(practice.folder), "the search finds it while it is there"
    purged = await practice.pli_process("purge", "--json")
    assert purged.code == 0, purged.err
    assert (purged.json()["envelopes"], purged.json()["marks"]) == (1, 1)
    assert purged.json()["log_emptied"] is True
    assert await _found(practice.folder) == set()
    assert await talk.tell("help") == talk.text(Template.HELP), "the bot goes on"
    assert (await practice.pli_process("audit", "verify")).code == 0


async def _found(folder: Path) -> set[str]:
    """By another process: to close a file that SQLite has open here would give up its locks for this process."""
    search = await asyncio.create_subprocess_exec(
        *("grep", "-rlaF", CANARY[:52], str(folder)), stdout=asyncio.subprocess.PIPE
    )
    out, _ = await search.communicate()
    assert search.returncode in (0, 1)
    return set(out.decode().split())


async def test_a_journey_goes_on_under_new_keys(people: People, practice: Practice) -> None:
    talk = await people.enrolled("R-3")
    await practice.pli("agenda", "add", "R-3", "--at", "2031-05-06T10:00", "--with", "Dr Roy")
    assert "Dr Roy" in await talk.unlock()
    for which in ("data", "import"):
        refused = await practice.pli_process("keys", "rotate", which)
        assert refused.code == 1
        assert f"pid {practice.pid}" in refused.err
    await practice.stop()
    for which in ("data", "import"):
        done = await practice.pli_process("keys", "rotate", which)
        assert done.code == 0, done.err
    await practice.start()
    assert "Dr Roy" in await talk.unlock(), "sealed under the older keys, signed again under the new"
    added = await practice.pli_process("agenda", "add", "R-3", "--at", "2031-05-07T10:00", "--with", "Dr New")
    assert added.code == 0, added.err
    practice.bring_forward("redact")
    await practice.settled()
    await talk.ask("show")
    assert (await practice.pli_process("audit", "verify")).code == 0
