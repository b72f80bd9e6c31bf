"""How fast nudges leave, to whom none is pushed any more, and the dry run: rules of :mod:`bot.services.deliver`."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from bot.domain.appointment import Status
from bot.domain.choices import Level
from bot.domain.pacing import UNPACED, Pace, bucket
from bot.domain.records import OutboxState, ProblemKind, Reminder, ReminderKind
from bot.domain.trust import Address
from bot.domain.values import UserId
from bot.errors import ChannelError, StorageError, Untrusted
from bot.services.choose_nudges import Delivery
from bot.services.judge_reach import JudgeReach, Why
from bot.services.note_seen import NoteSeen
from bot.services.pace_nudges import PaceNudges
from bot.services.pause_nudges import PauseNudges
from bot.services.settle_sent import MANY
from config.nudge_settings import Nudges
from tests.services.crowd import crowd
from tests.services.kit import PIN, Person, Practice, at, entry

EVE = at("2026-09-09 18:00")
GONE = ChannelError("the room is gone", permanent=True)


async def planned(practice: Practice, people: int) -> list[UserId]:
    """So many people with a visit on the tenth, and it is the moment of their nudges."""
    users = crowd(practice, people)
    practice.take(*(entry(f"u-{n}", "2026-09-10 15:00", patient=f"C-{n}") for n in range(people)))
    practice.clock.moment = EVE
    return users


def with_delivery(practice: Practice, delivery: Delivery) -> None:
    practice.delivery = delivery
    practice.start_bot()


def states(practice: Practice) -> dict[OutboxState, int]:
    rows = [row.state for row in practice.nudge_rows()]
    return {state: rows.count(state) for state in set(rows)}


# -- rule 9 ---------------------------------------------------------------------------------------------------------


async def leaves_by_second(practice: Practice, seconds: int) -> list[int]:
    """How many nudges left in each second, asked as often as the bot asks."""
    found = []
    for _ in range(seconds):
        before = len(practice.channel.of("nudge"))
        for _ in range(2):
            await practice.send_nudges()
            practice.clock.forward(milliseconds=500)
        found.append(len(practice.channel.of("nudge")) - before)
    return found


async def test_failure_12_the_end_of_an_outage_looks_like_any_slot(practice: Practice) -> None:
    """Sixty people: in their slot, and three nudges for each after a day and a half without a homeserver."""
    practice.nudges = Nudges(level=Level.PLAIN, days_before=(3, 2, 1))
    practice.__post_init__()
    await planned(practice, 60)
    with_delivery(practice, Delivery(pace=Pace(overall=bucket(5))))
    practice.clock.moment = at("2026-09-07 18:00")
    slot = await leaves_by_second(practice, 12)
    practice.clock.moment = at("2026-09-09 18:30")
    after = await leaves_by_second(practice, 12)
    assert sum(slot) == sum(after) == 60
    assert slot == after
    assert max(after) <= 2 * 5
    assert max(after[1:]) <= 5
    assert practice.problems() == []


async def test_rule_9_no_more_is_claimed_than_may_leave(practice: Practice) -> None:
    await planned(practice, 12)
    with_delivery(practice, Delivery(pace=Pace(overall=bucket(5))))
    assert await practice.deliver.nudges_due() == 5
    assert await practice.deliver.nudges_due() == 0
    assert states(practice) == {OutboxState.SENT: 5, OutboxState.QUEUED: 7}
    assert practice.deliver.nudges_at() == pytest.approx(practice.clock.monotonic() + 0.4)


async def batches(practice: Practice, seconds: float) -> list[tuple[int, float]]:
    """How many left together, and how many seconds after the start, asked at the moments that the bot asks at."""
    found: list[tuple[int, float]] = []
    began, left = practice.clock.monotonic(), len(practice.channel.of("nudge"))
    while (passed := practice.clock.monotonic() - began) < seconds:
        if await practice.deliver.nudges_due():
            sent = len(practice.channel.of("nudge"))
            found.append((sent - left, round(passed, 2)))
            left = sent
            continue
        wait = practice.deliver.nudges_at() - practice.clock.monotonic()
        practice.clock.forward(milliseconds=math.ceil(1000 * min(wait, 0.5)) if wait > 0 else 500)
    return found


async def test_rule_9_what_waits_leaves_together(practice: Practice) -> None:
    """At a rate of twenty a second, one at a time would be twenty preparations a second."""
    await planned(practice, 55)
    with_delivery(practice, Delivery(pace=Pace(overall=bucket(20))))
    assert await batches(practice, 5) == [(20, 0.0), (10, 0.5), (10, 1.0), (10, 1.5), (5, 1.75)]
    assert [len(part) for part in practice.channel.warmed] == [20, 10, 10, 10, 5]


async def test_rule_9_nobody_waits_for_others_who_are_not_there(practice: Practice) -> None:
    await planned(practice, 21)
    with_delivery(practice, Delivery(pace=Pace(overall=bucket(20))))
    assert await batches(practice, 5) == [(20, 0.0), (1, 0.05)]


class _Ticking:
    """A clock that goes on between two looks at it, as real ones do."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def now(self) -> datetime:
        return EVE

    def monotonic(self) -> float:
        self.seconds += 0.000_001
        return self.seconds


@pytest.mark.parametrize("pace", [UNPACED, Pace(overall=bucket(20))])
def test_rule_9_what_may_leave_does_with_a_clock_that_goes_on(pace: Pace) -> None:
    clock = _Ticking()
    paced = PaceNudges(pace, "matrix", clock)
    assert paced.room() >= 20
    paced.leave(20, behind=10)
    clock.seconds = paced.at()
    assert paced.room() >= 10


async def test_rule_9_one_leaves_alone_after_a_named_pause(practice: Practice) -> None:
    """And the rest together again."""
    await planned(practice, 42)
    with_delivery(practice, Delivery(pace=Pace(overall=bucket(20))))
    slow = ChannelError("slow down", permanent=False, retry_after=40.0)
    practice.channel.fault = lambda *_: slow if len(practice.channel.attempts) == 1 else None
    assert await batches(practice, 39) == [(19, 0.0)]
    assert (await batches(practice, 3))[:3] == [(1, 1.0), (10, 1.5), (10, 2.0)]


async def test_rule_9_a_channel_has_a_rate_of_its_own(practice: Practice) -> None:
    await planned(practice, 12)
    pace = Pace(overall=bucket(10), own={"slow": bucket(3)})
    with_delivery(practice, Delivery(pace=pace, channel="slow"))
    assert await practice.deliver.nudges_due() == 3
    with_delivery(practice, Delivery(pace=pace, channel="other"))
    assert await practice.deliver.nudges_due() == 9


async def test_rule_9_what_is_dropped_costs_no_pace(practice: Practice) -> None:
    await planned(practice, 12)
    with_delivery(practice, Delivery(pace=Pace(overall=bucket(5))))
    practice.clock.moment = at("2026-09-10 15:00")
    while await practice.deliver.nudges_due():
        pass
    assert practice.problems() == [ProblemKind.TOO_LATE] * 12


async def test_rule_9_a_named_pause_holds_all(practice: Practice) -> None:
    """One is told to slow down: whoever comes next is not tried before."""
    users = await planned(practice, 12)
    with_delivery(practice, Delivery(pace=Pace(overall=bucket(5))))

    def fault(_kind: str, _to: Address) -> Exception | None:
        return ChannelError("slow down", permanent=False, retry_after=40.0)

    practice.channel.fault = fault
    await practice.send_nudges()
    tried = len(practice.channel.tries("nudge"))
    practice.clock.forward(seconds=39)
    await practice.send_nudges()
    assert len(practice.channel.tries("nudge")) == tried
    practice.channel.fault = lambda *_: None
    for _ in range(60):
        practice.clock.forward(seconds=1)
        await practice.send_nudges()
    assert sorted(s.to.user for s in practice.channel.of("nudge")) == sorted(users)


# -- two nudges to one person ---------------------------------------------------------------------------------------


async def twice(practice: Practice, apart: timedelta) -> None:
    """Somebody with visits on the tenth, whose reminders leave at 18:00 and at 18:10."""
    practice.nudges = Nudges(level=Level.PLAIN, slots=("18:00", "18:10"), days_before=(1,))
    practice.__post_init__()
    crowd(practice, 1)
    practice.take(entry("u-0", "2026-09-10 15:00", patient="C-0"))
    practice.take(entry("u-1", "2026-09-10 16:00", patient="C-0"))
    slots = [at("2026-09-09 18:00"), at("2026-09-09 18:10")]
    practice.execute("DELETE FROM outbox")
    with practice.home.uow() as uow:
        (recipient,) = [r.id for r in uow.recipients.all()]
        reminders = sorted(uow.reminders.after(recipient, practice.now), key=lambda r: r.appointment)
        for reminder, slot in zip(reminders, slots, strict=True):
            uow.reminders.replace(reminder.appointment, [])
            uow.reminders.add([replace(reminder, slot=slot)])
        uow.outbox.add_nudges({(recipient, slot): at("2026-09-10 12:00") for slot in slots})
        uow.commit()
    with_delivery(practice, Delivery(apart=apart))


async def test_two_nudges_to_one_person_keep_their_distance(anywhere: Practice) -> None:
    await twice(anywhere, timedelta(minutes=30))
    left: list[datetime] = []
    for minute in range(60):
        anywhere.clock.moment = EVE + timedelta(minutes=minute)
        before = len(anywhere.channel.of("nudge"))
        await anywhere.send_nudges()
        left += [anywhere.now] * (len(anywhere.channel.of("nudge")) - before)
    assert left == [EVE, EVE + timedelta(minutes=30)]
    assert anywhere.problems() == []


async def test_a_nudge_that_waits_counts_as_never_tried(practice: Practice) -> None:
    """Else it would be taken for one that may have been sent, a day later."""
    await twice(practice, timedelta(minutes=30))
    for minute in (0, 10):
        practice.clock.moment = EVE + timedelta(minutes=minute)
        await practice.send_nudges()
    (row,) = practice.nudge_rows(OutboxState.QUEUED)
    assert (row.claimed_at, row.claimed_by, row.attempts) == (None, "", 0)
    assert row.due == EVE + timedelta(minutes=30)


async def test_news_do_not_wait_and_take_the_rest_with_them(practice: Practice) -> None:
    """A cancellation within 48 hours, ten minutes after a reminder: one nudge for it and for what waited."""
    await twice(practice, timedelta(minutes=30))
    practice.clock.moment = EVE
    await practice.send_nudges()
    practice.clock.moment = EVE + timedelta(minutes=10)
    await practice.send_nudges()
    assert len(practice.channel.of("nudge")) == 1
    practice.take(entry("u-0", "2026-09-10 15:00", patient="C-0", status=Status.CANCELLED))
    await practice.send_nudges()
    assert len(practice.channel.of("nudge")) == 2, "the news leave in the very slot of what waited: one nudge"
    practice.clock.moment = EVE + timedelta(hours=2)
    await practice.send_nudges()
    assert len(practice.channel.of("nudge")) == 2


async def test_news_that_are_due_with_it_are_one_nudge(practice: Practice) -> None:
    await twice(practice, timedelta(minutes=30))
    practice.clock.moment = EVE
    await practice.send_nudges()
    practice.clock.moment = EVE + timedelta(minutes=5)
    practice.take(entry("u-0", "2026-09-10 15:00", patient="C-0", status=Status.CANCELLED))
    practice.clock.moment = EVE + timedelta(minutes=10)
    await practice.send_nudges()
    assert len(practice.channel.of("nudge")) == 2
    practice.clock.moment = EVE + timedelta(hours=1)
    await practice.send_nudges()
    assert len(practice.channel.of("nudge")) == 2
    assert {r.kind for r in reminders(practice)} == {ReminderKind.REMIND, ReminderKind.CHANGE}


def reminders(practice: Practice) -> list[Reminder]:
    with practice.home.uow() as uow:
        (recipient,) = [r.id for r in uow.recipients.all()]
    return practice.reminders(recipient)


async def test_nothing_waits_until_it_is_of_no_use(practice: Practice) -> None:
    await twice(practice, timedelta(hours=12))
    practice.execute("UPDATE reminder SET useful_until = :until", until="2026-09-09T17:00:00.000000Z")
    for minute in (0, 10):
        practice.clock.moment = EVE + timedelta(minutes=minute)
        await practice.send_nudges()
    assert len(practice.channel.of("nudge")) == 2


# -- rule 8 ---------------------------------------------------------------------------------------------------------


async def two_slots(practice: Practice) -> Person:
    """Anna is enrolled, and is to be nudged on the seventh, eighth and ninth."""
    practice.nudges = Nudges(level=Level.PLAIN, days_before=(3, 2, 1))
    practice.__post_init__()
    anna = await practice.enrolled()
    practice.take(entry())
    practice.clock.moment = at("2026-09-07 18:00")
    return anna


def off_since(anna: Person) -> datetime | None:
    who = anna.recipient.id
    with anna.practice.home.uow() as uow:
        return uow.recipients.signs([who])[who].off_since


@pytest.mark.parametrize(
    ("error", "kind"), [(GONE, ProblemKind.SEND_FAILED), (Untrusted("membership"), ProblemKind.NOT_TRUSTED)]
)
async def test_rule_8_refused_for_good_is_tried_once_and_told_once(
    anywhere: Practice, error: Exception, kind: ProblemKind
) -> None:
    anna = await two_slots(anywhere)
    anywhere.channel.fault = lambda *_: error
    await anywhere.send_nudges()
    assert off_since(anna) == anywhere.now
    for day in (8, 9):
        anywhere.clock.moment = at(f"2026-09-0{day} 18:00")
        await anywhere.send_nudges()
    assert len(anywhere.channel.tries("nudge")) == 1
    assert anywhere.problems() == [kind]
    assert states(anywhere) == {OutboxState.FAILED: 3}
    who = anna.recipient.id
    with anywhere.home.uow() as uow:
        uow.problems.clear()
        (patient,) = uow.patients.patients_of(who)
        assert JudgeReach(uow, [patient]).why_not(patient, [who], news=False) is Why.DEAD


async def by_pin(anna: Person) -> None:
    await anna.say(PIN)


async def by_receipt(anna: Person) -> None:
    await NoteSeen(anna.practice.home.uow, anna.practice.clock)(
        anna.room.room, anna.room.user, anna.practice.now
    )


async def by_joining(anna: Person) -> None:
    await anna.practice.rooms.on_joined(anna.room.room, anna.room.user)


async def by_the_staff(anna: Person) -> None:
    PauseNudges(anna.practice.home.uow, anna.practice.rules).resume_one("P-1", anna.practice.now)


@pytest.mark.parametrize("comes_back", [by_pin, by_receipt, by_joining, by_the_staff])
async def test_rule_8_whoever_comes_back_is_nudged_again(
    practice: Practice, comes_back: Callable[[Person], Awaitable[None]]
) -> None:
    anna = await two_slots(practice)
    practice.channel.fault = lambda *_: GONE
    await practice.send_nudges()
    practice.channel.fault = lambda *_: None
    practice.clock.moment = at("2026-09-08 12:00")
    await comes_back(anna)
    assert off_since(anna) is None
    practice.take(entry(sequence=1, note="Carte vitale"))
    practice.clock.moment = at("2026-09-09 18:00")
    await practice.send_nudges()
    assert len(practice.channel.of("nudge")) >= 1


async def test_rule_8_an_old_receipt_proves_nothing(practice: Practice) -> None:
    anna = await two_slots(practice)
    practice.channel.fault = lambda *_: GONE
    await practice.send_nudges()
    note = NoteSeen(practice.home.uow, practice.clock)
    await note(anna.room.room, anna.room.user, practice.now - timedelta(hours=1))
    assert off_since(anna) is not None


async def test_rule_8_whoever_left_the_room_is_told_of_once_and_not_tried(practice: Practice) -> None:
    anna = await two_slots(practice)
    await practice.rooms.on_left(anna.room.room, anna.room.user)
    for day in (7, 8, 9):
        practice.clock.moment = at(f"2026-09-0{day} 18:00")
        await practice.send_nudges()
    assert practice.channel.tries("nudge") == []
    assert practice.problems() == [ProblemKind.ROOM_LEFT]


async def test_rule_8_a_defect_switches_nobody_off(practice: Practice) -> None:
    anna = await two_slots(practice)
    practice.channel.fault = lambda *_: RuntimeError("a defect")
    await practice.send_nudges()
    assert off_since(anna) is None


async def test_rule_8_a_refused_answer_switches_nobody_off(practice: Practice) -> None:
    """A new phone that is not trusted with details still rings (failure 23)."""
    anna = await two_slots(practice)
    practice.channel.fault = lambda kind, _to: Untrusted("device") if kind == "private" else None
    await anna.say("show")
    assert off_since(anna) is None
    await practice.send_nudges()
    assert len(practice.channel.of("nudge")) == 1


@pytest.mark.parametrize(("refused", "off"), [(MANY, MANY), (MANY + 1, 0)])
async def test_rule_8_many_at_once_are_no_readers_who_left(
    practice: Practice, refused: int, off: int
) -> None:
    """A proxy in between that forbids everything: they are tried again, and all of them are nudged in the end."""
    users = await planned(practice, refused)
    practice.channel.fault = lambda *_: GONE
    await practice.send_nudges()
    assert states(practice) == ({OutboxState.FAILED: off} if off else {OutboxState.QUEUED: refused})
    practice.channel.fault = lambda *_: None
    practice.clock.forward(minutes=10)
    await practice.send_nudges()
    assert sorted(s.to.user for s in practice.channel.of("nudge")) == ([] if off else sorted(users))


# -- passing failures -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("retry_after", [None, 60.0, 86_000.0])
async def test_failure_04_what_fails_until_it_is_of_no_use_is_reported_then(
    practice: Practice, retry_after: float | None
) -> None:
    """Tried with growing pauses, or after the one that was named, and never beyond the end of its use."""
    practice.nudges = Nudges(level=Level.PLAIN, quiet_from="00:00", quiet_to="00:00")
    practice.__post_init__()
    await planned(practice, 1)
    practice.channel.fault = lambda *_: ChannelError("busy", permanent=False, retry_after=retry_after)
    (row,) = practice.nudge_rows()
    assert row.useful_until is not None
    end = row.useful_until
    for _ in range(2000):
        await practice.send_nudges()
        (row,) = practice.nudge_rows()
        if row.state is not OutboxState.QUEUED:
            break
        assert row.due <= end
        practice.clock.moment = max(row.due, practice.now + timedelta(seconds=1))
    assert row.state is OutboxState.UNKNOWN
    assert practice.problems() == [ProblemKind.TOO_LATE]
    assert practice.now <= end + timedelta(seconds=80), "or when the named pause is over"


# -- rule 10 --------------------------------------------------------------------------------------------------------


async def test_rule_10_a_dry_run_shows_and_changes_nothing(anywhere: Practice) -> None:
    shown: list[Mapping[datetime, int]] = []
    await planned(anywhere, 7)
    anywhere.execute("UPDATE recipient SET paused = true WHERE id = (SELECT min(id) FROM recipient)")
    with_delivery(anywhere, Delivery(show=shown.append))
    before = anywhere.everything()
    for _ in range(3):
        assert await anywhere.send_nudges() == 0
    assert anywhere.everything() == before
    assert anywhere.channel.attempts == []
    assert anywhere.channel.warmed == []
    assert shown == [{EVE: 6}], "once, and again only when it changes"
    anywhere.clock.moment = at("2026-09-10 15:00")
    await anywhere.send_nudges()
    assert shown[1:] == [{}]
    assert anywhere.problems() == [], "what came too late is reported by whoever sends"


async def test_rule_10_answers_go_on(practice: Practice) -> None:
    with_delivery(practice, Delivery(show=lambda _: None))
    anna = await practice.enrolled()
    assert await anna.say("help") == ["reply.help"]


async def test_rule_7_a_storage_that_refuses_in_a_dry_run_is_raised(practice: Practice) -> None:
    with_delivery(practice, Delivery(show=lambda _: None))

    def refuse() -> None:
        raise StorageError("the database refused")

    practice.wrap_uow = lambda _uow: refuse()  # type: ignore[assignment, return-value]  # always raises
    with pytest.raises(StorageError):
        await practice.deliver.nudges_due()
