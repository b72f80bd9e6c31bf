"""What is shown of nudges by channel: preview, figures, metrics, and who has to be telephoned."""

from __future__ import annotations

from collections import Counter

import pytest

from bot.domain.choices import Level
from bot.domain.records import OutboxState, ProblemKind
from bot.domain.telegram import NudgeOn
from bot.errors import ChannelError
from bot.metrics import Live, exposition
from bot.services.judge_reach import JudgeReach, Why
from bot.services.note_seen import NoteSeen
from bot.services.preview_nudges import Channel, PreviewNudges, Unreached
from tests.services.kit import Person, Practice, at, entry
from tests.services.telegram_kit import Telegram

EVE = at("2026-09-09 18:00")
LIVE = Live(
    ready=True,
    connected=True,
    own_account_clean=True,
    storage_answers=True,
    storage_refusals=0,
    failing_tasks=0,
    clock_good=True,
    sync_age=None,
)


@pytest.fixture
def telegram(anywhere: Practice) -> Telegram:
    return Telegram(anywhere)


async def four(telegram: Telegram) -> list[Person]:
    """On Matrix without a chat, on Matrix by choice, on Telegram alone, on both: all nudged on the eve of the tenth."""
    practice = telegram.practice
    people = [await practice.enrolled(f"P-{n}", name=f"n{n}") for n in range(4)]
    for person, on in zip(people[1:], (NudgeOn.MATRIX, NudgeOn.TELEGRAM, None), strict=True):
        telegram.link(person.recipient.id, on)
    practice.take(*(entry(f"u-{n}", patient=f"P-{n}") for n in range(4)))
    return people


async def test_the_preview_counts_each_nudge_once_by_where_it_goes(telegram: Telegram) -> None:
    practice = telegram.practice
    await four(telegram)
    before = practice.everything()
    (slot,) = PreviewNudges(practice.home.uow, practice.rules, telegram=True)(days=14, now=practice.now).slots
    assert slot.by_channel == {Channel.MATRIX: 2, Channel.TELEGRAM: 1, Channel.BOTH: 1}
    assert slot.nudges == 4
    assert practice.everything() == before
    practice.clock.moment = EVE
    await telegram.send()
    assert (
        len(practice.channel.of("nudge")) == slot.by_channel[Channel.MATRIX] + slot.by_channel[Channel.BOTH]
    )
    assert len(telegram.channel.sent) == slot.by_channel[Channel.TELEGRAM] + slot.by_channel[Channel.BOTH]


async def test_the_preview_goes_by_the_level_that_holds(telegram: Telegram) -> None:
    practice = telegram.practice
    anna = await practice.enrolled()
    telegram.link(anna.recipient.id, NudgeOn.TELEGRAM, level=Level.CONSTANT)
    practice.take(entry())
    (nudge,) = PreviewNudges(practice.home.uow, practice.rules, telegram=True)(
        days=14, now=practice.now
    ).nudges
    assert nudge.channel is Channel.BOTH


async def test_the_preview_without_telegram_knows_matrix_alone(telegram: Telegram) -> None:
    practice = telegram.practice
    await four(telegram)
    (slot,) = PreviewNudges(practice.home.uow, practice.rules)(days=14, now=practice.now).slots
    assert slot.by_channel == {Channel.MATRIX: 4}


async def test_without_a_room_telegram_reaches_nobody(telegram: Telegram) -> None:
    """It would lead to a conversation that there is not."""
    practice = telegram.practice
    await four(telegram)
    practice.execute('UPDATE room SET "left" = true')
    found = PreviewNudges(practice.home.uow, practice.rules, telegram=True)(days=14, now=practice.now)
    assert found.nudges == ()
    assert Counter(found.why_not) == {Unreached.NO_ROOM: 4}


async def test_figures_and_metrics_are_by_channel(telegram: Telegram) -> None:
    practice = telegram.practice
    await four(telegram)
    practice.clock.moment = EVE
    await telegram.send()
    with practice.uow() as uow:
        figures = uow.figures.read(practice.now)
    assert figures.sent == {"matrix": 3, "telegram": 2}
    assert figures.chats == 3
    assert figures.sum_outbox("telegram", OutboxState.SENT.value) == 2
    page = exposition(LIVE, figures, paused=False, free_bytes=None).decode()
    for line in (
        'pli_nudges_sent{channel="matrix"} 3.0',
        'pli_nudges_sent{channel="telegram"} 2.0',
        'pli_outbox_rows{kind="telegram",state="sent"} 2.0',
        "pli_telegram_chats 3.0",
    ):
        assert line in page.splitlines()


@pytest.mark.parametrize(
    ("on", "told", "why"),
    [
        (NudgeOn.TELEGRAM, ProblemKind.UNKNOWN_SEND, Why.DEAD),
        (NudgeOn.BOTH, ProblemKind.UNKNOWN_COPY, None),
    ],
)
async def test_only_what_was_alone_on_telegram_has_somebody_telephoned(
    telegram: Telegram, on: NudgeOn, told: ProblemKind, why: Why | None
) -> None:
    """It is not known whether a copy left: somebody telephones where it was the whole nudge, unless the conversation
    was opened since.
    """
    practice = telegram.practice
    anna = await practice.enrolled()
    who = anna.recipient.id
    telegram.link(who, on)
    practice.take(entry())
    practice.clock.moment = EVE
    telegram.channel.lost = lambda _: ChannelError("no answer", permanent=False, unsure=True)
    await telegram.send()
    assert practice.problems() == [told]
    assert why_not(practice, anna) is why
    practice.clock.forward(minutes=5)
    await NoteSeen(practice.home.uow, practice.clock)(anna.room.room, anna.room.user, practice.now)
    assert why_not(practice, anna) is None


def why_not(practice: Practice, anna: Person) -> Why | None:
    who = anna.recipient.id
    with practice.uow() as uow:
        (patient,) = uow.patients.patients_of(who)
        return JudgeReach(uow, [patient]).why_not(patient, [who], news=False)
