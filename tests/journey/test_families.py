"""One who answers for several, several who are told of one, and an appointment for one of them alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.journey.agenda import entry, write_calendar
from tests.journey.practice import Practice
from tests.journey.talk import People, tomorrow


async def test_failure_10_the_list_says_which_child_it_is(
    people: People, practice: Practice, tmp_path: Path
) -> None:
    await people.add("F-1", name="Zoé")
    await people.add("F-2")
    parent, code = await people.arrive("F-1", "--also", "F-2")
    start = datetime.now(UTC) + timedelta(days=200)
    file = write_calendar(
        tmp_path / "two.ics",
        entry("f1@x", "F-1", start, practitioner="Dr One"),
        entry("f2@x", "F-2", start + timedelta(hours=1), practitioner="Dr Two", given_name="Noé"),
    )
    counts = (await practice.pli("agenda", "import", file, "--json")).json()
    assert counts["new"] == 2
    await parent.enrol(code)
    listed = await parent.unlock()
    zoe, noe = listed.split("2. ")
    assert "Zoé" in zoe
    assert "Dr One" in zoe
    assert "Noé" in noe
    assert "Dr Two" in noe
    assert "Noé" in await parent.tell("confirm 2")
    (answer,) = (await practice.pli("answers", "--json")).json()
    assert (answer["patient"], answer["source"]) == ("F-2", "f2@x")
    await practice.pli("answers", "done", answer["id"])


async def test_two_parents_are_told_and_one_answer_counts(people: People, practice: Practice) -> None:
    await people.add("F-3")
    first, code_one = await people.arrive("F-3")
    second, code_two = await people.arrive("F-3")
    await first.enrol(code_one)
    second.pin = "730264"
    await second.enrol(code_two)
    added = await practice.pli(
        "agenda", "add", "F-3", "--at", tomorrow("10:00"), "--with", "Dr Quill", "--json"
    )
    assert "Dr Quill" in await first.unlock()
    assert "Dr Quill" in await second.unlock()
    await first.ask("cancel")
    assert "passed on" in await first.tell("yes")
    answers = (await practice.pli("answers", "--json")).json()
    assert [(a["patient"], a["answer"]) for a in answers] == [("F-3", "cancelled")]
    await practice.pli("agenda", "cancel", added.json()["id"])
    await first.wait_nudges(1)
    await second.wait_nudges(1)
    await practice.pli("answers", "done", answers[0]["id"])


async def test_only_one_of_them(people: People, practice: Practice) -> None:
    await people.add("F-4")
    parent, code_one = await people.arrive("F-4")
    child, code_two = await people.arrive("F-4")
    await parent.enrol(code_one)
    await child.enrol(code_two)
    only = ("--only", child.recipient)
    added = await practice.pli(
        "agenda", "add", "F-4", "--at", tomorrow("11:00"), "--with", "Dr Quill", *only, "--json"
    )
    assert "Dr Quill" in await child.unlock()
    assert "Dr Quill" not in await parent.unlock()
    await practice.pli("agenda", "cancel", added.json()["id"])
    await child.wait_nudges(1)
    assert await parent.quiet() == []
    assert await parent.nudges() == []
