"""The command beside the running bot, a second bot, a clean stop, and a homeserver that is gone for a while."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from bot.domain.messages import OpenSentence
from bot.domain.templates import Template
from bot.homeserver.embedded import EmbeddedHomeserver
from bot.homeserver.settings import ServerOptions
from bot.supervise import Loop
from tests.journey.agenda import entry, write_calendar
from tests.journey.practice import Practice, free_port, running_practice
from tests.journey.talk import PIN, People
from tests.journey.test_news import IN_A_YEAR
from tests.rig.homeserver import RigHomeserver
from tests.rig.py_patient import PyPatient
from tests.rig.waiting import until


@pytest.fixture(scope="module")
def practice(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Practice]:
    """With a homeserver of its own, which can be stopped and comes back under its address."""
    options = ServerOptions(generous_limits=True)
    folder = tmp_path_factory.mktemp("processes")
    with EmbeddedHomeserver(folder / "homeserver", port=free_port(), options=options) as embedded:
        own = RigHomeserver(
            url=embedded.url,
            server_name=embedded.server_name,
            folder=embedded.folder,
            embedded=embedded,
        )
        with running_practice(folder / "practice", own, errors=True, python=(sys.executable,)) as made:
            yield made


async def test_every_command_beside_the_bot_and_beside_each_other(
    people: People, practice: Practice, tmp_path: Path
) -> None:
    talk = await people.enrolled("C-0")
    for number in range(1, 5):
        await people.add(f"C-{number}")
    files = [
        write_calendar(
            tmp_path / f"{n}.ics",
            *(entry(f"c{n}-{i}@x", f"C-{n % 5}", IN_A_YEAR + timedelta(days=i)) for i in range(20)),
        )
        for n in range(4)
    ]
    commands = [
        *(("agenda", "import", file, "--json") for file in files),
        *(("invite", f"C-{n}", "--json") for n in range(1, 3)),
        ("answers", "--json"),
        ("agenda", "add", "C-4", "--at", "2031-05-05T10:00", "--json"),
        ("patient", "list", "--json"),
        ("problems", "--json"),
    ]
    running = asyncio.gather(*(practice.pli_process(*command) for command in commands))
    for _ in range(3):
        assert await talk.tell("help") == talk.text(Template.HELP), "the bot answers meanwhile"
    done = await running
    assert [d.code for d in done] == [0] * len(commands), [d.err for d in done if d.code]
    assert [d.json()["new"] for d in done[:4]] == [20] * 4
    assert "more" in await talk.unlock(), "twenty were sealed to this patient meanwhile"
    again = await practice.pli_process("agenda", "import", files[1], "--json")
    assert again.json()["unchanged"] == 20


async def test_failure_19_a_second_bot_says_who_holds_the_device(people: People, practice: Practice) -> None:
    talk = await people.enrolled("C-5")
    second = await practice.pli_process("run")
    assert second.code == 1
    assert f"pid {practice.pid}" in second.err
    assert "Traceback" not in second.err
    assert await talk.tell("help") == talk.text(Template.HELP), "the first is not disturbed"


async def test_a_clean_stop_in_the_middle_of_a_talk_loses_nothing(people: People, practice: Practice) -> None:
    talk = await people.enrolled("C-6")
    words = ["help", "language", "my knee hurts", "stop"] * 3
    for word in words:
        await talk.say(word)
    assert await practice.stop() == 0
    for word in words:
        await talk.say(word)
    await practice.start()
    expected = [Template.HELP, Template.LANGUAGE_ASK, Template.OTHER, Template.STOPPED] * 6
    heard = [(await talk.hear()).body for _ in expected]
    assert heard == [talk.text(t) for t in expected]
    assert await talk.quiet() == []


async def test_a_homeserver_that_is_gone_for_a_while(people: People, practice: Practice) -> None:
    talk = await people.enrolled("C-7")
    status, checks = practice.health()
    assert (status, len(str(checks.pop("instance")))) == (200, 16)
    assert checks == {
        "ready": True,
        "homeserver": "connected",
        "own_account_clean": True,
        "storage": True,
        "desk": "unused",
        "telegram": "off",
        "clock": "good",
        "dry": False,
        "failing_tasks": 0,
        "failing": [],
    }
    embedded = practice.homeserver.embedded
    await asyncio.to_thread(embedded.stop)
    await practice.wait_ready(ready=False)
    await people.news("C-7")
    await asyncio.to_thread(embedded.start)
    await practice.wait_ready()
    await talk.wait_nudges(1, seconds=60)
    assert await talk.quiet() == []
    assert len(await talk.nudges()) == 1
    assert "Nothing" not in await talk.unlock()


async def test_failure_16_a_database_that_refuses_turns_health_red_and_ends_no_loop(
    people: People, practice: Practice
) -> None:
    talk = await people.enrolled("C-8")
    practice.query("ALTER TABLE outbox RENAME TO away")
    try:
        # The loops meet the refusal one after another: ready turns false at the first of them.
        async def nudges_named() -> bool:
            return "nudges" in (await asyncio.to_thread(practice.health))[1].get("failing", [])

        await until(nudges_named, "the loop that sends nudges to be named")
        checks = practice.health()[1]
        assert checks["ready"] is False
        assert checks["failing_tasks"] >= 1
        assert set(checks["failing"]) <= {loop.value for loop in Loop}
    finally:
        practice.query("ALTER TABLE away RENAME TO outbox")
    await practice.wait_ready()
    await people.news("C-8")
    await talk.wait_nudges(1)
    assert await talk.tell("help") == talk.text(Template.HELP)


async def test_a_phone_that_appeared_is_prepared_before_it_is_nudged(
    people: People, practice: Practice
) -> None:
    talk = await people.enrolled("C-13")
    assert isinstance(talk.patient, PyPatient)
    assert await practice.stop() == 0
    fresh = await people.stack.enter_async_context(await talk.patient.second_device())
    key = (await fresh.identity()).curve25519
    assert not practice.can_reach(key)
    await practice.start()

    async def prepared() -> bool:
        return practice.can_reach(key)

    await until(prepared, "the new phone to be prepared")
    assert await talk.nudges() == []


async def test_a_dry_run_shows_the_nudge_that_a_real_one_sends(people: People, practice: Practice) -> None:
    talk = await people.enrolled("C-11")
    assert await practice.stop() == 0
    await practice.start(PLI_DELIVERY__DRY="true")
    assert practice.health()[1]["dry"] is True
    await people.news("C-11")

    async def shown() -> bool:
        return "would leave now: 1 of " in practice.log.read_text(encoding="utf-8")

    await until(shown, "what would leave")
    assert await talk.tell("help") == talk.text(Template.HELP), "answers go on"
    assert await talk.nudges() == []
    assert await practice.stop() == 0
    await practice.start()
    await talk.wait_nudges(1)


async def test_failure_20_without_its_vault_the_bot_refuses(people: People, practice: Practice) -> None:
    talk = await people.enrolled("C-9")
    await people.add("C-10")
    new, code = await people.arrive("C-10")
    await talk.ask("show")
    vault = practice.folder / "vault" / "vault.db"
    vault.rename(vault.with_name("away"))
    try:
        assert await talk.tell(PIN) == talk.text(Template.TROUBLE)
        assert await new.tell(code) == practice.sentence(OpenSentence.OUT_OF_ORDER)
    finally:
        vault.with_name("away").rename(vault)
    await talk.ask("show")
    assert "Nothing new" in await talk.tell(PIN)
    assert await new.tell(code) == new.text(Template.CONSENT), "the code is not spent"
    await talk.wait_secrets_redacted()
    await new.wait_secrets_redacted()
