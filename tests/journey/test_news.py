"""What the agenda says next: cancelled, moved, stopped, confirmed; and what is no longer worth a nudge."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from bot.domain.templates import Template
from tests.journey.agenda import entry, write_calendar
from tests.journey.practice import Practice
from tests.journey.talk import People, Talk, tomorrow

IN_A_YEAR = datetime.now(UTC).replace(hour=10, minute=0, second=0, microsecond=0) + timedelta(days=365)
SOON = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(hours=30)


async def reminders_come_due(talk: Talk) -> None:
    """Let the slot of every waiting nudge of this patient come now, and the outbox settle."""
    practice = talk.practice
    practice.query(
        "UPDATE outbox SET due = '2000-01-01T00:00:00.000000Z'"
        " WHERE kind = 'nudge' AND state = 'queued' AND recipient = ?",
        talk.recipient,
    )
    await practice.settled()
    assert await talk.quiet() == []


async def added(talk: Talk, reference: str, at: str) -> str:
    """An appointment by hand; its id."""
    done = await talk.practice.pli("agenda", "add", reference, "--at", at, "--with", "Dr Quill", "--json")
    return str(done.json()["id"])


async def test_failure_01_nobody_is_reminded_of_what_was_cancelled(
    people: People, practice: Practice
) -> None:
    talk = await people.enrolled("W-1")
    await added(talk, "W-1", tomorrow("10:00"))
    await reminders_come_due(talk)
    assert len(await talk.nudges()) == 1, "what stands is told"
    gone = await added(talk, "W-1", "2031-05-05T10:00")
    await practice.pli("agenda", "cancel", gone)
    assert "CANCELLED by the practice" in await talk.unlock()
    await reminders_come_due(talk)
    assert len(await talk.nudges()) == 1, "neither reminded of it, nor told again what was read"


async def test_failure_02_after_a_move_the_new_time_alone_is_told(
    people: People, practice: Practice, tmp_path: Path
) -> None:
    talk = await people.enrolled("W-2")
    pli, file = practice.pli, tmp_path / "agenda.ics"
    first, moved = entry("w2@x", "W-2", SOON), entry("w2@x", "W-2", SOON + timedelta(hours=3), sequence=1)
    await pli("agenda", "import", write_calendar(file, first))
    old, new = SOON, SOON + timedelta(hours=3)
    assert _clock(old) in await talk.unlock()
    await talk.ask("confirm")
    counts = (await pli("agenda", "import", write_calendar(file, moved), "--json")).json()
    assert counts["moved"] == 1
    await talk.wait_nudges(1)
    assert await talk.tell("show") == talk.text(Template.ASK_PIN_CHANGED)
    listed = await talk.tell(talk.pin)
    assert _clock(new) in listed
    assert _clock(old) not in listed
    assert "CHANGED" in listed
    assert "confirmed" not in listed, "a new time voids the answer"
    assert (await pli("answers", "--json")).json() == []
    older = (await pli("agenda", "import", write_calendar(file, first), "--json", expect=3)).json()
    assert [r["field"] for r in older["refused"]] == ["sequence"]
    assert _clock(new) in await talk.tell("show")
    assert await talk.quiet() == []
    assert len(await talk.nudges()) == 1


async def test_failure_06_one_who_cannot_be_reached_and_one_bad_entry_stop_nobody(
    people: People, practice: Practice, tmp_path: Path
) -> None:
    gone, here = await people.enrolled("W-3"), await people.enrolled("W-4")
    await gone.patient.leave(gone.room)
    file, pli = tmp_path / "agenda.ics", practice.pli
    bad = entry("bad@x", "W-4", SOON).replace("DTSTART:", "DTSTART:2026-99-99T")
    booked = [entry("w3@x", "W-3", SOON), entry("w4@x", "W-4", SOON)]
    done = (
        await pli("agenda", "import", write_calendar(file, booked[0], bad, booked[1]), "--json", expect=3)
    ).json()
    assert done["new"] == 2
    assert [r["field"] for r in done["refused"]] == ["DTSTART"]
    off = [b.replace("SEQUENCE:0", "SEQUENCE:1").replace("CONFIRMED", "CANCELLED") for b in booked]
    assert (await pli("agenda", "import", write_calendar(file, *off), "--json")).json()["cancelled"] == 2
    await here.wait_nudges(1)
    await practice.settled()
    problems = (await pli("problems", "--json")).json()
    assert {p["kind"] for p in problems if p["recipient"] == gone.recipient} == {"room_left"}


async def test_failure_11_and_14_stop_spares_news_and_says_how_to_start_again(people: People) -> None:
    talk = await people.enrolled("W-5")
    await added(talk, "W-5", "2031-05-05T10:00")
    assert await talk.tell("stop") == talk.text(Template.STOPPED)
    assert "start" in talk.text(Template.STOPPED)
    await reminders_come_due(talk)
    assert await talk.nudges() == [], "no reminder"
    await people.news("W-5")
    await talk.wait_nudges(1)
    assert await talk.tell("start") == talk.text(Template.STARTED)
    await reminders_come_due(talk)
    assert len(await talk.nudges()) == 2, "the reminder is wanted again"


async def test_failure_25_a_patients_cancellation_is_passed_on_and_ends_the_nudges(
    people: People, practice: Practice
) -> None:
    talk = await people.enrolled("W-6")
    await added(talk, "W-6", tomorrow("10:00"))
    assert "Dr Quill" in await talk.unlock()
    assert "“yes” or “no”" in await talk.tell("cancel 1")
    answer = await talk.tell("yes")
    assert "passed on to the practice" in answer
    assert "cancelled" not in answer.casefold()
    assert "passed on" in await talk.tell("show")
    await reminders_come_due(talk)
    assert await talk.nudges() == [], "though the agenda still says booked"
    assert "keep" in await talk.tell("keep 1")
    await reminders_come_due(talk)
    assert len(await talk.nudges()) == 1, "kept: the nudge is wanted again"
    await talk.ask("cancel 1")
    await talk.ask("yes")
    (found,) = (await practice.pli("answers", "--json")).json()
    await practice.pli("answers", "done", found["id"])
    assert "CANCELLED by the practice" in await talk.tell("show")


async def test_an_answer_outlives_a_new_import_of_the_same_thing(
    people: People, practice: Practice, tmp_path: Path
) -> None:
    talk = await people.enrolled("W-7")
    file, pli = tmp_path / "agenda.ics", practice.pli
    await pli("agenda", "import", write_calendar(file, entry("w7@x", "W-7", IN_A_YEAR)))
    await talk.unlock()
    await talk.ask("confirm")
    for change in ({"place": "Room 8", "sequence": 1}, {"place": "Room 8", "sequence": 1}):
        await pli("agenda", "import", write_calendar(file, entry("w7@x", "W-7", IN_A_YEAR, **change)))  # type: ignore[arg-type]  # a row of a table
    (answer,) = (await pli("answers", "--json")).json()
    assert (answer["source"], answer["answer"]) == ("w7@x", "confirmed")
    await talk.ask("show")
    listed = await talk.tell(talk.pin)
    assert "Room 8" in listed
    assert "You confirmed it" in listed
    await pli("answers", "done", answer["id"])


async def test_a_command_on_a_list_that_is_old_is_not_obeyed(
    people: People, practice: Practice, tmp_path: Path
) -> None:
    talk = await people.enrolled("W-8")
    file, pli = tmp_path / "agenda.ics", practice.pli
    await pli("agenda", "import", write_calendar(file, entry("w8@x", "W-8", IN_A_YEAR)))
    await talk.unlock()
    later = entry("w8@x", "W-8", IN_A_YEAR + timedelta(hours=2), sequence=1)
    await pli("agenda", "import", write_calendar(file, later))
    assert await talk.tell("confirm 1") == talk.text(Template.ASK_PIN_CHANGED)
    assert (await pli("answers", "--json")).json() == []
    assert _clock(IN_A_YEAR + timedelta(hours=2)) in await talk.tell(talk.pin), "what it is now"


def _clock(moment: datetime) -> str:
    """As an English list writes an hour."""
    return f"{moment:%H:%M}"
