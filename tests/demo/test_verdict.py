"""The verdict is bad where something leaked, differs, was not searched or not found by the control."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from rich.console import Console

from bot.demo.evidence import HomeserverDatabase
from bot.demo.leaks import Canary, Scanner
from bot.demo.places import Folder
from bot.demo.stage import Stage
from bot.demo.teller import Ledger
from bot.demo.verdict import Verdict, search
from bot.demo.words import Kind, Place
from bot.demo.words_en import ENGLISH

BOT = "@messages:pli.localhost"
SCANNER = Scanner([Canary(kind="practitioner", text="Dr Hélène Noël")])


@pytest.fixture
def stage() -> Stage:
    return Stage(Console(record=True, width=100, quiet=True), ENGLISH.headings)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """A folder with a file in every place."""
    folder = Folder(root=tmp_path / "demo")
    files = [
        *(folder.homeserver_database, folder.homeserver_database.parent / "homeserver.log", folder.database),
        *(
            folder.practice / name
            for name in ("vault/vault.db", "bot/data.key", "import/signer.key", "pli.toml")
        ),
        *(folder.logs / "bot.log", folder.logs / "homeserver.log", folder.stolen, folder.telegram),
    ]
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"nothing of note")
    folder.agenda.write_text("Dr Hélène Noël", encoding="utf-8")
    return folder


def judge(stage: Stage, folder: Folder, tmp_path: Path, scanner: Scanner = SCANNER) -> Verdict:
    searched = asyncio.run(search(scanner, scanner.scan(folder.places()), folder, tmp_path / "scratch"))
    verdict = Verdict(stage, ENGLISH)
    verdict.leaks(scanner, searched)
    return verdict


def test_every_file_is_in_one_place_the_agenda_in_none(folder: Folder) -> None:
    found = folder.places()
    assert all(found[place] for place in Place)
    searched = sorted(file for files in found.values() for file in files)
    assert [*searched, folder.agenda] == [
        *sorted(f for f in folder.root.rglob("*") if f.is_file() and f != folder.agenda),
        folder.agenda,
    ]


def test_a_clean_folder_is_good(stage: Stage, folder: Folder, tmp_path: Path) -> None:
    assert judge(stage, folder, tmp_path).good


@pytest.mark.parametrize("place", list(Place))
def test_one_leak_anywhere_is_bad(place: Place, stage: Stage, folder: Folder, tmp_path: Path) -> None:
    with folder.places()[place][0].open("ab") as file:
        file.write("Dr Hélène Noël".encode("utf-16-be"))
    assert not judge(stage, folder, tmp_path).good


@pytest.mark.parametrize(
    ("places", "good"),
    [
        ({Place.TELEGRAM}, True),
        ({Place.TELEGRAM, Place.BOT_LOG}, False),
        ({Place.TELEGRAM, Place.DATABASE}, False),
        ({Place.BOT}, False),
        (set(), False),
    ],
    ids=["there alone", "in the log", "in the database", "elsewhere alone", "nowhere"],
)
def test_the_number_of_a_chat_is_at_telegram_and_nowhere_else(
    places: set[Place], good: bool, stage: Stage, folder: Folder, tmp_path: Path
) -> None:
    scanner = Scanner([*SCANNER.canaries, Canary(kind="chat", text="6120457893")])
    for place in places:
        with folder.places()[place][0].open("a", encoding="utf-8") as file:
            file.write("chat_id=6120457893")
    assert judge(stage, folder, tmp_path, scanner).good is good


def test_a_leak_that_was_there_while_the_programs_ran_is_bad(
    stage: Stage, folder: Folder, tmp_path: Path
) -> None:
    log = folder.logs / "bot.log"
    log.write_text("Dr Hélène Noël", encoding="utf-8")
    running = SCANNER.scan(folder.places())
    log.write_text("", encoding="utf-8")
    verdict = Verdict(stage, ENGLISH)
    verdict.leaks(SCANNER, asyncio.run(search(SCANNER, running, folder, tmp_path / "scratch")))
    assert not verdict.good


def test_an_agenda_in_which_nothing_is_found_is_bad(stage: Stage, folder: Folder, tmp_path: Path) -> None:
    folder.agenda.write_text("another agenda", encoding="utf-8")
    assert not judge(stage, folder, tmp_path).good


def test_a_folder_without_files_is_bad(stage: Stage, tmp_path: Path) -> None:
    folder = Folder(root=tmp_path / "empty")
    folder.root.mkdir()
    folder.agenda.write_text("Dr Hélène Noël", encoding="utf-8")
    assert not judge(stage, folder, tmp_path).good


def test_a_verdict_about_nothing_is_bad(stage: Stage) -> None:
    assert not Verdict(stage, ENGLISH).good


def homeserver(file: Path, *contents: tuple[str, dict[str, str]]) -> tuple[Ledger, HomeserverDatabase]:
    """Synapse's two tables with these events of the bot, and a ledger that heard all of them."""
    ledger = Ledger()
    with closing(sqlite3.connect(file)) as database, database:
        database.execute("CREATE TABLE events (event_id, sender, type, stream_ordering)")
        database.execute("CREATE TABLE event_json (event_id, json)")
        for number, (kind, content) in enumerate(contents):
            event = {"type": kind, "sender": BOT, "origin_server_ts": 1000 * number, "content": content}
            database.execute("INSERT INTO events VALUES (?, ?, ?, ?)", (f"${number}", BOT, kind, number))
            database.execute("INSERT INTO event_json VALUES (?, ?)", (f"${number}", json.dumps(event)))
            ledger.sent[Kind.NUDGE].append(f"${number}")
    return ledger, HomeserverDatabase(file)


@pytest.mark.parametrize(
    ("contents", "good"),
    [
        (
            [("m.room.encrypted", {"ciphertext": "A" * 9}), ("m.room.encrypted", {"ciphertext": "B" * 9})],
            True,
        ),
        (
            [("m.room.encrypted", {"ciphertext": "A" * 9}), ("m.room.encrypted", {"ciphertext": "B" * 8})],
            False,
        ),
        ([("m.room.encrypted", {"ciphertext": "A" * 9}), ("m.room.message", {"body": "B" * 9})], False),
        ([], False),
    ],
    ids=["one size", "two sizes", "one in clear", "none"],
)
def test_one_size_and_nothing_in_clear(
    contents: list[tuple[str, dict[str, str]]], good: bool, stage: Stage, tmp_path: Path
) -> None:
    ledger, database = homeserver(tmp_path / "homeserver.db", *contents)
    verdict = Verdict(stage, ENGLISH)
    verdict.sizes(ledger, database, BOT)
    assert verdict.good is good
