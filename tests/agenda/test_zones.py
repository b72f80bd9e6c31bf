"""Clock changes and names of zones."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from bot.agenda.zones import DefinedZone, Zones, iana_name
from tests.agenda.helpers import PARIS, calendar, event, read

PARIS_RULES = """\
X-LIC-LOCATION:Europe/Paris
BEGIN:DAYLIGHT
TZOFFSETFROM:+0100
TZOFFSETTO:+0200
DTSTART:16010325T020000
RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3
END:DAYLIGHT
BEGIN:STANDARD
TZOFFSETFROM:+0200
TZOFFSETTO:+0100
DTSTART:16011028T030000
RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10;BYHOUR=3;BYMINUTE=0
END:STANDARD"""


def definition(tzid: str, rules: str = PARIS_RULES) -> str:
    return f"BEGIN:VTIMEZONE\nTZID:{tzid}\n{rules}\nEND:VTIMEZONE\n".replace("\n", "\r\n")


@pytest.mark.parametrize(
    ("zone", "wall", "utc"),
    [
        # spring: what lies in the gap moves forward by the gap
        ("Europe/Paris", "20270328T015900", "2027-03-28T00:59"),
        ("Europe/Paris", "20270328T023000", "2027-03-28T01:30"),
        ("Europe/Paris", "20270328T030000", "2027-03-28T01:00"),
        # autumn: what comes twice is the first
        ("Europe/Paris", "20261025T023000", "2026-10-25T00:30"),
        ("Europe/Paris", "20261025T030000", "2026-10-25T02:00"),
        ("America/New_York", "20270314T023000", "2027-03-14T07:30"),
        ("America/New_York", "20261101T013000", "2026-11-01T05:30"),
        ("Australia/Lord_Howe", "20261004T021500", "2026-10-03T15:45"),  # half an hour
        ("Australia/Lord_Howe", "20270404T014500", "2027-04-03T14:45"),
        ("Pacific/Apia", "20111230T120000", "2011-12-30T22:00"),  # a day that did not exist
        ("Indian/Reunion", "20270328T023000", "2027-03-27T22:30"),  # no change at all
        ("America/St_Johns", "20270314T023000", "2027-03-14T06:00"),
    ],
)
def test_failure_07_clock_changes(zone: str, wall: str, utc: str) -> None:
    """Rule 2 of bot.agenda.zones, for a zone that is named and for the practice's own (floating)."""
    named = read(calendar(event(f"DTSTART;TZID={zone}:{wall}"))).one
    floating = read(calendar(event(f"DTSTART:{wall}")), zone=ZoneInfo(zone)).one
    assert named.detail.start == floating.detail.start == datetime.fromisoformat(utc).replace(tzinfo=UTC)
    assert floating.detail.zone == zone


@pytest.mark.parametrize(
    "zone", ["Europe/Paris", "America/New_York", "Australia/Sydney", "Africa/Casablanca"]
)
def test_failure_07_a_series_keeps_its_hour_over_both_changes(zone: str) -> None:
    text = calendar(
        event(f"DTSTART;TZID={zone}:20260910T091500", "DURATION:PT30M", "RRULE:FREQ=WEEKLY;COUNT=56")
    )
    told = read(text, zone=ZoneInfo(zone))
    starts = [a.detail.start.astimezone(ZoneInfo(zone)) for a in told.appointments]
    assert len(starts) == 56
    assert {(s.hour, s.minute) for s in starts} == {(9, 15)}
    assert len({s.utcoffset() for s in starts}) == 2
    assert all(a.detail.end - a.detail.start == timedelta(minutes=30) for a in told.appointments)


def test_failure_07_a_visit_in_the_gap_keeps_its_length() -> None:
    for end in ("DTEND;TZID=Europe/Paris:20270328T030000", "DURATION:PT30M"):
        detail = read(calendar(event("DTSTART;TZID=Europe/Paris:20270328T023000", end))).one.detail
        assert detail.end - detail.start == timedelta(minutes=30)


def test_failure_07_days_are_days_and_hours_are_hours_over_a_change() -> None:
    start = "DTSTART;TZID=Europe/Paris:20270327T120000"
    assert read(calendar(event(start, "DURATION:P1D"))).one.detail.end.astimezone(PARIS).hour == 12
    assert read(calendar(event(start, "DURATION:PT24H"))).one.detail.end.astimezone(PARIS).hour == 13
    whole = read(calendar(event("DTSTART;VALUE=DATE:20270328"))).one.detail
    assert whole.end - whole.start == timedelta(hours=23)


def test_failure_07_a_visit_over_the_repeated_hour_ends_after_it_starts() -> None:
    for end in ("DTEND;TZID=Europe/Paris:20261025T031000", "DURATION:PT80M"):
        detail = read(calendar(event("DTSTART;TZID=Europe/Paris:20261025T025000", end))).one.detail
        assert detail.end - detail.start == timedelta(minutes=80)
    short = read(calendar(event("DTSTART;TZID=Europe/Paris:20261025T025000", "DURATION:PT20M"))).one.detail
    assert short.end - short.start == timedelta(minutes=20)


@pytest.mark.parametrize(
    ("tzid", "name"),
    [
        ("Europe/Paris", "Europe/Paris"),
        ("europe/paris", "Europe/Paris"),
        ("/example.org/20260101_1/Europe/Paris", "Europe/Paris"),
        ("/freeassociation.example/America/Argentina/Buenos_Aires", "America/Argentina/Buenos_Aires"),
        ("Romance Standard Time", "Europe/Paris"),
        ("W. Europe Standard Time", "Europe/Berlin"),
        ("Eastern Standard Time", "America/New_York"),
        ("../../etc/passwd", None),
        ("Heure du cabinet", None),
        ("", None),
    ],
)
def test_names_of_zones(tzid: str, name: str | None) -> None:
    assert iana_name(tzid) == name


def test_a_windows_name_means_its_zone_whatever_the_file_defines() -> None:
    text = calendar(
        definition("Romance Standard Time"), event("DTSTART;TZID=Romance Standard Time:20260908T143000")
    )
    assert read(text).one.detail.start == datetime(2026, 9, 8, 12, 30, tzinfo=UTC)


def test_an_unknown_zone_is_never_read_as_floating() -> None:
    """Rule 1 of bot.agenda.zones; a definition in one calendar does not reach another, nor the next file."""
    entry = event("DTSTART;TZID=Heure du cabinet:20260908T143000")
    defined = calendar(definition("Heure du cabinet"), entry)
    assert read(defined).one.detail.start == datetime(2026, 9, 8, 12, 30, tzinfo=UTC)
    assert read(calendar(entry)).fault == ("line 3", "TZID")
    both = read(defined + calendar(event("DTSTART;TZID=Heure du cabinet:20260908T143000", uid="u-2")))
    assert len(both.appointments) == 1
    assert [r.field for r in both.refusals] == ["TZID"]


def test_a_definition_may_stand_after_its_use() -> None:
    text = calendar(event("DTSTART;TZID=X:20260908T143000"), definition("X"))
    assert read(text).one.detail.start == datetime(2026, 9, 8, 12, 30, tzinfo=UTC)


def test_failure_07_a_defined_zone_agrees_with_the_named_one_at_every_half_hour_of_both_changes() -> None:
    zones = Zones(PARIS, {"X": PARIS_RULES.split("\n")})
    defined, named = zones.get("X"), zones.practice
    assert isinstance(defined, DefinedZone)
    for day in (datetime(2027, 3, 27), datetime(2026, 10, 24), datetime(2026, 7, 1)):  # noqa: DTZ001 - local clocks
        for half in range(144):
            wall = day + timedelta(minutes=30 * half)
            assert defined.moment(wall) == named.moment(wall), wall
            moment = named.moment(wall)
            assert defined.wall(moment) == named.wall(moment), wall


@pytest.mark.parametrize(
    "rules",
    [
        "",
        "BEGIN:STANDARD\nDTSTART:19700101T000000\nTZOFFSETFROM:+0100\nTZOFFSETTO:+9900\nEND:STANDARD",
        PARIS_RULES.replace("FREQ=YEARLY", "FREQ=SECONDLY"),
        PARIS_RULES.replace("BYDAY=-1SU;BYMONTH=3", "BYMONTH=2;BYMONTHDAY=30"),
        PARIS_RULES.replace("STANDARD", "DAYLIGHT"),
        PARIS_RULES.replace("16010325T020000", "hier"),
        PARIS_RULES + "\n" + "RDATE:" + ",".join(["19700101T000000"] * 2000),
    ],
)
def test_hostile_definitions_are_no_zones(rules: str) -> None:
    told = read(calendar(definition("X", rules), event("DTSTART;TZID=X:20260908T143000")))
    assert not told.appointments
    assert [r.field for r in told.refusals] == ["TZID"]


def test_no_zone_can_make_an_end_come_before_its_start() -> None:
    """A definition that jumps 31 hours ahead: wider than the search for a gap, and still no exception."""
    jump = "BEGIN:{0}\nDTSTART:{1}\nTZOFFSETFROM:-1530\nTZOFFSETTO:{2}\nEND:{0}\n"
    rules = jump.format("STANDARD", "19700101T000000", "-1530") + jump.format(
        "DAYLIGHT", "20260909T000000", "+1530"
    )
    entry = event("DTSTART;TZID=X:20260908T235000", "DTEND;TZID=X:20260910T015000")
    detail = read(calendar(definition("X", rules.strip()), entry)).one.detail
    assert detail.end == detail.start


def test_times_are_told_in_the_practices_zone() -> None:
    """Rule 3 of bot.agenda.zones."""
    for line in ("DTSTART:20260908T123000Z", "DTSTART;TZID=America/Martinique:20260908T083000"):
        detail = read(calendar(event(line))).one.detail
        assert detail.zone == "Europe/Paris"
        assert f"{detail.start.astimezone(ZoneInfo(detail.zone)):%H:%M}" == "14:30"
