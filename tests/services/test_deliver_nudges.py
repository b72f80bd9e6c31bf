"""Nudges out of the outbox: rules 1 to 3 and 6 of :mod:`bot.services.deliver`, and the recheck."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import pytest

from bot.domain.appointment import Status
from bot.domain.choices import Level
from bot.domain.records import OutboxState, ProblemKind, RecipientState
from bot.domain.trust import Address
from bot.errors import ChannelError, StorageError, Untrusted
from config.nudge_settings import Nudges
from tests.services.crowd import crowd
from tests.services.kit import DEVICE, PIN, Practice, at, entry

EVE = at("2026-09-09 18:00")


async def planned(practice: Practice, name: str = "anna") -> None:
    """Somebody enrolled, a nudge on the eve of the tenth, and it is that moment."""
    await practice.enrolled("P-1", name=name)
    practice.take(entry())
    practice.clock.moment = EVE


def states(practice: Practice) -> list[OutboxState]:
    return [r.state for r in practice.nudge_rows()]


async def test_a_nudge_leaves_in_its_slot_once(anywhere: Practice) -> None:
    await planned(anywhere)
    anywhere.clock.forward(seconds=-1)
    assert await anywhere.send_nudges() == 0
    anywhere.clock.forward(seconds=1)
    assert await anywhere.send_nudges() == 1
    assert await anywhere.send_nudges() == 0
    (sent,) = anywhere.channel.of("nudge")
    (row,) = anywhere.nudge_rows()
    assert (row.state, row.event, row.txn) == (OutboxState.SENT, sent.event, sent.txn)
    assert sent.to.pin is not None
    assert [len(w) for w in anywhere.channel.warmed] == [1]


async def test_failure_01_not_of_a_cancelled_appointment(anywhere: Practice) -> None:
    """The reminder's row waits while the agenda cancels; the news of it have a nudge of their own."""
    await planned(anywhere)
    anywhere.execute("UPDATE appointment SET status = 'cancelled'")
    await anywhere.send_nudges()
    assert anywhere.channel.of("nudge") == []
    assert states(anywhere) == [OutboxState.DROPPED]


async def test_failure_01_a_cancellation_is_told_instead_of_the_reminder(practice: Practice) -> None:
    await planned(practice)
    practice.clock.moment = EVE - timedelta(hours=1)
    practice.take(entry(status=Status.CANCELLED))
    assert await practice.send_nudges() == 1
    practice.clock.moment = EVE
    await practice.send_nudges()
    assert len(practice.channel.of("nudge")) == 1


async def test_not_to_who_is_enrolled_no_more(practice: Practice) -> None:
    for state in (RecipientState.LOCKED, RecipientState.LEFT):
        await planned(practice, name=f"somebody-{state}")
        practice.execute("UPDATE recipient SET state = :state", state=state.value)
        await practice.send_nudges()
        assert practice.channel.of("nudge") == []
        practice.clock.moment = at("2026-09-01 10:00")


async def test_not_without_a_reason(practice: Practice) -> None:
    await planned(practice)
    practice.execute("DELETE FROM reminder")
    await practice.send_nudges()
    assert states(practice) == [OutboxState.DROPPED]
    assert practice.problems() == []


async def test_not_without_an_envelope(practice: Practice) -> None:
    """Who cannot read anything is not called to read."""
    await planned(practice)
    practice.execute("DELETE FROM envelope")
    await practice.send_nudges()
    assert states(practice) == [OutboxState.DROPPED]


async def test_failure_04_what_is_too_late_is_reported_and_not_sent(practice: Practice) -> None:
    """Useful until the midnight before the visit; failure 05 is the same rule."""
    await planned(practice)
    practice.clock.moment = at("2026-09-10 08:00")
    await practice.send_nudges()
    assert practice.channel.of("nudge") == []
    assert practice.problems() == [ProblemKind.TOO_LATE]
    assert states(practice) == [OutboxState.DROPPED]


async def test_failure_04_also_when_the_appointment_is_long_over(practice: Practice) -> None:
    await planned(practice)
    practice.clock.moment = at("2026-09-20 12:00")
    await practice.send_nudges()
    assert practice.problems() == [ProblemKind.TOO_LATE]


async def test_failure_05_never_after_the_start(practice: Practice) -> None:
    practice.nudges = Nudges(level=Level.PLAIN, days_before=(0,), slots=("09:00",))
    practice.__post_init__()
    await practice.enrolled()
    practice.take(entry(start="2026-09-10 15:00"))
    practice.clock.moment = at("2026-09-10 12:00")
    await practice.send_nudges()
    assert practice.channel.of("nudge") == []
    assert practice.problems() == [ProblemKind.TOO_LATE]


async def test_a_room_that_is_gone_is_reported(practice: Practice) -> None:
    await planned(practice)
    practice.execute("UPDATE room SET recipient = NULL")
    await practice.send_nudges()
    assert states(practice) == [OutboxState.FAILED]
    assert practice.problems() == [ProblemKind.SEND_FAILED]


# -- many -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "problem"),
    [
        (ChannelError("the room is gone", permanent=True), ProblemKind.SEND_FAILED),
        (Untrusted("membership"), ProblemKind.NOT_TRUSTED),
        (RuntimeError("a defect"), ProblemKind.SEND_FAILED),
        (KeyError("another"), ProblemKind.SEND_FAILED),
    ],
)
async def test_failure_06_one_blocked_patient_never_stops_the_others(
    practice: Practice, error: Exception, problem: ProblemKind
) -> None:
    people = crowd(practice, 7)
    practice.take(*(entry(f"u-{n}", patient=f"C-{n}") for n in range(7)))
    practice.clock.moment = EVE

    def fault(_kind: str, to: Address) -> Exception | None:
        return error if to.user == people[3] else None

    practice.channel.fault = fault
    await practice.send_nudges()
    assert {s.to.user for s in practice.channel.of("nudge")} == {p for p in people if p != people[3]}
    assert practice.problems() == [problem]
    assert sorted(states(practice)) == sorted([OutboxState.FAILED, *[OutboxState.SENT] * 6])
    assert await practice.send_nudges() == 0


async def test_failure_12_after_an_outage_everyone_gets_one(practice: Practice) -> None:
    """Far more rows than one batch, three for each person: merged over all batches."""
    practice.nudges = Nudges(level=Level.PLAIN, days_before=(3, 2, 1))
    practice.__post_init__()
    people = crowd(practice, 130)
    practice.take(*(entry(f"u-{n}", "2026-09-10 15:00", patient=f"C-{n}") for n in range(130)))
    assert len(practice.nudge_rows()) == 390
    practice.clock.moment = at("2026-09-10 08:00")
    await practice.send_nudges()
    sent = [s.to.user for s in practice.channel.of("nudge")]
    assert sorted(sent) == sorted(people)
    assert practice.problems() == []
    assert set(states(practice)) == {OutboxState.SENT, OutboxState.DROPPED}


async def test_failure_03_no_more_than_the_daily_cap(practice: Practice) -> None:
    """An agenda that goes to and fro does not ring all day; the staff reads that it went to and fro."""
    await practice.enrolled()
    for n in range(8):
        practice.take(entry(start=f"2026-09-02 1{n}:00", sequence=n))
        await practice.send_nudges()
        practice.clock.forward(minutes=10)
    assert len(practice.channel.of("nudge")) == practice.rules.daily_cap
    assert ProblemKind.CAPPED in practice.problems()


async def test_failure_18_nothing_leaves_in_quiet_hours_after_an_outage(practice: Practice) -> None:
    await planned(practice)
    practice.clock.moment = at("2026-09-09 20:00")
    assert await practice.send_nudges() == 0
    assert states(practice) == [OutboxState.QUEUED]


async def test_the_order_is_not_that_of_the_agenda(practice: Practice) -> None:
    """P7: who comes first in the morning is not nudged first in the evening."""
    people = crowd(practice, 40)
    practice.take(
        *(entry(f"u-{n}", at("2026-09-10 08:00") + timedelta(minutes=n), patient=f"C-{n}") for n in range(40))
    )
    practice.clock.moment = EVE
    await practice.send_nudges()
    sent = [s.to.user for s in practice.channel.of("nudge")]
    assert sorted(sent) == sorted(people)
    assert sent != people


# -- passing failures -----------------------------------------------------------------------------------------------


async def test_rule_6_passing_failures_are_repeated_with_growing_pauses_under_one_transaction_id(
    practice: Practice,
) -> None:
    await planned(practice)
    practice.channel.fault = lambda *_: ChannelError("busy", permanent=False)
    pauses = []
    for _ in range(10):
        await practice.send_nudges()
        (row,) = practice.nudge_rows()
        assert row.state is OutboxState.QUEUED
        pauses.append((row.due - practice.now).total_seconds())
        if row.due >= at("2026-09-09 20:00"):
            break
        practice.clock.moment = row.due
    assert pauses[0] < 2
    assert all(b > a for a, b in pairwise(pauses[:8]))
    assert max(pauses) <= 300 * 1.25
    assert len(set(practice.channel.tries("nudge"))) == 1
    practice.channel.fault = lambda *_: None
    await practice.send_nudges()
    assert len(practice.channel.of("nudge")) == 1


async def test_rule_6_a_pause_that_the_server_named_is_kept(practice: Practice) -> None:
    await planned(practice)
    practice.channel.fault = lambda *_: ChannelError("slow down", permanent=False, retry_after=77)
    await practice.send_nudges()
    (row,) = practice.nudge_rows()
    assert 77 <= (row.due - practice.now).total_seconds() <= 77 * 1.25 + 1


async def test_failure_05_a_repeated_nudge_is_checked_again(practice: Practice) -> None:
    """The homeserver is gone until after the visit."""
    await planned(practice)
    practice.channel.fault = lambda *_: ChannelError("gone", permanent=False)
    await practice.send_nudges()
    practice.channel.fault = lambda *_: None
    practice.clock.moment = at("2026-09-10 08:30")
    await practice.send_nudges()
    assert practice.channel.of("nudge") == []
    assert practice.problems() == [ProblemKind.TOO_LATE]


# -- crashes --------------------------------------------------------------------------------------------------------


async def crash_after_send(practice: Practice) -> None:
    """The message leaves, and then the process dies: nothing of the settling is written."""
    await planned(practice)

    def refuse(*_: object) -> None:
        raise StorageError("the disk is full")

    settle, practice.deliver._settle = practice.deliver._settle, refuse  # type: ignore[method-assign, assignment]  # the crash
    with pytest.raises(StorageError):
        await practice.send_nudges()
    practice.deliver._settle = settle  # type: ignore[method-assign]  # as above
    assert len(practice.channel.of("nudge")) == 1
    assert states(practice) == [OutboxState.CLAIMED]


async def test_failure_13_a_crash_between_send_and_sent_repeats_the_transaction_and_not_the_message(
    practice: Practice,
) -> None:
    await crash_after_send(practice)
    practice.start_bot()
    practice.deliver.recover()
    practice.clock.forward(minutes=1)
    assert await practice.send_nudges() == 1
    assert len(practice.channel.tries("nudge")) == 2
    assert len(practice.channel.of("nudge")) == 1
    (row,) = practice.nudge_rows()
    assert (row.state, row.event) == (OutboxState.SENT, practice.channel.sent[-1].event)


async def test_a_storage_failure_after_the_send_is_put_right_without_a_restart(practice: Practice) -> None:
    await crash_after_send(practice)
    assert practice.deliver.tidy() == 1
    await practice.send_nudges()
    assert len(practice.channel.of("nudge")) == 1
    assert states(practice) == [OutboxState.SENT]


async def useful_for_days(practice: Practice) -> None:
    practice.nudges = Nudges(level=Level.PLAIN, days_before=(3,))
    practice.__post_init__()
    await practice.enrolled()
    practice.take(entry())
    practice.clock.moment = at("2026-09-07 18:00")
    practice.channel.fault = lambda *_: ChannelError("no answer", permanent=False)
    await practice.send_nudges()


@pytest.mark.parametrize(("hours", "sent"), [(16, 1), (22, 1), (24, 0), (40, 0)])
async def test_rule_3_what_the_homeserver_may_have_forgotten_is_reported(
    practice: Practice, hours: int, sent: int
) -> None:
    """Claimed and perhaps sent; then the homeserver was away."""
    await useful_for_days(practice)
    practice.channel.fault = lambda *_: None
    practice.clock.forward(hours=hours)
    await practice.send_nudges()
    assert len(practice.channel.of("nudge")) == sent
    assert practice.problems() == ([] if sent else [ProblemKind.UNKNOWN_SEND])


async def test_rule_3_the_first_claim_counts_not_the_last(practice: Practice) -> None:
    """Tries in between do not make the homeserver remember longer."""
    await useful_for_days(practice)
    for _ in range(3):
        practice.clock.forward(hours=15)
        await practice.send_nudges()
        practice.start_bot()
        practice.deliver.recover()
    practice.channel.fault = lambda *_: None
    practice.clock.forward(minutes=10)
    await practice.send_nudges()
    assert practice.channel.of("nudge") == []
    assert practice.problems() == [ProblemKind.UNKNOWN_SEND]


async def test_rule_3_not_from_another_device(practice: Practice) -> None:
    await crash_after_send(practice)
    practice.device = "ANOTHER"
    practice.start_bot()
    practice.deliver.recover()
    await practice.send_nudges()
    assert len(practice.channel.tries("nudge")) == 1
    assert practice.problems() == [ProblemKind.UNKNOWN_SEND]
    assert states(practice) == [OutboxState.UNKNOWN]
    assert practice.device != DEVICE


async def test_a_crash_before_the_claim_loses_nothing(practice: Practice) -> None:
    await planned(practice)
    practice.start_bot()
    practice.deliver.recover()
    assert await practice.send_nudges() == 1


async def test_failure_20_when_the_database_refuses_nothing_leaves(practice: Practice) -> None:
    await planned(practice)

    def refuse() -> None:
        raise StorageError("the database refused")

    practice.wrap_uow = lambda _uow: refuse()  # type: ignore[assignment, return-value]  # always raises
    with pytest.raises(StorageError):
        await practice.deliver.nudges_due()
    assert practice.channel.tries("nudge") == []


async def test_p2_a_thousand_nudges_are_of_two_kinds_at_most(practice: Practice) -> None:
    """What a channel is given of a nudge is a language; 1,000 of them, and no byte else."""
    people = crowd(practice, 50)
    entries = [
        entry(f"u-{n}", f"2026-09-{10 + n // 50:02} 15:00", patient=f"C-{n % 50}") for n in range(1000)
    ]
    practice.take(*entries)
    for day in range(9, 30):
        practice.clock.moment = at(f"2026-09-{day:02} 18:00")
        await practice.send_nudges()
    sent = practice.channel.of("nudge")
    assert len(sent) == 1000
    assert {s.to.user for s in sent} == set(people)
    assert {s.text for s in sent} == {"en"}


async def test_nothing_is_nudged_that_was_read(practice: Practice) -> None:
    """A move that the patient saw before its slot came is not news any more."""
    anna = await practice.enrolled()
    practice.take(entry(start="2026-09-20 15:00"))
    practice.take(entry(start="2026-09-21 15:00"))
    await anna.read(PIN)
    practice.clock.moment = at("2026-09-01 18:00")
    await practice.send_nudges()
    assert practice.channel.of("nudge") == []
