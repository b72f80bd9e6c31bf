"""``pli invite … --leaflet``: what stands on paper is what works, and no code is lost for the sake of a page."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from sqlalchemy import func, select

from bot.app import Installation
from bot.channels.matrix.session import Seeds
from bot.domain.records import AuditKind
from storage.tables import audit
from tests.cli.shell import Done, pli
from tests.leaflet.reading import qr_codes, words

LANGUAGE = "en"


@pytest.fixture
def ready(home: Installation) -> Installation:
    """Its bot has an identity, and it knows a patient with a name."""
    Seeds.load_or_make(home.bot_dir)
    assert pli("patient", "add", "REF-77123", "--name", "Clémentine").code == 0
    return home


def invited(file: Path, *options: str) -> Done:
    return pli("invite", "REF-77123", "--leaflet", str(file), *options)


def codes_made(home: Installation) -> int:
    query = select(func.count()).select_from(audit).where(audit.c.kind == AuditKind.INVITED.value)
    with home.engine.begin() as connection:
        return int(connection.execute(query).scalar_one())


def test_the_page_has_what_is_typed_and_no_name(ready: Installation, tmp_path: Path) -> None:
    file = tmp_path / "sheet.pdf"
    done = invited(file, "--json")
    assert done.code == 0, done.err
    data = done.json()
    assert data["leaflet"] == str(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    pdf = file.read_bytes()
    said = words(pdf)
    for group in data["code"].split("-"):
        assert f" {group} " in f" {said} "
    assert "01 23 45 67 89" in said
    key = Seeds.load(ready.bot_dir).master_key
    assert key in said.replace(" ", "")
    assert qr_codes(pdf) == [data["link"]]
    for hidden in ("Clémentine", "REF-77123", ready.settings.practice.name, data["recipient"]):
        assert hidden not in said
        assert hidden.encode() not in pdf


@pytest.mark.usefixtures("ready")
def test_the_language_is_the_patients(tmp_path: Path) -> None:
    invited(tmp_path / "en.pdf", "--lang", "en")
    invited(tmp_path / "fr.pdf", "--lang", "fr", "--another")
    assert "Type this code" in words((tmp_path / "en.pdf").read_bytes())
    assert "Tapez ce code" in words((tmp_path / "fr.pdf").read_bytes())


def test_no_code_is_made_for_a_file_that_exists(ready: Installation, tmp_path: Path) -> None:
    file = tmp_path / "sheet.pdf"
    file.write_text("mine")
    done = invited(file)
    assert done.code == 1
    assert "exists already" in done.err or "existe déjà" in done.err
    assert "mend: " in done.err
    assert file.read_text() == "mine"
    assert codes_made(ready) == 0


def test_no_code_is_made_without_a_telephone(
    ready: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLI_PRACTICE__PHONE", " ")
    done = invited(tmp_path / "sheet.pdf")
    assert done.code == 1, done.out
    assert "[practice] phone" in done.err
    assert codes_made(ready) == 0
    assert not (tmp_path / "sheet.pdf").exists()


def test_no_code_is_made_for_a_page_that_cannot_be_printed(
    ready: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLI_PRACTICE__PHONE", "電話 01 23")
    done = invited(tmp_path / "sheet.pdf")
    assert done.code == 2, done.out
    assert codes_made(ready) == 0
    assert not (tmp_path / "sheet.pdf").exists()


@pytest.mark.usefixtures("ready")
def test_no_file_stays_where_no_code_was_made(tmp_path: Path) -> None:
    done = pli("invite", "NOBODY", "--leaflet", str(tmp_path / "sheet.pdf"))
    assert done.code == 1
    assert not (tmp_path / "sheet.pdf").exists()
    done = pli("invite", "REF-77123", "--relink", "--leaflet", str(tmp_path / "sheet.pdf"))
    assert done.code == 1, "nobody is enrolled"
    assert list(tmp_path.glob("*.pdf")) == []


@pytest.mark.usefixtures("ready")
def test_a_code_that_was_made_is_told_though_the_page_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_handle: int, _data: object) -> int:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("bot.leaflet.paper.os.write", broken)
    done = invited(tmp_path / "sheet.pdf", "--json")
    assert done.code == 3, (done.out, done.err)
    assert len(done.json()["code"]) == 24
    assert done.json()["leaflet"] is None
    assert not (tmp_path / "sheet.pdf").exists()


@pytest.mark.usefixtures("ready")
def test_without_the_option_there_is_no_file() -> None:
    done = pli("invite", "REF-77123", "--json")
    assert done.json()["leaflet"] is None
