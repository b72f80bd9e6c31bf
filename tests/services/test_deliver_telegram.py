"""Copies of nudges out of the outbox: rules of :mod:`bot.services.deliver_telegram`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import time, timedelta
from typing import Any

import pytest

from bot.domain.choices import Quiet, Wishes
from bot.domain.pacing import Pace, bucket
from bot.domain.records import DECOY, OutboxKind, OutboxState, ProblemKind, RecipientState
from bot.domain.telegram import ChatId, NudgeOn
from bot.domain.templates import Template
from bot.errors import ChannelError, StorageError
from bot.ports_storage import UnitOfWork
from bot.services.pause_nudges import PauseNudges
from bot.services.settle_restored import SettleRestored
from bot.services.settle_sent import MANY
from bot.services.tallies import Counted, tallied
from tests.services.kit import Person, Practice, at, entry
from tests.services.telegram_kit import Telegram
from tests.services.test_pacing_nudges import planned as many_planned

EVE = at("2026-09-09 18:00")
CLOSED = ChannelError("closed", permanent=True)
AWAY = ChannelError("away", permanent=False)
PERHAPS = ChannelError("no answer", permanent=False, unsure=True)


@pytest.fixture
def telegram(anywhere: Practice) -> Telegram:
    return Telegram(anywhere)


@pytest.fixture
def plain(practice: Practice) -> Telegram:
    return Telegram(practice)


async def waiting(telegram: Telegram, on: NudgeOn = NudgeOn.TELEGRAM) -> Person:
    """A copy of Anna's nudge waits; on both channels the one on Matrix has left."""
    practice = telegram.practice
    anna = await practice.enrolled()
    telegram.link(anna.recipient.id, on)
    practice.take(entry())
    practice.clock.moment = EVE
    await practice.send_nudges()
    assert telegram.states() == [OutboxState.QUEUED]
    return anna


async def many(telegram: Telegram, people: int, on: NudgeOn = NudgeOn.TELEGRAM) -> list[ChatId]:
    """So many copies wait."""
    await many_planned(telegram.practice, people)
    telegram.start()
    chats = telegram.link_all(on)
    await telegram.practice.send_nudges()
    return chats


def unreached(practice: Practice) -> int:
    with practice.uow() as uow:
        return sum(week.get(Counted.UNREACHED, 0) for week in tallied(uow).values())


# -- rule 1 ---------------------------------------------------------------------------------------------------------


async def test_rule_1_one_is_marked_while_it_is_sent_and_no_other(telegram: Telegram) -> None:
    await many(telegram, 7)
    marked: list[int] = []
    telegram.channel.before = lambda: marked.append(len(telegram.rows(OutboxState.CLAIMED)))
    await telegram.copies()
    assert marked == [1] * 7
    assert telegram.states() == [OutboxState.SENT] * 7


@pytest.mark.parametrize(("template", "told"), [("", 1), (DECOY, 0)])
async def test_rule_1_what_a_dead_process_had_marked_is_unknown_and_never_sent(
    telegram: Telegram, template: str, told: int
) -> None:
    practice = telegram.practice
    await waiting(telegram)
    practice.execute(
        "UPDATE outbox SET state = 'claimed', template = :template WHERE kind = 'telegram'", template=template
    )
    telegram.start()
    practice.deliver.recover()
    assert telegram.deliver.recover() == 1
    await telegram.copies()
    assert telegram.deliver.recover() == 0
    assert telegram.channel.tried == []
    assert telegram.states() == [OutboxState.UNKNOWN]
    assert practice.problems() == [ProblemKind.UNKNOWN_SEND] * told
    assert unreached(practice) == told
    (nudge,) = practice.nudge_rows()
    assert nudge.state is OutboxState.SENT, "it may have been seen: it counts for the cap"


async def test_rule_1_the_other_loop_leaves_copies_alone(plain: Telegram) -> None:
    """Neither its start nor its tidying sends a copy again."""
    await waiting(plain)
    plain.practice.execute("UPDATE outbox SET state = 'claimed' WHERE kind = 'telegram'")
    plain.practice.deliver.recover()
    plain.practice.deliver.tidy()
    assert plain.states() == [OutboxState.CLAIMED]


async def test_rule_1_a_mark_that_nobody_knows_of_is_unknown(plain: Telegram) -> None:
    await waiting(plain)
    plain.practice.execute("UPDATE outbox SET state = 'claimed' WHERE kind = 'telegram'")
    assert plain.deliver.tidy() == 1
    assert plain.states() == [OutboxState.UNKNOWN]
    assert plain.practice.problems() == [ProblemKind.UNKNOWN_SEND]


async def test_rule_1_tidying_leaves_alone_what_is_being_sent(plain: Telegram) -> None:
    await waiting(plain)
    tidied: list[int] = []
    plain.channel.before = lambda: tidied.append(plain.deliver.tidy())
    await plain.copies()
    assert tidied == [0]
    assert plain.states() == [OutboxState.SENT]


async def test_rule_1_a_restored_database_sends_no_copy(plain: Telegram) -> None:
    """One may have left after the backup was made. On both channels, Matrix' is reported."""
    practice = plain.practice
    await waiting(plain)
    SettleRestored(practice.home.uow)(practice.now, lost=())
    PauseNudges(practice.home.uow, practice.rules).resume(practice.now)
    await plain.send()
    assert plain.channel.tried == []
    assert plain.states() == [OutboxState.UNKNOWN]
    assert practice.problems() == [ProblemKind.UNKNOWN_SEND]


# -- rule 2 ---------------------------------------------------------------------------------------------------------

CANCELLED = "UPDATE appointment SET status = 'cancelled'"
STOPPED = "UPDATE recipient SET reminders_on = false"
HELD_BACK = "UPDATE recipient SET paused = true"
LOCKED = f"UPDATE recipient SET state = '{RecipientState.LOCKED}'"  # noqa: S608 - a constant
NO_ROOM = "UPDATE room SET recipient = NULL"
ROOM_LEFT = 'UPDATE room SET "left" = true'


@pytest.mark.parametrize("sql", [CANCELLED, STOPPED, HELD_BACK, LOCKED, NO_ROOM, ROOM_LEFT])
@pytest.mark.parametrize("on", [NudgeOn.TELEGRAM, NudgeOn.BOTH])
async def test_rule_2_not_when_its_reason_is_gone(telegram: Telegram, sql: str, on: NudgeOn) -> None:
    await waiting(telegram, on)
    telegram.practice.execute(sql)
    await telegram.copies()
    assert telegram.channel.tried == []
    assert telegram.states() == [OutboxState.DROPPED]
    assert telegram.practice.problems() == []
    left = OutboxState.SENT if on is NudgeOn.BOTH else OutboxState.DROPPED
    assert [r.state for r in telegram.practice.nudge_rows()] == [left]


async def test_rule_2_not_while_all_are_paused(plain: Telegram) -> None:
    await waiting(plain)
    pause = PauseNudges(plain.practice.home.uow, plain.practice.rules)
    pause.pause(plain.practice.now)
    await plain.copies()
    assert plain.states() == [OutboxState.QUEUED]
    pause.resume(plain.practice.now)
    await plain.copies()
    assert plain.states() == [OutboxState.SENT]


async def test_rule_2_not_in_quiet_hours(plain: Telegram) -> None:
    await waiting(plain)
    plain.practice.clock.moment = at("2026-09-09 23:00")
    assert plain.practice.rules.is_quiet(plain.practice.now)
    await plain.copies()
    assert plain.channel.tried == []
    assert plain.states() == [OutboxState.QUEUED]


@pytest.mark.parametrize("on", [NudgeOn.TELEGRAM, NudgeOn.BOTH])
async def test_rule_2_not_in_a_recipients_own_quiet_hours(telegram: Telegram, on: NudgeOn) -> None:
    """Nobody else waits for their end."""
    practice = telegram.practice
    anna = await waiting(telegram, on)
    wishing = replace(anna.recipient, wishes=Wishes(quiet=Quiet(time(18, 30), time(19, 30))))
    with practice.home.uow() as uow:
        uow.recipients.save(wishing)
        uow.commit()
    practice.clock.moment = at("2026-09-09 18:45")
    assert not practice.rules.is_quiet_for_all(practice.now)
    await telegram.copies()
    assert telegram.channel.tried == []
    (row,) = telegram.rows()
    assert (row.state, row.due) == (OutboxState.QUEUED, at("2026-09-09 19:30"))
    practice.clock.moment = row.due
    await telegram.copies()
    assert telegram.states() == [OutboxState.SENT]
    assert practice.problems() == []


async def test_rule_2_not_on_the_word_of_a_clock_in_doubt(plain: Telegram) -> None:
    await waiting(plain)
    plain.set(trusted=lambda _: False)
    await plain.copies()
    assert plain.channel.tried == []
    plain.set(trusted=lambda _: True)
    await plain.copies()
    assert len(plain.channel.sent) == 1


async def test_rule_2_a_dry_run_shows_it_in_its_slot_and_sends_nothing(telegram: Telegram) -> None:
    practice = telegram.practice
    anna = await practice.enrolled()
    telegram.link(anna.recipient.id, NudgeOn.TELEGRAM)
    practice.take(entry())
    practice.clock.moment = EVE
    shown: list[Any] = []
    telegram.set(show=shown.append)
    before = practice.everything()
    await telegram.send()
    assert shown == [{EVE: 1}]
    assert practice.everything() == before
    assert telegram.channel.tried == []


@pytest.mark.parametrize("on", [NudgeOn.TELEGRAM, NudgeOn.BOTH])
async def test_rule_2_a_chat_that_is_gone_sends_it_to_matrix(telegram: Telegram, on: NudgeOn) -> None:
    practice = telegram.practice
    telegram.set(apart=timedelta(minutes=30))
    anna = await waiting(telegram, on)
    who = anna.recipient.id
    with practice.home.uow() as uow:
        uow.telegram.unbind(who)
        uow.commit()
    await telegram.send(2)
    assert telegram.channel.tried == []
    assert telegram.states() == [OutboxState.DROPPED]
    assert len(practice.channel.of("nudge")) == 1, "once, and without a wait for a nudge that was none"
    assert practice.problems() == []


# -- rule 3 ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("on", [NudgeOn.TELEGRAM, NudgeOn.BOTH])
@pytest.mark.parametrize("error", [PERHAPS, RuntimeError("a defect")])
async def test_rule_3_what_may_have_left_is_unknown_and_reported_once(
    telegram: Telegram, error: Exception, on: NudgeOn
) -> None:
    await waiting(telegram, on)
    telegram.channel.lost = lambda _: error
    for _ in range(3):
        await telegram.send()
        telegram.practice.clock.forward(minutes=20)
    assert len(telegram.channel.sent) == 1
    assert telegram.states() == [OutboxState.UNKNOWN]
    alone = on is NudgeOn.TELEGRAM
    assert telegram.practice.problems() == [ProblemKind.UNKNOWN_SEND if alone else ProblemKind.UNKNOWN_COPY]
    assert unreached(telegram.practice) == int(alone)


async def test_rule_3_nobody_misses_a_decoy(plain: Telegram) -> None:
    practice = plain.practice
    await waiting(plain)
    plain.channel.lost = lambda _: PERHAPS
    plain.channel.before = lambda: practice.execute(
        "UPDATE outbox SET template = 'decoy' WHERE kind = 'telegram'"
    )
    await plain.copies()
    assert plain.states() == [OutboxState.UNKNOWN]
    assert practice.problems() == []


async def test_rule_3_passing_failures_are_repeated_with_growing_pauses(plain: Telegram) -> None:
    await waiting(plain)
    plain.channel.fault = lambda _: AWAY
    pauses: list[timedelta] = []
    for _ in range(6):
        await plain.copies()
        (row,) = plain.rows()
        pauses.append(row.due - plain.practice.now)
        plain.practice.clock.moment = row.due
    assert pauses == sorted(pauses)
    assert pauses[-1] > 10 * pauses[0]
    plain.channel.fault = lambda _: None
    await plain.copies()
    assert len(plain.channel.sent) == 1


@pytest.mark.parametrize(
    ("on", "told", "left"),
    [
        (NudgeOn.TELEGRAM, [ProblemKind.TOO_LATE], OutboxState.DROPPED),
        (NudgeOn.BOTH, [], OutboxState.SENT),
    ],
)
async def test_rule_3_too_late_is_reported_where_it_was_the_whole_nudge(
    telegram: Telegram, on: NudgeOn, told: list[ProblemKind], left: OutboxState
) -> None:
    await waiting(telegram, on)
    telegram.channel.fault = lambda _: AWAY
    await telegram.copies()
    telegram.channel.fault = lambda _: None
    telegram.practice.clock.moment = at("2026-09-10 08:00")
    await telegram.copies()
    assert telegram.channel.sent == []
    assert telegram.states() == [OutboxState.DROPPED]
    assert telegram.practice.problems() == told
    assert unreached(telegram.practice) == len(told)
    assert [r.state for r in telegram.practice.nudge_rows()] == [left]


async def test_rule_3_a_named_pause_holds_all(plain: Telegram) -> None:
    chats = await many(plain, 12)
    plain.channel.fault = lambda _: ChannelError("flood", permanent=False, retry_after=40.0)
    await plain.copies()
    assert len(plain.channel.tried) == 1
    plain.practice.clock.forward(seconds=39)
    assert await plain.deliver.due() == 0
    assert len(plain.channel.tried) == 1
    plain.channel.fault = lambda _: None
    plain.practice.clock.forward(seconds=20)
    await plain.copies()
    assert sorted(chat for chat, _, _ in plain.channel.sent) == sorted(chats)


# -- rule 4 ---------------------------------------------------------------------------------------------------------


async def refused_twice(telegram: Telegram) -> None:
    await telegram.copies()
    telegram.practice.clock.forward(minutes=1)
    await telegram.copies()


@pytest.mark.parametrize("on", [NudgeOn.TELEGRAM, NudgeOn.BOTH])
async def test_rule_4_a_closed_chat_is_unbound_the_room_told_and_nothing_lost(
    telegram: Telegram, on: NudgeOn
) -> None:
    practice = telegram.practice
    telegram.set(apart=timedelta(minutes=30))
    anna = await waiting(telegram, on)
    telegram.channel.fault = lambda _: CLOSED
    await telegram.copies()
    assert chats(practice) == 1, "once may be a mistake"
    await refused_twice(telegram)
    assert chats(practice) == 0
    assert telegram.states() == [OutboxState.FAILED]
    (line,) = [r for r in practice.outbox(OutboxKind.REPLY) if r.state is OutboxState.QUEUED]
    assert (line.template, line.room) == (Template.TELEGRAM_BLOCKED.value, anna.room.id)
    await practice.send_nudges()
    await practice.send_replies()
    assert len(practice.channel.of("nudge")) == 1
    assert practice.channel.of("private")[-1].text == practice.home.words[anna.recipient.language].text(
        Template.TELEGRAM_BLOCKED
    )
    assert practice.problems() == []
    assert [r.state for r in practice.nudge_rows()] == [OutboxState.SENT]


def chats(practice: Practice) -> int:
    with practice.uow() as uow:
        return uow.telegram.count()


@pytest.mark.parametrize(("refused", "left"), [(MANY, 0), (MANY + 1, MANY + 1)])
async def test_rule_4_many_at_once_are_no_readers_who_left(plain: Telegram, refused: int, left: int) -> None:
    """Of so many, twice in minutes, all: a token or an account that is out of order unbinds nobody."""
    bound = await many(plain, refused)
    plain.channel.fault = lambda _: CLOSED
    await plain.copies()
    plain.practice.clock.forward(minutes=3)
    await plain.copies()
    assert chats(plain.practice) == left
    plain.channel.fault = lambda _: None
    plain.practice.clock.forward(minutes=10)
    await plain.send()
    on_matrix = plain.practice.channel.of("nudge")
    assert len(on_matrix) + len(plain.channel.sent) == refused
    assert sorted(chat for chat, _, _ in plain.channel.sent) == (sorted(bound) if left else [])


async def test_rule_4_those_who_left_among_many_are_believed(plain: Telegram) -> None:
    bound = await many(plain, 40)
    gone = set(bound[:10])
    plain.channel.fault = lambda chat: CLOSED if chat in gone else None
    await refused_twice(plain)
    assert chats(plain.practice) == 30
    assert len(plain.channel.sent) == 30
    await plain.practice.send_nudges()
    assert len(plain.practice.channel.of("nudge")) == 10


# -- rule 5 ---------------------------------------------------------------------------------------------------------


class Refusing:
    """A storage whose commits fail while :attr:`fails` says so, before (``late`` False) or after they were done."""

    def __init__(self, telegram: Telegram) -> None:
        self.fails: Callable[[int], bool] = lambda _: False
        self.late = False
        self.commits = 0
        telegram.practice.wrap_uow = self.wrap
        telegram.start()

    def wrap(self, uow: UnitOfWork) -> UnitOfWork:
        inner = uow.commit

        def commit() -> None:
            self.commits += 1
            fails = self.fails(self.commits)
            if fails and not self.late:
                raise StorageError("the database refused")
            inner()
            if fails:
                raise StorageError("the connection was lost")

        uow.commit = commit  # type: ignore[method-assign]  # of this one
        return uow


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("nth", range(1, 9))
async def test_rule_5_a_storage_that_refuses_loses_nothing_and_repeats_nothing(
    plain: Telegram, nth: int, *, late: bool
) -> None:
    """At any commit of a run, also where only the answer to it was lost."""
    bound = await many(plain, 6)
    storage = Refusing(plain)
    storage.late = late
    storage.fails = lambda commit: commit == nth
    with pytest.raises(StorageError):
        await plain.copies()
    assert storage.commits == nth
    plain.practice.clock.forward(seconds=5)
    await plain.copies()
    assert sorted(chat for chat, _, _ in plain.channel.sent) == sorted(bound)
    assert plain.states() == [OutboxState.SENT] * 6
    assert plain.practice.problems() == []
    with plain.practice.uow() as uow:
        assert sum(week.get(Counted.NUDGED, 0) for week in tallied(uow).values()) == 6


async def test_rule_5_nothing_leaves_while_an_answer_cannot_be_written(plain: Telegram) -> None:
    await many(plain, 6)
    storage = Refusing(plain)
    storage.fails = lambda commit: commit > 1
    for _ in range(3):
        with pytest.raises(StorageError):
            await plain.copies()
    assert len(plain.channel.sent) == 1
    assert plain.deliver.tidy() == 0


# -- rule 6 ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("own", "most"), [(None, 28), (5.0, 8)])
async def test_rule_6_the_pace_leaves_room_for_commands(
    plain: Telegram, own: float | None, most: int
) -> None:
    """Of thirty a second; and all leave in the time that the rate asks for."""
    pace = Pace(overall=bucket(1), own={"telegram": bucket(own)} if own else {})
    bound = await many(plain, 60)
    plain.set(pace=pace)
    begin = plain.practice.now
    await plain.copies()
    moments = sorted(moment for _, moment, _ in plain.channel.sent)
    assert len(moments) == len(bound)
    second = timedelta(seconds=1)
    assert max(sum(m <= each < m + second for each in moments) for m in moments) <= most
    assert (moments[-1] - begin).total_seconds() <= 60 / (own or 25.0)


async def test_rule_6_the_order_is_random(plain: Telegram) -> None:
    bound = await many(plain, 30)
    order = [row.recipient for row in plain.rows()]
    await plain.copies()
    assert [chat for chat, _, _ in plain.channel.sent] != bound
    by_txn = [row.recipient for row in sorted(plain.rows(), key=lambda row: (row.due, row.txn))]
    assert by_txn != order
    chat_of = dict(zip(sorted(set(order), key=str), sorted_chats(plain), strict=True))
    assert [chat for chat, _, _ in plain.channel.sent] == [chat_of[r] for r in by_txn]


def sorted_chats(telegram: Telegram) -> list[ChatId]:
    everybody = sorted({r.recipient for r in telegram.rows() if r.recipient})
    with telegram.practice.uow() as uow:
        found = uow.telegram.by_recipients(everybody)
    return [found[recipient].chat for recipient in sorted(found, key=str)]


async def test_a_stop_waits_for_what_is_being_sent(plain: Telegram) -> None:
    await waiting(plain)
    await plain.deliver.due()
    await plain.deliver.drain()
    assert plain.states() == [OutboxState.SENT]


def test_at_is_now_where_nothing_has_left(plain: Telegram) -> None:
    assert plain.deliver.at() == plain.practice.clock.monotonic()
