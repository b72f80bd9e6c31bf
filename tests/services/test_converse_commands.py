"""What somebody enrolled may ask: lists and numbers, answers, windows, settings, odd messages."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import time, timedelta
from typing import Any

import pytest

from bot.domain.appointment import Status
from bot.domain.choices import Confirmed, Level, Quiet, Wishes
from bot.domain.messages import Oddity, OpenSentence
from bot.domain.records import AnswerKind, AnswerState, OutboxKind, ProblemKind
from bot.domain.values import Language
from bot.services.record_answer import ReadAnswers
from tests.services.kit import PIN, WRONG_PIN, Person, Practice, at, entry, phone

TWO = (
    entry("a", "2026-09-10 10:00", practitioner="Dr Aube"),
    entry("b", "2026-09-12 11:15", practitioner="Dr Brun"),
)


async def unlocked(practice: Practice, *entries: Any) -> Person:
    anna = await practice.enrolled()
    practice.take(*(entries or TWO))
    assert await anna.say(PIN) == ["release"]
    return anna


def told(practice: Practice) -> str:
    return practice.channel.of("private")[-1].text


# -- lists ----------------------------------------------------------------------------------------------------------


async def test_a_list_says_what_a_patient_needs(practice: Practice) -> None:
    anna = await practice.enrolled("P-1", "P-2")
    practice.take(
        entry("a", patient="P-1", given_name="Léa"),
        entry("b", "2026-09-12 11:15", patient="P-2", given_name="Tom"),
    )
    text = await anna.read(PIN)
    for part in (
        "Thursday, 10 September 2026 at 10:00",
        "Dr Noël",
        "2e étage",
        "À jeun",
        "Léa",
        "Tom",
        "10:10",
    ):
        assert part in text, part


async def test_one_patient_is_not_named(practice: Practice) -> None:
    anna = await practice.enrolled("P-1")
    practice.take(entry(given_name="Léa"))
    assert "Léa" not in await anna.read(PIN)


async def test_five_at_a_time_numbered_through(practice: Practice) -> None:
    anna = await practice.enrolled()
    practice.take(*(entry(f"u-{n}", f"2026-09-{10 + n} 10:00") for n in range(12)))
    pages = [await anna.read(PIN), await anna.read("more"), await anna.read("more")]
    for first, page in zip((1, 6, 11), pages, strict=True):
        assert f"\n{first}. " in page
        assert f"{9 + first} September" in page
    assert "more" in pages[0]
    assert "more" not in pages[2].lower().split("to answer")[0]
    assert await anna.say("more") == ["reply.no_more"]
    assert "10 September" in await anna.read("show")
    await anna.say("more")
    await anna.say("confirm 7")
    assert "16 September" in told(practice)


async def test_what_is_over_is_not_listed(practice: Practice) -> None:
    anna = await practice.enrolled()
    practice.take(entry("a", "2026-09-01 14:00"), entry("b", "2026-09-01 16:00"))
    practice.clock.moment = at("2026-09-01 15:00")
    text = await anna.read(PIN)
    assert "16:00" in text
    assert "14:00" not in text


async def test_what_is_meant_for_somebody_else_is_not_listed(practice: Practice) -> None:
    anna = await practice.enrolled("P-1", name="anna")
    ben = await practice.enrolled("P-1", name="ben")
    practice.take(entry("a", "2026-09-11 08:20"), only=ben.recipient.id)
    assert "08:20" not in await anna.read(PIN)
    assert "08:20" in await ben.read(PIN)


async def test_what_cannot_be_opened_is_reported_and_the_rest_is_told(practice: Practice) -> None:
    anna = await practice.enrolled()
    practice.take(*TWO)
    practice.execute(
        "UPDATE envelope SET blob = (SELECT blob FROM envelope WHERE appointment <> :a LIMIT 1) WHERE appointment = :a",
        a=practice.stored("a").id,
    )
    text = await anna.read(PIN)
    assert "Dr Brun" in text
    assert text.count("September") == 1
    assert practice.problems() == [ProblemKind.UNREADABLE]


async def test_a_change_is_marked_once(practice: Practice) -> None:
    anna = await unlocked(practice, entry())
    practice.clock.forward(minutes=11)
    practice.take(entry(start="2026-09-10 10:30"))
    changed = await anna.read(PIN)
    practice.clock.forward(minutes=11)
    assert await anna.read(PIN) != changed
    assert "changed" in changed.lower()


# -- answers --------------------------------------------------------------------------------------------------------


async def test_confirm_cancel_move_and_keep(anywhere: Practice) -> None:
    anna = await unlocked(anywhere, entry())
    said = {
        "confirm": AnswerKind.CONFIRMED,
        "cancel": AnswerKind.CANCELLED,
        "move": AnswerKind.MOVE,
    }
    assert await anna.say("confirm") == ["release"]
    assert await anna.say("cancel") == ["release"]
    assert await anna.say("yes") == ["release"]
    assert "passed" in told(anywhere)
    assert await anna.say("move") == ["release"]
    assert await anna.say("plutôt le matin, merci 🙂") == ["release"]
    found = anywhere.answers(everything=True)
    assert [(a.answer, a.state) for a in found] == [
        (said["confirm"], AnswerState.VOID),
        (said["cancel"], AnswerState.VOID),
        (said["move"], AnswerState.OPEN),
    ]
    last = found[-1]
    assert (last.source, last.patient, last.with_, last.text) == (
        "u-1",
        "P-1",
        "Dr Noël",
        "plutôt le matin, merci 🙂",
    )
    assert last.at == "2026-09-10T10:00+02:00"
    assert await anna.say("keep") == ["release"]
    assert anywhere.answers() == []


async def test_a_wish_is_stored_sealed_and_nowhere_else(practice: Practice) -> None:
    anna = await unlocked(practice, entry())
    await anna.say("move")
    await anna.say("canarivoeu")
    practice.home.engine.dispose()
    stored = b"".join(f.read_bytes() for f in practice.folder.rglob("*") if f.is_file())
    assert b"canarivoeu" not in stored
    assert [a.text for a in practice.answers()] == ["canarivoeu"]


async def test_failure_25_a_cancellation_is_passed_on_until_the_practice_agrees(practice: Practice) -> None:
    anna = await unlocked(practice, entry())
    await anna.say("cancel")
    await anna.say("yes")
    marked = await anna.read("show")
    assert "CANCELLED by the practice" not in marked
    assert "passed on" in marked
    (answer,) = practice.answers()
    ReadAnswers(practice.home.uow, practice.sealer).done(answer.id, now=practice.now)
    assert "CANCELLED by the practice" in await anna.read("show")
    assert await anna.say("keep") == ["reply.gone"]
    assert practice.answers() == []


async def test_cancelling_asks_first(practice: Practice) -> None:
    anna = await unlocked(practice, entry())
    await anna.say("cancel")
    assert "10 September" in told(practice)
    assert await anna.say("no") == ["reply.nothing_done"]
    assert await anna.say("yes") == ["reply.no_question"]
    assert practice.answers() == []


async def test_two_people_answer_for_themselves(practice: Practice) -> None:
    anna = await unlocked(practice, entry())
    ben = await practice.enrolled("P-1", name="ben")
    practice.take(entry())
    await ben.say(PIN)
    await anna.say("confirm")
    await ben.say("move demain")
    assert {a.answer for a in practice.answers()} == {AnswerKind.CONFIRMED, AnswerKind.MOVE}


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("confirm", ["reply.which"]),
        ("confirm 2", ["release"]),
        ("Confirmer 2 !", ["release"]),
        ("confirm 3", ["reply.no_such_number"]),
        ("confirm 0", ["reply.no_such_number"]),
        ("/cancel 1", ["release"]),
        ("2", ["reply.number_alone"]),
        (PIN, ["release"]),
    ],
)
async def test_numbers(practice: Practice, typed: str, expected: list[str]) -> None:
    anna = await unlocked(practice)
    assert await anna.say(typed) == expected


async def test_a_number_given_later(practice: Practice) -> None:
    anna = await unlocked(practice)
    assert await anna.say("confirm") == ["reply.which"]
    assert await anna.say("2") == ["release"]
    assert "Dr Brun" in told(practice)


# -- windows --------------------------------------------------------------------------------------------------------


async def test_after_the_window_the_command_is_repeated_after_the_pin(practice: Practice) -> None:
    anna = await unlocked(practice)
    practice.clock.forward(minutes=10)
    assert await anna.say("confirm 2") == ["reply.ask_pin"]
    assert await anna.say(PIN) == ["release"]
    assert "Dr Brun" in told(practice)
    assert [a.with_ for a in practice.answers()] == ["Dr Brun"]


async def test_the_number_still_means_what_was_listed(practice: Practice) -> None:
    """Something earlier was booked since: the second of the list that was read is now the third."""
    anna = await unlocked(practice)
    practice.clock.forward(minutes=10)
    practice.take(*TWO, entry("c", "2026-09-08 09:00", practitioner="Dr Clair"))
    await anna.say("confirm 2")
    await anna.say(PIN)
    assert "Dr Brun" in told(practice)


async def test_a_number_whose_appointment_moved_is_not_obeyed(practice: Practice) -> None:
    anna = await unlocked(practice)
    practice.clock.forward(minutes=10)
    practice.take(TWO[0], entry("b", "2026-09-14 16:00", practitioner="Dr Brun"))
    await anna.say("confirm 2")
    assert await anna.say(PIN) == ["release"]
    assert "Your appointments" in told(practice) or "coming appointments" in told(practice)
    assert practice.answers() == []


async def test_the_window_is_over_without_another_message(practice: Practice) -> None:
    anna = await unlocked(practice)
    memory = practice.converse._memories[anna.room.room]
    assert memory.window is not None
    practice.clock.forward(minutes=10)
    await practice.converse.forget()
    assert memory.window is None
    assert await anna.say("more") == ["reply.ask_pin"]


async def test_if_the_revision_moved_within_the_window_the_pin_is_asked_again(practice: Practice) -> None:
    anna = await unlocked(practice, entry())
    practice.take(entry(start="2026-09-10 17:45"))
    assert await anna.say("confirm") == ["reply.ask_pin_changed"]
    assert await anna.say(PIN) == ["release"]
    assert practice.answers() == [] or "17:45" in told(practice)


async def test_if_it_moved_between_the_question_and_the_yes(practice: Practice) -> None:
    anna = await unlocked(practice, entry())
    await anna.say("cancel")
    practice.take(entry(start="2026-09-10 17:45"))
    assert await anna.say("yes") == ["reply.ask_pin_changed"]
    assert practice.answers() == []
    await anna.say(PIN)
    assert "17:45" in told(practice)
    assert practice.answers() == []


async def test_what_the_agenda_cancelled_cannot_be_confirmed(practice: Practice) -> None:
    anna = await practice.enrolled()
    practice.take(entry())
    practice.take(entry(status=Status.CANCELLED))
    await anna.say(PIN)
    for word in ("confirm", "move demain", "keep"):
        assert await anna.say(word) == ["reply.gone"]
    assert practice.answers() == []


async def test_ten_minutes_after_the_question_a_pin_means_show(practice: Practice) -> None:
    anna = await practice.enrolled()
    practice.take(*TWO)
    assert await anna.say("cancel 1") == ["reply.ask_pin"]
    practice.clock.forward(minutes=10)
    await anna.say(PIN)
    assert "coming appointments" in told(practice)


async def test_a_restart_forgets_the_window(practice: Practice) -> None:
    anna = await unlocked(practice)
    practice.start_bot()
    assert await anna.say("show") == ["reply.ask_pin"]


# -- settings -------------------------------------------------------------------------------------------------------


async def test_another_language_at_any_time(anywhere: Practice) -> None:
    anna = await unlocked(anywhere, entry())
    assert await anna.say("français") == ["reply.language_set"]
    assert anna.recipient.language is Language.FR
    assert "jeudi 10 septembre 2026" in (await anna.read("voir")).lower()
    assert await anna.say("language") == ["reply.language_ask"]
    assert await anna.say("english") == ["reply.language_set"]


async def test_the_answer_to_stop_says_how_to_start_again(practice: Practice) -> None:
    anna = await practice.enrolled()
    assert await anna.say("stop") == ["reply.stopped"]
    assert "start" in told(practice)
    assert anna.recipient.reminders_on is False
    assert anna.recipient.changes_on is True


# -- odd messages ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("oddity", "expected", "redacted"),
    [
        (Oddity.UNENCRYPTED, [OpenSentence.UNENCRYPTED.value], True),
        (Oddity.UNDECRYPTABLE, [OpenSentence.UNREADABLE.value], True),  # what came out of its order has words
        (Oddity.NOT_TEXT, ["reply.not_text"], False),
        (Oddity.EDIT, [], True),
    ],
)
async def test_odd_messages_are_answered_kindly_or_not_at_all(
    practice: Practice, oddity: Oddity, expected: list[str], redacted: bool
) -> None:
    anna = await practice.enrolled()
    before = len(practice.channel.redacted)
    assert await anna.say(PIN, oddity=oddity) == expected
    assert practice.keys.tries_left(anna.recipient.id) == 10
    assert (len(practice.channel.redacted) > before) is redacted


async def test_a_reply_is_read_as_what_it_says(practice: Practice) -> None:
    anna = await practice.enrolled()
    assert await anna.say("help", oddity=Oddity.REPLY) == ["reply.help"]


async def test_failure_26_free_text_is_neither_stored_nor_forwarded(practice: Practice) -> None:
    anna = await practice.enrolled()
    before = practice.everything()
    assert await anna.say("j'ai une douleur dans la poitrine") == ["reply.other"]
    assert "112" in told(practice) or "911" in told(practice) or "999" in told(practice)
    assert "01 23 45 67 89" in told(practice)
    after = practice.everything()
    for table in ("answer", "problem", "meta", "recipient", "appointment"):
        assert after[table] == before[table]


async def test_twenty_rapid_messages(anywhere: Practice) -> None:
    anna = await anywhere.enrolled()
    anywhere.take(*TWO)
    anywhere.channel.sent.clear()
    texts = ["show", PIN, "confirm 1", "help", "stop", "start", "more", "language", "bonjour", "merci"] * 2
    for text in texts:
        await anywhere.converse.handle(anna.message(text))
    anywhere.clock.forward(seconds=10)
    await anywhere.send_replies()
    assert len(anywhere.channel.of("private")) + len(anywhere.channel.of("open")) == len(texts)


async def test_a_defect_in_one_message_leaves_the_next_one_alone(practice: Practice) -> None:
    """And the patient is not left in silence for the one that went wrong."""
    anna = await practice.enrolled()
    real = practice.converse._acts.do

    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("a defect")

    practice.converse._acts.do = broken  # type: ignore[method-assign]  # the defect
    with pytest.raises(RuntimeError):
        await practice.converse.handle(anna.message(PIN))
    practice.converse._acts.do = real  # type: ignore[method-assign]  # mended
    before = len(practice.channel.of("private"))
    practice.clock.forward(minutes=3)
    practice.deliver.tidy()
    await practice.send_replies()
    assert len(practice.channel.of("private")) == before + 1
    assert await anna.say("help") == ["reply.help"]
    assert not [r for r in practice.outbox() if r.state.value in ("held", "claimed")]


WORDS = [
    *(
        "show",
        "more",
        "confirm",
        "confirm 1",
        "confirm 2",
        "cancel",
        "cancel 1",
        "cancel 9",
        "keep 1",
        "move",
        "yes",
        "no",
    ),
    *(
        "move 2 le matin",
        "1",
        "2",
        PIN,
        PIN,
        PIN,
        WRONG_PIN,
        "12345",
        "help",
        "stop",
        "start",
        "language",
        "français",
    ),
    *("english", "change pin", "528164", "blabla", "leave", "merci", "forgot pin", ""),
]


@pytest.mark.parametrize("seed", range(3))
async def test_random_conversations(practice: Practice, seed: int) -> None:
    """One answer at most to each message; details only within a window; nothing is left behind; nothing breaks."""
    rng = random.Random(seed)  # noqa: S311 - a test's choice
    anna = await unlocked(practice)
    for _ in range(60):
        text = rng.choice(WORDS)
        if text == "leave" and rng.random() < 0.8:
            continue
        device = phone(anna.room.user, "GHOST", identity="ghost") if rng.random() < 0.1 else None
        before = len(practice.channel.sent)
        answers = await anna.say(text, device=device)
        assert len(answers) <= 1
        for sent in practice.channel.sent[before:]:
            if sent.kind == "open":
                assert "September" not in sent.text
        if rng.random() < 0.3:
            practice.clock.moment += rng.choice(
                [timedelta(minutes=11), timedelta(hours=13), timedelta(seconds=1)]
            )
            if practice.now > at("2026-09-09 12:00"):
                practice.clock.moment = at("2026-09-02 12:00")
        if rng.random() < 0.05:
            practice.start_bot()
            practice.deliver.recover()
            await practice.send_replies()
        assert not [r for r in practice.outbox() if r.state.value in ("held", "claimed")]
    assert "trouble" not in {p.value for p in practice.problems()}
    stored = repr(practice.everything())
    assert "September" not in stored
    assert {r.template for r in practice.outbox(OutboxKind.RELEASE)} <= {""}


@pytest.mark.parametrize(
    ("typed", "wishes"),
    [
        (("discrétion forte",), Wishes(level=Level.PRIVATE)),
        (("full discretion",), Wishes(level=Level.CONSTANT)),
        (("full discretion", "usual discretion"), Wishes()),
        (("no last reminder",), Wishes(confirmed=Confirmed.NONE)),
        (("no last reminder", "high discretion"), Wishes(level=Level.PRIVATE, confirmed=Confirmed.NONE)),
        (("no last reminder", "with last reminder"), Wishes()),
        (("discrétion 7 1",), Wishes(days_before=(7, 1))),
        (("high discretion", "reminders 3 days before"), Wishes(level=Level.PRIVATE, days_before=(3,))),
        (("discretion 7 1", "usual days"), Wishes()),
    ],
)
async def test_a_patient_chooses_the_times(
    practice: Practice, typed: tuple[str, ...], wishes: Wishes
) -> None:
    anna = await practice.enrolled()
    for text in typed:
        assert await anna.say(text) == ["reply.times_set"]
    assert anna.recipient.wishes == wishes


async def test_days_that_a_patient_chose_plan_anew_and_the_desks_wishes_stay(practice: Practice) -> None:
    """Locked or with open details alike, as the level does; what else was asked for at the desk is kept."""
    anna = await practice.enrolled()
    quiet = Quiet(time(19), time(10))
    recipient = replace(anna.recipient, wishes=Wishes(quiet=quiet, daily_cap=2))
    with practice.uow() as uow:
        uow.recipients.save(recipient)
        uow.commit()
    practice.take(entry(start="2026-09-20 15:00"))
    assert await anna.say("discrétion 7 1") == ["reply.times_set"]
    assert {r.slot for r in practice.nudge_rows()} == {at("2026-09-13 18:00"), at("2026-09-19 18:00")}
    assert anna.recipient.wishes == Wishes(quiet=quiet, daily_cap=2, days_before=(7, 1))
    assert "20 September" in await anna.read(PIN)
    assert await anna.say("discretion 2") == ["reply.times_set"]
    assert [r.slot for r in practice.nudge_rows()] == [at("2026-09-18 18:00")]
    assert practice.audited().count("times_set") == 2


async def test_what_is_declined_after_confirming_is_not_sent(practice: Practice) -> None:
    anna = await practice.enrolled()
    practice.take(entry())
    await anna.say(PIN)
    await anna.say("confirm")
    assert len(practice.nudge_rows()) == 1
    await anna.say("no last reminder")
    assert practice.nudge_rows() == []
    await anna.say("with last reminder")
    assert len(practice.nudge_rows()) == 1
