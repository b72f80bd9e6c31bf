"""Absences and single cancellations; the rules by number are those of :mod:`bot.services.cancel_absence`."""

from __future__ import annotations

from datetime import date

import pytest

from bot.domain.appointment import Status
from bot.domain.human_dates import Days, Half
from bot.domain.records import OutboxState, ProblemKind, ReminderKind
from bot.domain.values import AppointmentId
from bot.errors import ChannelError, Refused
from bot.services.cancel_absence import Absence, CancelAbsence, Cancelled, spellings
from bot.services.cancel_one import CancelOne
from bot.services.find_appointments import booked_on, in_half
from bot.services.judge_reach import Why
from bot.services.pause_nudges import PauseNudges
from tests.services.kit import PARIS, Practice, at, entry

TENTH = date(2026, 9, 10)


def absent(
    practice: Practice,
    name: str = "Dr Noël",
    first: str = "2026-09-10",
    last: str = "",
    half: Half | None = None,
    *,
    dry_run: bool = False,
) -> Cancelled:
    days = Days(first=date.fromisoformat(first), last=date.fromisoformat(last or first), half=half)
    service = CancelAbsence(practice.home.uow, practice.sealer, rules=practice.rules)
    return service([Absence(practitioner=name, days=days)], now=practice.now, dry_run=dry_run)


def booked(practice: Practice, *references: str) -> list[bool]:
    return [
        row.status is Status.BOOKED for reference in references for row in practice.appointments(reference)
    ]


async def test_the_practitioners_visits_of_these_days_alone(anywhere: Practice) -> None:
    for name, reference in (("anna", "P-1"), ("ben", "P-2"), ("cleo", "P-3"), ("dora", "P-4")):
        await anywhere.enrolled(reference, name=name)
    anywhere.take(
        entry("a", "2026-09-10 10:00", patient="P-1"),
        entry("b", "2026-09-11 09:00", patient="P-2"),
        entry("c", "2026-09-10 10:00", patient="P-3", practitioner="Dr Petit"),
        entry("d", "2026-09-12 10:00", patient="P-4"),
    )
    found = absent(anywhere, last="2026-09-11")
    assert found.cancelled == (("P-1", TENTH), ("P-2", date(2026, 9, 11)))
    assert found.to_call == ()
    assert found.others == 1
    assert booked(anywhere, "P-1", "P-2", "P-3", "P-4") == [False, False, True, True]
    assert anywhere.audited()[-1] == "cancelled"
    assert absent(anywhere, last="2026-09-11").cancelled == (), "once"


async def test_rule_3_it_is_told_at_once(practice: Practice) -> None:
    anna = await practice.enrolled()
    practice.take(entry())
    practice.clock.moment = at("2026-09-09 09:00")
    absent(practice)
    await practice.send_nudges()
    assert [s.to.user for s in practice.channel.of("nudge")] == [anna.room.user]
    (reminder,) = practice.reminders(anna.recipient.id)
    assert reminder.kind is ReminderKind.CHANGE


async def test_a_visit_that_was_moved_matches_where_it_is_now(anywhere: Practice) -> None:
    await anywhere.enrolled()
    anywhere.take(entry("a", "2026-09-10 10:00", practitioner="Dr Petit"))
    anywhere.take(entry("a", "2026-09-14 15:00", practitioner="Dr Noël", sequence=1))
    assert absent(anywhere).cancelled == ()
    assert absent(anywhere, "Dr Petit", "2026-09-14").cancelled == ()
    assert absent(anywhere, first="2026-09-14").cancelled == (("P-1", date(2026, 9, 14)),)


async def test_one_entered_by_hand_and_one_without_an_id_match_too(practice: Practice) -> None:
    await practice.enrolled()
    practice.take(entry("hand:1"), by_hand=True)
    practice.take(entry(start="2026-09-10 16:00", stable=False))
    assert len(absent(practice).cancelled) == 2


async def test_a_dry_run_writes_nothing(practice: Practice) -> None:
    await practice.enrolled()
    practice.take(entry())
    before = practice.everything()
    assert len(absent(practice, dry_run=True).cancelled) == 1
    assert practice.everything() == before


@pytest.mark.parametrize("half", ["morning", "afternoon"])
async def test_half_a_day_by_the_digest_of_the_hour(anywhere: Practice, half: Half) -> None:
    for name, reference in (("anna", "P-1"), ("ben", "P-2"), ("cleo", "P-3")):
        await anywhere.enrolled(reference, name=name)
    anywhere.take(
        entry("a", "2026-09-10 11:55", patient="P-1"),
        entry("b", "2026-09-10 12:00", patient="P-2"),
        entry("c", "2026-09-10 10:00", patient="P-3", minutes=17),
    )
    found = absent(anywhere, half=half)
    assert found.cancelled == (("P-1" if half == "morning" else "P-2", TENTH),)
    assert found.undecided == (("P-3", TENTH),), "an unusual length is not guessed: named, and left alone"
    assert booked(anywhere, "P-3") == [True]


@pytest.mark.parametrize("day", ["2026-10-25", "2027-03-28"])
async def test_halves_of_the_days_on_which_clocks_change(practice: Practice, day: str) -> None:
    await practice.enrolled()
    practice.take(entry("a", f"{day} 11:30"), entry("b", f"{day} 12:30"), entry("c", f"{day} 00:30"))
    with practice.home.uow() as uow:
        rows = booked_on(uow, practice.sealer, [date.fromisoformat(day)], now=practice.now)
    morning, unknown = in_half(practice.sealer, rows, date.fromisoformat(day), "morning", PARIS)
    assert {r.id for r in morning} == {practice.stored("a").id, practice.stored("c").id}
    assert unknown == []


def test_rule_2_titles_in_their_usual_forms() -> None:
    assert {"Dr Noël", "Docteur Noël", "Dr. Noël", "Noël"} <= spellings("dr  Noël")
    assert {"Pr Noël", "Professeur Noël"} <= spellings("Professeur Noël")
    assert not {"Dr Noël"} & spellings("Pr Noël")
    assert {"Dr NOËL", "Dr Noël", "NOEL", "DR NOËL"} <= spellings("dr noël")
    assert "LABORATOIRE" in spellings("Laboratoire")
    assert "Dr Noel" not in spellings("dr noël"), "small letters keep their accents"


async def test_rule_2_another_spelling_matches_nothing_and_shows(practice: Practice) -> None:
    await practice.enrolled()
    practice.take(entry())
    found = absent(practice, "Dr Noel")
    assert (found.cancelled, found.others) == ((), 1)
    assert absent(practice, "Docteur Noël").cancelled == (("P-1", TENTH),)


# -- rule 4 ---------------------------------------------------------------------------------------------------------


async def why(practice: Practice) -> Why | None:
    found = absent(practice)
    assert len(found.cancelled) == 1
    return found.to_call[0].why if found.to_call else None


async def test_rule_4_nobody_is_enrolled(anywhere: Practice) -> None:
    anywhere.invite("P-1")
    anywhere.take(entry())
    assert await why(anywhere) is Why.NOBODY


async def test_rule_4_a_dead_channel_until_they_are_heard_of(anywhere: Practice) -> None:
    anna = await anywhere.enrolled()
    anywhere.take(entry(), entry("b", "2026-09-11 10:00"))
    anywhere.clock.moment = at("2026-09-09 18:00")
    anywhere.channel.fault = lambda kind, _to: (
        ChannelError("gone", permanent=True) if kind == "nudge" else None
    )
    await anywhere.send_nudges()
    assert anywhere.problems() == [ProblemKind.SEND_FAILED]
    assert await why(anywhere) is Why.DEAD
    anywhere.channel.fault = lambda _kind, _to: None
    anywhere.clock.forward(minutes=5)
    await anna.read("493817")
    assert absent(anywhere, first="2026-09-11").to_call == ()


async def test_rule_4_a_room_that_they_left(practice: Practice) -> None:
    anna = await practice.enrolled()
    practice.take(entry())
    practice.execute('UPDATE room SET "left" = :yes WHERE id = :id', yes=True, id=anna.room.id)
    assert await why(practice) is Why.DEAD


async def test_rule_4_somebody_else_who_is_told_is_enough(practice: Practice) -> None:
    anna = await practice.enrolled("P-1", name="anna")
    await practice.enrolled("P-1", name="ben")
    practice.take(entry())
    practice.execute('UPDATE room SET "left" = :yes WHERE id = :id', yes=True, id=anna.room.id)
    assert await why(practice) is None


async def test_rule_4_paused_and_stopped(practice: Practice) -> None:
    anna = await practice.enrolled()
    practice.take(entry(), entry("b", "2026-09-11 10:00"))
    PauseNudges(practice.home.uow, practice.home.settings.nudge_rules()).pause_one(
        anna.recipient.id, practice.now
    )
    assert await why(practice) is Why.PAUSED
    PauseNudges(practice.home.uow, practice.home.settings.nudge_rules()).resume_one("P-1", practice.now)
    practice.execute("UPDATE recipient SET changes_on = :no", no=False)
    assert absent(practice, first="2026-09-11").to_call[0].why is Why.STOPPED


async def test_rule_4_enrolled_since_the_import(practice: Practice) -> None:
    practice.patient("P-1")
    practice.take(entry())
    await practice.enrolled("P-1")
    assert await why(practice) is Why.NOTHING_TO_READ


@pytest.mark.parametrize(("now", "late"), [("2026-09-09 21:00", True), ("2026-09-09 19:00", False)])
async def test_rule_4_quiet_hours_that_may_end_too_late(practice: Practice, now: str, late: bool) -> None:
    await practice.enrolled()
    practice.take(entry(start="2026-09-10 08:15"))
    practice.clock.moment = at(now)
    assert await why(practice) is (Why.TOO_LATE if late else None)


async def test_patients_who_are_past_are_left_alone(practice: Practice) -> None:
    await practice.enrolled()
    practice.take(entry())
    practice.clock.moment = at("2026-09-11 00:00")
    assert absent(practice).cancelled == ()


# -- one ------------------------------------------------------------------------------------------------------------


def one(practice: Practice) -> CancelOne:
    return CancelOne(practice.home.uow, rules=practice.rules)


async def test_one_by_patient_day_and_hour(anywhere: Practice) -> None:
    await anywhere.enrolled()
    anywhere.take(entry("a", "2026-09-10 10:00", minutes=17), entry("b", "2026-09-10 15:00"))
    by_time = one(anywhere).by_time
    with pytest.raises(Refused, match="several"):
        by_time(anywhere.sealer, "P-1", TENTH, None, now=anywhere.now)
    with pytest.raises(Refused, match="at that hour"):
        by_time(anywhere.sealer, "P-1", TENTH, at("2026-09-10 10:15"), now=anywhere.now)
    with pytest.raises(Refused, match="on that day"):
        by_time(anywhere.sealer, "P-1", date(2026, 9, 11), None, now=anywhere.now)
    with pytest.raises(Refused, match="no patient"):
        by_time(anywhere.sealer, "P-9", TENTH, None, now=anywhere.now)
    found, call = by_time(anywhere.sealer, "P-1", TENTH, at("2026-09-10 10:00"), now=anywhere.now)
    assert (found, call) == (anywhere.stored("a").id, None)
    assert anywhere.stored("a").status is Status.CANCELLED
    assert anywhere.stored("b").status is Status.BOOKED
    by_time(anywhere.sealer, "P-1", TENTH, None, now=anywhere.now)
    assert anywhere.stored("b").status is Status.CANCELLED


async def test_one_by_its_id(practice: Practice) -> None:
    practice.invite("P-1")
    practice.take(entry())
    assert one(practice).by_id(practice.stored().id, now=practice.now) is Why.NOBODY
    with pytest.raises(Refused, match="already"):
        one(practice).by_id(practice.stored().id, now=practice.now)
    with pytest.raises(Refused, match="no appointment"):
        one(practice).by_id(AppointmentId("a-none"), now=practice.now)
    assert practice.nudge_rows(OutboxState.QUEUED) == []


async def test_rule_5_a_name_that_is_almost_right_is_offered(practice: Practice) -> None:
    await practice.enrolled()
    practice.take(entry("a", "2026-09-10 10:00"), entry("b", "2026-09-10 11:00", practitioner="Dr Petit"))
    for typed in ("Dr Noel", "Dr Nöël", "Noêl", "Dr Nolë", "Dr Noëll", "Dr Nol", "Dr Nil"):
        found = absent(practice, typed, dry_run=True)
        assert found.cancelled == ()
        assert found.near == (() if typed == "Dr Nil" else ("Dr Noël",)), typed
    assert absent(practice, "Dr Petot", dry_run=True).near == ("Dr Petit",)
    assert absent(practice, "Dr Martin", dry_run=True).near == ()
    assert absent(practice, "Dr Noël", dry_run=True).near == (), "it is there"
    assert absent(practice, "Dr Noel", "2026-09-11", dry_run=True).near == (), "not on these days"
