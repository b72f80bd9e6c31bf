"""Tables through profiles."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from bot.domain.appointment import Status
from bot.errors import AgendaError
from config.agenda_settings import AgendaSettings, CsvProfile
from config.clock_formats import compile_format
from tests.agenda.helpers import HEADINGS, PARIS, Told, read, table

ROW = "R-1;P-1;08/09/2026;14:30;30;Dr Noël;Cabinet;À jeun;Zoé;confirmé"


def through(text: str | bytes, **profile: object) -> Told:
    settings = AgendaSettings(csv={"mine": CsvProfile.model_validate(profile)})
    return read(text, settings, kind="csv", profile="mine")


def test_a_line_is_read_whole() -> None:
    one = read(table(ROW), kind="csv").one
    detail = one.detail
    assert (detail.source, detail.patient, detail.practitioner) == ("R-1", "P-1", "Dr Noël")
    assert (detail.place, detail.note, detail.given_name) == ("Cabinet", "À jeun", "Zoé")
    assert detail.start == datetime(2026, 9, 8, 12, 30, tzinfo=UTC)
    assert detail.end - detail.start == timedelta(minutes=30)
    assert (one.status, one.stable, one.where, detail.zone) == (Status.BOOKED, True, "line 2", "Europe/Paris")


@pytest.mark.parametrize(
    ("encoding", "profile"),
    [("utf-8", "utf-8"), ("utf-8-sig", "utf-8"), ("utf-8-sig", "cp1252"), ("cp1252", "cp1252")],
)
def test_encodings(encoding: str, profile: str) -> None:
    """A byte order mark wins over the profile: cp1252 would read UTF-8 as something else without a word."""
    one = through(table(ROW).encode(encoding), encoding=profile).one
    assert (one.detail.practitioner, one.detail.given_name) == ("Dr Noël", "Zoé")


def test_another_encoding_is_refused_line_by_line() -> None:
    plain = "R-2;P-2;08/09/2026;15:00;30;;;;;"
    told = read(table(ROW, plain, head=HEADINGS.replace("é", "e")).encode("cp1252"), kind="csv")
    assert [a.detail.patient for a in told.appointments] == ["P-2"]
    assert told.fault == ("line 2", "line")


@pytest.mark.parametrize(
    ("date", "time", "good"),
    [
        ("2026-09-08", "14:30", True),
        ("8/9/2026", "14h30", True),
        ("08/09/2026", "14:30:00", True),
        ("08/09/26", "14:30", False),
        ("09/13/2026", "14:30", False),
        ("31/02/2026", "14:30", False),
        ("08/09/2026", "24:30", False),
        ("08/09/2026", "2:30 PM", False),
        ("08/09/2026", "02:30p", False),
        ("٠٨/٠٩/٢٠٢٦", "14:30", False),
        ("08/09/1066", "14:30", False),
        ("", "14:30", False),
        ("08/09/2026", "", False),
    ],
)
def test_failure_15_only_the_formats_of_the_profile(date: str, time: str, *, good: bool) -> None:
    told = read(table(f"R-1;P-1;{date};{time};;;;;;"), kind="csv")
    assert bool(told.appointments) == good
    assert bool(told.refusals) != good
    if good:
        assert told.one.detail.start == datetime(2026, 9, 8, 12, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "hour"),
    [("12:30 am", 0), ("12:30 PM", 12), ("1:30 p.m.", 13), ("11:30 A.M.", 11), ("11:30PM", None), ("13:30 PM", None),
     ("0:30 AM", None), ("14:30", None)],
)  # fmt: skip
def test_failure_15_a_12_hour_clock_only_where_the_profile_names_it(text: str, hour: int | None) -> None:
    told = through(table(f"R-1;P-1;08/09/2026;{text};;;;;;"), times=["%I:%M %p"])
    if hour is None:
        assert told.fault == ("line 2", "time")
    else:
        assert told.one.detail.start.astimezone(PARIS).hour == hour


@pytest.mark.parametrize(
    "text", ["%I:%M", "%H:%M %p", "%H:%I:%M %p", "%d/%m", "%H", "%Q", "", "%d/%d/%m/%Y", "%H:%M %z", "%d/%m/%Y %y", "%"]
)  # fmt: skip
def test_failure_15_formats_with_two_readings_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="a "):
        compile_format(text)


@pytest.mark.parametrize(
    "profile",
    [
        {"dates": ["%d/%m/%Y", "%m/%d/%Y"]},
        {"starts": ["%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M"]},
        {"dates": ["%H:%M"]},
        {"times": ["%d/%m/%Y"]},
        {"starts": ["%H:%M"]},
        {"separator": "x"},
        {"columns": {"date": "d", "time": "t"}},
        {"columns": {"patient": "p", "date": "d"}},
        {"encoding": "utf-16"},
        {"unknown": 1},
    ],
)
def test_profiles_that_cannot_work_are_refused(profile: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        CsvProfile.model_validate(profile)


def test_own_columns_separator_and_words() -> None:
    text = "N°\tDossier\tDébut\tFin\tÉtat\r\n7\tA12\t08.09.2026 14:30\t08.09.2026 15:00\tVenu\r\n"
    profile = {
        "separator": "\t",
        "starts": ["%d.%m.%Y %H:%M"],
        "columns": {
            "id": "n°",
            "patient": ["Patient", " dossier "],
            "start": "début",
            "end": "fin",
            "status": "État",
        },
        "booked": ["prévu", "VENU"],
        "cancelled": ["déplacé"],
    }
    one = through(text, **profile).one
    assert (one.detail.source, one.detail.patient, one.status) == ("7", "A12", Status.BOOKED)
    assert one.detail.end - one.detail.start == timedelta(minutes=30)
    assert through(text.replace("Venu", "Déplacé"), **profile).one.status is Status.CANCELLED
    assert through(text.replace("Venu", "?"), **profile).fault == ("line 2", "status")
    assert through(text.replace("Venu", ""), **profile).fault == ("line 2", "status")


@pytest.mark.parametrize(
    ("columns", "values", "minutes"),
    [
        ("duration", "30", 30),
        ("duration", "30,0", 30),
        ("duration", "", 0),
        ("end_time", "15:15", 45),
        ("end", "2026-09-08T15:00", 30),
        ("end", "2026-09-08T15:00+02:00", 30),
        ("end", "2026-09-08T13:00Z", 30),
        ("duration", "-5", None),
        ("duration", "3e1", None),
        ("duration", "٣٠", None),
        ("duration", "9" * 400, None),
        ("end_time", "14:00", None),
        ("end", "2026-09-08T14:00", None),
    ],
)
def test_the_end_has_several_columns(columns: str, values: str, minutes: int | None) -> None:
    told = read(f"patient;start;{columns}\nP-1;2026-09-08T14:30;{values}\n", kind="csv")
    if minutes is None:
        assert told.fault == ("line 2", columns)
    else:
        detail = told.one.detail
        assert detail.end - detail.start == timedelta(minutes=minutes)


def test_a_whole_day_only_where_the_profile_says_so() -> None:
    text = table("R-1;P-1;08/09/2026;;;;;;;")
    assert read(text, kind="csv").fault == ("line 2", "time")
    detail = through(text, empty_time="all_day").one.detail
    assert detail.all_day
    assert detail.end - detail.start == timedelta(days=1)


def test_failure_07_local_times_of_tables_follow_the_same_rules() -> None:
    gap = read(table("R-1;P-1;28/03/2027;02:30;30;;;;;"), kind="csv").one.detail
    assert (gap.start, gap.end - gap.start) == (
        datetime(2027, 3, 28, 1, 30, tzinfo=UTC),
        timedelta(minutes=30),
    )
    twice = read(table("R-1;P-1;25/10/2026;02:30;90;;;;;"), kind="csv").one.detail
    assert (twice.start, twice.end - twice.start) == (
        datetime(2026, 10, 25, 0, 30, tzinfo=UTC),
        timedelta(minutes=90),
    )
    late = read("patient;start;end_time\nP-1;2027-03-28 02:30;02:45\n", kind="csv").one.detail
    assert late.end >= late.start


def test_without_id_the_identity_is_patient_practitioner_start() -> None:
    head = "patient;date;heure;praticien;lieu"
    rows = ("P-1;08/09/2026;14:30;A;x", "P-1;08/09/2026;14:30;B;x", "P-1;2026-09-08;14:30:00;A;x")
    told = read(table(*rows, head=head), kind="csv")
    assert [a.stable for a in told.appointments] == [False, False]
    assert len({a.detail.source for a in told.appointments}) == 2
    other = read(table("P-1;08/09/2026;14:30;A;ailleurs", head=head), kind="csv").one
    assert other.detail.source == told.appointments[0].detail.source


def test_one_identity_twice_is_in_doubt_where_the_content_differs() -> None:
    """Rule 4 of bot.agenda.table."""
    told = read(table(ROW, ROW, ROW.replace("14:30", "15:30")), kind="csv")
    assert len(told.appointments) == 1
    assert told.fault == ("line 4", "id")
    assert read(table(ROW.replace("R-1", "")), kind="csv").fault == ("line 2", "id")


def test_titles_blank_lines_repeated_headings_and_mixed_line_ends() -> None:
    rows = [
        "Agenda du cabinet;;;;;;;;;",
        "",
        HEADINGS.upper(),
        ROW,
        ";;;;;;;;;",
        HEADINGS,
        "   ",
        ROW.replace("R-1", "R-2") + ";;",
    ]
    told = read("\r\n".join(rows[:4]) + "\r" + "\n".join(rows[4:]), kind="csv")
    assert [a.where for a in told.appointments] == ["line 4", "line 8"]
    assert not told.refusals
    assert [u.where for u in told.unmatched] == ["line 5"]


@pytest.mark.parametrize(
    ("row", "field"),
    [
        ("R-2;P-2;08/09/2026;14:30", "line"),
        (ROW.replace("R-1", "R-2") + ";x", "line"),
        ('R-2;P-2;08/09/2026;14:30;;;"Salle;;;', "line"),
        ('R-2;P-2;08/09/2026;14:30;;;12" x;;;', "line"),
        ('R-2;P-2;08/09/2026;14:30;;;"a"b;;;', "line"),
        ("R-2;P\x00-2;08/09/2026;14:30;;;;;;", "line"),
        ("R-2;P-2;08/09/2026;14:30;;;" + "x" * 201 + ";;;", "place"),
        ("R-2;P-2;08/09/2026;14:30;;;" + "x" * 70_000 + ";;;", "line"),
        ("R-2;" + "P" * 101 + ";08/09/2026;14:30;;;;;;", "patient"),
    ],
)
def test_a_bad_line_is_located_and_does_not_stop_the_next(row: str, field: str) -> None:
    told = read(table(ROW, row, ROW.replace("R-1", "R-3")), kind="csv")
    assert [a.detail.source for a in told.appointments] == ["R-1", "R-3"]
    assert told.fault == ("line 3", field)
    assert "P-2" not in repr(told.refusals)


def test_quoted_fields_run_over_lines() -> None:
    row = 'R-1;P-1;08/09/2026;14:30;;;"Salle ""A"";1";"À jeun\r\nCarte";;'
    told = read(table(row, ROW.replace("R-1", "R-2")), kind="csv")
    assert [a.where for a in told.appointments] == ["line 2", "line 4"]
    detail = told.appointments[0].detail
    assert (detail.place, detail.note) == ('Salle "A";1', "À jeun\nCarte")


def test_without_a_patient_a_line_is_nobodys() -> None:
    told = read(table("R-9;;pas de date;;;;;;;annulé"), kind="csv")
    (unmatched,) = told.unmatched
    assert (unmatched.where, unmatched.source, unmatched.status) == ("line 2", "R-9", Status.CANCELLED)
    assert not told.refusals


@pytest.mark.parametrize("head", ["nom;date;heure", "patient;date", "patient", "a,b,c", "x" * 100])
def test_missing_headings_are_an_error_of_the_file(head: str) -> None:
    with pytest.raises(AgendaError, match="heading") as caught:
        read(table("a;b;c", head=head), kind="csv")
    assert caught.value.mend
