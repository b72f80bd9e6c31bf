"""A dropped agenda file; the rules by number are those of :mod:`bot.services.hold_agenda`."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest

from bot.domain.appointment import ImportCounts, Status
from bot.domain.staff import MemberId, StaffFile
from bot.domain.values import DateRange
from bot.errors import Refused
from bot.services.hold_agenda import KEPT, HoldAgenda, judge_file
from tests.services.kit import Practice, entry, numbers

ANNE, BEN = MemberId("m-anne"), MemberId("m-ben")


def file(name: str = "agenda.ics", data: bytes = b"1", kind: str = "text/calendar") -> StaffFile:
    return StaffFile(name=name, media_type=kind, data=data)


@dataclass
class Desk:
    """A file says how many entries it has; they go through the real import."""

    practice: Practice
    held: HoldAgenda = field(default_factory=HoldAgenda)

    def _take(self, file: StaffFile, *, dry_run: bool, accept: int, within: DateRange | None) -> ImportCounts:
        entries = [
            entry(f"u-{n}", f"2026-09-{10 + n % 20} 10:00", patient="P-1") for n in range(int(file.data))
        ]
        days = (within.first, within.last) if within else None
        return self.practice.take(*entries, dry_run=dry_run, accept=accept, within=days)

    def look(self, member: MemberId, dropped: StaffFile) -> dict[str, int]:
        found = self.held.look(member, dropped, self._take, most=1000, now=self.practice.now)
        assert isinstance(found, ImportCounts)
        return numbers(found)

    def apply(self, member: MemberId) -> dict[str, int]:
        found = self.held.apply(member, self._take, now=self.practice.now)
        assert isinstance(found, ImportCounts)
        return numbers(found)

    def waiting(self, member: MemberId, now: datetime | None = None) -> tuple[bytes, dict[str, int]]:
        found = self.held.held(member, now=now or self.practice.now)
        assert isinstance(found.outcome, ImportCounts)
        return found.file.data, numbers(found.outcome)


@pytest.mark.parametrize(
    ("name", "kind", "size"),
    [
        ("agenda.exe", "text/calendar", 10),
        ("agenda", "text/calendar", 10),
        ("agenda.ics", "application/pdf", 10),
        ("agenda.ics", "image/png", 10),
        ("agenda.ics", "text/calendar", 0),
        ("agenda.ics", "text/calendar", -1),
        ("agenda.ics", "text/calendar", 101),
    ],
)
def test_rule_1_size_and_kind_come_first(name: str, kind: str, size: int) -> None:
    with pytest.raises(Refused):
        judge_file(name, kind, size, most=100)


def test_rule_1_what_programs_call_an_agenda() -> None:
    for name in ("a.ics", "A.CSV", "b.txt"):
        for kind in ("text/calendar; charset=utf-8", "TEXT/CSV", "application/vnd.ms-excel", ""):
            judge_file(name, kind, 100, most=100)


def test_looking_writes_nothing_and_applying_imports_exactly_that(anywhere: Practice) -> None:
    anywhere.invite("P-1")
    desk = Desk(anywhere)
    before = anywhere.everything()
    assert desk.look(ANNE, file(data=b"3")) == {"new": 3}
    assert anywhere.everything() == before
    assert desk.apply(ANNE) == {"new": 3}
    assert len(anywhere.appointments()) == 3
    with pytest.raises(Refused, match="no file"):
        desk.apply(ANNE)


def test_rule_1_a_file_that_is_refused_takes_the_one_before_with_it(practice: Practice) -> None:
    """Else "apply" would import another file than the one that was dropped last."""
    practice.invite("P-1")
    desk = Desk(practice)
    desk.look(ANNE, file(data=b"3"))
    with pytest.raises(Refused):
        desk.look(ANNE, file(name="photo.png"))
    with pytest.raises(Refused, match="no file"):
        desk.apply(ANNE)


def test_rule_2_one_a_member_for_an_hour(practice: Practice) -> None:
    practice.invite("P-1")
    desk = Desk(practice)
    desk.look(ANNE, file(data=b"1"))
    with pytest.raises(Refused, match="no file"):
        desk.apply(BEN)
    desk.look(ANNE, file(data=b"2"))
    almost = practice.now + KEPT - timedelta(seconds=1)
    assert desk.waiting(ANNE, almost) == (b"2", {"new": 2})
    with pytest.raises(Refused, match="no file"):
        desk.waiting(ANNE, practice.now + KEPT)
    assert not desk.held.drop(ANNE)


def test_drop_forgets(practice: Practice) -> None:
    practice.invite("P-1")
    desk = Desk(practice)
    desk.look(ANNE, file())
    assert desk.held.drop(ANNE)
    with pytest.raises(Refused, match="no file"):
        desk.apply(ANNE)
    assert practice.appointments() == []


def test_rule_3_a_look_that_is_no_longer_true_is_made_again(practice: Practice) -> None:
    practice.invite("P-1")
    desk = Desk(practice)
    desk.look(ANNE, file(data=b"12"))
    practice.take(*(entry(f"u-{n}", f"2026-09-{10 + n % 20} 10:00", patient="P-1") for n in range(6)))
    with pytest.raises(Refused, match="changed since"):
        desk.apply(ANNE)
    assert len(practice.appointments()) == 6
    assert desk.waiting(ANNE)[1] == {"new": 6, "unchanged": 6}
    assert desk.apply(ANNE) == {"new": 6, "unchanged": 6}


async def test_a_file_that_is_complete_for_some_days_cancels_what_is_absent(practice: Practice) -> None:
    desk = Desk(practice)
    await practice.enrolled()
    practice.take(*(entry(f"u-{n}", f"2026-09-{10 + n} 10:00") for n in range(3)))
    assert desk.look(ANNE, file(data=b"2")) == {"unchanged": 2}
    days = DateRange(first="2026-09-10", last="2026-09-12")
    found = desk.held.look_within(ANNE, desk._take, days, now=practice.now)
    assert isinstance(found, ImportCounts)
    assert numbers(found) == {"unchanged": 2, "cancelled": 1}
    assert [row.status for row in practice.appointments()] == [Status.BOOKED] * 3, "looked at only"
    assert desk.apply(ANNE) == {"unchanged": 2, "cancelled": 1}
    assert Status.CANCELLED in {row.status for row in practice.appointments()}


async def test_rule_4_a_range_has_the_limits_of_the_command_line(practice: Practice) -> None:
    desk = Desk(practice)
    await practice.enrolled()
    practice.take(*(entry(f"u-{n}", f"2026-09-{10 + n} 10:00") for n in range(9)))
    desk.look(ANNE, file(data=b"1"))
    days = DateRange(first="2026-09-10", last="2026-09-20")
    found = desk.held.look_within(ANNE, desk._take, days, now=practice.now)
    assert isinstance(found, ImportCounts)
    assert found.cancelled == 8, "all that would be cancelled is shown"
    with pytest.raises(Refused, match="would cancel 8 of the 9"):
        desk.apply(ANNE)
    assert all(row.status is Status.BOOKED for row in practice.appointments())
    done = desk.held.apply(ANNE, desk._take, accept=8, now=practice.now)
    assert isinstance(done, ImportCounts)
    assert done.cancelled == 8


async def test_days_need_a_file_that_waits(practice: Practice) -> None:
    desk = Desk(practice)
    with pytest.raises(Refused, match="no file"):
        desk.held.look_within(
            ANNE, desk._take, DateRange(first="2026-09-10", last="2026-09-20"), now=practice.now
        )
