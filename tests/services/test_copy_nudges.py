"""Which nudges go to Telegram: rules of :mod:`bot.services.copy_nudges`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from bot.domain.appointment import Status
from bot.domain.choices import Level, Wishes
from bot.domain.records import DECOY, OutboxState, ProblemKind
from bot.domain.slots import NudgeRules
from bot.domain.telegram import NudgeOn
from bot.domain.values import Language, RecipientId
from bot.errors import ChannelError
from bot.services.plan_nudges import plan_decoys
from bot.services.tallies import Counted, tallied
from config.nudge_settings import Nudges
from tests.services.kit import Person, Practice, at, entry
from tests.services.telegram_kit import Telegram

EVE = at("2026-09-09 18:00")


@pytest.fixture
def telegram(anywhere: Practice) -> Telegram:
    return Telegram(anywhere)


@pytest.fixture
def plain(practice: Practice) -> Telegram:
    return Telegram(practice)


async def planned(practice: Practice) -> Person:
    """Anna is nudged on the eve of the tenth, and it is that moment."""
    anna = await practice.enrolled()
    practice.take(entry())
    practice.clock.moment = EVE
    return anna


def counted(practice: Practice) -> dict[Counted, int]:
    with practice.uow() as uow:
        (week,) = tallied(uow).values()
    return {what: week.get(what, 0) for what in (Counted.NUDGED, Counted.UNREACHED)}


async def test_rule_2_without_a_choice_both_and_it_counts_once(telegram: Telegram) -> None:
    practice = telegram.practice
    anna = await planned(practice)
    chat = telegram.link(anna.recipient.id)
    await telegram.send()
    assert len(practice.channel.of("nudge")) == 1
    assert telegram.channel.sent == [(chat, practice.now, Language.FR)], "in the language of the chat"
    (copy,) = telegram.rows()
    (nudge,) = practice.nudge_rows()
    assert (copy.state, nudge.state, copy.copy_of) == (OutboxState.SENT, OutboxState.SENT, nudge.id)
    assert (copy.slot, copy.recipient, copy.useful_until) == (None, nudge.recipient, nudge.useful_until)
    assert counted(practice) == {Counted.NUDGED: 1, Counted.UNREACHED: 0}
    assert practice.problems() == []


async def test_rule_2_on_telegram_alone(telegram: Telegram) -> None:
    practice = telegram.practice
    anna = await planned(practice)
    chat = telegram.link(anna.recipient.id, NudgeOn.TELEGRAM)
    await practice.send_nudges()
    (nudge,) = practice.nudge_rows()
    assert (nudge.state, nudge.event) == (OutboxState.SENT, None)
    assert nudged_at(anna) == EVE
    await telegram.copies()
    assert practice.channel.tries("nudge") == []
    assert [c for c, _, _ in telegram.channel.sent] == [chat]
    assert counted(practice) == {Counted.NUDGED: 1, Counted.UNREACHED: 0}


def nudged_at(anna: Person) -> datetime | None:
    who = anna.recipient.id
    with anna.practice.home.uow() as uow:
        return uow.recipients.signs([who])[who].nudged_at


async def test_rule_2_on_matrix_alone_and_without_a_chat(plain: Telegram) -> None:
    anna = await planned(plain.practice)
    plain.link(anna.recipient.id, NudgeOn.MATRIX)
    await plain.send()
    assert len(plain.practice.channel.of("nudge")) == 1
    assert plain.rows() == []


@pytest.mark.parametrize(
    ("practice_s", "wished", "alone"),
    [
        (Level.PLAIN, None, False),
        (Level.PLAIN, Level.PRIVATE, True),
        (Level.PRIVATE, Level.PLAIN, True),
        (Level.CONSTANT, Level.PRIVATE, False),
    ],
)
async def test_rule_2_the_level_that_holds_is_the_stricter(
    tmp_path: Path, practice_s: Level, wished: Level | None, *, alone: bool
) -> None:
    """Chosen for the private level: Telegram alone. For the others nothing was chosen."""
    practice = Practice(tmp_path, nudges=Nudges(level=practice_s))
    telegram = Telegram(practice)
    anna = await practice.enrolled()
    practice.take(entry())
    wish(anna, wished)
    telegram.link(anna.recipient.id, NudgeOn.TELEGRAM, level=Level.PRIVATE)
    (first, *_) = sorted(row.slot for row in practice.nudge_rows() if row.slot)
    practice.clock.moment = first
    await telegram.send()
    assert len(practice.channel.of("nudge")) == (0 if alone else 1)
    assert len(telegram.channel.sent) == 1
    practice.close()


def wish(anna: Person, level: Level | None) -> None:
    wishing = replace(anna.recipient, wishes=Wishes(level=level))
    with anna.practice.uow() as uow:
        uow.recipients.save(wishing)
        uow.commit()


async def test_off_no_copy_is_made(plain: Telegram) -> None:
    anna = await planned(plain.practice)
    plain.link(anna.recipient.id, NudgeOn.TELEGRAM)
    plain.set(telegram=False)
    await plain.send()
    assert len(plain.practice.channel.of("nudge")) == 1
    assert plain.rows() == []


@pytest.mark.parametrize("on", [NudgeOn.TELEGRAM, NudgeOn.BOTH])
async def test_switched_off_what_waits_goes_to_matrix(telegram: Telegram, on: NudgeOn) -> None:
    practice = telegram.practice
    anna = await planned(practice)
    telegram.link(anna.recipient.id, on)
    await practice.send_nudges()
    telegram.set(telegram=False, apart=timedelta(minutes=30))
    practice.deliver.recover()
    await telegram.send()
    assert len(practice.channel.of("nudge")) == 1
    assert telegram.channel.tried == []
    assert telegram.states() == [OutboxState.DROPPED]
    assert practice.problems() == []
    assert counted(practice) == {Counted.NUDGED: 1, Counted.UNREACHED: 0}


async def test_rule_1_a_copy_is_made_once(plain: Telegram) -> None:
    """The homeserver is away: the nudge is claimed again and again, its copy has left."""
    practice = plain.practice
    anna = await planned(practice)
    plain.link(anna.recipient.id)
    practice.channel.fault = lambda *_: ChannelError("away", permanent=False)
    for _ in range(4):
        await plain.send()
        practice.clock.forward(minutes=10)
    assert len(practice.channel.tries("nudge")) >= 4
    assert len(plain.channel.sent) == 1
    plain.link(anna.recipient.id, NudgeOn.TELEGRAM)
    practice.channel.fault = lambda *_: None
    await plain.send()
    assert len(practice.channel.of("nudge")) == 1, "a copy that there was: Matrix it is"
    assert len(plain.channel.sent) == 1


async def test_rule_1_both_in_one_slot_are_one_for_the_cap(telegram: Telegram) -> None:
    practice = telegram.practice
    practice.nudges = Nudges(level=Level.PLAIN, slots=("12:00", "15:00", "18:00"), daily_cap=2)
    practice.__post_init__()
    telegram.start()
    anna = await practice.enrolled()
    chat = telegram.link(anna.recipient.id)
    slots = [at(f"2026-09-09 {hour}:00") for hour in (12, 15, 18)]
    reasons_in(practice, anna.recipient.id, slots)
    for slot in slots:
        practice.clock.moment = slot
        await telegram.send()
    assert [s.to.user for s in practice.channel.of("nudge")] == [anna.room.user] * 2
    assert len(telegram.channel.at(chat)) == 2
    assert practice.problems() == [ProblemKind.CAPPED]


def reasons_in(practice: Practice, recipient: RecipientId, slots: list[datetime]) -> None:
    """A visit for each of ``slots``, whose reminder leaves then."""
    practice.take(*(entry(f"u-{n}", f"2026-09-10 {15 + n}:00") for n in range(len(slots))))
    practice.execute("DELETE FROM outbox WHERE kind = 'nudge'")
    with practice.home.uow() as uow:
        reminders = sorted(uow.reminders.after(recipient, practice.now), key=lambda r: r.appointment)
        for reminder in reminders:
            uow.reminders.replace(reminder.appointment, [])
        by_visit = {r.appointment: r for r in reminders}
        uow.reminders.add(replace(r, slot=s) for r, s in zip(by_visit.values(), slots, strict=True))
        uow.outbox.add_nudges({(recipient, slot): at("2026-09-10 12:00") for slot in slots})
        uow.commit()


async def test_rule_1_the_distance_is_the_decision_s(telegram: Telegram) -> None:
    """The second of two waits half an hour, on both channels; a copy never waits for its own nudge."""
    practice = telegram.practice
    practice.nudges = Nudges(level=Level.PLAIN, slots=("18:00", "18:10"))
    practice.__post_init__()
    telegram.set(apart=timedelta(minutes=30))
    anna = await practice.enrolled()
    chat = telegram.link(anna.recipient.id)
    reasons_in(practice, anna.recipient.id, [EVE, EVE + timedelta(minutes=10)])
    for minute in range(60):
        practice.clock.moment = EVE + timedelta(minutes=minute)
        await telegram.send()
    assert telegram.channel.at(chat) == [EVE, EVE + timedelta(minutes=30)]
    assert len(practice.channel.of("nudge")) == 2


async def merged(telegram: Telegram, on: NudgeOn) -> Person:
    """Two nudges of one person that are due at once, after an outage of an hour."""
    practice = telegram.practice
    practice.nudges = Nudges(level=Level.PLAIN, slots=("18:00", "18:10"))
    practice.__post_init__()
    telegram.start()
    anna = await practice.enrolled()
    telegram.link(anna.recipient.id, on)
    reasons_in(practice, anna.recipient.id, [EVE, EVE + timedelta(minutes=10)])
    practice.clock.moment = EVE + timedelta(hours=1)
    await practice.send_nudges()
    return anna


@pytest.mark.parametrize("on", [NudgeOn.TELEGRAM, NudgeOn.BOTH])
async def test_several_that_are_one_nudge_make_one_copy(telegram: Telegram, on: NudgeOn) -> None:
    await merged(telegram, on)
    assert len(telegram.rows()) == 1
    await telegram.send()
    assert len(telegram.channel.sent) == 1
    assert counted(telegram.practice) == {Counted.NUDGED: 1, Counted.UNREACHED: 0}


@pytest.mark.parametrize(("gone", "leave"), [(1, 1), (2, 0)])
async def test_their_copy_leaves_while_one_reason_stands(plain: Telegram, gone: int, leave: int) -> None:
    await merged(plain, NudgeOn.TELEGRAM)
    plain.practice.execute(
        "UPDATE appointment SET status = 'cancelled' WHERE id IN (SELECT id FROM appointment LIMIT :n)",
        n=gone,
    )
    await plain.copies()
    assert len(plain.channel.sent) == leave


# -- rule 3 ---------------------------------------------------------------------------------------------------------


@pytest.fixture(params=[Level.PRIVATE, Level.CONSTANT])
def discreet(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Telegram]:
    practice = Practice(tmp_path, nudges=Nudges(level=request.param, decoy_share=0.5))
    yield Telegram(practice)
    practice.close()


@pytest.mark.parametrize("on", [NudgeOn.TELEGRAM, NudgeOn.BOTH])
async def test_p7_rule_3_telegram_sees_the_slots_that_matrix_would(discreet: Telegram, on: NudgeOn) -> None:
    """The moments at which each chat is nudged are the planner's slots, decoys and reasons alike: the bits are those
    that are measured of the planner (:mod:`tests.timing.test_times_tell_little`).
    """
    practice = discreet.practice
    people = [await practice.enrolled(f"P-{n}", name=f"n{n}") for n in range(3)]
    chats = [discreet.link(p.recipient.id, on, level=practice.rules.level) for p in people]
    practice.take(
        entry("u-1", "2026-09-10 10:00", patient="P-1"), entry("u-2", "2026-09-08 16:00", patient="P-2")
    )
    ends = practice.now + timedelta(days=14)
    while practice.now < ends:
        begin = practice.now
        with practice.uow() as uow:
            plan_decoys(uow, practice.now, practice.rules)
            uow.commit()
        tomorrow = begin + timedelta(days=1)
        for slot in sorted({r.slot for r in practice.nudge_rows() if r.slot and begin < r.slot <= tomorrow}):
            practice.clock.moment = slot
            await discreet.send()
        practice.clock.moment = tomorrow
    rows = practice.nudge_rows(OutboxState.SENT)
    for person, chat in zip(people, chats, strict=True):
        own = {r.slot for r in rows if r.recipient == person.recipient.id and r.slot}
        seen = discreet.channel.at(chat)
        assert len(seen) == len(own) == len(practice_slots(seen, practice.rules))
        assert {moment.replace(second=0, microsecond=0) for moment in seen} == own
        on_matrix = [s for s in practice.channel.of("nudge") if s.to.user == person.room.user]
        assert len(on_matrix) == (len(own) if on is NudgeOn.BOTH else 0)
    decoys = {row.template for row in discreet.rows(OutboxState.SENT)}
    assert decoys == {"", DECOY}
    if practice.rules.level is Level.CONSTANT:
        assert len({tuple(practice_slots(discreet.channel.at(chat), practice.rules)) for chat in chats}) == 1


def practice_slots(moments: list[datetime], rules: NudgeRules) -> list[str]:
    return sorted({moment.astimezone(rules.zone).strftime("%F %H:%M") for moment in moments})


async def test_rule_3_a_reason_that_goes_leaves_a_decoy_where_one_is_wanted(discreet: Telegram) -> None:
    """Between the claim and the call: an empty slot would tell that there was a visit."""
    practice = discreet.practice
    anna = await practice.enrolled()
    discreet.link(anna.recipient.id, NudgeOn.TELEGRAM, level=practice.rules.level)
    practice.take(entry())
    (row, *_) = practice.nudge_rows()
    assert row.slot is not None
    practice.clock.moment = row.slot
    await practice.send_nudges()
    practice.execute("UPDATE appointment SET status = 'cancelled'")
    await discreet.copies()
    (copy,) = discreet.rows()
    if practice.rules.level is Level.CONSTANT:
        assert (copy.state, copy.template) == (OutboxState.SENT, DECOY)
    else:
        assert (copy.state == OutboxState.SENT) is (copy.template == DECOY)


async def test_a_weekly_slot_is_one_on_telegram_as_well(plain: Telegram) -> None:
    practice = plain.practice
    practice.nudges = Nudges(level=Level.PLAIN, slot_days=("sun",))
    practice.__post_init__()
    plain.start()
    anna = await practice.enrolled()
    chat = plain.link(anna.recipient.id)
    practice.take(entry())
    for day in range(1, 12):
        practice.clock.moment = at("2026-08-31 18:00") + timedelta(days=day)
        await plain.send()
    assert [moment.astimezone(practice.rules.zone).weekday() for moment in plain.channel.at(chat)] == [6]


async def test_news_of_a_cancellation_go_there_too(plain: Telegram) -> None:
    practice = plain.practice
    anna = await planned(practice)
    chat = plain.link(anna.recipient.id, NudgeOn.TELEGRAM)
    practice.clock.moment = EVE - timedelta(hours=1)
    practice.take(entry(status=Status.CANCELLED))
    await plain.send()
    assert plain.channel.at(chat) == [practice.now]


async def test_whoever_leaves_takes_the_copy_along(plain: Telegram) -> None:
    practice = plain.practice
    anna = await planned(practice)
    plain.link(anna.recipient.id, NudgeOn.TELEGRAM)
    await practice.send_nudges()
    await anna.say("leave")
    await anna.say("yes")
    await plain.copies()
    assert plain.channel.tried == []
    assert plain.states() == [OutboxState.DROPPED]
