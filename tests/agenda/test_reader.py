"""Whole files: of the right kind or not, whole or cut off, samples of others and our own."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from importlib import resources
from pathlib import Path

import icalendar
import pytest

from bot.agenda import FILE, read_agenda
from bot.agenda import fault as fault_module
from bot.agenda import ics as ics_module
from bot.agenda.sample import write_sample
from bot.domain.appointment import Refusal, Status
from bot.errors import AgendaError, WrongUse
from config.agenda_settings import AgendaSettings
from tests.agenda.generate import write_big_csv, write_big_ics
from tests.agenda.helpers import NOW, PARIS, STANDARD, calendar, event, read, read_file, table

TODAY = date(2026, 9, 1)
SAMPLES = Path(icalendar.__file__).parent / "tests"


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.ics", b""),
        ("a.csv", b""),
        ("a.ics", b"PK\x03\x04\x14\x00rest of a workbook"),
        ("a.csv", b"PK\x03\x04\x14\x00rest of a workbook"),
        ("a.ics", b"%PDF-1.7\n"),
        ("a.ics", b"\n<!DOCTYPE html><html>sign in</html>"),
        ("a.ics", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),
        ("a.csv", "\ufeffid;patient".encode("utf-16")),
        ("a.csv", b"BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n"),
        ("a.ics", b"id;patient;start\n"),
        ("a.ics", b"BEGIN:VEVENT\r\nEND:VEVENT\r\n"),
        ("a.dat", b"id;patient;start\n"),
        ("a.ics", b"\x00" * 100),
        ("a.csv", b"\x00" * 100),
        ("a.ics", b"BEGIN:VCALENDAR\r\n" * 2000),
        ("a.ics", calendar(event("DTSTART:20260908T143000"), head="CALSCALE:HEBREW\r\n").encode()),
    ],
)
def test_files_of_another_kind_are_refused_as_a_whole(tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(AgendaError) as caught:
        read_file(tmp_path / name)
    assert caught.value.where == FILE
    assert caught.value.why
    assert caught.value.mend
    assert str(tmp_path) not in str(caught.value)


def test_files_that_are_not_there_too_big_or_no_files(tmp_path: Path) -> None:
    sample = tmp_path / "a.ics"
    write_sample(sample, TODAY)
    for path, settings in (
        (tmp_path / "none.ics", STANDARD),
        (tmp_path, STANDARD),
        (sample, AgendaSettings(max_bytes=1000)),
    ):
        with pytest.raises(AgendaError):
            read_file(path, settings)
    assert read_file(sample, AgendaSettings(max_bytes=sample.stat().st_size)).appointments


def test_an_unknown_profile_is_named_as_such(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(table())
    with pytest.raises(AgendaError) as caught:
        read_file(tmp_path / "a.csv", profile="autre")
    assert caught.value.where == "profile"


def test_naive_now_is_a_misuse(tmp_path: Path) -> None:
    with pytest.raises(WrongUse):
        list(read_agenda(tmp_path, STANDARD, zone=PARIS, now=datetime(2026, 9, 1)))  # noqa: DTZ001 - the point


def test_the_kind_is_found_by_content_where_the_name_does_not_tell(tmp_path: Path) -> None:
    path = tmp_path / "export"
    write_sample(path, TODAY)
    assert read_file(path).appointments


def test_an_empty_calendar_and_an_empty_table_are_no_error() -> None:
    assert read(calendar()) == read(table(), kind="csv")


@pytest.mark.parametrize("kind", ["ics", "csv"])
def test_a_file_cut_off_anywhere_tells_what_is_whole_and_that_it_is_cut(tmp_path: Path, kind: str) -> None:
    """Rule 3 of bot.agenda.fault, at every line and in the middle of each."""
    whole = tmp_path / f"whole.{kind}"
    write_sample(whole, TODAY)
    data = whole.read_bytes()
    every = {(a.detail.encode(), a.status) for a in read_file(whole).appointments}
    lines = data.splitlines(keepends=True)
    cut = tmp_path / f"cut.{kind}"
    told_at_the_end = 0
    for count in range(1, len(lines)):
        at = sum(map(len, lines[:count]))
        for end in (at, at + len(lines[count]) // 2):
            cut.write_bytes(data[:end])
            if kind == "ics":
                if b"CALSCALE:GREGORIAN" not in data[:end] and b"CALSCALE:" in data[:end]:
                    continue  # half a word there is another calendar: an error of the whole file
                told = read_file(cut)
                assert [r.field for r in told.refusals].count(FILE) == 1
                assert all(r.field in (FILE, "END") for r in told.refusals)
                told_at_the_end = len(told.appointments)
                # An exception that is cut away lets its instance come out as the series has it: that is why
                # nothing may be concluded from absence, or from presence, of instances in such a file.
                single = {a.detail.encode() for a in told.appointments if "/" not in a.detail.source}
                assert single <= {encoded for encoded, _ in every}
            else:
                told = read_file(cut)
                if end != at and not data[:end].endswith(b"\n") and told.refusals:
                    assert told.fault[1] == FILE
                assert {(a.detail.encode(), a.status) for a in told.appointments[:-1]} <= every
    if kind == "ics":
        assert told_at_the_end == len(every)


def test_failure_21_a_line_cut_in_the_middle_says_that_the_file_is_cut() -> None:
    text = table("R-1;P-1;08/09/2026;14:30;;;;;;", "R-2;P-2;08/09/2026;15:00;;;;;;").removesuffix("\r\n")
    assert len(read(text, kind="csv").appointments) == 2
    for length in range(len(text) - len("2;P-2;08/09/2026;15:00;;;;;;"), len(text) - 1):
        told = read(text[:length], kind="csv")
        assert [r.field for r in told.refusals] == [FILE], text[:length]
    quoted = table('R-1;P-1;08/09/2026;14:30;;;"Salle').removesuffix("\r\n")
    assert read(quoted, kind="csv").fault == ("line 2", FILE)


def test_text_outside_the_calendar_means_that_the_file_is_not_whole() -> None:
    text = calendar(event("DTSTART:20260908T143000"))
    for more, fields in (
        ("\x00\x00\x1a", []),
        ("\r\n \r\n", []),
        ("oops\r\n", [FILE]),
        (event("x:y"), [FILE]),
    ):
        told = read(text + more)
        assert len(told.appointments) == 1
        assert [r.field for r in told.refusals] == fields
    twice = read(text.removesuffix("END:VCALENDAR\r\n") + text.replace("u-1", "u-2"))
    assert len(twice.appointments) == 2
    assert [r.field for r in twice.refusals] == [FILE]


def test_the_sample_calendars_of_the_library_all_give_a_result_or_a_located_error() -> None:
    files = sorted(SAMPLES.rglob("*.ics"))
    assert len(files) >= 150, "the wheel no longer ships its samples"
    seen: Counter[str] = Counter()
    settings = AgendaSettings(patient_property="SUMMARY", horizon_days=1000)
    for file in files:
        try:
            told = read_file(file, settings, now=datetime(2020, 5, 1, tzinfo=UTC))
        except AgendaError as error:
            seen["errors"] += 1
            seen["located errors"] += error.where == FILE and bool(error.mend)
            continue
        for refusal in told.refusals:
            assert refusal.where.startswith("line ")
            assert refusal.field
            assert refusal.why
            assert refusal.mend
        seen["read"] += 1
        seen["appointments"] += len(told.appointments)
        seen["refusals"] += len(told.refusals)
    assert seen["errors"] + seen["read"] == len(files)
    assert seen["errors"] == seen["located errors"]
    # Fragments without a calendar around them are errors; of the calendars most must be read.
    whole = [file for file in files if b"BEGIN:VCALENDAR" in file.read_bytes()]
    assert seen["read"] >= len(whole) - 5
    assert seen["appointments"] > 300


def test_our_own_sample_shows_what_it_promises(tmp_path: Path) -> None:
    write_sample(tmp_path / "a.ics", TODAY)
    told = read_file(tmp_path / "a.ics")
    assert not told.refusals
    assert len(told.unmatched) == 1
    by_patient = Counter(a.detail.patient for a in told.appointments)
    assert set(by_patient) == {"P-1001", "P-1002", "P-1003", "P-1004"}
    assert {a.detail.given_name for a in told.appointments} == {"Odette", "Karim", "Zoé", "Noé"}
    series = [a for a in told.appointments if "/" in a.detail.source]
    assert len(series) == 34
    assert len({a.detail.start.astimezone(PARIS).utcoffset() for a in series}) == 2
    assert sum(a.status is Status.CANCELLED for a in series) == 1
    assert sum(a.status is Status.CANCELLED for a in told.appointments) == 2
    assert sum(a.detail.all_day for a in told.appointments) == 1
    assert all("interne" not in a.detail.note for a in told.appointments)
    assert any("été" in a.detail.place or "é" in a.detail.place for a in told.appointments)


def test_the_sample_can_be_written_for_any_day(tmp_path: Path) -> None:
    for days in range(0, 1000, 13):
        today = TODAY + timedelta(days=days)
        now = datetime(today.year, today.month, today.day, 8, tzinfo=UTC)
        for name in ("a.ics", "a.csv"):
            first = write_sample(tmp_path / name, today)
            told = read_file(tmp_path / name, now=now)
            assert 8 <= (first - today).days <= 14
            assert min(a.detail.start for a in told.appointments).astimezone(PARIS).date() == first
            assert not told.refusals
        series = [
            a.detail.start.astimezone(PARIS) for a in read_file(tmp_path / "a.ics", now=now).appointments
        ]
        assert len({s.utcoffset() for s in series}) == 2, "no change of the clocks in the sample"
        assert b"DTSTART:19810329T020000" in (tmp_path / "a.ics").read_bytes()


def test_the_shipped_files_are_as_programs_write_them() -> None:
    folder = resources.files("config") / "sample"
    raw = (folder / "agenda.ics").read_bytes()
    assert raw.count(b"\r\n") == raw.count(b"\n")
    assert all(len(line) <= 75 for line in raw.split(b"\r\n"))
    assert b"\r\n " in raw
    assert (folder / "agenda.csv").read_bytes().startswith(b"\xef\xbb\xbf")


@pytest.mark.parametrize("kind", ["ics", "csv"])
def test_a_big_agenda_is_read_whole_with_progress(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"big.{kind}"
    count = 2000
    if kind == "ics":
        write_big_ics(path, count, TODAY, series=20)
        count += 20 * 10
    else:
        write_big_csv(path, count, TODAY)
    calls: list[tuple[int, int]] = []

    def progress(read: int, total: int) -> None:
        calls.append((read, total))

    told = list(read_agenda(path, STANDARD, zone=PARIS, now=NOW, progress=progress))
    assert len(told) == count
    size = path.stat().st_size
    assert calls == sorted(calls)
    assert len(calls) > 2
    assert calls[-1] == (size, size)


def test_too_many_refusals_end_the_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule 4 of bot.agenda.fault. The limit is lowered: the rule is the same."""
    for name in ("bot.agenda.reader.MAX_REFUSALS", "bot.agenda.ics_scan.MAX_REFUSALS"):
        monkeypatch.setattr(name, 20)
    told = read(table(*["x"] * 100), kind="csv")
    assert len(told.refusals) == 21
    assert told.refusals[-1].field == FILE
    told = read("BEGIN:VCALENDAR\r\n" + "BEGIN:VEVENT\r\n" * 100)
    assert told.refusals[-1].field == FILE
    assert len(told.refusals) <= 22
    assert fault_module.MAX_REFUSALS >= 1000


def test_too_many_instances_end_the_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    """As above, for series."""
    parts = [event("DTSTART:20260908T143000", "RRULE:FREQ=DAILY;COUNT=10", uid=f"u-{i}") for i in range(5)]
    monkeypatch.setattr(ics_module, "_MAX_INSTANCES", 25)
    told = read(calendar(*parts))
    assert len(told.appointments) == 30
    assert [r.field for r in told.refusals] == [FILE]
    assert isinstance(told.refusals[0], Refusal)
