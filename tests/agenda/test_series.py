"""Series, their exceptions, and rules that must not be expanded."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest
from dateutil.rrule import rrulestr  # type: ignore[import-untyped]  # the library ships no types
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from bot.agenda.fault import Fault
from bot.agenda.rules import check_rule, parse_rule
from bot.domain.appointment import Status
from config.agenda_settings import AgendaSettings
from tests.agenda.helpers import NOW, calendar, event, read

START = "DTSTART;TZID=Europe/Paris:20260908T143000"
WEEKLY = "RRULE:FREQ=WEEKLY;COUNT=4"


def test_failure_03_a_series_expands_once() -> None:
    """Each instance has one identity, the same in every export, and stands there once."""
    text = calendar(event(START, WEEKLY), event(START, WEEKLY))
    told = read(text)
    sources = [a.detail.source for a in told.appointments]
    assert sources == [f"u-1/202609{day}T123000Z" for day in ("08", "15", "22", "29")]
    later = read(text, now=NOW + timedelta(days=5))
    assert [a.detail.source for a in later.appointments] == sources


def test_a_moved_instance_keeps_its_identity_and_replaces_the_old_time() -> None:
    moved = event(
        "RECURRENCE-ID;TZID=Europe/Paris:20260915T143000",
        "DTSTART;TZID=Europe/Paris:20260917T090000",
        "SEQUENCE:3",
        "LOCATION:ailleurs",
    )
    for parts in ((event(START, WEEKLY), moved), (moved, event(START, WEEKLY))):
        told = read(calendar(*parts))
        assert [s[:10] for s in told.starts] == ["2026-09-08", "2026-09-17", "2026-09-22", "2026-09-29"]
        (one,) = (a for a in told.appointments if a.detail.start.day == 17)
        assert (one.detail.source, one.sequence, one.detail.place) == ("u-1/20260915T123000Z", 3, "ailleurs")


@pytest.mark.parametrize(
    "original",
    [
        "RECURRENCE-ID:20260915T123000Z",
        "RECURRENCE-ID:20260915T143000",
        "RECURRENCE-ID;TZID=Romance Standard Time:20260915T143000",
        "RECURRENCE-ID;TZID=America/New_York:20260915T083000",
        "RECURRENCE-ID;VALUE=DATE:20260915",
    ],
)
def test_the_original_start_may_be_written_in_any_zone(original: str) -> None:
    told = read(calendar(event(START, WEEKLY), event(original, "DTSTART:20260917T090000")))
    assert [s[8:10] for s in told.starts] == ["08", "17", "22", "29"]
    assert "u-1/20260915T123000Z" in {a.detail.source for a in told.appointments}


def test_an_instance_taken_out_is_told_as_cancelled() -> None:
    """Rule 4 of bot.agenda.ics_series: whoever knew it must hear of it."""
    cases = {
        "EXDATE;TZID=Europe/Paris:20260915T143000": (),
        "EXDATE:20260101T000000Z,20260915T123000Z": (),
        "EXDATE;VALUE=DATE:20260915": (),
        "COMMENT:a cancelled exception": (
            event("RECURRENCE-ID:20260915T123000Z", START.replace("0908", "0915"), "STATUS:CANCELLED"),
        ),
        "COMMENT:an exception without a patient": (
            event("RECURRENCE-ID:20260915T123000Z", START.replace("0908", "0915"), patient=""),
        ),
    }
    for line, more in cases.items():
        told = read(calendar(event(START, WEEKLY, line), *more))
        status = {a.detail.start.day: a.status for a in told.appointments}
        assert status == {8: "booked", 15: "cancelled", 22: "booked", 29: "booked"}, line


def test_an_exception_that_cannot_be_read_hides_its_instance() -> None:
    """Rule 5 of bot.agenda.ics_series: better none than the old time."""
    broken = event("RECURRENCE-ID:20260915T123000Z", "DTSTART:jeudi")
    told = read(calendar(event(START, WEEKLY), broken))
    assert [s[8:10] for s in told.starts] == ["08", "22", "29"]
    assert told.fault == ("line 9", "DTSTART")


def test_this_and_future_moves_what_follows() -> None:
    later = event(
        "RECURRENCE-ID;RANGE=THISANDFUTURE;TZID=Europe/Paris:20260922T143000",
        "DTSTART;TZID=Europe/Paris:20260923T160000",
        "DURATION:PT20M",
        "LOCATION:ailleurs",
    )
    told = read(calendar(event(START, WEEKLY), later))
    assert [s[8:16] for s in told.starts] == ["08T14:30", "15T14:30", "23T16:00", "30T16:00"]
    last = max(told.appointments, key=lambda a: a.detail.start)
    assert last.detail.source == "u-1/20260929T123000Z"
    assert last.detail.place == "ailleurs"
    assert last.detail.end - last.detail.start == timedelta(minutes=20)


def test_an_exception_without_its_series_is_an_instance_of_it() -> None:
    alone = event("RECURRENCE-ID:20260915T123000Z", "DTSTART:20260917T090000")
    assert read(calendar(alone)).one.detail.source == "u-1/20260915T123000Z"


def test_dates_are_added_and_whole_days_repeat() -> None:
    more = "RDATE;TZID=Europe/Paris:20260910T143000,20260911T150000/PT30M,20260912T160000/20260912T163000"
    told = read(calendar(event(START, "DURATION:PT30M", more)))
    assert [s[8:16] for s in told.starts] == ["08T14:30", "10T14:30", "11T15:00", "12T16:00"]
    days = read(calendar(event("DTSTART;VALUE=DATE:20260908", "RRULE:FREQ=DAILY;UNTIL=20260910")))
    assert [a.detail.source for a in days.appointments] == [f"u-1/202609{d}" for d in ("08", "09", "10")]
    assert all(a.detail.all_day for a in days.appointments)


@pytest.mark.parametrize(
    ("until", "last"),
    [
        ("20260922T123000Z", 22),
        ("20260922T122959Z", 15),
        ("20260922T143000", 22),
        ("20260922", 22),
        ("20260921", 15),
    ],
)
def test_the_end_of_a_series_is_included(until: str, last: int) -> None:
    told = read(calendar(event(START, f"RRULE:FREQ=WEEKLY;UNTIL={until}")))
    assert max(a.detail.start.day for a in told.appointments) == last


def test_an_endless_series_ends_at_the_horizon_and_begins_a_month_ago() -> None:
    """Rule 6 of bot.agenda.ics_series."""
    text = calendar(event("DTSTART;TZID=Europe/Paris:20200107T143000", "RRULE:FREQ=WEEKLY"))
    starts = [a.detail.start for a in read(text, AgendaSettings(horizon_days=60)).appointments]
    assert len(starts) == 13
    assert NOW - timedelta(days=31) <= min(starts)
    assert max(starts) <= NOW + timedelta(days=60)


def test_the_window_is_kept_to_the_hour() -> None:
    """NOW is 10:00 in Paris: 31 days before, at nine, is out; ten days after, at eleven, is out."""
    text = calendar(
        event("DTSTART;TZID=Europe/Paris:20260701T090000", "RRULE:FREQ=DAILY"),
        event("DTSTART;TZID=Europe/Paris:20260701T110000", "RRULE:FREQ=DAILY", uid="u-2"),
    )
    starts = read(text, AgendaSettings(horizon_days=10)).starts
    assert starts[0][:16] == "2026-08-01T11:00"
    assert starts[-1][:16] == "2026-09-11T09:00"


def test_the_parts_that_calendar_programs_write() -> None:
    cases = {
        "FREQ=DAILY;INTERVAL=2;COUNT=3": ["08", "10", "12"],
        "FREQ=WEEKLY;BYDAY=TU, TH;COUNT=3;WKST=SU": ["08", "10", "15"],
        "FREQ=WEEKLY;INTERVAL=2;BYDAY=TU;COUNT=2": ["08", "22"],
        "freq=monthly;byday=2tu;count=2": ["08", "13"],
        "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=6;COUNT=2": [],
        "FREQ=MONTHLY;BYDAY=TU;BYSETPOS=2;COUNT=2;": ["08", "13"],
        "FREQ=MONTHLY;BYMONTHDAY=8;COUNT=2": ["08", "08"],
        "FREQ=YEARLY;BYMONTH=9;BYDAY=2TU;COUNT=2": ["08", "14"],
        "FREQ=DAILY;BYHOUR=9,14;BYMINUTE=30;COUNT=3": ["08", "09", "09"],
    }
    for rule, days in cases.items():
        told = read(calendar(event(START, f"RRULE:{rule}")))
        assert [s[8:10] for s in told.starts] == days, rule
        assert bool(told.refusals) == (not days)


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=SECONDLY",
        "FREQ=MINUTELY;COUNT=5",
        "FREQ=HOURLY",
        "FREQ=DAILY;BYHOUR=0,1,2,3,4",
        "FREQ=DAILY;BYHOUR=1,2,3;BYMINUTE=1,2",
        "FREQ=DAILY;INTERVAL=0",
        "FREQ=DAILY;INTERVAL=7;BYDAY=WE",
        "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=MONTHLY;BYMONTHDAY=31;BYMONTH=2,4",
        "FREQ=MONTHLY;INTERVAL=12;BYMONTH=2",
        "FREQ=MONTHLY;BYDAY=6MO",
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=YEARLY;BYWEEKNO=53",
        "FREQ=YEARLY;BYYEARDAY=366",
        "FREQ=YEARLY;BYEASTER=1",
        "FREQ=DAILY;COUNT=0",
        "FREQ=DAILY;COUNT=999999999999999999999999",
        "FREQ=DAILY;COUNT=2;UNTIL=20270101",
        "FREQ=DAILY;UNTIL=20279999",
        "FREQ=DAILY;RSCALE=HEBREW",
        "FREQ=DAILY;FREQ=DAILY",
        "FREQ",
        "",
    ],
)
def test_hostile_rules_are_refused_and_do_not_stop_the_rest(rule: str) -> None:
    """Rules 1 to 4 of bot.agenda.rules."""
    told = read(calendar(event(START, f"RRULE:{rule}"), event(START, uid="u-2", patient="P-2")))
    assert [a.detail.patient for a in told.appointments] == ["P-2"]
    assert told.fault == ("line 3", "RRULE")


def test_a_series_without_its_rule_still_tells_its_exceptions() -> None:
    moved = event("RECURRENCE-ID:20260915T123000Z", "DTSTART:20260917T090000")
    told = read(calendar(event(START, "RRULE:FREQ=SECONDLY"), moved))
    assert [a.detail.source for a in told.appointments] == ["u-1/20260915T123000Z"]
    assert told.fault == ("line 3", "RRULE")


_NUMBERS = st.lists(st.integers(-32, 60), min_size=1, max_size=3)
_DAYS = st.lists(
    st.builds(
        "{}{}".format,
        st.sampled_from(["", "", "1", "2", "-1", "5", "53", "-5"]),
        st.sampled_from(["MO", "TU", "SU"]),
    ),
    min_size=1,
    max_size=3,
)
_PARTS = st.fixed_dictionaries(
    {"FREQ": st.sampled_from(["DAILY", "WEEKLY", "MONTHLY", "YEARLY"])},
    optional={
        "INTERVAL": st.integers(1, 12),
        "BYMONTH": _NUMBERS,
        "BYMONTHDAY": _NUMBERS,
        "BYDAY": _DAYS,
        "BYSETPOS": st.integers(-6, 6),
        "BYHOUR": st.integers(0, 23),
    },
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(_PARTS, st.datetimes(datetime(2024, 1, 1), datetime(2027, 12, 31)))  # noqa: DTZ001 - a local clock
def test_every_rule_that_is_let_through_matches_again_and_again(
    parts: dict[str, object], start: datetime
) -> None:
    """What :mod:`bot.agenda.rules` promises: the library always finds a next match, without a long search."""
    pieces = {k: ",".join(map(str, v)) if isinstance(v, list) else str(v) for k, v in parts.items()}
    text = ";".join(f"{key}={value}" for key, value in pieces.items())
    try:
        check_rule(parse_rule(text), start=(start.month, start.day), timed=True)
    except Fault:
        assume(False)
    found = list(islice(rrulestr(text, dtstart=start.replace(microsecond=0)), 3))
    assert len(found) == 3
    assert found[-1].year < start.year + 300


def test_statuses_of_instances_are_the_series_own() -> None:
    told = read(calendar(event(START, WEEKLY, "STATUS:CANCELLED")))
    assert {a.status for a in told.appointments} == {Status.CANCELLED}
    assert len(told.appointments) == 4


def test_a_series_that_began_too_long_ago_is_refused() -> None:
    told = read(
        calendar(event("DTSTART:19710101T100000", "RRULE:FREQ=DAILY")), now=datetime(2026, 9, 1, tzinfo=UTC)
    )
    assert told.fault == ("line 3", "DTSTART")
