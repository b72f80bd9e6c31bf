"""What is held of a person, and the log, told to this person behind a PIN (P8, P10)."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from datetime import time, timedelta

import pytest

from bot.domain.choices import Confirmed, Level, Quiet, Wishes
from bot.domain.records import AuditKind, OutboxKind
from bot.domain.telegram import ChatId, NudgeOn, TelegramChat
from bot.domain.values import Language
from config.wording import MAX_TEXT_BYTES
from tests.services.kit import PIN, WRONG_PIN, Person, Practice, entry

FOOT = {Language.FR: "répondez «\u00a0suite\u00a0»", Language.EN: "reply “more”"}


async def everything(person: Person, ask: str = "my data", more: str = "more") -> str:
    """All pages, asked for one after the other in one window."""
    assert await person.say(ask) == ["reply.ask_pin"]
    told = [await person.read(PIN)]
    while "“more”" in told[-1] or "suite" in told[-1].rsplit("\n\n", 1)[-1]:
        told.append(await person.read(more))
    for number, page in enumerate(told, start=1):
        assert len(page.encode()) <= MAX_TEXT_BYTES
        assert re.search(rf"\b{number}\b.*\b{len(told)}\b", page.splitlines()[0])
    return "\n".join(told)


async def test_everything_held_is_told(practice: Practice) -> None:
    anna = await practice.enrolled("P-1")
    practice.take(
        entry("u-1", note="À jeun depuis minuit"), entry("u-2", "2026-09-11 15:00", practitioner="Dr Roy")
    )
    await anna.say("voir")
    assert await anna.say(WRONG_PIN) == ["reply.pin_wrong"]
    assert await anna.say(PIN) == ["release"]
    await anna.say("cancel 2")
    assert await anna.say("yes") == ["release"]
    practice.clock.forward(hours=1)
    told = await everything(anna)
    recipient = anna.recipient
    assert recipient.pin is not None
    for held in (
        str(anna.room.user),
        str(recipient.pin.master_key),
        "P-1",
        "English",
        recipient.consent_version,
        "1 Sept 2026",
        "Dr Noël",
        "2e étage",
        "À jeun depuis minuit",
        "Dr Roy",
        "asked to cancel (passed on to the practice)",
        "Reminders that are planned",
        "wrong PIN",
        "2 appointments read here",
        "1 appointment read here",
        "PIN chosen",
        "agreed",
        "sign-up code accepted",
        "sign-up code prepared by the practice",
    ):
        assert held in told, held
    assert WRONG_PIN not in told
    assert PIN not in told


async def test_it_is_told_in_french_too(practice: Practice) -> None:
    anna = await practice.enrolled("P-1")
    practice.take(entry())
    await anna.say("français")
    told = await everything(anna, "mes données", "suite")
    for held in (
        "Voici tout ce qui est gardé",
        "français",
        "Dr Noël",
        "langue choisie",
        "code secret choisi",
        "votre",
    ):
        assert held.lower() in told.lower(), held
    assert not re.search(r"\b(tu|ton|ta|tes|toi)\b", told)


async def test_a_long_log_comes_in_pages_of_one_size_and_none_is_left_out(practice: Practice) -> None:
    anna = await practice.enrolled("P-1")
    practice.take(*(entry(f"u-{n}", f"2026-09-{10 + n} 10:00", note="n" * 1150) for n in range(6)))
    for _ in range(60):
        await anna.say("stop")
        await anna.say("start")
        practice.clock.forward(minutes=1)
    told = await everything(anna)
    assert told.count("reminders stopped") == 60
    assert told.count("reminders started again") == 60
    assert told.count("n" * 1150) == 6
    assert await anna.say("more") == ["reply.data_end"]
    assert await anna.say("more") == ["release"], "behind the end, more means the list again"


async def test_without_a_pin_nothing_is_told_and_a_wrong_one_tells_nothing(practice: Practice) -> None:
    anna = await practice.enrolled("P-1")
    practice.take(entry())
    assert await anna.say("my data") == ["reply.ask_pin"]
    assert await anna.say(WRONG_PIN) == ["reply.pin_wrong"]
    assert "data_shown" not in practice.audited()
    assert await anna.say(PIN) == ["release"], "the command waits for the right one"
    assert practice.audited().count("data_shown") == 1


async def test_after_the_window_the_pin_is_asked_again_and_the_pages_are_gone(practice: Practice) -> None:
    anna = await practice.enrolled("P-1")
    practice.take(entry())
    await anna.say("my data")
    assert await anna.say(PIN) == ["release"]
    practice.clock.moment += practice.unlock + timedelta(seconds=1)
    assert await anna.say("more") == ["reply.ask_pin"]
    assert all(m.window is None for m in practice.converse._memories.values())


async def test_each_page_is_audited_and_taken_back_like_a_release(practice: Practice) -> None:
    anna = await practice.enrolled("P-1")
    practice.take(*(entry(f"u-{n}", f"2026-09-{10 + n} 10:00", note="n" * 1150) for n in range(4)))
    await anna.say("my data")
    await anna.say(PIN)
    await anna.say("more")
    with practice.home.uow() as uow:
        shown = uow.audit.listing(kinds=(AuditKind.DATA_SHOWN,))
    assert [(e.recipient, e.count) for e in shown] == [(anna.recipient.id, 1), (anna.recipient.id, 2)]
    releases = [r for r in practice.outbox(OutboxKind.RELEASE) if r.event]
    assert len(releases) == 2
    practice.clock.forward(minutes=11)
    await practice.send_replies()
    taken_back = {s.text for s in practice.channel.sent if s.kind == "redact"}
    assert {r.event for r in releases} <= taken_back


async def test_p6_the_answer_to_a_pin_looks_like_every_other(practice: Practice) -> None:
    """Right or wrong, for the list or for everything held: one message, as many redactions, the same rotation."""
    shapes = set()
    for number, (ask, pin) in enumerate(
        [("show", PIN), ("show", WRONG_PIN), ("my data", PIN), ("my data", WRONG_PIN)]
    ):
        person = await practice.enrolled(f"P-{number}", name=f"person{number}")
        practice.take(entry(f"u-{number}", patient=f"P-{number}"))
        before, rows = len(practice.channel.sent), len(practice.outbox())
        await person.say(ask)
        await person.say(pin)
        practice.clock.forward(minutes=30)
        await practice.send_replies()
        sent = [s.kind for s in practice.channel.sent[before:]]
        kinds = [
            (r.redact_after, r.rotate) for r in practice.outbox()[rows:] if r.kind is not OutboxKind.REDACT
        ]
        shapes.add((tuple(sent), tuple(kinds)))
    assert len(shapes) == 1, shapes


async def test_nothing_of_another_recipient_of_the_same_patient_is_told(practice: Practice) -> None:
    anna = await practice.enrolled("P-1", name="anna")
    boris = await practice.enrolled("P-1", name="boris")
    practice.take(entry())
    for person in (anna, boris):
        await person.say("show")
        await person.say(PIN)
    await boris.say("cancel")
    await boris.say("yes")
    practice.clock.forward(hours=1)
    told = await everything(anna)
    assert "boris" not in told
    assert "asked to cancel" not in told
    assert str(boris.recipient.id) not in told


async def test_the_log_goes_on_across_a_new_code(practice: Practice) -> None:
    anna = await practice.enrolled("P-1")
    practice.take(entry())
    await anna.say("show")
    await anna.say(WRONG_PIN)
    practice.clock.forward(hours=1)
    await anna.enrol(practice.invite("P-1"))
    told = await everything(anna)
    assert "wrong PIN" in told
    assert "earlier sign-up erased" in told


@pytest.mark.parametrize("word", ["my data", "mes données"])
async def test_who_is_not_enrolled_or_locked_is_told_nothing(practice: Practice, word: str) -> None:
    stranger = practice.person("nobody")
    assert await stranger.say(word) == ["open.hello"]
    anna = await practice.enrolled("P-1")
    for _ in range(10):
        await anna.say("show")
        practice.clock.forward(days=1)
        await anna.say(WRONG_PIN)
    assert await anna.say(word) == ["reply.locked"]
    assert "data_shown" not in practice.audited()


WISHES = Wishes(
    level=Level.PRIVATE,
    days_before=(7, 1),
    confirmed=Confirmed.NONE,
    slots=(time(12), time(18)),
    quiet=Quiet(time(17), time(18)),
    daily_cap=2,
)


@pytest.mark.parametrize(
    ("language", "words"),
    [
        (
            Language.EN,
            (
                *("asked for: high", "days before: 7, 1", "no more reminders", "asked for: 12:00, 18:00"),
                *("between 17:00 and 18:00", "at most: 2", "Telegram is connected since"),
                *(", in French.", "With high discretion you are told on Telegram only."),
            ),
        ),
        (
            Language.FR,
            (
                *(
                    "demandée\u00a0: forte",
                    "jours avant\u00a0: 7, 1",
                    "plus demandé de rappel",
                    "12:00, 18:00",
                ),
                *("entre 17:00 et 18:00", "au plus\u00a0: 2", "Telegram est relié depuis"),
                *(", en français.", "Avec la discrétion forte, vous êtes averti sur"),
            ),
        ),
    ],
)
async def test_what_was_wished_and_telegram_are_told(
    practice: Practice, language: Language, words: tuple[str, ...]
) -> None:
    anna = await practice.enrolled("P-1")
    plain = await everything(anna)
    for held in ("asked for", "Telegram is", "discretion you are told"):
        assert held not in plain, "nothing was asked for"
    await anna.say("français" if language is Language.FR else "english")
    wishing = replace(anna.recipient, wishes=WISHES)
    with practice.uow() as uow:
        uow.recipients.save(wishing)
        uow.telegram.put_chat(
            TelegramChat(
                id="link-1",
                recipient=wishing.id,
                chat=ChatId(4_242_424_242),
                language=Language.FR,
                linked_at=practice.now,
                nudge_on=((Level.PRIVATE.value, NudgeOn.TELEGRAM),),
            )
        )
        uow.commit()
    ask, more = ("mes données", "suite") if language is Language.FR else ("my data", "more")
    practice.clock.forward(hours=1)
    told = await everything(anna, ask, more)
    for held in words:
        assert held in told, held


def test_every_wish_is_told() -> None:
    """One that is added to the values is missed here first."""
    assert {f.name for f in fields(Wishes)} == {
        f.name for f in fields(WISHES) if getattr(WISHES, f.name) is not None
    }
    assert len(fields(Wishes)) == 6
