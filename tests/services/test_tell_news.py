"""What the staff are told unasked; the rules by number are those of :mod:`bot.services.tell_news`."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.domain.records import ProblemKind
from bot.domain.values import RecipientId
from bot.services.count_morning import CountMorning, Morning
from bot.services.pause_nudges import PauseNudges
from bot.services.record_answer import ReadAnswers
from bot.services.tell_news import MOST_PROBLEMS, URGENT_PROBLEMS, Event, News, TellNews
from tests.services.kit import PIN, Person, Practice, at, entry


def tell(practice: Practice, *, urgent: bool = False) -> News:
    """By a process that knows nothing of the call before."""
    return TellNews(practice.home.uow, practice.sealer)(urgent=urgent, now=practice.now)


def told(practice: Practice, news: News) -> bool:
    return TellNews(practice.home.uow, practice.sealer).told(news.token)


def events(news: News) -> list[tuple[Event, str]]:
    return [(a.event, a.answer.patient) for a in news.answers]


def problem(practice: Practice, kind: ProblemKind, recipient: RecipientId | None = None) -> None:
    with practice.home.uow() as uow:
        uow.problems.add(kind, practice.now, recipient)
        uow.commit()


async def reading(practice: Practice, start: str = "2026-09-10 10:00") -> Person:
    """Somebody with one visit, whose list is open."""
    anna = await practice.enrolled()
    practice.take(entry(start=start))
    await anna.say(PIN)
    return anna


async def cancel(anna: Person) -> None:
    await anna.say("cancel")
    await anna.say("yes")


async def test_a_cancellation_is_told_once_with_the_agendas_own_identity(anywhere: Practice) -> None:
    await cancel(await reading(anywhere))
    news = tell(anywhere)
    (line,) = news.answers
    assert (line.event, line.answer.source, line.answer.patient, line.answer.with_) == (
        *(Event.CANCELLED, "u-1", "P-1"),
        "Dr Noël",
    )
    assert line.answer.at == "2026-09-10T10:00+02:00"
    assert told(anywhere, news)
    assert not tell(anywhere)
    assert not told(anywhere, news), "a second time it does nothing"


async def test_rule_1_a_piece_is_the_same_until_it_was_told(anywhere: Practice) -> None:
    anna = await reading(anywhere)
    await anna.say("move 1 le matin")
    first = tell(anywhere)
    problem(anywhere, ProblemKind.UNKNOWN_SEND, anna.recipient.id)
    again = tell(anywhere)
    assert (again.token, events(again), again.problems) == (first.token, events(first), ())
    assert told(anywhere, first)
    rest = tell(anywhere)
    assert rest.token != first.token
    assert [(p.kind, p.patients) for p in rest.problems] == [(ProblemKind.UNKNOWN_SEND, ("P-1",))]


async def test_rule_1_nothing_is_lost_or_repeated_between_the_two_kinds_of_pieces(practice: Practice) -> None:
    anna = await reading(practice)
    problem(practice, ProblemKind.LOCKED, anna.recipient.id)
    problem(practice, ProblemKind.CAPPED, anna.recipient.id)
    urgent = tell(practice, urgent=True)
    rest = tell(practice)
    assert [p.kind for p in urgent.problems] == [ProblemKind.LOCKED]
    assert [p.kind for p in rest.problems] == [ProblemKind.CAPPED]
    assert told(practice, urgent)
    assert told(practice, rest)
    assert not tell(practice)
    assert not tell(practice, urgent=True)


async def test_rule_1_what_cannot_wait_overtakes_a_piece_that_was_never_told(practice: Practice) -> None:
    await reading(practice)
    problem(practice, ProblemKind.LOCKED)
    tell(practice)
    urgent = tell(practice, urgent=True)
    assert [p.kind for p in urgent.problems] == [ProblemKind.LOCKED]
    assert told(practice, urgent)
    assert not tell(practice)


async def test_rule_2_what_was_dealt_with_before_is_no_news(practice: Practice) -> None:
    await cancel(await reading(practice))
    problem(practice, ProblemKind.CAPPED)
    (answer,) = practice.answers()
    ReadAnswers(practice.home.uow, practice.sealer).done(answer.id, now=practice.now)
    with practice.home.uow() as uow:
        uow.problems.clear()
        uow.commit()
    assert not tell(practice)


async def test_rule_2_problems_stay_listed_after_they_were_told(practice: Practice) -> None:
    problem(practice, ProblemKind.CAPPED)
    assert told(practice, tell(practice))
    assert practice.problems() == [ProblemKind.CAPPED]


async def test_a_confirmation_alone_is_no_news(practice: Practice) -> None:
    anna = await reading(practice)
    await anna.say("confirm 1")
    assert not tell(practice)


async def test_rule_3_confirming_after_all(anywhere: Practice) -> None:
    anna = await reading(anywhere)
    await anna.say("move 1 le soir")
    assert told(anywhere, tell(anywhere))
    await anna.say("confirm 1")
    assert events(tell(anywhere)) == [(Event.CONFIRMED_AFTER_ALL, "P-1")]


async def test_rule_3_not_where_nothing_was_told_before(practice: Practice) -> None:
    anna = await reading(practice)
    await anna.say("move 1 le soir")
    await anna.say("confirm 1")
    assert not tell(practice)


async def test_rule_3_taking_it_back(anywhere: Practice) -> None:
    anna = await reading(anywhere)
    await cancel(anna)
    assert told(anywhere, tell(anywhere))
    await anna.say("keep 1")
    taken_back = tell(anywhere)
    assert events(taken_back) == [(Event.WITHDRAWN, "P-1")]
    assert told(anywhere, taken_back)
    assert not tell(anywhere)


async def test_rule_3_where_the_agenda_changed_the_practice_knows(practice: Practice) -> None:
    await cancel(await reading(practice))
    assert told(practice, tell(practice))
    practice.take(entry(start="2026-09-15 10:00", sequence=1))
    assert not tell(practice)


@pytest.mark.parametrize(("hours", "urgent"), [(48, True), (49, False)])
async def test_rule_4_a_cancellation_within_48_hours_cannot_wait(
    practice: Practice, hours: int, urgent: bool
) -> None:
    anna = await practice.enrolled()
    practice.clock.moment = at("2026-09-02 09:00")
    practice.take(entry(start=practice.now + timedelta(hours=hours)))
    await anna.say(PIN)
    await cancel(anna)
    practice.clock.moment = at("2026-09-02 09:00")
    assert bool(tell(practice, urgent=True)) is urgent
    assert len((*tell(practice).answers, *tell(practice, urgent=True).answers)) == 1


async def test_rule_4_a_wish_to_move_waits_for_the_slot(practice: Practice) -> None:
    anna = await reading(practice, "2026-09-02 10:00")
    await anna.say("move 1 plus tard")
    assert not tell(practice, urgent=True)


@pytest.mark.parametrize("kind", ProblemKind)
async def test_rule_4_every_kind_of_problem(practice: Practice, kind: ProblemKind) -> None:
    anna = await practice.enrolled("P-2", "P-1")
    for _ in range(3):
        problem(practice, kind, anna.recipient.id)
    practice.clock.forward(minutes=1)  # rule 6
    assert bool(tell(practice, urgent=True)) is (kind in URGENT_PROBLEMS)
    news = tell(practice, urgent=kind in URGENT_PROBLEMS)
    assert [(p.kind, p.count, p.patients) for p in news.problems] == [(kind, 3, ("P-1", "P-2"))]


async def test_rule_5_a_box_that_does_not_open_is_told(practice: Practice) -> None:
    await cancel(await reading(practice))
    practice.execute("UPDATE answer SET blob = :blob", blob=b"x")
    (line,) = tell(practice).answers
    assert (line.event, line.answer.readable) == (Event.CANCELLED, False)


async def test_reading_answers_is_audited_once_a_piece(practice: Practice) -> None:
    await cancel(await reading(practice))
    for _ in range(3):
        tell(practice)
    assert practice.audited().count("answers_read") == 1


async def test_nothing_is_written_where_there_is_nothing_new(practice: Practice) -> None:
    before = practice.everything()
    assert not tell(practice)
    assert not tell(practice, urgent=True)
    assert not TellNews(practice.home.uow, practice.sealer).told("")
    assert practice.everything() == before


async def test_the_morning_counts_one_day(anywhere: Practice) -> None:
    anna = await anywhere.enrolled("P-1", name="anna")
    await anywhere.enrolled("P-2", name="ben")
    anywhere.take(entry("a"), entry("b", patient="P-2"), entry("c", "2026-09-20 10:00"))
    anywhere.clock.moment = at("2026-09-09 18:00")
    await anywhere.send_nudges()
    await anna.say(PIN)
    await anna.say("move 1 plus tard")
    problem(anywhere, ProblemKind.CAPPED)
    PauseNudges(anywhere.home.uow, anywhere.home.settings.nudge_rules()).pause(anywhere.now)
    anywhere.clock.moment = at("2026-09-10 08:00")
    count = CountMorning(anywhere.home.uow)
    assert count(anywhere.now) == Morning(nudged=2, opened=1, waiting=1, problems=1, standing=1, paused=True)
    later = count(at("2026-09-11 08:00"))
    assert later == Morning(nudged=0, opened=0, waiting=1, problems=0, standing=1, paused=True)


async def test_rule_1_more_than_one_piece_holds_comes_in_the_next(practice: Practice) -> None:
    for _ in range(MOST_PROBLEMS + 2):
        problem(practice, ProblemKind.CAPPED)
    first = tell(practice)
    assert first.problems[0].count == MOST_PROBLEMS
    assert told(practice, first)
    second = tell(practice)
    assert second.problems[0].count == 2
    assert told(practice, second)
    assert not tell(practice)
