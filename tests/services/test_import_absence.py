"""Absence, moves without an id, series: rules 4, 5 and 7 of :mod:`bot.services.import_agenda`."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from bot.domain.appointment import Appointment, Status, Unmatched
from bot.domain.records import ReminderKind
from bot.errors import Refused, WrongUse
from tests.services.kit import NOW, PIN, REFUSED, Practice, at, entry, numbers

SEPTEMBER = ("2026-09-01", "2026-09-30")
OFF = "CANCELLED by the practice"


def month(number: int) -> list[Appointment]:
    """Appointments of different patients, so that none is a move of another."""
    return [entry(f"u-{n}", f"2026-09-{2 + n % 28:02} 10:00", patient=f"P-{n % 3}") for n in range(number)]


@pytest.fixture
def known(practice: Practice) -> Practice:
    practice.invite("P-0", "P-1", "P-2")
    return practice


def booked(practice: Practice) -> int:
    return sum(a.status is Status.BOOKED for n in range(3) for a in practice.appointments(f"P-{n}"))


def test_absence_without_a_range_cancels_nothing(known: Practice) -> None:
    known.take(*month(10))
    assert numbers(known.take(month(10)[0])) == {"unchanged": 1}
    assert booked(known) == 10


def test_absence_cancels_inside_the_range_alone(anywhere: Practice) -> None:
    anywhere.invite("P-1")
    anywhere.take(
        entry("in-1", "2026-09-10 00:00"),
        entry("in-2", "2026-09-12 23:59"),
        entry("before", "2026-09-09 23:59"),
        entry("after", "2026-09-13 00:00"),
    )
    counts = anywhere.take(entry("other", patient="P-9"), within=("2026-09-10", "2026-09-12"))
    assert numbers(counts) == {"unmatched": 1, "cancelled": 2}
    states = {name: anywhere.stored(name).status for name in ("in-1", "in-2", "before", "after")}
    assert [n for n, s in states.items() if s is Status.BOOKED] == ["before", "after"]


@pytest.mark.parametrize(
    ("of", "gone", "stops"),
    [
        (10, 5, False),  # five are not more than five
        (10, 6, True),
        (30, 6, False),  # a fifth is not more than a fifth
        (29, 6, True),
        (35, 7, False),
        (34, 7, True),
        (6, 6, True),
    ],
)
def test_failure_21_more_than_five_and_a_fifth_stops_before_anything_is_written(
    known: Practice, of: int, gone: int, stops: bool
) -> None:
    entries = month(of)
    known.take(*entries)
    left = [*entries[gone:], entry("new", "2026-09-20 11:00", patient="P-0")]
    before = known.everything()
    if not stops:
        assert known.take(*left, within=SEPTEMBER).cancelled == gone
        return
    for dry_run in (True, False):
        with pytest.raises(Refused) as stopped:
            known.take(*left, within=SEPTEMBER, dry_run=dry_run)
        assert f"{gone} of the {of}" in str(stopped.value)
        assert f"--accept-cancellations {gone}" in stopped.value.mend
    with pytest.raises(Refused):
        known.take(*left, within=SEPTEMBER, accept=gone - 1)
    assert known.everything() == before
    assert known.take(*left, within=SEPTEMBER, accept=gone).cancelled == gone


def test_failure_21_never_after_a_file_with_entries_that_cannot_be_read(known: Practice) -> None:
    entries = month(10)
    known.take(*entries)
    before = known.everything()
    with pytest.raises(Refused, match="cannot be read"):
        known.take(*entries[1:], REFUSED, within=SEPTEMBER, accept=100)
    assert known.everything() == before
    assert numbers(known.take(*entries, REFUSED, within=SEPTEMBER)) == {"unchanged": 10, "refused": 1}


def test_what_is_over_or_entered_by_hand_is_not_absent(known: Practice) -> None:
    known.take(
        entry("over", "2026-09-02 10:00", patient="P-0"), entry("to-come", "2026-09-20 10:00", patient="P-0")
    )
    known.take(entry("hand:1", "2026-09-21 10:00", patient="P-0"), by_hand=True)
    known.clock.forward(days=3)
    assert numbers(known.take(within=SEPTEMBER)) == {"cancelled": 1}
    assert known.stored("hand:1").status is known.stored("over").status is Status.BOOKED


def test_a_cancelled_or_nameless_entry_is_not_absent(known: Practice) -> None:
    known.take(*month(2))
    counts = known.take(
        replace(month(2)[0], status=Status.CANCELLED),
        Unmatched(where="line 2", source="u-1"),
        within=SEPTEMBER,
    )
    assert numbers(counts) == {"cancelled": 2, "unmatched": 1}


def test_cancelled_by_absence_comes_back(known: Practice) -> None:
    known.take(*month(3))
    known.take(*month(3)[1:], within=SEPTEMBER)
    assert numbers(known.take(*month(3), within=SEPTEMBER)) == {"changed": 1, "unchanged": 2}
    assert booked(known) == 3


async def test_absence_is_told_to_the_patient(practice: Practice) -> None:
    anna = await practice.enrolled()
    practice.take(entry(start="2026-09-02 15:00"))
    practice.take(within=SEPTEMBER)
    assert [r.kind for r in practice.reminders(anna.recipient.id)] == [ReminderKind.CHANGE]
    assert await practice.send_nudges() == 1
    assert OFF in await anna.read(PIN)


@pytest.mark.parametrize(
    ("first", "last"), [("2026-9-1", "2026-09-30"), ("2026-09-30", "2026-09-01"), ("x", "y")]
)
def test_a_range_that_is_none(known: Practice, first: str, last: str) -> None:
    with pytest.raises(WrongUse):
        known.take(within=(first, last))


# -- rule 5 ---------------------------------------------------------------------------------------------------------


def unnamed(start: str, **values: str) -> Appointment:
    return entry(start=start, stable=False, **values)  # type: ignore[arg-type]  # texts only


async def test_one_vanished_and_one_new_of_a_pair_is_a_move(practice: Practice) -> None:
    anna = await practice.enrolled()
    practice.take(unnamed("2026-09-10 10:00"), unnamed("2026-09-11 10:00", practitioner="Dr Autre"))
    (old,) = [a for a in practice.appointments() if a.past_after == at("2026-09-11 00:00")]
    counts = practice.take(
        unnamed("2026-09-14 09:00"), unnamed("2026-09-11 10:00", practitioner="Dr Autre"), within=SEPTEMBER
    )
    assert numbers(counts) == {"moved": 1, "unchanged": 1}
    (new,) = [a for a in practice.appointments() if a.id == old.id]
    assert (new.revision, new.time_revision, new.status) == (2, 2, Status.BOOKED)
    text = await anna.read(PIN)
    assert "14 September 2026 at 09:00" in text
    assert "10 September" not in text
    again = practice.take(
        unnamed("2026-09-14 09:00"), unnamed("2026-09-11 10:00", practitioner="Dr Autre"), within=SEPTEMBER
    )
    assert numbers(again) == {"unchanged": 2}


def test_two_vanished_and_one_new_are_no_move(practice: Practice) -> None:
    practice.invite("P-1")
    practice.take(unnamed("2026-09-10 10:00"), unnamed("2026-09-11 10:00"))
    counts = practice.take(unnamed("2026-09-14 09:00"), within=SEPTEMBER)
    assert numbers(counts) == {"new": 1, "cancelled": 2}


def test_a_move_does_not_count_as_cancelled_for_the_bound(known: Practice) -> None:
    known.invite(*(f"P-{n}" for n in range(10)))
    old = [unnamed("2026-09-10 10:00", patient=f"P-{n}") for n in range(10)]
    known.take(*old)
    counts = known.take(*(unnamed("2026-09-11 10:00", patient=f"P-{n}") for n in range(10)), within=SEPTEMBER)
    assert numbers(counts) == {"moved": 10}


@pytest.mark.parametrize(
    "new",
    [
        entry(start="2026-08-30 10:00", stable=False),  # over
        entry(start="2026-09-14 09:00", stable=False, status=Status.CANCELLED),
        entry("own-id", "2026-09-14 09:00"),
        entry(start="2026-09-14 09:00", stable=False, practitioner="Dr Autre"),
    ],
)
def test_what_is_no_move_leaves_the_vanished_one_cancelled(practice: Practice, new: Appointment) -> None:
    practice.invite("P-1")
    practice.take(unnamed("2026-09-10 10:00"))
    practice.take(new, within=SEPTEMBER)
    (old,) = [a for a in practice.appointments() if a.past_after == at("2026-09-11 00:00")]
    assert old.status is Status.CANCELLED


# -- rule 7 ---------------------------------------------------------------------------------------------------------


def series(*days: int, uid: str = "s") -> list[Appointment]:
    return [replace(entry(f"{uid}/{d}", f"2026-09-{d:02} 10:00"), series=uid) for d in days]


def test_what_is_in_its_series_no_more_is_cancelled(practice: Practice) -> None:
    practice.invite("P-1")
    practice.take(*series(3, 10, 17, 24), entry("single"))
    assert numbers(practice.take(*series(3, 17, 24))) == {"unchanged": 3, "cancelled": 1}
    assert practice.stored("s/10").status is Status.CANCELLED
    assert practice.stored("single").status is Status.BOOKED
    assert numbers(practice.take(*series(3, 17, 24))) == {"unchanged": 3}
    assert numbers(practice.take(*series(3, 10, 17, 24))) == {"unchanged": 3, "changed": 1}


def test_a_series_that_became_one_visit_or_nobodys(practice: Practice) -> None:
    practice.invite("P-1")
    practice.take(*series(3, 10))
    one = replace(entry("s", "2026-09-20 10:00"), series="s")
    assert numbers(practice.take(one)) == {"new": 1, "cancelled": 2}
    assert numbers(practice.take(Unmatched(where="line 1", series="s"))) == {"unmatched": 1, "cancelled": 1}


def test_a_series_is_not_judged_after_a_file_with_faults_nor_by_exceptions_alone(practice: Practice) -> None:
    practice.invite("P-1")
    practice.take(*series(3, 10))
    assert numbers(practice.take(*series(3), REFUSED)) == {"unchanged": 1, "refused": 1}
    assert numbers(practice.take(replace(series(3)[0], series=""))) == {"unchanged": 1}


def test_what_the_reader_did_not_expand_is_not_missing(practice: Practice) -> None:
    practice.invite("P-1")
    practice.take(*series(3, 10, 29))
    until = at("2026-09-20 00:00")
    assert numbers(practice.take(*series(3), expanded_until=until)) == {"unchanged": 1, "cancelled": 1}
    assert practice.stored("s/29").status is Status.BOOKED


def test_a_visit_of_today_that_is_over_is_not_missing(practice: Practice) -> None:
    practice.invite("P-1")
    today = replace(entry("s/1", NOW + timedelta(hours=1)), series="s")
    practice.take(today, *series(10))
    practice.clock.forward(hours=3)
    assert numbers(practice.take(today, *series(10))) == {"past": 1, "unchanged": 1}
    assert practice.stored("s/1").status is Status.BOOKED


def test_failure_21_a_series_cut_short_by_an_export_cancels_nothing(practice: Practice) -> None:
    practice.invite("P-1")
    practice.take(*series(*range(2, 28)))
    counts = practice.take(*series(2, 3))
    assert numbers(counts) == {"unchanged": 2, "refused": 1}
    assert "24 known appointments" in counts.refused[0].why
    assert numbers(practice.take(*series(2, 3), accept=24)) == {"unchanged": 2, "cancelled": 24}
