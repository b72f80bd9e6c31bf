"""What an import plans: reminders, news, one nudge a recipient and slot."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from bot.domain.appointment import Status
from bot.domain.choices import Level, Wishes
from bot.domain.records import OutboxKind, OutboxState, ProblemKind, ReminderKind
from bot.services.plan_nudges import plan_decoys, plan_nudges
from config.nudge_settings import Kind, Nudges
from tests.services.kit import DAY, NOW, PIN, Practice, at, entry

EVE = at("2026-09-09 18:00")


async def test_one_nudge_on_the_eve(anywhere: Practice) -> None:
    await anywhere.enrolled()
    anywhere.take(entry())
    (row,) = anywhere.nudge_rows()
    assert (row.slot, row.due, row.useful_until) == (EVE, EVE, at("2026-09-10 00:00"))
    assert row.template == row.room == ""
    assert row.params == {}


async def test_failure_03_one_nudge_a_recipient_and_slot_however_many_appointments(
    anywhere: Practice,
) -> None:
    await anywhere.enrolled()
    entries = [entry(f"u-{n}", f"2026-09-10 {9 + n % 8:02}:{n % 60:02}") for n in range(136)]
    for _ in range(3):
        anywhere.take(*entries)
    assert len(anywhere.nudge_rows()) == 1
    anywhere.clock.moment = EVE
    assert await anywhere.send_nudges() == 1
    anywhere.take(*entries)
    anywhere.clock.forward(hours=1)
    assert await anywhere.send_nudges() == 0
    assert len(anywhere.channel.of("nudge")) == 1


async def test_failure_03_a_series_gives_one_nudge_a_week(practice: Practice) -> None:
    await practice.enrolled()
    weeks = [entry(f"s/{n}", NOW + timedelta(days=7 * n + 1)) for n in range(1, 20)]
    for _ in range(2):
        practice.take(*weeks)
    assert len(practice.nudge_rows()) == 19


async def test_what_was_imported_before_the_opt_in_is_planned_at_the_opt_in(practice: Practice) -> None:
    invited = practice.invite()
    practice.take(entry())
    assert practice.nudge_rows() == []
    await practice.person().enrol(invited)
    assert [r.slot for r in practice.nudge_rows()] == [EVE]


@pytest.mark.parametrize("status", Status)
async def test_urgent_news_leave_at_once(practice: Practice, status: Status) -> None:
    await practice.enrolled()
    practice.take(entry(start="2026-09-02 15:00"))
    practice.take(entry(start="2026-09-02 16:00", status=status, sequence=1))
    assert await practice.send_nudges() == 1
    assert len(practice.channel.of("nudge")) == 1


async def test_news_of_later_wait_for_the_slot(practice: Practice) -> None:
    await practice.enrolled()
    practice.take(entry(start="2026-09-20 15:00"))
    practice.take(entry(start="2026-09-21 15:00"))
    assert await practice.send_nudges() == 0
    assert [r.slot for r in practice.nudge_rows()] == [
        at("2026-09-01 18:00"),
        at("2026-09-02 18:00"),  # once more, where the first was not opened
        at("2026-09-20 18:00"),
    ]
    practice.clock.moment = at("2026-09-01 18:00")
    assert await practice.send_nudges() == 1


async def test_failure_18_urgent_news_in_quiet_hours(practice: Practice) -> None:
    await practice.enrolled()
    practice.take(entry(start="2026-09-02 15:00"))
    practice.clock.moment = at("2026-09-01 22:30")
    practice.take(entry(start="2026-09-02 15:00", status=Status.CANCELLED))
    for hour in range(9):
        assert await practice.send_nudges() == 0, hour
        practice.clock.forward(hours=1)
    practice.clock.moment = at("2026-09-02 08:00")
    await practice.send_nudges()
    assert len(practice.channel.of("nudge")) == 1


async def test_failure_04_news_that_quiet_hours_make_too_late_are_reported(practice: Practice) -> None:
    await practice.enrolled()
    practice.invite("P-1")  # who is not enrolled is not reported
    practice.take(entry(start="2026-09-02 07:30"))
    practice.clock.moment = at("2026-09-01 22:30")
    practice.take(entry(start="2026-09-02 07:30", status=Status.CANCELLED))
    assert practice.problems() == [ProblemKind.TOO_LATE]


async def test_another_note_changes_no_nudge(practice: Practice) -> None:
    """Neither the reminder that waits, drawn among several slots, nor the news that wait."""
    practice.nudges = Nudges(level=Level.PLAIN, slots=("09:00", "13:00", "18:00"))
    practice.__post_init__()
    anna = await practice.enrolled()
    practice.take(entry(start="2026-09-20 15:00"))
    practice.take(entry(start="2026-09-21 15:00"))
    before = practice.reminders(anna.recipient.id)
    assert [r.kind for r in before] == [ReminderKind.CHANGE, ReminderKind.CHANGE, ReminderKind.REMIND]
    for note in ("a", "b", "c"):
        practice.take(entry(start="2026-09-21 15:00", note=note))
    assert practice.reminders(anna.recipient.id) == before
    practice.clock.moment = at("2026-09-01 18:00")
    assert await practice.send_nudges() == 1


async def test_a_cancellation_ends_the_reminders(practice: Practice) -> None:
    anna = await practice.enrolled()
    practice.take(entry())
    practice.take(entry(status=Status.CANCELLED))
    assert {r.kind for r in practice.reminders(anna.recipient.id)} == {ReminderKind.CHANGE}


async def test_the_same_cancellation_again_is_not_told_again(practice: Practice) -> None:
    anna = await practice.enrolled()
    practice.take(entry(start="2026-09-02 15:00"))
    for sequence in range(1, 4):
        practice.take(
            entry(start="2026-09-02 15:00", status=Status.CANCELLED, sequence=sequence, note=str(sequence))
        )
        practice.clock.forward(minutes=10)
        await practice.send_nudges()
    assert len(practice.channel.of("nudge")) == 1
    assert len(practice.reminders(anna.recipient.id)) == 1


async def test_a_cancellation_in_waiting_survives_a_second_cancelled_entry(practice: Practice) -> None:
    anna = await practice.enrolled()
    practice.take(entry(start="2026-09-20 15:00"))
    practice.take(entry(start="2026-09-20 15:00", status=Status.CANCELLED))
    practice.take(entry(start="2026-09-20 15:00", status=Status.CANCELLED, note="x"))
    assert [r.kind for r in practice.reminders(anna.recipient.id)] == [ReminderKind.CHANGE] * 2
    practice.clock.moment = at("2026-09-01 18:00")
    assert await practice.send_nudges() == 1


async def test_what_was_read_already_is_not_nudged(practice: Practice) -> None:
    anna = await practice.enrolled()
    practice.take(entry(start="2026-09-20 15:00"))
    practice.take(entry(start="2026-09-21 15:00"))
    await anna.read(PIN)
    practice.clock.moment = at("2026-09-01 18:00")
    await practice.send_nudges()
    assert practice.channel.of("nudge") == []


async def test_failure_14_stop_ends_reminders_and_not_news(practice: Practice) -> None:
    anna = await practice.enrolled()
    practice.take(entry(start="2026-09-03 15:00"))
    assert await anna.say("stop") == ["reply.stopped"]
    practice.clock.moment = at("2026-09-02 18:00")
    await practice.send_nudges()
    assert practice.channel.of("nudge") == []
    practice.take(entry(start="2026-09-03 15:00", status=Status.CANCELLED))
    await practice.send_nudges()
    assert len(practice.channel.of("nudge")) == 1


async def test_failure_11_start_after_stop_plans_again(practice: Practice) -> None:
    anna = await practice.enrolled()
    await anna.say("stop")
    practice.take(entry())
    assert practice.nudge_rows() == []
    assert await anna.say("start") == ["reply.started"]
    assert [r.slot for r in practice.nudge_rows(OutboxState.QUEUED)] == [EVE]


async def test_failure_11_the_nudge_of_the_eve_stays_after_confirming(practice: Practice) -> None:
    anna = await practice.enrolled()
    practice.take(entry())
    await anna.say(PIN)
    await anna.say("confirm")
    practice.clock.moment = EVE
    await practice.send_nudges()
    assert len(practice.channel.of("nudge")) == 1


async def test_a_patients_cancellation_ends_the_nudges_and_keep_brings_them_back(practice: Practice) -> None:
    """For everyone who is told of it, though the agenda still says booked."""
    anna = await practice.enrolled("P-1", name="anna")
    ben = await practice.enrolled("P-1", name="ben")
    practice.take(entry())
    await anna.say(PIN)
    assert await anna.say("cancel") == ["release"]
    assert await anna.say("yes") == ["release"]
    assert practice.nudge_rows() == []
    practice.clock.moment = EVE - DAY
    await practice.send_nudges()
    assert practice.channel.of("nudge") == []
    await anna.say(PIN)
    await anna.say("keep 1")
    practice.clock.moment = EVE
    await practice.send_nudges()
    assert {s.to.user for s in practice.channel.of("nudge")} == {anna.room.user, ben.room.user}


async def test_no_outbox_row_of_an_import_holds_anything_of_the_agenda(practice: Practice) -> None:
    await practice.enrolled()
    practice.take(entry(practitioner="Dr Canari", place="Canariville", note="canarium"))
    rows = repr(practice.everything()["outbox"]) + repr(practice.outbox(OutboxKind.NUDGE))
    assert "anari" not in rows
    assert "10:00" not in repr(practice.nudge_rows())


async def test_rule_4_news_that_were_not_opened_are_told_once_more_and_no_more(practice: Practice) -> None:
    await practice.enrolled()
    practice.take(entry(start="2026-09-20 15:00"))
    practice.take(entry(start="2026-09-20 15:00", status=Status.CANCELLED))
    sent = []
    for day in range(1, 6):
        practice.clock.moment = at(f"2026-09-0{day} 18:00")
        sent.append(await practice.send_nudges())
    assert sent == [1, 1, 0, 0, 0]


async def test_rule_4_news_that_were_opened_are_not_told_again(practice: Practice) -> None:
    anna = await practice.enrolled()
    practice.take(entry(start="2026-09-20 15:00"))
    practice.take(entry(start="2026-09-20 15:00", status=Status.CANCELLED))
    practice.clock.moment = at("2026-09-01 18:00")
    await practice.send_nudges()
    await anna.read(PIN)
    practice.clock.moment = at("2026-09-02 18:00")
    await practice.send_nudges()
    assert len(practice.channel.of("nudge")) == 1


async def test_what_is_limited_to_one_recipient_nudges_nobody_else(practice: Practice) -> None:
    anna = await practice.enrolled("P-1", name="anna")
    ben = await practice.enrolled("P-1", name="ben")
    practice.take(entry(), only=anna.recipient.id)
    assert len(practice.reminders(anna.recipient.id)) == 1
    assert practice.reminders(ben.recipient.id) == []


async def test_failure_11_confirming_ends_the_requests_to_confirm(practice: Practice) -> None:
    """And the last nudge stays."""
    practice.nudges = Nudges(level=Level.PLAIN, days_before=(7, 4, 1))
    practice.__post_init__()
    anna = await practice.enrolled()
    practice.take(entry(start="2026-09-20 15:00"))
    assert len(practice.nudge_rows()) == 3
    await anna.say(PIN)
    await anna.say("confirm")
    assert [r.slot for r in practice.nudge_rows()] == [at("2026-09-19 18:00")]


async def test_other_rules_plan_what_waits_anew_and_repeat_nothing(practice: Practice) -> None:
    anna = await practice.enrolled()
    practice.take(entry(start="2026-09-20 15:00"))
    practice.clock.moment = at("2026-09-19 18:00")
    assert await practice.send_nudges() == 1
    practice.nudges = Nudges(level=Level.PLAIN, days_before=(3, 1, 0), slots=("09:00", "18:00"))
    practice.__post_init__()
    who = anna.recipient.id
    with practice.uow() as uow:
        plan_nudges(uow, [who], practice.now, practice.rules)
        uow.commit()
    waiting = [r.slot for r in practice.nudge_rows(OutboxState.QUEUED)]
    assert waiting == [at("2026-09-20 09:00")]


async def test_the_agendas_type_chooses_the_rule(practice: Practice) -> None:
    practice.nudges = Nudges(
        level=Level.PLAIN, kinds=(Kind(name="long", type="bilan", days_before=(7,), slots=("12:00",)),)
    )
    practice.__post_init__()
    await practice.enrolled()
    practice.take(
        replace(entry(start="2026-09-20 15:00"), type="Bilan annuel"), entry("u-2", start="2026-09-20 16:00")
    )
    assert [r.slot for r in practice.nudge_rows()] == [at("2026-09-13 12:00"), at("2026-09-19 18:00")]
    assert "long" not in str(practice.everything()) + str(practice.everything())
    practice.take(replace(entry(start="2026-09-20 15:00"), type="Contrôle"))
    assert [r.slot for r in practice.nudge_rows()] == [at("2026-09-19 18:00")]


async def test_decoys_go_to_those_who_asked_and_count_for_nothing(practice: Practice) -> None:
    anna = await practice.enrolled("P-1", name="anna")
    ben = await practice.enrolled("P-2", name="ben")
    wishing = replace(ben.recipient, wishes=Wishes(level=Level.CONSTANT))
    with practice.uow() as uow:
        uow.recipients.save(wishing)
        assert plan_decoys(uow, practice.now, practice.rules) == 1
        assert plan_decoys(uow, practice.now, practice.rules) == 0
        uow.commit()
    practice.clock.moment = at("2026-09-01 18:00")
    await practice.send_nudges()
    assert [s.to.user for s in practice.channel.of("nudge")] == [ben.room.user]
    assert practice.problems() == []
    both = [anna.recipient.id, ben.recipient.id]
    with practice.uow() as uow:
        assert uow.outbox.nudges_since(both, practice.now - DAY) == {}


async def test_a_decoy_that_became_a_nudge_is_one(practice: Practice) -> None:
    anna = await practice.enrolled()
    wishing = replace(anna.recipient, wishes=Wishes(level=Level.CONSTANT))
    with practice.uow() as uow:
        uow.recipients.save(wishing)
        plan_decoys(uow, practice.now, practice.rules)
        uow.commit()
    practice.take(entry(start="2026-09-02 15:00"))
    (row,) = practice.nudge_rows()
    assert (row.template, row.slot) == ("", at("2026-09-01 18:00"))
    practice.clock.moment = at("2026-09-01 18:00")
    await practice.send_nudges()
    assert len(practice.channel.of("nudge")) == 1


async def test_a_decoy_is_not_sent_too_late_nor_to_whoever_stopped(practice: Practice) -> None:
    anna = await practice.enrolled("P-1", name="anna")
    ben = await practice.enrolled("P-2", name="ben")
    wishing = [replace(one.recipient, wishes=Wishes(level=Level.CONSTANT)) for one in (anna, ben)]
    with practice.uow() as uow:
        for recipient in wishing:
            uow.recipients.save(recipient)
        plan_decoys(uow, practice.now, practice.rules)
        uow.commit()
    await ben.say("stop")
    practice.clock.moment = at("2026-09-01 19:30")
    await practice.send_nudges()
    assert [s.to.user for s in practice.channel.of("nudge")] == [anna.room.user]
    with practice.uow() as uow:
        plan_decoys(uow, practice.now, practice.rules)
        uow.commit()
    (row,) = [r for r in practice.nudge_rows(OutboxState.QUEUED) if r.recipient == anna.recipient.id]
    assert row.useful_until == at("2026-09-06 00:00")
    practice.clock.moment = row.useful_until + DAY / 2
    await practice.send_nudges()
    practice.clock.moment += DAY / 2
    await practice.send_nudges()
    assert len(practice.channel.of("nudge")) == 1
    assert practice.nudge_rows(OutboxState.QUEUED) == []
    assert practice.problems() == []


async def test_failure_04_absence_that_quiet_hours_make_too_late_to_tell_is_reported(
    practice: Practice,
) -> None:
    await practice.enrolled()
    practice.take(entry(start="2026-09-01 23:30", minutes=10))
    practice.clock.moment = at("2026-09-01 20:30")
    within = ("2026-09-01", "2026-09-01")
    practice.take(within=within)
    assert practice.problems() == [ProblemKind.TOO_LATE]


async def test_at_the_level_constant_a_slot_whose_reason_went_is_not_empty(practice: Practice) -> None:
    """Nor too late, nor counted as a nudge; at another level it is dropped."""
    anna = await practice.enrolled("P-1", name="anna")
    ben = await practice.enrolled("P-2", name="ben")
    wishing = replace(anna.recipient, wishes=Wishes(level=Level.CONSTANT))
    with practice.uow() as uow:
        uow.recipients.save(wishing)
        uow.commit()
    for reference in ("P-1", "P-2"):
        practice.take(entry(f"u-{reference}", start="2026-09-20 15:00", patient=reference))
        practice.take(entry(f"u-{reference}", start="2026-09-21 15:00", patient=reference))
    await anna.read(PIN)
    await ben.read(PIN)
    practice.clock.moment = at("2026-09-01 18:00")
    await practice.send_nudges()
    assert [s.to.user for s in practice.channel.of("nudge")] == [anna.room.user]
    who = anna.recipient.id
    with practice.uow() as uow:
        assert uow.outbox.nudges_since([who], practice.now - DAY) == {}
    practice.clock.moment = at("2026-09-06 18:00")
    await practice.send_nudges()
    assert len(practice.channel.of("nudge")) == 1, "the second news of days before are too late"


async def test_a_decoy_to_whoever_has_no_room_hides_nothing_from_the_staff(practice: Practice) -> None:
    """The line is left to the nudge that has a reason."""
    practice.nudges = Nudges(level=Level.PLAIN, spread_days=1)
    practice.__post_init__()
    anna = await practice.enrolled()
    wishing = replace(anna.recipient, wishes=Wishes(level=Level.CONSTANT))
    with practice.uow() as uow:
        uow.recipients.save(wishing)
        plan_decoys(uow, practice.now, practice.rules)
        uow.commit()
    practice.execute("UPDATE room SET recipient = NULL")
    practice.take(entry(start="2026-09-03 15:00"))
    told = []
    for moment in ("2026-09-01 18:00", "2026-09-02 18:00"):
        practice.clock.moment = at(moment)
        await practice.send_nudges()
        told.append(practice.problems())
    assert told == [[], [ProblemKind.SEND_FAILED]]
    assert practice.channel.of("nudge") == []
