"""Telegram in the encrypted room; the rules by number are those of :mod:`bot.services.link_telegram`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.domain.choices import Level
from bot.domain.records import OutboxKind, OutboxState
from bot.domain.telegram import ChatId, NudgeOn, TelegramChat, TelegramSentence
from bot.domain.values import Language, RecipientId
from bot.errors import ChannelError
from bot.services.invite_recipient import InviteRecipient
from bot.services.purge import Purge
from bot.services.reset_recipient import ResetRecipient
from config.nudge_settings import Nudges
from tests.services.kit import DAY, OTHER_PIN, PIN, WRONG_PIN, Person, Practice, phone
from tests.services.telegram import FakeTelegram, Listening, token_of
from tests.storage.emptied import emptied

CHAT = 4_242_424_242


@pytest.fixture(params=["sqlite", "postgresql"])
def anywhere(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Practice]:
    """A practice with Telegram, over each database that is supported."""
    url = emptied(request.getfixturevalue("shared_postgres")) if request.param == "postgresql" else ""
    made = Practice(tmp_path, database=url, telegram=FakeTelegram())
    yield made
    made.close()


@pytest.fixture
def practice(tmp_path: Path) -> Iterator[Practice]:
    made = Practice(tmp_path, telegram=FakeTelegram(), nudges=Nudges(level=Level.DISCREET))
    yield made
    made.close()


def listening(practice: Practice) -> Listening:
    assert practice.telegram is not None
    return Listening(practice.home.uow, practice.telegram, practice.clock)


def chat_of(practice: Practice, recipient: RecipientId) -> TelegramChat | None:
    with practice.home.uow() as uow:
        return uow.telegram.by_recipient(recipient)


async def open_window(person: Person, word: str = "voir") -> None:
    await person.say(word)
    assert await person.say(PIN) == ["release"]


async def given(person: Person, word: str = "telegram") -> str:
    """The text with a link, in an open window."""
    await open_window(person)
    return await person.read(word)


async def linked(practice: Practice, person: Person, chat: int = CHAT) -> Listening:
    """The person's chat is bound, and the room has been told so."""
    there = listening(practice)
    answers = await there.start_chat(chat, token_of(await given(person)))
    assert [sentence for sentence, _ in answers] == [TelegramSentence.LINKED]
    await practice.send_replies()
    return there


async def test_rule_1_a_link_is_128_random_bits_and_kept_as_a_digest_alone(anywhere: Practice) -> None:
    anna = await anywhere.enrolled()
    tokens = [token_of(await given(anna)).reveal() for _ in range(3)]
    assert len(set(tokens)) == 3
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{22}", token) for token in tokens)
    for table, rows in anywhere.everything().items():
        assert not any(token in str(rows) for token in tokens), table
    with anywhere.home.uow() as uow:
        kept = [uow.telegram.link(uow.telegram.digest(token)) for token in tokens]
    assert [link.spent for link in kept if link] == [True, True, False], "rule 3: the last one alone is open"


async def test_rule_1_the_text_of_a_link_is_taken_back_and_never_at_rest(practice: Practice) -> None:
    anna = await practice.enrolled()
    await open_window(anna)
    held = practice.channel
    before = len(held.sent)
    assert await anna.say("telegram") == ["release"]
    (text,) = held.sent[before:]
    token = token_of(text.text).reveal()
    assert all(token not in (row.template + str(row.params)) for row in practice.outbox())
    practice.clock.forward(minutes=practice.settings.release.redact_after_minutes + 1)
    await practice.send_replies()
    assert text.event in held.redacted


async def test_rule_1_a_link_that_was_not_told_when_the_process_died_is_never_told(
    practice: Practice,
) -> None:
    anna = await practice.enrolled()
    await open_window(anna)
    message = anna.message("telegram")
    await practice.converse.handle(message)  # written, not sent
    practice.start_bot()
    practice.deliver.recover()
    await practice.send_replies()
    assert "t.me" not in "".join(s.text for s in practice.channel.sent)
    (row,) = [r for r in practice.outbox(OutboxKind.REPLY) if r.template == "reply.ask_pin"][-1:]
    assert row.state is OutboxState.SENT
    assert await anna.say(PIN) == ["release"], "and the conversation goes on"


async def test_rule_2_the_word_asks_for_the_pin_and_goes_on_behind_it(anywhere: Practice) -> None:
    anna = await anywhere.enrolled()
    for word in ("telegram", "Télégram s'il vous plaît", "telegram seul"):
        assert await anna.say(word) == ["reply.ask_pin"]
        assert await anna.say(WRONG_PIN) == ["reply.pin_wrong"]
        await anna.say("non")
    assert "telegram_offered" not in anywhere.audited()
    await anna.say("telegram")
    assert "https://t.me/pli_example_bot?start=" in await anna.read(PIN)
    assert anywhere.audited().count("telegram_offered") == 1
    assert "released" not in anywhere.audited(), "nothing of an appointment was shown"


async def test_rule_2_every_answer_to_the_word_is_taken_back(practice: Practice) -> None:
    """P6: else the one that stays would tell that no right PIN was typed."""
    anna = await practice.enrolled()
    for word in ("telegram", PIN, "telegram", "telegram ici"):
        before = len(practice.channel.sent)
        await anna.say(word)
        (said,) = [s for s in practice.channel.sent[before:] if s.kind == "private"]
        practice.clock.forward(minutes=practice.settings.release.redact_after_minutes)
        await practice.send_replies()
        assert said.event in practice.channel.redacted, word


async def test_rule_2_when_the_window_is_over_it_takes_the_pin_again(practice: Practice) -> None:
    anna = await practice.enrolled()
    await open_window(anna)
    practice.clock.forward(minutes=11)
    assert await anna.say("telegram") == ["reply.ask_pin"]


async def test_nobody_who_is_not_enrolled_gets_a_link(practice: Practice) -> None:
    stranger = practice.person("stranger")
    assert await stranger.say("telegram") == ["open.hello"]
    ben = practice.person("ben")
    await ben.say(practice.invite("P-2").code.reveal())
    for word in ("telegram", "telegram non"):
        assert await ben.say(word) == ["reply.consent_ask"]
    anna = await practice.enrolled("P-1")
    other = phone(anna.room.user, "OTHER", identity="another")
    assert await anna.say("telegram", device=other) == ["open.unknown_device"]
    assert "telegram_offered" not in practice.audited()


async def test_where_it_is_bound_the_word_shows_what_is_set_and_changes_it(anywhere: Practice) -> None:
    anna = await anywhere.enrolled()
    assert await anna.say("telegram seul") == ["reply.ask_pin"]
    assert await anna.say(PIN) == ["reply.telegram_none"], "nothing is bound yet"
    await linked(anywhere, anna)
    await open_window(anna)
    for word, told in (
        ("telegram", "both"),
        ("telegram only", "only"),
        ("telegram", "only"),
        ("telegram ici", "here"),
        ("telegram matrix", "here"),
        ("telegram les deux", "both"),
        ("telegram both", "both"),
    ):
        assert await anna.say(word) == [f"reply.telegram_{told}"], word
    assert anywhere.audited().count("telegram_set") == 5
    assert anywhere.audited().count("telegram_offered") == 1, "no link where a chat is bound"


async def test_rule_4_where_nudges_go_is_chosen_for_the_level_that_holds(practice: Practice) -> None:
    """The practice's level, or the recipient's own where that is the stricter one."""
    anna = await practice.enrolled()
    await linked(practice, anna)
    await open_window(anna)
    await anna.say("telegram only")
    await anna.say("discrétion totale")
    assert await anna.say("telegram") == ["reply.telegram_both"], "nothing was chosen for this one"
    await anna.say("telegram ici")
    chat = chat_of(practice, anna.recipient.id)
    assert chat is not None
    assert dict(chat.nudge_on) == {"discreet": NudgeOn.TELEGRAM, "constant": NudgeOn.MATRIX}
    await anna.say("discrétion normale")
    assert await anna.say("telegram") == ["reply.telegram_only"]


async def test_off_undoes_it_without_a_pin_and_no_link_binds_any_more(anywhere: Practice) -> None:
    anna = await anywhere.enrolled()
    there = await linked(anywhere, anna)
    anywhere.clock.forward(hours=1)
    assert await anna.say("telegram off") == ["reply.telegram_unlinked"]
    assert chat_of(anywhere, anna.recipient.id) is None
    assert await anna.say("telegram non") == ["reply.telegram_none"]
    token = token_of(await given(anna))
    assert await anna.say("arrêter telegram") == ["reply.telegram_none"]
    assert [s for s, _ in await there.start_chat(CHAT, token)] == [TelegramSentence.LINK_REFUSED]
    assert anywhere.audited().count("telegram_unlinked") == 1


async def test_who_is_locked_out_may_still_end_it(practice: Practice) -> None:
    anna = await practice.enrolled()
    there = await linked(practice, anna)
    for _ in range(10):
        practice.clock.forward(days=1)
        await anna.say(WRONG_PIN)
    assert await anna.say("telegram") == ["reply.locked"]
    assert await anna.say("telegram non") == ["reply.telegram_unlinked,reply.locked"]
    assert chat_of(practice, anna.recipient.id) is None
    assert there.telegram.nudged == []


async def test_a_link_dies_with_the_key(practice: Practice) -> None:
    anna = await practice.enrolled()
    for _ in range(9):
        practice.clock.forward(days=1)
        await anna.say(WRONG_PIN)
    practice.clock.forward(days=1)
    token = token_of(await given(anna))
    there = listening(practice)
    practice.enrol.lock(anna.recipient.id, practice.now)
    with practice.home.uow() as uow:
        link = uow.telegram.link(uow.telegram.digest(token.reveal()))
    assert link is not None
    assert link.spent
    assert [s for s, _ in await there.start_chat(CHAT, token)] == [TelegramSentence.LINK_REFUSED]


async def test_what_telegram_cannot_give_is_trouble_and_leaves_no_link(practice: Practice) -> None:
    anna = await practice.enrolled()
    await open_window(anna)
    telegram = practice.telegram
    assert telegram is not None
    telegram.fault = lambda _call: ChannelError("the bot's name is not known yet", permanent=False)
    assert await anna.say("telegram") == ["reply.trouble"]
    telegram.fault = lambda _call: None
    assert await anna.say("telegram") == ["release"]
    assert practice.audited().count("telegram_offered") == 1


async def test_a_practice_without_telegram_does_not_know_the_word(tmp_path: Path) -> None:
    practice = Practice(tmp_path)
    anna = await practice.enrolled()
    await open_window(anna)
    for word in ("telegram", "telegram non", "telegram seul"):
        assert await anna.say(word) == ["reply.other"], word
    assert "elegram" not in await anna.read("aide")
    practice.close()


async def test_the_help_names_it_where_the_practice_has_it(practice: Practice) -> None:
    anna = await practice.enrolled()
    assert "“telegram”" in await anna.read("help")
    await anna.say("français")
    assert "«\u00a0telegram\u00a0»" in await anna.read("aide")


async def test_everything_held_names_it(practice: Practice) -> None:
    anna = await practice.enrolled()
    await linked(practice, anna)
    await open_window(anna)
    text = await anna.read("mes données")
    assert "Telegram is connected since 1 Sept 2026" in text
    assert "Telegram connected" in text, "and the log does"
    assert str(CHAT) not in text


# -- whatever ends a recipient ends it too --------------------------------------------------------------------------


async def test_leaving_unbinds(anywhere: Practice) -> None:
    anna = await anywhere.enrolled()
    there = await linked(anywhere, anna)
    await anna.say("quitter")
    await anna.say("oui")
    await is_unbound(anywhere, there)


async def test_a_reset_unbinds(anywhere: Practice) -> None:
    anna = await anywhere.enrolled()
    there = await linked(anywhere, anna)
    reset = ResetRecipient(
        anywhere.home.uow, anywhere.keys, InviteRecipient(anywhere.home.uow, anywhere.registrar)
    )
    (target,) = reset.targets(["P-1"], None)
    reset(target, valid=DAY, now=anywhere.now)
    await is_unbound(anywhere, there)


async def test_a_patient_who_is_removed_is_unbound(anywhere: Practice) -> None:
    anna = await anywhere.enrolled()
    there = await linked(anywhere, anna)
    anywhere.remove("P-1")
    await is_unbound(anywhere, there, told=False)


async def test_who_left_is_purged_without_a_trace_of_it(anywhere: Practice) -> None:
    anna = await anywhere.enrolled()
    await linked(anywhere, anna)
    await anna.say("quitter")
    await anna.say("oui")
    anywhere.clock.forward(minutes=11)
    await anywhere.send_replies()
    anywhere.clock.forward(hours=2)
    await anywhere.rooms.close_left()
    Purge(anywhere.home.uow, anywhere.keys)(anywhere.now)
    stored = anywhere.everything()
    assert stored["recipient"] == stored["telegram_chat"] == stored["telegram_link"] == []


async def test_a_new_code_of_another_recipient_unbinds_the_one_before(anywhere: Practice) -> None:
    """Who is told from then on is a new recipient: the old one is forgotten."""
    anna = await anywhere.enrolled()
    there = await linked(anywhere, anna)
    again = InviteRecipient(anywhere.home.uow, anywhere.registrar)
    code = again(("P-1",), language=Language.EN, valid=DAY, now=anywhere.now).code.reveal()
    assert await anna.say(code) == ["reply.consent"]
    await is_unbound(anywhere, there)


async def test_a_new_phone_keeps_it_and_an_open_link_dies(anywhere: Practice) -> None:
    anna = await anywhere.enrolled()
    token = token_of(await given(anna))
    there = listening(anywhere)
    await relink(anywhere, anna)
    assert [s for s, _ in await there.start_chat(CHAT, token)] == [TelegramSentence.LINK_REFUSED]
    await anywhere.send_replies()
    await linked(anywhere, anna)
    await relink(anywhere, anna)
    assert chat_of(anywhere, anna.recipient.id) is not None, "the same person, with the same PIN"


async def test_where_another_account_answers_from_now_on_it_is_unbound(anywhere: Practice) -> None:
    anna = await anywhere.enrolled()
    recipient = anna.recipient.id
    await linked(anywhere, anna)
    await relink(anywhere, anywhere.person("bea"))
    assert chat_of(anywhere, recipient) is None


async def relink(practice: Practice, person: Person) -> None:
    invite = InviteRecipient(practice.home.uow, practice.registrar)
    code = invite.relink("P-1", recipient=None, valid=DAY, now=practice.now).code.reveal()
    assert (await person.say(code))[-1] == "reply.relinked"


async def is_unbound(practice: Practice, there: Listening, *, told: bool = True) -> None:
    assert practice.everything()["telegram_chat"] == []
    with practice.home.uow() as uow:
        assert uow.telegram.by_chat(ChatId(CHAT)) is None
    assert ("telegram_unlinked" in practice.audited()) is told
    there.telegram.said.clear()


async def test_a_pin_is_changed_without_a_word_about_it(practice: Practice) -> None:
    anna = await practice.enrolled()
    await linked(practice, anna)
    await anna.say("code")
    for pin in (PIN, OTHER_PIN, OTHER_PIN):
        await anna.say(pin)
    assert chat_of(practice, anna.recipient.id) is not None
