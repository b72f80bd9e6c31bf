"""Backed up in mid-journey, restored elsewhere, and started as a new device against the same homeserver."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.request import urlopen

import pytest
from prometheus_client.parser import text_string_to_metric_families

from bot.domain.templates import Template
from tests.journey.practice import Practice, run_here, running_practice
from tests.journey.talk import PIN, People, Talk, tomorrow
from tests.rig.homeserver import RigHomeserver
from tests.rig.waiting import until

SOON = timedelta(seconds=20)


@pytest.fixture
def practice(homeserver: RigHomeserver, tmp_path: Path) -> Iterator[Practice]:
    with running_practice(tmp_path / "practice", homeserver, cheap=True) as made:
        yield made


@pytest.fixture
def words(tmp_path: Path) -> Path:
    file = tmp_path / "passphrase"
    file.touch(mode=0o600)
    file.write_text("sixteen or more characters\n", encoding="utf-8")
    return file


async def _journey(people: People, practice: Practice) -> Talk:
    """Enrolled, one nudge had, one that leaves soon."""
    talk = await people.enrolled("R-1")
    await people.news("R-1")
    await talk.wait_nudges(1)
    later = (datetime.now(UTC) + timedelta(days=3)).strftime("%Y-%m-%dT10:00")
    await practice.pli("agenda", "add", "R-1", "--at", later, "--with", "Dr Quill")
    soon = (datetime.now(UTC) + SOON).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    sql = (
        "UPDATE outbox SET due = ? WHERE id = (SELECT max(id) FROM outbox WHERE kind = 'nudge' AND state = 'queued')"
        " RETURNING id"
    )
    assert practice.query(sql, soon)
    await practice.settled()
    return talk


async def _backed_up(practice: Practice, to: Path, words: Path, *options: str) -> Path:
    made = await practice.pli("backup", str(to), "--passphrase-file", str(words), "--json", *options)
    return Path(made.json()["file"])


async def _restored(
    practice: Practice, file: Path, folder: Path, words: Path
) -> tuple[Practice, dict[str, object]]:
    """The old bot is gone; the new one is logged in and ready."""
    done = run_here("restore", str(file), str(folder), "--passphrase-file", str(words), "--json")
    assert done.code == 0, done.err
    new = Practice(
        folder=folder,
        homeserver=practice.homeserver,
        bot_user=practice.bot_user,
        health_port=practice.health_port,
        cheap=practice.cheap,
    )
    secret = practice.folder.with_suffix(".password")
    # A process of its own: two stores of devices' keys do not share one, and the patient's phone has the other.
    login = await new.pli_process("login", "--user", practice.bot_user, "--password-file", str(secret))
    assert login.code == 0, login.err
    await new.start()
    report: dict[str, object] = done.json()
    return new, report


async def _resumed(new: Practice, talk: Talk) -> None:
    """Nothing leaves while paused, though an urgent nudge waits; after ``resume`` that one does, and no other."""
    had = {nudge.event for nudge in await talk.nudges()}
    assert len(had) == 2
    appointment = (await new.pli("agenda", "add", "R-1", "--at", tomorrow("15:00"), "--json")).json()["id"]
    await new.pli("agenda", "cancel", str(appointment))
    assert await talk.quiet() == []
    assert {nudge.event for nudge in await talk.nudges()} == had
    await new.pli("resume")
    found = await talk.wait_nudges(3)
    await new.settled()
    assert await talk.quiet() == []
    assert len(await talk.nudges()) == len(found) == 3


async def _no_nudge_twice(practice: Practice, talk: Talk) -> None:
    """The nudge that the backup still had as waiting leaves from the old bot; then that one is gone for good."""
    await talk.wait_nudges(2, seconds=60)
    await practice.settled()
    practice.kill()


def _scraped(practice: Practice) -> dict[str, float]:
    with urlopen(f"http://127.0.0.1:{practice.health_port}/metrics", timeout=10) as answer:
        page = answer.read().decode()
    for word in ("R-1", "Quill", "@", "!", "example"):
        assert word not in page
    return {
        sample.name: sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if not sample.labels
    }


async def test_with_the_vault_the_patient_reads_on(
    people: People, practice: Practice, tmp_path: Path, words: Path
) -> None:
    talk = await _journey(people, practice)
    assert _scraped(practice)["pli_paused"] == 0
    file = await _backed_up(practice, tmp_path / "to", words, "--with-vault")
    await _no_nudge_twice(practice, talk)
    new, report = await _restored(practice, file, tmp_path / "new", words)
    try:
        assert (report["to_invite"], report["unknown"], report["paused"]) == (0, 1, True)
        status = (await new.pli("status", "--json")).json()
        assert status["bot"] == "ready"
        assert status["paused_since"]
        assert status["problems"] == {"unknown_send": 1}
        live = _scraped(new)
        assert (live["pli_ready"], live["pli_paused"], live["pli_connected"]) == (1, 1, 1)
        talk.practice = new
        new.let_pin_delays_pass()
        assert "Dr Quill" in await talk.unlock()
        await _resumed(new, talk)
    finally:
        new.kill()


async def test_p8_without_the_vault_the_patient_is_asked_to_be_invited_again(
    people: People, practice: Practice, tmp_path: Path, words: Path
) -> None:
    talk = await _journey(people, practice)
    file = await _backed_up(practice, tmp_path / "to", words)
    await _no_nudge_twice(practice, talk)
    new, report = await _restored(practice, file, tmp_path / "new", words)
    try:
        assert report["to_invite"] == 1
        assert [p["kind"] for p in (await new.pli("problems", "--json")).json()] == ["no_key"]
        talk.practice = new
        assert await talk.tell("show") == talk.text(Template.LOCKED)
        assert await talk.tell(PIN) == talk.text(Template.LOCKED)
        code = (await new.pli("invite", "R-1", "--json")).json()["code"]
        assert (await talk.enrol(code)).body == talk.text(Template.READY)
        later = (datetime.now(UTC) + timedelta(days=3)).strftime("%Y-%m-%dT11:00")
        await new.pli("agenda", "add", "R-1", "--at", later, "--with", "Dr Feather")
        assert "Dr Feather" in await talk.unlock()
        await _resumed(new, talk)
    finally:
        new.kill()


async def test_it_says_of_itself_that_it_is_another_device(
    people: People, practice: Practice, tmp_path: Path, words: Path
) -> None:
    """The identity is the one that patients know; the device, and the key that its store is under, are new."""
    await people.add("R-2")
    file = await _backed_up(practice, tmp_path / "to", words)
    practice.kill()
    before = practice.home.session().device_id
    new, _ = await _restored(practice, file, tmp_path / "new", words)
    try:
        assert new.home.session().device_id != before
        assert (new.folder / "bot" / "pickle.key").read_bytes() != (
            practice.folder / "bot" / "pickle.key"
        ).read_bytes()

        async def well() -> bool:
            checks = (await new.pli_process("doctor", "--json")).json()
            return all(check["ok"] for check in checks)

        await until(well, "every check of the restored practice's doctor", seconds=120)
    finally:
        new.kill()
