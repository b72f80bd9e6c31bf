"""Nothing that tells an appointment, and no secret, rests anywhere unencrypted (P1), whatever was done and undone."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from bot.agenda.sample import write_sample
from bot.demo.canaries import of_agenda, of_code
from bot.demo.control import run_control
from bot.demo.leaks import Canary, Report, Scanner
from bot.domain.templates import Template
from tests.journey.practice import Practice, running_practice
from tests.journey.talk import People
from tests.rig.homeserver import RigHomeserver

# Long enough that no number in a log is one of them by chance.
PIN, WRONG, NEXT = "640293817556", "640293817565", "918273054462"
WISH = "rather after the harvest festival"
SYMPTOM = "a burning pain beneath the left shoulder"


@pytest.fixture(scope="module")
def practice(homeserver: RigHomeserver, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Practice]:
    with running_practice(tmp_path_factory.mktemp("leaks") / "practice", homeserver, cheap=True) as made:
        yield made


def files(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob("*")) if path.is_file()]


async def search(practice: Practice, scanner: Scanner, *, of_the_bot: Scanner) -> Report:
    """Every file of the homeserver's and of the practice's; in the latter, ids of people and rooms too."""
    report = await asyncio.to_thread(scanner.scan, {"homeserver": files(practice.homeserver.folder)})
    own = {"practice": files(practice.folder), "log": [practice.log]}
    report.add(await asyncio.to_thread(of_the_bot.scan, own))
    return report


async def test_failure_17_and_26_nothing_is_found_in_any_file(
    people: People, practice: Practice, tmp_path: Path
) -> None:
    agenda = tmp_path / "agenda.ics"
    write_sample(agenda, datetime.now(UTC).date())
    await people.add("P-1001", name="Odette-Marie")
    await people.add("P-1003")
    invited = await people.invite("P-1001", "--also", "P-1003", "--lang", "en")
    await practice.pli("agenda", "import", str(agenda))
    phone = await people.client(invited)
    talk, code = await people.meet(invited, phone), str(invited["code"])
    talk.pin = PIN
    secrets = [
        *of_agenda(agenda, zone=ZoneInfo("UTC"), now=datetime.now(UTC)),
        *of_code(code),
        *(Canary(kind="PIN", text=pin) for pin in (PIN, WRONG, NEXT)),
        Canary(kind="wish", text=WISH),
        Canary(kind="typed", text=SYMPTOM),
        Canary(kind="password", text=invited["password"]),
    ]
    people_and_rooms = [
        Canary(kind="account", text=phone.user),
        Canary(kind="room", text=talk.room),
        Canary(kind="patient", text="Odette-Marie"),
    ]
    scanner, of_the_bot = Scanner(secrets), Scanner(secrets + people_and_rooms)
    assert run_control(of_the_bot, tmp_path / "control").passed, "each text is found in each form"
    await talk.enrol(code)
    assert "Dr Hélène Noël" in await talk.unlock()
    await talk.ask("confirm 1")
    await talk.ask("move 2")
    await talk.ask(WISH)
    await talk.ask("cancel 3")
    await talk.ask("yes")
    assert await talk.tell(SYMPTOM) == talk.text(Template.OTHER)
    for text in ("pin", WRONG, PIN, NEXT, NEXT):
        await talk.ask(text)
    await talk.ask("show")
    await talk.say(NEXT)
    practice.kill()
    report = await search(practice, scanner, of_the_bot=of_the_bot)
    assert report.clean, _told(report)
    await practice.start()
    await talk.hear()
    await people.news("P-1001")
    await talk.wait_nudges(1)
    answers = (await practice.pli("answers", "--json")).json()
    assert {a["text"] for a in answers} == {"", WISH}, "the practice alone can read it"
    assert SYMPTOM not in str(answers), "nor was it passed on"
    report = await search(practice, scanner, of_the_bot=of_the_bot)
    assert report.clean, _told(report)
    assert await practice.stop() == 0
    report = await search(practice, scanner, of_the_bot=of_the_bot)
    assert report.clean, _told(report)
    assert report.files["practice"] >= 10
    assert report.files["homeserver"] >= 4


def _told(report: Report) -> str:
    return "\n".join([*map(str, report.findings), *report.unreadable])
