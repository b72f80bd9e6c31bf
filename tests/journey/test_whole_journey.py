"""The whole journey in French, with the shipped sample agenda and a strict client that is not ours."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from babel.dates import format_date

from bot.agenda.sample import write_sample
from bot.app import Installation
from bot.domain.messages import OpenSentence
from bot.domain.templates import Template
from bot.domain.values import Language, RecipientId, Secret
from bot.errors import KeyDestroyed
from tests.journey.practice import Practice, minute_slots, running_practice
from tests.journey.talk import OTHER_PIN, PIN, WRONG_PIN, People, Talk
from tests.rig.homeserver import RigHomeserver
from tests.rig.patient import Message

PARIS = ZoneInfo("Europe/Paris")
SETTINGS = {
    ("practice", "timezone"): PARIS.key,
    # Thirty days before is over for what comes within two weeks: then the next slot takes it.
    ("nudges", "days_before"): [30],
    ("nudges", "slots"): minute_slots(PARIS),
    ("release", "redact_after_minutes"): 1,
}


@pytest.fixture(scope="module")
def practice(homeserver: RigHomeserver, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Practice]:
    python = (sys.executable,)  # a process as in life
    folder = tmp_path_factory.mktemp("p") / "practice"
    with running_practice(folder, homeserver, SETTINGS, python=python) as made:
        yield made


async def test_the_whole_journey(people: People, tmp_path: Path) -> None:
    await people.add("P-1001")
    talk, code = await people.arrive("P-1001", lang="fr", strict=True)
    await _enrol(talk, code)
    released = await _read_and_answer(talk, tmp_path)
    await _be_nudged(talk)
    await _change_pin_and_language(talk)
    await _hear_of_a_cancellation(talk)
    await talk.wait_redacted(*released, seconds=90)
    await _leave(talk, tmp_path)
    await _look_back(talk)


async def _enrol(talk: Talk, code: str) -> None:
    consent = await talk.tell(code)
    assert consent == talk.text(Template.CONSENT)
    assert "2026-1" in consent
    assert await talk.tell("Oui !") == talk.text(Template.CHOOSE_PIN)
    assert await talk.tell(PIN) == talk.text(Template.REPEAT_PIN)
    assert await talk.tell("482 915") == talk.text(Template.READY)
    assert len(talk.typed) <= 5
    await talk.wait_secrets_redacted()


async def _read_and_answer(talk: Talk, tmp_path: Path) -> list[str]:
    """The events that released something."""
    pli = talk.practice.pli
    first_day = write_sample(tmp_path / "agenda.ics", datetime.now(PARIS).date())
    counts = (await pli("agenda", "import", str(tmp_path / "agenda.ics"), "--json")).json()
    assert counts["new"] == 2
    assert counts["refused"] == []
    assert await talk.tell("Voir") == talk.text(Template.ASK_PIN)
    listed = await talk.ask(PIN)
    text = listed.body or ""
    for part in (
        format_date(first_day, "full", locale="fr"),
        "14:30",
        "Dr Hélène Noël",
        "2e étage",
        "à jeun",
        "13:30",
        "Dr Lucie Césaire",
    ):
        assert part in text
    assert "ne pas transmettre" not in text, "the practice's internal note"
    assert "Odette" not in text, "the name is told where one person answers for several"
    confirmed = await talk.ask("confirmer 1")
    asked = await talk.ask("annuler 2")
    assert "Lucie Césaire" in (asked.body or "")
    passed_on = await talk.ask("oui")
    assert "transmise au cabinet" in (passed_on.body or "")
    assert "annulé" not in (passed_on.body or "").casefold()
    again = await talk.ask("voir")
    assert "Vous l’avez confirmé." in (again.body or "")
    assert "Votre demande d’annulation est transmise" in (again.body or "")
    answers = (await pli("answers", "--json")).json()
    assert [(a["patient"], a["answer"], a["with"], a["text"]) for a in answers] == [
        ("P-1001", "confirmed", "Dr Hélène Noël", ""),
        ("P-1001", "cancelled", "Dr Lucie Césaire", ""),
    ]
    start = datetime(first_day.year, first_day.month, first_day.day, 14, 30, tzinfo=PARIS)
    assert answers[0]["at"] == start.isoformat(timespec="minutes")
    assert answers[0]["source"].startswith("5f0c2a9e-7b61-4c55-9d3b-0a8f1d2e1001@cabinet.example")
    await pli("answers", "done", answers[0]["id"])
    kept = await talk.ask("garder 2")
    wish_asked = await talk.ask("déplacer 2")
    moved = await talk.ask("Plutôt un jeudi matin, après 9 h")
    (answer,) = (await pli("answers", "--json")).json()
    assert (answer["answer"], answer["text"]) == ("move", "Plutôt un jeudi matin, après 9 h")
    await pli("answers", "done", answer["id"])
    assert (await pli("answers", "--json")).json() == []
    return [m.event for m in (listed, confirmed, asked, passed_on, again, kept, wish_asked, moved)]


async def _be_nudged(talk: Talk) -> None:
    (nudge,) = await talk.wait_nudges(1, seconds=90)
    assert nudge.body == talk.practice.nudge(Language.FR)
    assert nudge.notify, "the phone rings"
    assert not [m for m in await talk.from_bot() if m.notify and m.event != nudge.event]


async def _change_pin_and_language(talk: Talk) -> None:
    assert await talk.tell("code") == talk.text(Template.CHANGE_PIN_OLD)
    assert await talk.tell(WRONG_PIN) == talk.text(Template.PIN_WRONG)
    assert await talk.tell(PIN) == talk.text(Template.CHANGE_PIN_NEW)
    await talk.ask(OTHER_PIN)
    assert await talk.tell(OTHER_PIN) == talk.text(Template.PIN_CHANGED)
    await talk.ask("voir")
    assert await talk.tell(PIN) == talk.text(Template.PIN_WRONG), "the old one is over"
    assert "Dr Hélène Noël" in await talk.tell(OTHER_PIN)
    talk.pin = OTHER_PIN
    await talk.wait_secrets_redacted()
    assert await talk.tell("langue") == talk.text(Template.LANGUAGE_ASK)
    talk.language = Language.EN
    assert await talk.tell("english") == talk.text(Template.LANGUAGE_SET)
    assert await talk.tell("help") == talk.text(Template.HELP)
    talk.language = Language.FR
    assert await talk.tell("français") == talk.text(Template.LANGUAGE_SET)
    assert await talk.tell("j'ai mal à la poitrine") == talk.text(Template.OTHER)


async def _hear_of_a_cancellation(talk: Talk) -> None:
    """News of tomorrow come at once, also for somebody who stopped the reminders (failures 11 and 14)."""
    stopped = await talk.tell("arrêter")
    assert "reprendre" in stopped, "the answer to stop says how to start again"
    tomorrow = (datetime.now(PARIS) + timedelta(days=1)).strftime("%Y-%m-%dT11:15")
    pli = talk.practice.pli
    added = await pli("agenda", "add", "P-1001", "--at", tomorrow, "--with", "Dr Noël", "--json")
    before = len(await talk.nudges())
    await pli("agenda", "cancel", added.json()["id"])
    assert (await talk.wait_nudges(before + 1))[-1].body == talk.practice.nudge(Language.FR)
    assert await talk.tell("voir") == talk.text(Template.ASK_PIN_CHANGED), "the open list is old"
    assert "ANNULÉ par le cabinet." in await talk.tell(talk.pin)
    assert await talk.tell("reprendre") == talk.text(Template.STARTED)


async def _leave(talk: Talk, tmp_path: Path) -> None:
    """P8: the key is destroyed, so that no copy of the database opens, with the PIN known."""
    practice = talk.practice
    before, after = tmp_path / "before", tmp_path / "after"
    shutil.copytree(practice.folder, before)
    await talk.ask("quitter")
    assert await talk.tell("oui") == talk.text(Template.LEFT)
    shutil.copytree(practice.folder, after)
    shutil.rmtree(after / "data")
    shutil.copytree(before / "data", after / "data")
    assert unlock_copy(before, talk) == 3, "the copy of both opens, so that the next line tells something"
    with pytest.raises(KeyDestroyed):
        unlock_copy(after, talk)


def unlock_copy(folder: Path, talk: Talk) -> int:
    """How many envelopes open."""
    home = Installation.at(folder / "pli.toml")
    with home.uow() as uow:
        recipient = uow.recipients.get(RecipientId(talk.recipient))
        pairs = uow.envelopes.to_come(RecipientId(talk.recipient), datetime.now(UTC))
    assert recipient is not None
    private = home.keyring.unlock(recipient, Secret(talk.pin))
    return len([home.keyring.open_envelope(row, e, recipient, private) for row, e in pairs])


async def _look_back(talk: Talk) -> None:
    assert await talk.tell("voir") == talk.practice.sentence(OpenSentence.HELLO, Language.FR)
    said: list[Message] = await talk.from_bot()
    assert {m.wire_size for m in said if m.wire_size} == {said[0].wire_size}, "one size on the wire (P6)"
    assert all(m.decrypted or m.redacted for m in said)
    assert {m.shield for m in said} == {None}, "the strict client warns of nothing"
