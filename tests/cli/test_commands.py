"""Every command of ``pli``: exit codes, ``--json`` shapes, refusals; no traceback for anything."""

from __future__ import annotations

import os
import re
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import typer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.app import Installation
from bot.cli.main import app
from bot.domain.records import OutboxKind
from config.settings import FILE_NAME
from tests.agenda.helpers import calendar, event, table
from tests.cli.shell import Done, pli

LANGUAGE = "en"

PARIS = ZoneInfo("Europe/Paris")
DONE, REFUSED, WRONG, PARTLY = 0, 1, 2, 3
COUNTS = {"new", "changed", "moved", "cancelled", "unchanged", "past", "unmatched", "refused"}


def day(days: int) -> datetime:
    return datetime.now(PARIS).replace(hour=10, minute=0, second=0, microsecond=0) + timedelta(days=days)


def ics(folder: Path, *uids: str, days: int = 10, name: str = "agenda.ics", patient: str = "P-1") -> str:
    file = folder / name
    start = f"DTSTART;TZID=Europe/Paris:{day(days):%Y%m%dT%H%M%S}"
    file.write_text(calendar(*(event(start, "DURATION:PT30M", uid=u, patient=patient) for u in uids)))
    return str(file)


def complaint(done: Done, code: int) -> str:
    """The error and its mend."""
    assert done.code == code, (done.out, done.err)
    assert done.err.startswith("error: "), done.err
    assert "mend: " in done.err
    return done.err


# -- init -----------------------------------------------------------------------------------------------------------


def test_init_makes_everything_private_and_writes_every_setting(tmp_path: Path) -> None:
    done = pli("init", str(tmp_path / "new"), "--name", "Cabinet du Parc", "--language", "en", "--json")
    assert done.json() == {"config": str(tmp_path / "new" / FILE_NAME), "logged_in": False}
    for path in (tmp_path / "new", *(tmp_path / "new").rglob("*")):
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == (0o700 if path.is_dir() else 0o600), path
    files = {str(p.relative_to(tmp_path / "new")) for p in (tmp_path / "new").rglob("*") if p.is_file()}
    assert files >= {
        FILE_NAME,
        "data/pli.db",
        "vault/vault.db",
        *(f"bot/{n}" for n in ("data.key", "pickle.key", "importer.pub", "answer.pub")),
        *(f"import/{n}" for n in ("signer.key", "digest.key", "answer.key")),
    }
    text = (tmp_path / "new" / FILE_NAME).read_text()
    assert 'name = "Cabinet du Parc"' in text
    assert "redact_after_minutes = 10" in text
    assert text.count("#") > 30


def test_init_writes_over_nothing(home: Installation) -> None:
    folder = home.settings.folder
    before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    assert "not empty" in complaint(pli("init", str(folder)), REFUSED)
    (folder.parent / "file").write_text("x")
    complaint(pli("init", str(folder.parent / "file")), REFUSED)
    assert {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()} == before


@pytest.mark.parametrize("existed", [False, True])
@pytest.mark.parametrize(
    ("options", "code"),
    [
        (("--timezone", "Mars/Olympus"), WRONG),
        (("--database", "foo://bar"), WRONG),
        (("--database", "postgresql+psycopg://nobody@127.0.0.1:1/none"), REFUSED),
        (("--database", "sqlite:////proc/nowhere/pli.db"), REFUSED),
        (("--homeserver", "http://127.0.0.1:1"), WRONG),
        (("--homeserver", "http://127.0.0.1:1", "--user", "@b:x", "--password-file", "/nowhere"), WRONG),
        (("--language", "tlh"), WRONG),
        (("--port", "0"), WRONG),
    ],
)
def test_an_init_that_fails_leaves_nothing(
    tmp_path: Path, existed: bool, options: tuple[str, ...], code: int
) -> None:
    folder = tmp_path / "new"
    if existed:
        folder.mkdir()
    done = pli("init", str(folder), *options)
    assert done.code == code, done.err
    assert folder.exists() is existed
    assert not existed or list(folder.iterdir()) == []
    assert pli("init", str(folder)).code == DONE


def test_an_init_whose_login_fails_says_how_to_go_on(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("canary-password")
    done = pli(
        *("init", str(tmp_path / "new"), "--homeserver", "http://127.0.0.1:1", "--user", "@bot:example.org"),
        *("--password-file", str(tmp_path / "password")),
    )
    assert "login" in complaint(done, REFUSED)
    assert "canary" not in done.out + done.err
    assert not any(b"canary" in p.read_bytes() for p in (tmp_path / "new").rglob("*") if p.is_file())


def test_a_practice_on_postgresql(tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert pli("init", str(tmp_path / "new"), "--database", postgres_url).code == DONE
    monkeypatch.setenv("PLI_CONFIG", str(tmp_path / "new"))
    assert not (tmp_path / "new" / "data").exists()
    assert pli("patient", "add", "P-1").code == DONE
    assert pli("agenda", "import", ics(tmp_path, "u-1"), "--json").json()["new"] == 1
    assert len(pli("patient", "show", "P-1", "--json").json()["appointments"]) == 1


def test_a_database_without_its_tables_is_refused(home: Installation) -> None:
    home.engine.dispose()
    (home.settings.folder / "data" / "pli.db").write_bytes(b"")
    assert "doctor" in complaint(pli("patient", "list"), REFUSED)


def test_upgrade(home: Installation) -> None:
    assert pli("upgrade", "--json").json()["upgraded"] is False
    with closing(sqlite3.connect(home.vault_path)) as vault:  # in the form of before
        vault.execute("ALTER TABLE recipient DROP COLUMN serial")
        vault.execute("PRAGMA user_version = 1")
    assert "pli upgrade" in complaint(pli("run"), REFUSED)
    assert pli("upgrade", "--json").json()["upgraded"] is True
    assert pli("upgrade", "--json").json()["upgraded"] is False
    with home.engine.begin() as db:
        db.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    complaint(pli("upgrade"), REFUSED)


# -- settings, help, version ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", range(5))
@pytest.mark.parametrize("equals", [False, True])
@pytest.mark.parametrize("whole", [False, True])
def test_config_may_stand_anywhere(
    home: Installation, monkeypatch: pytest.MonkeyPatch, place: int, equals: bool, whole: bool
) -> None:
    monkeypatch.setenv("PLI_CONFIG", "/nowhere")
    value = str(home.settings.folder / FILE_NAME if whole else home.settings.folder)
    option = [f"--config={value}"] if equals else ["--config", value]
    words = ["patient", "add", "P-1", "--json"]
    assert pli(*words[:place], *option, *words[place:]).json()["patient"] == "P-1"


def test_a_config_that_is_none(home: Installation, tmp_path: Path) -> None:
    assert "no configuration" in complaint(pli("--config", str(tmp_path / "none"), "patient", "list"), WRONG)
    assert pli("patient", "list", "--config").code == WRONG
    (home.settings.folder / FILE_NAME).write_text("[practice]\nfone = 'canary'\n")
    told = complaint(pli("patient", "list"), WRONG)
    assert "practice.fone" in told
    assert "canary" not in told


def test_a_damaged_practice_is_refused(home: Installation) -> None:
    folder = home.settings.folder
    (folder / "bot" / "data.key").chmod(0o644)
    assert "chmod 600" in complaint(pli("patient", "list"), REFUSED)
    (folder / "bot" / "data.key").unlink()
    complaint(pli("patient", "list"), REFUSED)


def test_without_the_vault_nothing_is_invited(home: Installation) -> None:
    pli("patient", "add", "P-1")
    (home.settings.folder / "vault" / "vault.db").unlink()
    complaint(pli("invite", "P-1"), REFUSED)


def test_without_the_import_side_nothing_is_imported(home: Installation, tmp_path: Path) -> None:
    (home.settings.folder / "import" / "signer.key").unlink()
    complaint(pli("agenda", "import", ics(tmp_path, "u")), REFUSED)
    assert pli("patient", "list", "--json").json() == []


def test_version_and_help() -> None:
    assert re.fullmatch(r"pli \d+\.\d+\.\d+\n", pli("--version").out)
    assert "pli init DIR" in pli("--help").out
    assert pli().code in (DONE, WRONG)


def commands(group: Any, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], Any]]:
    found = [(path, group)] if path else []
    for name, command in getattr(group, "commands", {}).items():
        found += commands(command, (*path, name))
    return found


ALL = commands(typer.main.get_command(app))


@pytest.mark.parametrize("path", [path for path, command in ALL if not hasattr(command, "commands")])
def test_every_command_has_help_with_an_example(path: tuple[str, ...]) -> None:
    done = pli(*path, "--help")
    assert done.code == DONE
    assert re.search(r"Examples?: pli ", " ".join(done.out.split())), path


@pytest.mark.parametrize(
    "words",
    [
        ("nothing",),
        ("patient",),
        ("patient", "nothing"),
        ("patient", "add"),
        ("patient", "add", "a", "b"),
        ("patient", "list", "--nothing"),
        ("invite",),
        ("invite", "P-1", "--lang", "tlh"),
        ("invite", "revoke"),
        ("agenda", "import"),
        ("agenda", "import", "x", "--accept-cancellations", "-1"),
        ("agenda", "import", "x", "--accept-cancellations", "many"),
        ("agenda", "add", "P-1"),
        ("conversation", "draw", "--format", "png"),
        ("patient", "add", "\udcff"),
        ("patient", "add", "a\0b"),
    ],
)
def test_wrong_use(home: Installation, words: tuple[str, ...]) -> None:
    assert home
    assert pli(*words).code == WRONG


# -- patients -------------------------------------------------------------------------------------------------------


def test_patients(home: Installation) -> None:
    assert home
    added = pli("patient", "add", " P-1 ", "--name", "Léa", "--json").json()
    assert added == {"patient": "P-1", "id": added["id"]}
    assert "already" in complaint(pli("patient", "add", "P-1"), REFUSED)
    complaint(pli("patient", "add", "  "), REFUSED)
    assert pli("patient", "list", "--json").json() == [
        {"patient": "P-1", "name": "Léa", "recipients": 0, "enrolled": 0}
    ]
    shown = pli("patient", "show", "P-1", "--json").json()
    assert shown == {"patient": "P-1", "name": "Léa", "recipients": [], "appointments": []}
    complaint(pli("patient", "show", "P-2"), REFUSED)
    assert "Léa" in pli("patient", "list").out
    assert "Léa" in pli("patient", "show", "P-1").out
    for no in ("n\n", "\n", "perhaps\n"):
        assert pli("patient", "remove", "P-1", stdin=no).code == REFUSED
    assert pli("patient", "remove", "P-1", stdin="").code == REFUSED
    assert pli("patient", "remove", "P-1", "--yes", "--json").json() == {"removed_recipients": 0}
    complaint(pli("patient", "remove", "P-1", "--yes"), REFUSED)


def test_a_reference_is_never_taken_for_markup(home: Installation) -> None:
    assert home
    pli("patient", "add", "[red]P[/red]", "--name", "[bold]x")
    assert "[red]P[/red]" in pli("patient", "list").out


# -- invitations ----------------------------------------------------------------------------------------------------


def test_invite(home: Installation, tmp_path: Path) -> None:
    pli("patient", "add", "P-1")
    pli("patient", "add", "P-2")
    pli("agenda", "import", ics(tmp_path, "u-1"))
    found = pli("invite", "P-1", "--also", "P-2", "--lang", "fr", "--expires", "2d", "--json").json()
    assert found.keys() >= {"recipient", "code", "link", "expires", "user", "password"}
    assert re.fullmatch(r"([0-9A-Z]{4}-){4}[0-9A-Z]{4}", found["code"])
    assert found["link"] == "https://matrix.to/#/@bot:example.org"
    assert found["user"] is found["password"] is None
    expires = datetime.fromisoformat(found["expires"])
    assert timedelta(days=2) - timedelta(minutes=2) < expires - datetime.now(UTC) <= timedelta(days=2)
    assert found["reimport_due"] is True
    shown = pli("patient", "show", "P-2", "--json").json()
    assert [(r["recipient"], r["state"], r["invitation"]) for r in shown["recipients"]] == [
        (found["recipient"], "invited", True)
    ]
    text = pli("invite", "P-1", "--another").out
    assert "Shown once" in text
    stored = b"".join(p.read_bytes() for p in home.settings.folder.rglob("*") if p.is_file())
    assert found["code"].encode() not in stored
    assert found["code"].replace("-", "")[6:-1].encode() not in stored


def test_the_import_says_nothing_is_due_any_more(home: Installation, tmp_path: Path) -> None:
    assert home
    pli("patient", "add", "P-1")
    assert pli("invite", "P-1", "--json").json()["reimport_due"] is False
    file = ics(tmp_path, "u-1")
    assert pli("agenda", "import", file, "--json").json()["new"] == 1
    assert pli("agenda", "import", file, "--json").json()["unchanged"] == 1


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("invite", "P-9"), REFUSED),
        (("invite", "P-1", "--also", "P-9"), REFUSED),
        (("invite", "P-1", "--expires", "soon"), WRONG),
        (("invite", "P-1", "--expires", "0d"), WRONG),
        (("invite", "P-1", "--expires", "9999w"), WRONG),
        (("invite", "P-1", "--relink"), REFUSED),
        (("invite", "P-1", "--relink", "--account"), WRONG),
        (("invite", "P-1", "--account"), REFUSED),
        (("invite", "revoke", "r-none"), REFUSED),
    ],
)
def test_invitations_that_are_refused(home: Installation, words: tuple[str, ...], code: int) -> None:
    pli("patient", "add", "P-1")
    complaint(pli(*words), code)
    with home.uow() as uow:
        assert uow.recipients.all() == []


def test_revoke(home: Installation) -> None:
    assert home
    pli("patient", "add", "P-1")
    recipient = pli("invite", "P-1", "--json").json()["recipient"]
    assert pli("invite", "revoke", recipient, "--json").json() == {"closed": 1}
    assert pli("invite", "revoke", recipient, "--json").json() == {"closed": 0}


def test_before_the_bot_is_logged_in_nobody_is_invited(home: Installation) -> None:
    (home.settings.folder / "bot" / "session.json").unlink()
    pli("patient", "add", "P-1")
    assert "not logged in" in complaint(pli("invite", "P-1"), WRONG)


# -- agendas --------------------------------------------------------------------------------------------------------


def test_import_counts_and_codes(home: Installation, tmp_path: Path) -> None:
    assert home
    pli("patient", "add", "P-1")
    file = ics(tmp_path, "u-1", "u-2")
    rehearsed = pli("agenda", "import", file, "--dry-run", "--json")
    assert rehearsed.json().keys() == COUNTS
    assert rehearsed.json() | {"refused": []} == {
        **dict.fromkeys(COUNTS, 0),
        "new": 2,
        "refused": [],
    }
    assert pli("patient", "show", "P-1", "--json").json()["appointments"] == []
    assert pli("agenda", "import", file).code == DONE
    assert pli("agenda", "import", file, "--json").json()["unchanged"] == 2
    assert len(pli("patient", "show", "P-1", "--json").json()["appointments"]) == 2


def test_import_of_a_table_with_a_profile(home: Installation, tmp_path: Path) -> None:
    file = home.settings.folder / FILE_NAME
    file.write_text(
        file.read_text()
        + '\n[agenda.csv.old]\nencoding = "cp1252"\n[agenda.csv.old.columns]\npatient = "Dossier"\ndate = "Jour"\n'
        'time = "Heure"\npractitioner = "Médecin"\n'
    )
    pli("patient", "add", "P-1")
    rows = tmp_path / "agenda.csv"
    rows.write_bytes(
        f"Dossier;Jour;Heure;Médecin\r\nP-1;{day(9):%d/%m/%Y};10:00;Dr Noël\r\n".encode("cp1252")
    )
    assert pli("agenda", "import", str(rows), "--profile", "old", "--json").json()["new"] == 1
    complaint(pli("agenda", "import", str(rows), "--profile", "none"), REFUSED)


def test_a_bad_entry_never_stops_the_rest(home: Installation, tmp_path: Path) -> None:
    assert home
    pli("patient", "add", "P-1")
    good = f"DTSTART;TZID=Europe/Paris:{day(10):%Y%m%dT%H%M%S}"
    file = tmp_path / "agenda.ics"
    file.write_text(calendar(event(good, uid="a"), event("DTSTART:yesterday", uid="b"), event(good, uid="c")))
    done = pli("agenda", "import", str(file), "--json")
    assert done.code == PARTLY
    assert done.json()["new"] == 2
    (refused,) = done.json()["refused"]
    assert refused.keys() == {"where", "field", "why", "mend"}
    assert all(refused.values())
    assert pli("agenda", "import", str(file)).code == PARTLY


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"", "a.ics"),
        (b"", "a.csv"),
        (b"%PDF-1.7", "a.ics"),
        (b"PK\x03\x04xlsx", "a.csv"),
        (b"\x00\x01\x02", "a.ics"),
        (b"hello", "a.csv"),
        (b"hello", "a.bin"),
        (b"<!doctype html>", "a.ics"),
        (b"BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n", "a.csv"),
    ],
)
def test_files_that_are_none(home: Installation, tmp_path: Path, content: bytes, name: str) -> None:
    (tmp_path / name).write_bytes(content)
    complaint(pli("agenda", "import", str(tmp_path / name)), REFUSED)
    with home.uow() as uow:
        assert uow.outbox.counts() == {}


def test_files_that_are_not_there_or_too_big(
    home: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert home
    complaint(pli("agenda", "import", str(tmp_path / "none.ics")), REFUSED)
    complaint(pli("agenda", "import", str(tmp_path)), REFUSED)
    monkeypatch.setenv("PLI_AGENDA__MAX_BYTES", "100")
    assert "max_bytes" in complaint(pli("agenda", "import", ics(tmp_path, "u-1")), REFUSED)


def test_a_file_that_is_cut_off_is_partly_done_and_cancels_nothing(
    home: Installation, tmp_path: Path
) -> None:
    assert home
    pli("patient", "add", "P-1")
    file = Path(ics(tmp_path, *(f"u-{n}" for n in range(8))))
    pli("agenda", "import", str(file))
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    assert pli("agenda", "import", str(file)).code == PARTLY
    span = ("--from", f"{day(0):%Y-%m-%d}", "--to", f"{day(30):%Y-%m-%d}")
    complaint(pli("agenda", "import", str(file), *span, "--accept-cancellations", "99"), REFUSED)
    assert {a["status"] for a in pli("patient", "show", "P-1", "--json").json()["appointments"]} == {"booked"}


def test_failure_21_absence_asks(home: Installation, tmp_path: Path) -> None:
    assert home
    pli("patient", "add", "P-1")
    pli("agenda", "import", ics(tmp_path, *(f"u-{n}" for n in range(8))))
    small = ics(tmp_path, "u-0", name="small.ics")
    span = ("--from", f"{day(0):%Y-%m-%d}", "--to", f"{day(30):%Y-%m-%d}")
    assert "--accept-cancellations 7" in complaint(pli("agenda", "import", small, *span), REFUSED)
    done = pli("agenda", "import", small, *span, "--accept-cancellations", "7", "--json")
    assert (done.json()["cancelled"], done.json()["unchanged"]) == (7, 1)


@pytest.mark.parametrize(
    "options",
    [
        ("--from", "2026-01-01"),
        ("--to", "2026-01-01"),
        ("--from", "2026-02-30", "--to", "2026-03-01"),
        ("--from", "2026-03-01", "--to", "2026-02-01"),
        ("--from", "1.3.2026", "--to", "2.3.2026"),
        ("--from", "2020-01-01", "--to", "2026-01-01"),
        ("--format", "pdf"),
    ],
)
def test_import_options_that_cannot_work(
    home: Installation, tmp_path: Path, options: tuple[str, ...]
) -> None:
    assert home
    assert pli("agenda", "import", ics(tmp_path, "u"), *options).code == WRONG


def test_add_and_cancel(home: Installation) -> None:
    pli("patient", "add", "P-1")
    recipient = pli("invite", "P-1", "--json").json()["recipient"]
    words = ("agenda", "add", "P-1", "--at", f"{day(9):%Y-%m-%dT%H:%M}", "--with", "Dr Noël", "--where", "2e")
    first = pli(*words, "--json").json()["id"]
    second = pli(*words, "--note", "à jeun", "--only", recipient, "--json").json()["id"]
    assert "already" in complaint(pli(*words), REFUSED)
    shown = pli("patient", "show", "P-1", "--json").json()["appointments"]
    assert [(a["appointment"], a["by_hand"]) for a in shown] == [(first, True), (second, True)] or len(
        shown
    ) == 2
    assert pli("invite", "P-1", "--another", "--json").json()["by_hand"] == 1
    again = pli(*words, "--json").json()["id"]  # for whoever was invited since
    assert pli("agenda", "cancel", again).code == 0
    assert pli("agenda", "cancel", first, "--json").json() == {"cancelled": first, "call": "nobody"}
    assert "already" in pli("agenda", "cancel", first).err
    complaint(pli("agenda", "cancel", "a-none"), REFUSED)
    with home.uow() as uow:
        assert not uow.outbox.waiting(OutboxKind.NUDGE), "nobody is enrolled"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("P-9", "--at", "2099-01-01T10:00"), REFUSED),
        (("P-1", "--at", "2020-01-01T10:00"), REFUSED),
        (("P-1", "--at", "2099-01-01"), WRONG),
        (("P-1", "--at", "tomorrow"), WRONG),
        (("P-1", "--at", "2099-01-01T25:00"), WRONG),
        (("P-1", "--at", "2099-01-01T10:00", "--only", "r-none"), REFUSED),
        (("P-1", "--at", "2099-01-01T10:00", "--minutes", "0"), WRONG),
        (("P-1", "--at", "9999-12-31T23:59"), REFUSED),
    ],
)
def test_what_cannot_be_added(home: Installation, words: tuple[str, ...], code: int) -> None:
    assert home
    pli("patient", "add", "P-1")
    assert pli("agenda", "add", *words).code == code


def test_an_hour_that_is_skipped_moves_on(home: Installation) -> None:
    assert home
    pli("patient", "add", "P-1")
    assert pli("agenda", "add", "P-1", "--at", "2099-03-29T02:30").code == DONE


def test_watch_once(home: Installation, tmp_path: Path) -> None:
    assert home
    pli("patient", "add", "P-1")
    folder = tmp_path / "exports"
    folder.mkdir()
    ics(folder, "u-1", name="good.ics")
    (folder / "bad.csv").write_text("nonsense")
    (folder / "empty.ics").touch()
    (folder / ".hidden.ics").touch()
    done = pli("agenda", "watch", str(folder), "--once")
    assert done.code == PARTLY
    assert "refused: bad.csv; its report" in done.err
    listed = pli("problems")
    assert "the agenda file bad.csv was refused" in listed.out
    assert "the agenda file empty.ics was refused" in listed.out
    assert [p["file"] for p in pli("problems", "--json").json()] == ["bad.csv", "empty.ics"]
    assert b"bad.csv" not in b"".join(p.read_bytes() for p in (home.settings.folder / "bot").glob("pli.db*"))
    assert pli("problems", "--clear").out == "2 lines cleared\n"
    with home.uow() as uow:
        assert uow.meta.get("refused_files") is None
    assert sorted(re.sub(r"^\d{8}T\d+-", "", p.name) for p in (folder / "done").iterdir()) == [
        "good.ics",
        "good.ics.report.json",
    ]
    assert len(list((folder / "refused").iterdir())) == 4
    assert [p.name for p in folder.iterdir() if p.is_file()] == [".hidden.ics"]
    complaint(pli("agenda", "watch", str(folder / "none"), "--once"), REFUSED)


# -- the rest -------------------------------------------------------------------------------------------------------


def test_answers_problems_and_the_picture(home: Installation) -> None:
    assert home
    assert pli("answers", "--json").json() == []
    assert pli("answers", "--since", "2026-01-01", "--json").json() == []
    complaint(pli("answers", "--since", "lately"), WRONG)
    complaint(pli("answers", "done", "w-none"), REFUSED)
    assert pli("problems", "--json").json() == []
    assert "no problems" in pli("problems").out
    assert "No open answers" in pli("answers").out
    assert "stateDiagram" in pli("conversation", "draw").out
    assert "digraph" in pli("conversation", "draw", "--format", "dot").out


def test_run_without_a_session_is_refused(home: Installation) -> None:
    (home.settings.folder / "bot" / "session.json").unlink()
    complaint(pli("run"), WRONG)


def test_a_database_of_another_version_is_refused(home: Installation) -> None:
    with home.engine.begin() as db:
        db.exec_driver_sql("UPDATE alembic_version SET version_num = '0000'")
    assert "schema" in complaint(pli("run"), WRONG)


def test_doctor_on_a_practice_without_a_homeserver(home: Installation) -> None:
    assert home
    done = pli("doctor", "--json")
    assert done.code == REFUSED
    checks = done.json()
    assert all(check.keys() == {"check", "ok", "found", "mend"} for check in checks)
    assert any(check["ok"] for check in checks)
    assert all(check["mend"] for check in checks if not check["ok"])


BLOCKING = {"run", "watch", "init", "login", "doctor", "desk"}
ENDLESS = "--watch"
WRITING = {"keygen"}  # into the current folder
WORDS = st.one_of(
    st.sampled_from(sorted({w for path, _ in ALL for w in path} - BLOCKING - WRITING)),
    st.sampled_from(sorted({o for _, c in ALL for p in c.params for o in getattr(p, "opts", ())})),
    st.sampled_from(
        [
            "P-1",
            "",
            "-",
            "--",
            "-1",
            "2099-01-01T10:00",
            "2026-01-01",
            "14d",
            "ics",
            "a-1",
            "r-1",
            "/dev/null",
        ]
    ),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(words=st.lists(WORDS, max_size=7))
def test_no_traceback_for_any_arguments(home: Installation, words: list[str]) -> None:
    words = [w for w in words if not w.startswith("--config") and w != ENDLESS]
    assert home
    done = pli(*words)
    assert done.code in (DONE, REFUSED, WRONG, PARTLY)
    assert "something unexpected" not in done.err, (words, done.err)


def test_the_module_is_the_command(home: Installation) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bot", "patient", "show", "P-9"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, "PLI_CONFIG": str(home.settings.folder)},
    )
    assert done.returncode == REFUSED
    assert done.stderr.startswith("error: no patient with this reference")


def test_a_closed_pipe_is_no_traceback(home: Installation) -> None:
    for n in range(30):
        pli("patient", "add", f"P-{n}")
    done = subprocess.run(
        ["sh", "-c", f"{sys.executable} -m bot patient list | head -n 1"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, "PLI_CONFIG": str(home.settings.folder)},
    )
    assert "Traceback" not in done.stderr


def test_tables_of_the_reader_are_those_of_the_command(home: Installation, tmp_path: Path) -> None:
    """The standard profile needs no section."""
    assert home
    pli("patient", "add", "P-1")
    rows: Any = table(f"r-1;P-1;{day(9):%d/%m/%Y};10:00;30;Dr Noël;2e étage;;;")
    (tmp_path / "agenda.csv").write_text(rows)
    assert pli("agenda", "import", str(tmp_path / "agenda.csv"), "--json").json()["new"] == 1


# -- found by somebody who had the README alone ----------------------------------------------------------------------


@pytest.mark.usefixtures("home")
def test_a_second_code_for_the_same_patient_wants_a_word() -> None:
    pli("patient", "add", "P-1")
    pli("patient", "add", "P-2")
    first = pli("invite", "P-1", "--json").json()["recipient"]
    for words in (("P-1",), ("P-2", "--also", "P-1"), ("P-1", "--also", "P-2")):
        assert "--another" in complaint(pli("invite", *words), REFUSED)
    assert len(pli("patient", "show", "P-1", "--json").json()["recipients"]) == 1
    second = pli("invite", "P-1", "--another", "--json").json()["recipient"]
    assert first != second
    assert pli("invite", "P-2", "--also", "P-2").code == 0, "named twice is named once"
    pli("invite", "revoke", first)
    pli("invite", "revoke", second)
    assert pli("invite", "P-1").code == 0, "nobody has an open one"


@pytest.mark.parametrize(
    ("command", "option", "other"), [("invite", "--another", "revoke"), ("backup", "--with-vault", "keygen")]
)
@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_the_help_of_a_group_is_that_of_what_it_does_alone(
    command: str, option: str, other: str, flag: str
) -> None:
    shown = pli(command, flag)
    assert shown.code == DONE
    assert option in shown.out
    assert f"pli {command} {other}" in " ".join(shown.out.replace("│", " ").split())


@pytest.mark.parametrize(
    "answer", [b"hello", b"{}", b'{"ready": true}', b'{"ready": true, "instance": "another"}']
)
def test_a_stranger_on_the_health_port_is_not_taken_for_the_bot(
    home: Installation, monkeypatch: pytest.MonkeyPatch, answer: bytes
) -> None:
    class Stranger(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Stranger) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("PLI_HEALTH__PORT", str(server.server_address[1]))
        assert "another program or another bot has its port" in pli("status").out
        assert pli("status", "--json").json()["bot"] == "another"
        assert "another program, or another practice's bot, answers on its port" in pli("doctor").out
        (home.bot_dir / "instance").write_text("another")
        own = answer.endswith(b'"another"}')
        assert pli("status", "--json").json()["bot"] == ("ready" if own else "another")
        server.shutdown()
