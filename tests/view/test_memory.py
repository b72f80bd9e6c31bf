"""P3: before the PIN is typed the running bot holds neither details nor what opens them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.demo.leaks import Canary, Report, Scanner
from bot.domain.values import Secret
from tests.journey.practice import Practice, running_practice
from tests.journey.talk import People
from tests.rig.homeserver import RigHomeserver
from tests.view.memory import copy_memory, times

NAME = "Cabinet du Vieux Tilleul"
PIN = "640293817556"
DETAILS = {
    "practitioner": "Dr Wilhelmina Quillfeather",
    "place": "Pavillon des Hirondelles",
    "note": "bring the yellow vaccination booklet",
    "when": "17 May 2031",
    "when at rest": "2031-05-17T10:20",
}


@pytest.fixture(scope="module")
def practice(homeserver: RigHomeserver, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Practice]:
    settings = {("practice", "name"): NAME}
    with running_practice(tmp_path_factory.mktemp("memory") / "practice", homeserver, settings) as made:
        yield made


async def look(practice: Practice, scanner: Scanner, file: Path) -> Report:
    """Search the bot's memory as it is now; ``file`` keeps the copy."""
    assert await asyncio.to_thread(copy_memory, practice.pid, file) > 20_000_000
    return await asyncio.to_thread(scanner.scan, {"memory": [file]})


async def test_p3_neither_details_nor_keys_are_in_memory_before_the_pin(
    people: People, practice: Practice, tmp_path: Path
) -> None:
    talk = await people.enrolled("M-1")
    talk.pin = PIN
    for text in ("pin", "482915", PIN, PIN):
        await talk.ask(text)
    await practice.pli(
        *("agenda", "add", "M-1", "--at", "2031-05-17T10:20", "--with", DETAILS["practitioner"]),
        *("--where", DETAILS["place"], "--note", DETAILS["note"]),
    )
    with practice.home.uow() as uow:
        recipient = next(r for r in uow.recipients.all() if r.id == talk.recipient)
    private = practice.home.keyring.unlock(recipient, Secret(PIN)).reveal()
    assert await practice.stop() == 0
    practice.spawn(program=("tests.view.readable",))
    await practice.wait_ready()  # what enrolment left behind is gone with the process
    secrets = [Canary(kind=kind, text=text) for kind, text in {**DETAILS, "PIN": PIN}.items()]
    scanner, control = Scanner(secrets), Scanner([Canary(kind="name", text=NAME)])
    await talk.ask("help")
    await talk.ask("show")
    before = tmp_path / "before"
    found = await look(practice, scanner, before)
    assert found.findings == []
    assert found.files["memory"] == 1
    assert times(before, private) == 0
    assert (await asyncio.to_thread(control.scan, {"memory": [before]})).findings, "the search is not blind"
    before.unlink()
    assert DETAILS["practitioner"] in await talk.tell(PIN)
    after = tmp_path / "after"
    kinds = {f.kind for f in (await look(practice, scanner, after)).findings}
    assert kinds >= {"practitioner", "place", "note", "when"}, "while the window is open they are there"
    after.unlink()
