"""Details, encoded and decoded; what is read of an agenda."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from bot.domain.appointment import Appointment, Detail, ImportCounts, Status, Unmatched
from bot.errors import WrongUse

PARIS = ZoneInfo("Europe/Paris")
FULL = Detail(
    source="u-1",
    patient="P-1001",
    start=datetime(2026, 9, 8, 14, 30, tzinfo=PARIS),
    end=datetime(2026, 9, 8, 15, 0, tzinfo=PARIS),
    zone="Europe/Paris",
    all_day=True,
    practitioner="Dr Hélène Noël",
    place="12 rue des Tanneurs",
    note="à jeun",
    given_name="Odette",
)
ENCODED = (
    '{"all_day":true,"end":"2026-09-08T13:00:00+00:00","given_name":"Odette","note":"à jeun","patient":"P-1001",'
    '"place":"12 rue des Tanneurs","practitioner":"Dr Hélène Noël","source":"u-1","start":"2026-09-08T12:30:00+00:00",'
    '"zone":"Europe/Paris"}'
).encode()
ROW = json.loads(ENCODED)


def test_the_bytes_are_these_and_no_others() -> None:
    """What was sealed before is read later, and equal details have equal digests."""
    assert FULL.encode() == ENCODED
    assert Detail.decode(ENCODED) == FULL
    assert replace(FULL, start=FULL.start.astimezone(timezone(timedelta(hours=9)))).encode() == ENCODED


def test_what_is_not_said_is_empty() -> None:
    made = Detail(source="u", patient="p", start=FULL.start, end=FULL.start, zone="UTC")
    assert (made.all_day, made.practitioner, made.place, made.note, made.given_name) == (
        False,
        "",
        "",
        "",
        "",
    )
    assert Detail.decode(made.encode()) == made


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"null",
        b"5",
        b"\xff",
        b"{}",
        b"[" * 200_000,
        json.dumps({**ROW, "more": ""}).encode(),
        json.dumps({k: v for k, v in ROW.items() if k != "all_day"}).encode(),
        json.dumps({k: v for k, v in ROW.items() if k != "zone"}).encode(),
        json.dumps({k: v for k, v in ROW.items() if k != "end"}).encode(),
        json.dumps({**ROW, "all_day": 1}).encode(),
        json.dumps({**ROW, "all_day": "true"}).encode(),
        json.dumps({**ROW, "note": None}).encode(),
        json.dumps({**ROW, "note": "\ud800"}).encode(),
        json.dumps({**ROW, "start": 5}).encode(),
        json.dumps({**ROW, "start": "tomorrow"}).encode(),
        json.dumps({**ROW, "start": "2026-09-08T12:30:00"}).encode(),
        json.dumps({**ROW, "start": "2027-09-08T12:30:00+00:00"}).encode(),
        json.dumps({**ROW, "start": "0001-01-01T00:00:00+23:59"}).encode(),
    ],
)
def test_anything_else_is_a_value_error(data: bytes) -> None:
    """One error, so that an envelope with odd details is reported and the others are told."""
    with pytest.raises(ValueError, match="details"):
        Detail.decode(data)


def test_an_appointment_ends_no_earlier_than_it_starts_by_the_sun() -> None:
    """In the night in which clocks go back the wall shows the end before the start."""
    start = datetime(2026, 10, 25, 2, 45, tzinfo=PARIS)
    end = datetime(2026, 10, 25, 2, 15, tzinfo=PARIS, fold=1)
    assert replace(FULL, start=start, end=end).end == end
    for wrong in (start - timedelta(minutes=1), end.replace(fold=0)):
        with pytest.raises(WrongUse):
            replace(FULL, start=start, end=wrong)


def test_times_have_a_zone() -> None:
    naive = datetime(2026, 9, 8, 14, 30)  # noqa: DTZ001 - that it is refused is the point
    with pytest.raises(WrongUse, match=r"^start "):
        replace(FULL, start=naive)
    with pytest.raises(WrongUse, match=r"^end "):
        replace(FULL, end=naive)


def test_what_an_agenda_says_by_saying_nothing() -> None:
    made = Appointment(detail=FULL)
    assert (made.status, made.sequence, made.modified, made.stable) == (Status.BOOKED, 0, None, True)
    assert (made.where, made.series) == ("", "")
    nobody = Unmatched(where="line 3")
    assert (nobody.where, nobody.source, nobody.status, nobody.series) == ("line 3", "", Status.BOOKED, "")


def test_nothing_of_it_shows_in_a_repr() -> None:
    shown = (repr(FULL), repr(Appointment(detail=FULL)), repr(Unmatched(where="line 3", source="u-1")))
    assert shown == ("Detail(…)", "Appointment(…)", "Unmatched(…)")


def test_an_import_begins_with_nothing() -> None:
    made = ImportCounts()
    assert (made.new, made.changed, made.moved, made.cancelled) == (0, 0, 0, 0)
    assert (made.unchanged, made.past, made.unmatched, made.refused) == (0, 0, 0, ())


def test_everything_is_in_utc_when_read_again() -> None:
    assert Detail.decode(ENCODED).start.utcoffset() == timedelta(0)
    assert Detail.decode(ENCODED).start.astimezone(UTC) == FULL.start
