"""The search for leaks (P1): what is there is found, in every shape, wherever it lies; what cannot be read is told."""

from __future__ import annotations

import base64
import sqlite3
from collections import Counter
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bot.agenda.sample import write_sample
from bot.demo.calendar import ZONE
from bot.demo.canaries import of_agenda, of_code
from bot.demo.control import run_control
from bot.demo.forms import SHORTEST, Form, shapes
from bot.demo.leaks import Canary, Report, Scanner
from bot.domain.codes import new_code

DOCTOR = Canary(kind="practitioner", text="Dr Hélène Noël")


@pytest.fixture
def canaries(tmp_path: Path) -> tuple[Canary, ...]:
    file = tmp_path / "agenda.ics"
    write_sample(file, date(2026, 11, 23))
    return of_agenda(file, zone=ZONE, now=datetime(2026, 11, 23, tzinfo=UTC))


def scan(file: Path, *canaries: Canary, piece: int = 64) -> Report:
    return Scanner(canaries, piece=piece).scan({"here": [file]})


def test_every_text_of_the_sample_is_found_in_every_shape(
    canaries: tuple[Canary, ...], tmp_path: Path
) -> None:
    control = run_control(Scanner(canaries, piece=4096), tmp_path / "control")
    assert control.passed
    assert sum(control.planted.values()) > 15 * len(canaries)


@pytest.mark.parametrize("blind", list(Form))
def test_the_control_finds_out_a_scanner_that_is_blind_to_a_shape(blind: Form, tmp_path: Path) -> None:
    class Blind(Scanner):
        def scan(self, places: object) -> Report:
            report = super().scan(places)  # type: ignore[arg-type]  # handed through
            report.findings = [f for f in report.findings if f.form is not blind]
            return report

    assert run_control(Scanner([DOCTOR]), tmp_path / "whole").passed
    assert not run_control(Blind([DOCTOR]), tmp_path / "blind").passed


def test_the_control_finds_out_a_scanner_that_reads_databases_as_bytes_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.demo.leaks._SQLITE", b"something else")
    control = run_control(Scanner([DOCTOR]), tmp_path / "control")
    assert (control.across_pages, control.on_a_seam, control.passed) == (False, True, False)


@given(
    before=st.binary(max_size=200),
    after=st.binary(max_size=200),
    piece=st.integers(1, 300),
    copies=st.integers(0, 3),
)
@settings(max_examples=200, deadline=None)
def test_rule_1_found_exactly_as_often_as_it_is_there(
    tmp_path_factory: pytest.TempPathFactory, before: bytes, after: bytes, piece: int, copies: int
) -> None:
    data = before + DOCTOR.text.encode() * copies + after
    assume(not data.startswith(b"SQLite format 3"))  # what says so and is no database is unreadable: rule 2
    file = tmp_path_factory.mktemp("seam") / "file"
    file.write_bytes(data)
    report = scan(file, DOCTOR, piece=piece)
    assert report.hits("here", Form.UTF8) == copies
    assert report.read == Counter({"here": file.stat().st_size})


def test_rule_2_a_value_in_the_write_ahead_log_is_found_beside_its_writer(tmp_path: Path) -> None:
    file = tmp_path / "some.db"
    with closing(sqlite3.connect(file)) as writer:
        writer.execute("PRAGMA journal_mode = WAL")
        writer.execute("CREATE TABLE t (v)")
        writer.execute("INSERT INTO t VALUES (?)", (DOCTOR.text,))
        writer.commit()
        assert DOCTOR.text.encode() not in file.read_bytes()
        assert scan(file, DOCTOR).hits("here", Form.UTF8) == 1
        assert scan(file.with_name("some.db-wal"), DOCTOR).hits("here", Form.UTF8) == 1


def test_rule_2_every_column_of_every_table_is_read(tmp_path: Path) -> None:
    file = tmp_path / "some.db"
    with closing(sqlite3.connect(file)) as database, database:
        database.execute('CREATE TABLE "odd "" name" (a, b, c)')
        database.execute(
            'INSERT INTO "odd "" name" VALUES (1.5, ?, ?)',
            (base64.b64encode(DOCTOR.text.encode()), DOCTOR.text.encode("utf-16-le")),
        )
    as_bytes_and_by_row = scan(file, DOCTOR)
    assert as_bytes_and_by_row.found() == {(0, Form.BASE64), (0, Form.UTF16)}
    assert as_bytes_and_by_row.hits("here", Form.BASE64) == 2


def test_rule_3_what_cannot_be_read_is_told_and_is_not_clean(tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.db"
    damaged.write_bytes(b"SQLite format 3\x00" + b"\xff" * 5000)
    report = scan(damaged, DOCTOR)
    assert not report.findings
    assert report.unreadable == ["here: damaged.db (DatabaseError)"]
    assert not report.clean


def test_rule_3_nothing_searched_is_not_clean_and_a_file_that_is_gone_is_no_finding(tmp_path: Path) -> None:
    report = scan(tmp_path / "gone", DOCTOR)
    assert (report.findings, report.unreadable, report.clean) == ([], [], False)
    (tmp_path / "there").write_bytes(b"")
    assert scan(tmp_path / "there", DOCTOR).clean


def test_rule_4_a_finding_never_holds_the_text(tmp_path: Path) -> None:
    file = tmp_path / "log"
    file.write_text(f"sent to {DOCTOR.text}", encoding="utf-8")
    report = scan(file, DOCTOR)
    (found,) = [f for f in report.findings if f.form is Form.UTF8]
    assert (found.place, found.file, found.kind, found.times) == ("here", "log", "practitioner", 1)
    assert "Noël" not in repr(report) + repr(DOCTOR)


def test_reports_of_two_moments_add_up(tmp_path: Path) -> None:
    file = tmp_path / "log"
    file.write_text("nothing", encoding="utf-8")
    both = scan(file, DOCTOR)
    file.write_text(DOCTOR.text, encoding="utf-8")
    both.add(scan(file, DOCTOR))
    assert both.files == Counter({"here": 1})
    assert both.hits("here", Form.UTF8) == 1
    assert not both.clean


def test_short_texts_are_not_looked_for_and_longer_ones_have_36_bits_in_every_shape() -> None:
    bits = {Form.BASE64: 6, Form.HEX: 4}
    assert not shapes("Zoé!"[: SHORTEST - 1])
    for text in ("Karim", "Élodé", "12345"):
        for form, needle in shapes(text):
            assert len(needle) * bits.get(form, 8) >= 36
        assert {form for form, _ in shapes(text)} == set(Form)


def test_what_is_looked_for_is_every_name_place_time_and_instruction(canaries: tuple[Canary, ...]) -> None:
    texts = {canary.text: canary.kind for canary in canaries}
    expected = {
        "Dr Hélène Noël": "practitioner",
        "12 rue des Tanneurs": "place",
        "avec votre carte Vitale et vos derniers résultats": "note",
        "Note interne du cabinet : ne pas transmettre.": "note",
        "Bilan à l’hôpital de jour": "reason",
        "Odette": "given name",
        "P-1003": "patient",
        "5f0c2a9e-7b61-4c55-9d3b-0a8f1d2e1001@cabinet.example": "agenda id",
        "Salle de pause": "place",
        # 1 December 2026, 14:30 in Paris: local, universal, seconds since 1970, in words
        "2026-12-01T14:30": "time",
        "2026-12-01 13:30": "time",
        "20261201T1330": "time",
        "1796131800": "time",
        "mardi 1er décembre 2026 à 14:30": "time",
        "Tuesday, 1 December 2026 at 14:30": "time",
    }
    assert {text: texts.get(text) for text in expected} == expected
    assert not any("T00:00" in text for text in texts)


def test_of_a_code_only_the_secret_part_is_looked_for() -> None:
    code = new_code()
    display = code.display.reveal()
    texts = [canary.text for canary in of_code(display)]
    assert texts
    assert all(
        code.public not in text and text.replace("-", "") in display.replace("-", "") for text in texts
    )
    assert code.secret.reveal() in texts[0]
