"""Single entries of iCalendar."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from bot.domain.appointment import Status
from config.agenda_settings import AgendaSettings
from tests.agenda.helpers import calendar, event, read

START = "DTSTART;TZID=Europe/Paris:20260908T143000"


def test_an_entry_is_read_whole() -> None:
    told = read(
        calendar(
            event(
                START,
                "DTEND;TZID=Europe/Paris:20260908T150000",
                "SEQUENCE:4",
                "DTSTAMP:20260801T000000Z",
                "LAST-MODIFIED:20260815T101500Z",
                'ORGANIZER;CN="Dr Noël; Hélène":mailto:a@cabinet.example',
                "LOCATION:12\\, rue des Tanneurs\\; 2e",
                "X-PLI-NOTE:À jeun.\\nCarte Vitale.",
                "X-PLI-GIVEN-NAME:Zoé",
                "DESCRIPTION:interne",
            )
        )
    )
    one = told.one
    detail = one.detail
    assert (one.sequence, one.modified) == (4, datetime(2026, 8, 15, 10, 15, tzinfo=UTC))
    assert (one.status, one.stable, one.where) == (Status.BOOKED, True, "line 3")
    assert (detail.source, detail.patient, detail.given_name) == ("u-1", "P-1", "Zoé")
    assert detail.start == datetime(2026, 9, 8, 12, 30, tzinfo=UTC)
    assert detail.end - detail.start == timedelta(minutes=30)
    assert (detail.zone, detail.all_day) == ("Europe/Paris", False)
    assert detail.practitioner == "Dr Noël; Hélène"
    assert detail.place == "12, rue des Tanneurs; 2e"
    assert detail.note == "À jeun.\nCarte Vitale."


def test_internal_notes_do_not_reach_patients_unless_the_operator_says_so() -> None:
    text = calendar(event(START, "DESCRIPTION:interne", "COMMENT:interne", "SUMMARY:interne"))
    assert b"interne" not in read(text).one.detail.encode()
    assert read(text, AgendaSettings(note_property="DESCRIPTION")).one.detail.note == "interne"


@pytest.mark.parametrize(
    ("lines", "minutes"),
    [
        (("DURATION:PT45M",), 45),
        (("DURATION:P1DT2H",), 26 * 60),
        (("DTEND:20260908T130000Z",), 30),
        ((), 0),
    ],
)
def test_the_end_has_four_forms(lines: tuple[str, ...], minutes: int) -> None:
    detail = read(calendar(event(START, *lines))).one.detail
    assert detail.end - detail.start == timedelta(minutes=minutes)


@pytest.mark.parametrize(
    ("lines", "days"),
    [
        ((), 1),
        (("DTEND;VALUE=DATE:20260910",), 2),
        (("DTEND;VALUE=DATE:20260908",), 1),
        (("DURATION:P3D",), 3),
    ],
)
def test_a_whole_day_runs_from_local_midnight_to_local_midnight(lines: tuple[str, ...], days: int) -> None:
    detail = read(calendar(event("DTSTART;VALUE=DATE:20260908", *lines))).one.detail
    assert detail.all_day
    assert detail.start == datetime(2026, 9, 7, 22, tzinfo=UTC)
    assert detail.end == detail.start + timedelta(days=days)


@pytest.mark.parametrize(
    ("head", "line", "status"),
    [
        ("", "STATUS:CANCELLED", Status.CANCELLED),
        ("", "STATUS:canceled", Status.CANCELLED),
        ("METHOD:CANCEL\r\n", "SUMMARY:x", Status.CANCELLED),
        ("METHOD:PUBLISH\r\n", "STATUS:CONFIRMED", Status.BOOKED),
        ("METHOD:REQUEST\r\n", "STATUS:TENTATIVE", Status.BOOKED),
    ],
)
def test_status_and_method(head: str, line: str, status: Status) -> None:
    assert read(calendar(event(START, line), head=head)).one.status is status


@pytest.mark.parametrize(
    ("head", "line", "field"),
    [("", "STATUS:ANNULE", "STATUS"), ("METHOD:REPLY\r\n", "SUMMARY:x", "METHOD")],
)
def test_what_might_mean_cancelled_is_refused_not_booked(head: str, line: str, field: str) -> None:
    """Rule 3 of bot.agenda.ics_entry."""
    told = read(calendar(event(START, line), head=head))
    assert not told.appointments
    assert told.fault[1] == field


@pytest.mark.parametrize(
    ("settings", "line", "patient"),
    [
        ({"patient_property": "CATEGORIES"}, "CATEGORIES:P-9", "P-9"),
        ({"patient_property": "attendee"}, "ATTENDEE;CN=x:MAILTO:p9@cabinet.example", "p9@cabinet.example"),
        ({"patient_property": "ATTENDEE;CN"}, 'ATTENDEE;ROLE=CHAIR;CN="P 9":mailto:x', "P 9"),
        ({"patient_property": "SUMMARY", "patient_pattern": r"\[(\w+)\]"}, "SUMMARY:Soin [A12]", "A12"),
        (
            {"patient_property": "SUMMARY", "patient_pattern": r"(n°|no )(?P<ref>\d+)"},
            "SUMMARY:Dossier n°77",
            "77",
        ),
        (
            {"patient_property": "CATEGORIES", "patient_pattern": r"^(P-\d+)$"},
            "CATEGORIES:urgent\\, vu,P-4,P-4",
            "P-4",
        ),
    ],
)
def test_the_patient_comes_from_where_the_operator_says(
    settings: dict[str, str], line: str, patient: str
) -> None:
    text = calendar(event(START, line, patient=""))
    assert read(text, AgendaSettings.model_validate(settings)).one.detail.patient == patient


def test_two_patients_in_one_entry_are_refused() -> None:
    told = read(calendar(event(START, "X-PLI-PATIENT:P-2")))
    assert not told.appointments
    assert told.fault == ("line 3", "X-PLI-PATIENT")


def test_an_entry_without_a_patient_is_nobodys_whatever_else_is_wrong_with_it() -> None:
    told = read(calendar(event("DTSTART:soon", "STATUS:CANCELLED", patient="")))
    assert not told.refusals
    (unmatched,) = told.unmatched
    assert (unmatched.where, unmatched.source, unmatched.status) == ("line 3", "u-1", Status.CANCELLED)


@pytest.mark.parametrize(
    ("line", "field"),
    [
        ("DTSTART:20260230T100000", "DTSTART"),
        ("DTSTART:demain", "DTSTART"),
        ("DTSTART:99990101T100000", "DTSTART"),
        ("DTSTART:٢٠٢٦٠٩٠٨T143000", "DTSTART"),
        (START + "\r\nDTSTART:20260909T100000", "DTSTART"),
        (START + "\r\nDTEND;TZID=Europe/Paris:20260908T140000", "DTEND"),
        (START + "\r\nDURATION:-PT5M", "DURATION"),
        (START + "\r\nDURATION:1h", "DURATION"),
        (START + "\r\nSEQUENCE:-1", "SEQUENCE"),
        (START + "\r\nEXRULE:FREQ=DAILY", "EXRULE"),
        (START + "\r\nRDATE:20260910T100000Z/PT9H", "RDATE"),
        (START + "\r\nLOCATION;=:x", "LOCATION"),
        ("SUMMARY:x", "DTSTART"),
        ("DTSTART;TZID=Mars/Olympus:20260908T143000", "TZID"),
    ],
)
def test_a_bad_entry_is_located_and_does_not_stop_the_next(line: str, field: str) -> None:
    good = event(START, uid="u-2", patient="P-2")
    told = read(calendar(event(line, "X-SECRET:Bernard Montagnier"), good))
    assert [a.detail.patient for a in told.appointments] == ["P-2"]
    assert told.fault == ("line 3", field)


def test_refusals_never_quote_the_entry() -> None:
    """Rule 2 of bot.agenda.fault."""
    for name in ("DTSTART", "DTEND", "DURATION", "SEQUENCE", "RRULE", "EXDATE", "STATUS", "LOCATION", "TZID"):
        line = f"{name}:Montagnier" if name != "LOCATION" else "LOCATION:" + "Montagnier" * 50
        lines = (line,) if name == "DTSTART" else (START, line)
        for refusal in read(calendar(event(*lines))).refusals:
            assert "ontagnier" not in repr(refusal)


def test_texts_are_bounded_cleaned_and_normalised() -> None:
    note = "X-PLI-NOTE:un\\ndeux\u202etrois\u0007\u2028quatre"
    one = read(calendar(event(START, note, "LOCATION:Cafe\u0301\\nrue\u200b\u2066!"))).one
    assert one.detail.note == "un\ndeuxtrois\nquatre"
    assert one.detail.place == "Café rue!"
    assert len(read(calendar(event(START, "X-PLI-NOTE:" + "é" * 600))).one.detail.note) == 600
    for name, limit in (("X-PLI-NOTE", 600), ("LOCATION", 200), ("X-PLI-GIVEN-NAME", 100)):
        assert read(calendar(event(START, f"{name}:" + "x" * (limit + 1)))).fault == ("line 3", name)
    assert read(calendar(event(START, patient="P" * 101))).fault == ("line 3", "X-PLI-PATIENT")
    assert read(calendar(event(START, "LOCATION:a\x00b"))).fault == ("line 3", "LOCATION")


def test_folded_lines_any_line_ends_and_a_byte_order_mark() -> None:
    text = calendar(event(START, "LOC\r\n ATION:Hôpital\r\n  de jour", uid="a" * 60 + "\r\n " + "b" * 60))
    folded = text.replace("LOC\r\n ATION", "LOCATION")
    raw = b"\xef\xbb\xbf" + folded.encode()
    for data in (
        raw,
        raw.replace(b"\r\n", b"\n"),
        raw.replace(b"\r\n", b"\r"),
        raw.replace(b"\r\n", b"\r\r\n"),
    ):
        told = read(data).one
        assert told.detail.place == "Hôpital de jour"
        assert told.detail.source == "a" * 60 + "b" * 60
    accent = calendar(event(START, "LOCATION:Hôpital")).encode().replace(b"\xc3\xb4", b"\xc3\r\n \xb4")
    assert read(accent).one.detail.place == "Hôpital"


def test_what_is_not_utf8_is_refused_only_where_it_is_needed() -> None:
    text = calendar(event(START, "DESCRIPTION:É"), event(START, "LOCATION:É", uid="u-2"))
    told = read(text.encode("cp1252"))
    assert len(told.appointments) == 1
    assert told.fault == ("line 9", "LOCATION")


def test_alarms_inside_an_entry_are_not_the_entry() -> None:
    alarm = "BEGIN:VALARM\r\nUID:other\r\nX-PLI-PATIENT:P-9\r\nDURATION:PT9H\r\nEND:VALARM"
    detail = read(calendar(event(START, alarm))).one.detail
    assert (detail.source, detail.patient, detail.end) == ("u-1", "P-1", detail.start)


def test_an_entry_that_is_not_closed_does_not_swallow_the_next() -> None:
    broken = event(START).replace("END:VEVENT\r\n", "")
    told = read(calendar(broken, event(START, uid="u-2", patient="P-2")))
    assert [a.detail.patient for a in told.appointments] == ["P-2"]
    assert told.fault == ("line 3", "END")
    crossed = event(START, "BEGIN:VALARM", "ACTION:AUDIO")
    assert read(calendar(crossed)).fault == ("line 3", "END")


def test_without_uid_the_identity_is_patient_practitioner_start() -> None:
    other = event("DTSTART:20260908T143000", uid="", patient="P-2")
    told = read(calendar(event(START, uid=""), other))
    assert [a.stable for a in told.appointments] == [False, False]
    assert len({a.detail.source for a in told.appointments}) == 2
    assert read(calendar(event(START, uid=""))).one.detail.source == told.appointments[0].detail.source


def test_of_several_versions_the_newest_counts() -> None:
    """Rule 2 of bot.agenda.ics_series."""
    old = event(START, "SEQUENCE:1")
    new = event("DTSTART;TZID=Europe/Paris:20260909T143000", "SEQUENCE:2")
    for parts in ((old, new), (new, old)):
        assert read(calendar(*parts)).one.detail.start.day == 9
    stamped = event("DTSTART;TZID=Europe/Paris:20260910T143000", "SEQUENCE:2", "DTSTAMP:20260801T000000Z")
    assert read(calendar(stamped, new, old)).one.detail.start.day == 10


def test_two_entries_of_one_uid_and_version_that_differ_are_in_doubt() -> None:
    told = read(calendar(event(START), event(START), event(START, "LOCATION:ailleurs")))
    assert len(told.appointments) == 1
    assert told.fault == ("line 13", "UID")


def test_several_calendars_in_one_file_keep_their_own_method_and_zones() -> None:
    first = calendar(event(START), head="METHOD:CANCEL\r\n")
    second = calendar(event(START, uid="u-2"))
    assert [a.status for a in read(first + second).appointments] == [Status.CANCELLED, Status.BOOKED]
