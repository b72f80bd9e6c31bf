"""What is on, and who has to be telephoned; pausing. Rules of :mod:`bot.services.look_at_days` and ``pause_nudges``."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from bot.domain.appointment import Status
from bot.domain.records import AnswerKind, OutboxState, ProblemKind
from bot.errors import Refused
from bot.services.judge_reach import Why
from bot.services.look_at_days import LookAtDays, Visit
from bot.services.pause_nudges import PauseNudges
from tests.services.kit import PIN, Practice, at, entry

TENTH = date(2026, 9, 10)
EVE = at("2026-09-09 18:00")


def on(practice: Practice, day: date = TENTH) -> list[Visit]:
    look = LookAtDays(practice.home.uow, practice.sealer, rules=practice.rules)
    return list(look(day, day, now=practice.now))


def unreached(practice: Practice) -> dict[str, Why | None]:
    look = LookAtDays(practice.home.uow, practice.sealer, rules=practice.rules)
    return {v.patient: v.to_call for v in look.unreached(now=practice.now)}


async def test_from_booked_to_answered(anywhere: Practice) -> None:
    anna = await anywhere.enrolled()
    anywhere.take(entry(), entry("other", "2026-09-11 10:00"))
    (visit,) = on(anywhere)
    assert (visit.patient, visit.nudged, visit.opened, visit.answer, visit.to_call) == (
        *("P-1", False, False, None),
        None,
    )
    anywhere.clock.moment = EVE
    await anywhere.send_nudges()
    (visit,) = on(anywhere)
    assert (visit.nudged, visit.opened, visit.to_call) == (True, False, Why.SILENT)
    assert unreached(anywhere) == {"P-1": Why.SILENT}
    anywhere.clock.forward(minutes=3)
    await anna.say(PIN)
    (visit,) = on(anywhere)
    assert (visit.nudged, visit.opened, visit.to_call) == (True, True, None)
    for word, kind in (("confirm 1", AnswerKind.CONFIRMED), ("move 1 plus tard", AnswerKind.MOVE)):
        await anna.say(word)
        assert on(anywhere)[0].answer is kind
    anywhere.take(entry(start="2026-09-10 11:00", sequence=1))
    (visit,) = on(anywhere)
    assert (visit.opened, visit.answer) == (False, None), "it stands otherwise now"


async def test_a_cancelled_visit_is_listed_and_nobody_is_called(practice: Practice) -> None:
    await practice.enrolled()
    practice.take(entry())
    practice.execute("UPDATE appointment SET status = 'cancelled'")
    (visit,) = on(practice)
    assert (visit.cancelled, visit.to_call) == (True, None)


async def test_rule_3_a_cancellation_that_no_nudge_can_tell_is_to_be_telephoned(practice: Practice) -> None:
    anna = await practice.enrolled()
    practice.take(entry())
    practice.execute("UPDATE appointment SET status = 'cancelled'")
    for text in ("leave", "yes"):
        await anna.say(text)
    (visit,) = on(practice)
    assert (visit.cancelled, visit.to_call) == (True, Why.NOBODY)


@pytest.mark.parametrize("move", [True, False])
async def test_rule_3_news_that_nobody_opened_are_to_be_telephoned_once_told_twice(
    practice: Practice, *, move: bool
) -> None:
    anna = await practice.enrolled()
    practice.take(entry(start="2026-09-05 10:00"))
    practice.take(
        entry(start="2026-09-05 11:00") if move else entry(start="2026-09-05 10:00", status=Status.CANCELLED)
    )
    look = LookAtDays(practice.home.uow, practice.sealer, rules=replace(practice.rules, days_before=(4,)))
    told = []
    for moment in ("2026-09-01 18:00", "2026-09-02 17:59", "2026-09-02 18:00"):
        practice.clock.moment = at(moment)
        await practice.send_nudges()
        told.append([v.to_call for v in look.unreached(now=practice.now)])
    assert told == [[], [], [Why.SILENT]]
    await anna.read(PIN)
    assert look.unreached(now=practice.now) == []


async def test_the_old_answer_of_a_moved_visit_does_not_count(practice: Practice) -> None:
    anna = await practice.enrolled()
    practice.take(entry())
    await anna.say(PIN)
    await anna.say("confirm")
    practice.execute("UPDATE appointment SET time_revision = 2, change = 2")
    assert on(practice)[0].answer is None


async def test_rule_1_who_was_heard_of_since_the_nudge_is_reached(anywhere: Practice) -> None:
    """A read receipt tells it; one from before the nudge does not."""
    anna = await anywhere.enrolled()
    anywhere.take(entry())
    anywhere.clock.moment = EVE
    await anywhere.send_nudges()
    who = anna.recipient.id
    with anywhere.home.uow() as uow:
        uow.recipients.note_seen(who, at("2026-09-09 17:59"))
        uow.commit()
    assert unreached(anywhere) == {"P-1": Why.SILENT}
    with anywhere.home.uow() as uow:
        uow.recipients.note_seen(who, at("2026-09-09 18:02"))
        uow.recipients.note_seen(who, at("2026-09-09 12:00"))
        uow.commit()
    assert unreached(anywhere) == {}


async def test_rule_2_before_the_last_slot_nobody_is_called(practice: Practice) -> None:
    await practice.enrolled()
    practice.take(entry())
    practice.clock.moment = at("2026-09-09 17:59")
    assert unreached(practice) == {}
    practice.clock.moment = EVE
    assert unreached(practice) == {"P-1": Why.SILENT}


async def test_rule_2_who_cannot_be_reached_is_called_before(practice: Practice) -> None:
    anna = await practice.enrolled("P-1")
    practice.invite("P-2")
    practice.take(entry(), entry("b", patient="P-2"))
    practice.execute('UPDATE room SET "left" = :yes WHERE id = :id', yes=True, id=anna.room.id)
    practice.clock.moment = at("2026-09-09 09:00")
    assert unreached(practice) == {"P-1": Why.DEAD, "P-2": Why.NOBODY}


async def test_rule_2_a_booking_too_late_for_a_nudge(practice: Practice) -> None:
    await practice.enrolled()
    practice.clock.moment = at("2026-09-10 08:00")
    practice.take(entry())
    assert unreached(practice) == {"P-1": Why.TOO_LATE}


# -- pausing --------------------------------------------------------------------------------------------------------


async def test_while_all_are_paused_nothing_is_claimed(anywhere: Practice) -> None:
    await anywhere.enrolled()
    anywhere.take(entry(), entry("b", "2026-09-12 10:00"))
    pauses = PauseNudges(anywhere.home.uow, anywhere.home.settings.nudge_rules())
    assert pauses.pause(anywhere.now)
    assert not pauses.pause(anywhere.now)
    anywhere.clock.moment = EVE
    assert await anywhere.send_nudges() == 0
    assert len(anywhere.nudge_rows(OutboxState.QUEUED)) == 2
    assert pauses.state().everybody
    assert pauses.resume(anywhere.now)
    assert await anywhere.send_nudges() == 1
    assert len(anywhere.channel.of("nudge")) == 1
    assert not pauses.resume(anywhere.now)
    assert [k for k in anywhere.audited() if k in ("paused", "resumed")] == ["paused", "resumed"]


async def test_failure_04_what_came_too_late_during_a_pause_is_reported(practice: Practice) -> None:
    await practice.enrolled()
    practice.take(entry())
    pauses = PauseNudges(practice.home.uow, practice.home.settings.nudge_rules())
    pauses.pause(practice.now)
    practice.clock.moment = at("2026-09-10 09:00")
    await practice.send_nudges()
    assert practice.problems() == []
    pauses.resume(practice.now)
    await practice.send_nudges()
    assert practice.problems() == [ProblemKind.TOO_LATE]


async def test_one_recipients_pause_drops_and_going_on_wants_again(anywhere: Practice) -> None:
    anna = await anywhere.enrolled("P-1", name="anna")
    ben = await anywhere.enrolled("P-2", name="ben")
    anywhere.take(
        *(entry(f"{p}{d}", f"2026-09-{d} 10:00", patient=p) for p in ("P-1", "P-2") for d in (10, 11))
    )
    pauses = PauseNudges(anywhere.home.uow, anywhere.home.settings.nudge_rules())
    assert pauses.pause_one("P-1", anywhere.now) == 1
    assert pauses.state().patients == ("P-1",)
    anywhere.clock.moment = EVE
    await anywhere.send_nudges()
    assert [s.to.user for s in anywhere.channel.of("nudge")] == [ben.room.user]
    assert anywhere.problems() == []
    assert pauses.resume_one(anna.recipient.id, anywhere.now) == 1
    assert pauses.state().patients == ()
    anywhere.clock.moment = at("2026-09-10 18:00")
    await anywhere.send_nudges()
    assert anna.room.user in [s.to.user for s in anywhere.channel.of("nudge")]
    with pytest.raises(Refused):
        pauses.pause_one("P-9", anywhere.now)
    anywhere.patient("P-3")
    with pytest.raises(Refused, match="nobody"):
        pauses.pause_one("P-3", anywhere.now)


async def test_failure_14_news_that_a_pause_holds_back_become_a_line(practice: Practice) -> None:
    await practice.enrolled()
    practice.take(entry())
    PauseNudges(practice.home.uow, practice.home.settings.nudge_rules()).pause_one("P-1", practice.now)
    practice.take(entry(start="2026-09-11 10:00", sequence=1))
    practice.clock.moment = at("2026-09-01 18:00")
    await practice.send_nudges()
    assert practice.channel.of("nudge") == []
    assert practice.problems() == [ProblemKind.PAUSED]


async def test_a_pause_outlives_the_patients_own_commands(practice: Practice) -> None:
    anna = await practice.enrolled()
    practice.take(entry())
    PauseNudges(practice.home.uow, practice.home.settings.nudge_rules()).pause_one("P-1", practice.now)
    await anna.say("stop")
    await anna.say("start")
    assert PauseNudges(practice.home.uow, practice.home.settings.nudge_rules()).state().patients == ("P-1",)
