"""Whatever the bytes: results, located refusals or one error of the file, never another exception, and an end."""

from __future__ import annotations

import random
from datetime import date
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.agenda.sample import write_sample
from bot.errors import AgendaError
from config.agenda_settings import AgendaSettings, CsvProfile
from config.clock_formats import compile_format
from tests.agenda.helpers import PARIS, Told, calendar, event, read, table

TODAY = date(2026, 9, 1)
WIDE = AgendaSettings(
    patient_property="SUMMARY", note_property="DESCRIPTION", csv={"mine": CsvProfile(encoding="cp1252")}
)
Kind = Literal["ics", "csv"]


def must_be_told(data: bytes | str, kind: Kind, using: AgendaSettings = WIDE) -> Told | None:
    whole: AgendaError | None = None
    told = Told()
    try:
        told = read(data, using, kind=kind)
    except AgendaError as error:
        whole = error
    if whole is not None:
        assert whole.why
        assert whole.mend
        return None
    for appointment in told.appointments:
        detail = appointment.detail
        assert detail.source
        assert detail.patient
        assert detail.start <= detail.end
        assert len(detail.note) <= 600
        assert len(detail.place) <= 200
        assert type(detail).decode(detail.encode()) == detail
        assert appointment.where.startswith("line ")
    for refusal in told.refusals:
        assert refusal.where.startswith("line ")
        assert refusal.field
        assert refusal.mend
    return told


@pytest.mark.parametrize("kind", ["ics", "csv"])
@settings(max_examples=150, deadline=None)
@given(data=st.binary(max_size=400))
def test_arbitrary_bytes(kind: Kind, data: bytes) -> None:
    must_be_told(data, kind)
    must_be_told(b"BEGIN:VCALENDAR\nBEGIN:VEVENT\n" + data + b"\nEND:VEVENT\nEND:VCALENDAR", "ics")
    must_be_told(b"patient;start\n" + data, "csv")


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("samples")
    for kind in ("ics", "csv"):
        write_sample(folder / f"a.{kind}", TODAY)
    return {kind: (folder / f"a.{kind}").read_bytes() for kind in ("ics", "csv")}


@pytest.mark.parametrize("kind", ["ics", "csv"])
@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_valid_files_with_faults(originals: dict[str, bytes], kind: Kind, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - reproducible noise
    data = bytearray(originals[kind])
    for _ in range(chance.randint(1, 12)):
        at = chance.randrange(len(data))
        match chance.randrange(4):
            case 0:
                data[at] = chance.randrange(256)
            case 1:
                del data[at : at + chance.randrange(60)]
            case 2:
                data[at:at] = data[chance.randrange(len(data)) :][: chance.randrange(120)]
            case _:
                data[at:at] = chance.choice([b'"', b"\x00", b";", b":", b"\r", b"\n", b"\\", b"\xff", b","])
    must_be_told(bytes(data), kind, AgendaSettings())


_NAMES = [
    "DTSTART",
    "DTEND",
    "DURATION",
    "RRULE",
    "RDATE",
    "EXDATE",
    "RECURRENCE-ID",
    "SEQUENCE",
    "UID",
    "STATUS",
]
_VALUES = st.one_of(
    st.sampled_from(
        [
            "20260908T143000",
            "20260908",
            "20260908T143000Z",
            "PT1H",
            "P1W",
            "-P1D",
            "FREQ=DAILY",
            "FREQ=WEEKLY;COUNT=3",
            "00010101T000000",
            "99991231T235959Z",
            "20260908T246060",
            "FREQ=MONTHLY;BYDAY=-1FR",
            "CANCELLED",
            "7",
            "",
            "20260908T143000/PT1H",
            "19700101",
            "21991231T235959",
            "P9999999999D",
            "FREQ=YEARLY;BYDAY=53MO",
        ]
    ),
    st.text(max_size=30),
)
_PARAMS = st.sampled_from(
    [
        "",
        ";TZID=Europe/Paris",
        ";TZID=X",
        ";VALUE=DATE",
        ";TZID=",
        ';TZID="Romance Standard Time"',
        ";RANGE=THISANDFUTURE",
        ";TZID=/a/Asia/Kolkata",
        ";=",
        ';X="',
        ";TZID=../../../etc/passwd",
    ]
)
_LINES = st.lists(st.builds("{}{}:{}".format, st.sampled_from(_NAMES), _PARAMS, _VALUES), max_size=6)


@settings(max_examples=250, deadline=None)
@given(st.lists(st.tuples(_LINES, st.sampled_from(["u-1", "u-2", ""])), min_size=1, max_size=4))
def test_entries_of_odd_properties(entries: list[tuple[list[str], str]]) -> None:
    parts = [event("DTSTART:20260910T090000", *lines, uid=uid) for lines, uid in entries]
    parts += [event(*lines, uid=uid) for lines, uid in entries]
    sentinel = event("DTSTART:20260909T090000", uid="sentinel", patient="P-9")
    told = must_be_told(calendar(*parts, sentinel), "ics", AgendaSettings())
    assert told is not None
    if not any("\r" in line or "\n" in line for lines, _ in entries for line in lines):
        assert "P-9" in {a.detail.patient for a in told.appointments}


_OFFSETS = st.builds(
    "{}{:02}{:02}".format, st.sampled_from("+-"), st.integers(0, 16), st.sampled_from([0, 30, 59])
)
_ONSETS = st.sampled_from(
    [
        "19700101T000000",
        "20260908T120000",
        "20260909T000000",
        "16010101T020000",
        "20990101T000000",
        "x",
        "20260907",
    ]
)
_RHYTHMS = st.sampled_from(
    [
        "",
        "RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3",
        "RRULE:FREQ=YEARLY",
        "RRULE:FREQ=DAILY",
        "RDATE:20260908T140000",
    ]
)
_CHANGES = st.tuples(st.sampled_from(["STANDARD", "DAYLIGHT"]), _OFFSETS, _OFFSETS, _ONSETS, _RHYTHMS)


@settings(max_examples=200, deadline=None)
@given(st.lists(_CHANGES, max_size=4))
def test_zones_of_odd_changes(changes: list[tuple[str, str, str, str, str]]) -> None:
    rules = [
        f"BEGIN:{kind}\r\nTZOFFSETFROM:{before}\r\nTZOFFSETTO:{after}\r\nDTSTART:{onset}\r\n{rhythm}\r\nEND:{kind}\r\n"
        for kind, before, after, onset, rhythm in changes
    ]
    zone = "BEGIN:VTIMEZONE\r\nTZID:X\r\n" + "".join(rules) + "END:VTIMEZONE\r\n"
    series = event("DTSTART;TZID=X:20260908T123000", "DURATION:PT2H", "RRULE:FREQ=DAILY;COUNT=9", uid="u-1")
    ends = [
        event("DTSTART;TZID=X:20260908T123000", f"DTEND;TZID=X:202609{day}T133000", uid=f"e-{day}")
        for day in ("08", "09", "10")
    ]
    told = must_be_told(calendar(zone, series, *ends), "ics", AgendaSettings())
    assert told is not None
    assert len(told.appointments) == 12 or {r.field for r in told.refusals} == {"TZID"}


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(st.text(max_size=12), min_size=1, max_size=11).map(";".join), max_size=6))
def test_tables_of_odd_cells(rows: list[str]) -> None:
    told = must_be_told(table(*rows, "R-9;P-9;08/09/2026;15:00;;;;;;").encode("utf-8", "replace"), "csv")
    assert told is not None


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="%dmYyHIMSpz/:. ", max_size=14), st.text(max_size=20))
def test_formats(pattern: str, text: str) -> None:
    try:
        compiled = compile_format(pattern)
    except ValueError:
        return
    if compiled.has_date and compiled.has_time:
        try:
            compiled.read(text)
        except ValueError:
            return
        assert any(character.isdigit() for character in text)


def test_nesting_and_repetition_end_in_time() -> None:
    for data in (
        "BEGIN:VCALENDAR\r\n" + "BEGIN:X\r\n" * 50_000,
        "BEGIN:VCALENDAR\r\n" + "BEGIN:VEVENT\r\nUID:1\r\n" * 20_000,
        "BEGIN:VCALENDAR\r\n" + event("X:" + "\r\n x" * 50_000) + "END:VCALENDAR\r\n",
        "BEGIN:VCALENDAR\r\n" + "\r\n" * 200_000,
        calendar(event("SUMMARY:" + "\\" * 60_000, "DTSTART:20260908T143000")),
        calendar(event('SUMMARY;X="' + '"",' * 20_000 + ":x", "DTSTART:20260908T143000")),
        calendar(event("EXDATE:" + "20260908T143000," * 4000, "DTSTART:20260908T143000")),
    ):
        must_be_told(data, "ics")
    for data in ('"\n' * 20_001, '"' * 200_001, ";" * 100_000, 'a"b\n' * 20_000):
        must_be_told("patient;start\n" + data, "csv")


def test_local_zone_is_the_practices_in_every_reading() -> None:
    told = read(table("R-9;P-9;08/09/2026;15:00;;;;;;"), kind="csv")
    assert told.one.detail.zone == PARIS.key
