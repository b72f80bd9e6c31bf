"""What comes in from Telegram; the rules by number are those of :mod:`bot.services.hear_telegram`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from itertools import count
from pathlib import Path
from threading import Barrier, BrokenBarrierError
from typing import Any

import pytest

from bot.domain.records import OutboxKind, OutboxState
from bot.domain.telegram import (
    Asked,
    Blocked,
    ChatId,
    Command,
    Elsewhere,
    HeardOnTelegram,
    Started,
    TelegramChat,
    TelegramLink,
    TelegramSentence,
    Typed,
)
from bot.domain.values import Language, RecipientId, Secret
from bot.errors import ChannelError, StorageError
from bot.ports_storage import UnitOfWork
from bot.services.link_telegram import VALID
from bot.services.settle_restored import SettleRestored
from storage.telegram_rows import TelegramTables
from tests.services.kit import PIN, Person, Practice
from tests.services.telegram import Answer, FakeTelegram, Listening, token_of
from tests.storage.emptied import emptied

CHAT, OTHER = ChatId(4_242_424_242), ChatId(5_151_515_151)
GROUP = ChatId(-1_001_234_567)
EN, FR = Language.EN, Language.FR
LINKED = [(TelegramSentence.LINKED, EN)]
REFUSED = [(TelegramSentence.LINK_REFUSED, EN)]
UNKNOWN = Secret("AAAAAAAAAAAAAAAAAAAAAA")


@pytest.fixture(params=["sqlite", "postgresql"])
def practice(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Practice]:
    url = emptied(request.getfixturevalue("shared_postgres")) if request.param == "postgresql" else ""
    made = Practice(tmp_path, database=url, telegram=FakeTelegram())
    yield made
    made.close()


@pytest.fixture
def there(practice: Practice) -> Listening:
    assert practice.telegram is not None
    return Listening(practice.uow, practice.telegram, practice.clock)


async def token_for(person: Person) -> Secret:
    await person.say("voir")
    await person.say(PIN)
    return token_of(await person.read("telegram"))


async def bind(person: Person, there: Listening, chat: ChatId = CHAT) -> Secret:
    token = await token_for(person)
    assert await there.start_chat(chat, token) == [(TelegramSentence.LINKED, person.recipient.language)]
    await person.practice.send_replies()
    return token


def chat_of(practice: Practice, recipient: RecipientId) -> TelegramChat | None:
    with practice.home.uow() as uow:
        return uow.telegram.by_recipient(recipient)


def told(practice: Practice) -> list[str]:
    """What waits for the rooms."""
    return [r.template for r in practice.outbox(OutboxKind.REPLY) if r.state is OutboxState.QUEUED]


async def refused(practice: Practice, there: Listening, chat: ChatId, token: Secret, **how: bool) -> None:
    """In the same words as ever, and the room hears of it once."""
    for number in range(2):
        assert await there(Started(chat=chat, token=token, **how), suggests=EN) == REFUSED
        assert told(practice) == ["reply.telegram_refused"], number


# -- links -----------------------------------------------------------------------------------------------------------


async def test_rule_1_a_link_binds_the_chat_and_the_room_is_told(
    practice: Practice, there: Listening
) -> None:
    anna = await practice.enrolled()
    token = await token_for(anna)
    assert await there.start_chat(CHAT, token) == LINKED
    bound = chat_of(practice, anna.recipient.id)
    assert bound is not None
    assert (bound.chat, bound.language, bound.linked_at, bound.nudge_on) == (CHAT, EN, practice.now, ())
    assert told(practice) == ["reply.telegram_linked"]
    assert there.woken == 1
    assert practice.audited().count("telegram_linked") == 1
    before = len(practice.channel.sent)
    await practice.send_replies()
    (said,) = practice.channel.sent[before:]
    assert (said.kind, said.to.room) == ("private", anna.room.room)
    assert "Telegram is now connected" in said.text


async def test_rule_6_the_room_is_told_after_a_crash_as_well(practice: Practice, there: Listening) -> None:
    anna = await practice.enrolled()
    await there.start_chat(CHAT, await token_for(anna))
    practice.start_bot()
    practice.deliver.recover()
    before = len(practice.channel.sent)
    await practice.send_replies()
    assert any("Telegram is now connected" in s.text for s in practice.channel.sent[before:])


async def test_rule_1_it_is_said_in_the_recipients_language(practice: Practice, there: Listening) -> None:
    anna = await practice.enrolled()
    await anna.say("français")
    token = await token_for(anna)
    answers = await there(Started(chat=CHAT, token=token), suggests=EN)
    assert answers == [(TelegramSentence.LINKED, FR)]


async def test_rule_1_the_very_same_link_again_from_its_chat_changes_nothing(
    practice: Practice, there: Listening
) -> None:
    anna = await practice.enrolled()
    token = await bind(anna, there)
    stored, woken = practice.everything(), there.woken
    for number in (0, 7):  # the same update, and another
        assert await there(Started(chat=CHAT, token=token), number=number) == LINKED
    practice.clock.forward(days=3)
    assert await there.start_chat(CHAT, token) == LINKED
    assert practice.everything() == stored
    assert there.woken == woken


async def test_rule_1_used_twice_by_a_second_account(practice: Practice, there: Listening) -> None:
    anna = await practice.enrolled()
    token = await bind(anna, there)
    await refused(practice, there, OTHER, token)
    bound = chat_of(practice, anna.recipient.id)
    assert bound is not None
    assert bound.chat == CHAT
    assert practice.audited().count("telegram_refused") == 1


async def test_rule_1_two_accounts_at_the_very_same_time(
    practice: Practice, there: Listening, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both look at the link before either has written, where the database lets them."""
    anna = await practice.enrolled()
    token = await token_for(anna)
    both, look = Barrier(2), TelegramTables.link

    def link(self: TelegramTables, digest: str) -> TelegramLink | None:
        found = look(self, digest)
        with suppress(BrokenBarrierError):
            both.wait(0.5)  # the other one does not come where it waits for this one
        return found

    monkeypatch.setattr(TelegramTables, "link", link)
    other = Listening(practice.uow, there.telegram, practice.clock, numbers=count(50))
    await asyncio.gather(there.start_chat(CHAT, token), other.start_chat(OTHER, token))
    monkeypatch.undo()
    said = {chat: sentence for chat, sentence, _ in there.telegram.said}
    bound = chat_of(practice, anna.recipient.id)
    assert bound is not None
    loser = OTHER if bound.chat == CHAT else CHAT
    assert said == {bound.chat: TelegramSentence.LINKED, loser: TelegramSentence.LINK_REFUSED}
    assert sorted(told(practice)) == ["reply.telegram_linked", "reply.telegram_refused"]
    assert practice.audited().count("telegram_linked") == 1


async def test_rule_1_used_again_after_it_was_undone(practice: Practice, there: Listening) -> None:
    anna = await practice.enrolled()
    token = await bind(anna, there)
    await there(Asked(chat=CHAT, what=Command.STOP))
    await practice.send_replies()
    await refused(practice, there, CHAT, token)
    assert chat_of(practice, anna.recipient.id) is None


async def test_rule_1_after_a_restore_no_link_of_before_binds(practice: Practice, there: Listening) -> None:
    """One may have been used after the backup was made."""
    anna = await practice.enrolled()
    token = await token_for(anna)
    SettleRestored(practice.home.uow)(practice.now, lost=())
    assert await there.start_chat(CHAT, token) == [(TelegramSentence.LINK_REFUSED, FR)]
    assert chat_of(practice, anna.recipient.id) is None
    await bind(anna, there)


async def test_rule_1_too_late(practice: Practice, there: Listening) -> None:
    anna = await practice.enrolled()
    token = await token_for(anna)
    practice.clock.moment += VALID
    await practice.send_replies()
    await refused(practice, there, CHAT, token)


async def test_rule_1_just_in_time(practice: Practice, there: Listening) -> None:
    anna = await practice.enrolled()
    token = await token_for(anna)
    practice.clock.moment += VALID - practice.delay - timedelta(seconds=1)
    assert await there.start_chat(CHAT, token) == LINKED


async def test_rule_1_an_older_link(practice: Practice, there: Listening) -> None:
    anna = await practice.enrolled()
    older, newer = await token_for(anna), await token_for(anna)
    await refused(practice, there, CHAT, older)
    assert await there.start_chat(CHAT, newer) == LINKED


async def test_rule_1_and_4_in_a_group_where_others_read_it(practice: Practice, there: Listening) -> None:
    anna = await practice.enrolled()
    token = await token_for(anna)
    await refused(practice, there, GROUP, token, private=False)
    assert there.telegram.left == [GROUP, GROUP]
    await practice.send_replies()
    assert await there(Started(chat=CHAT, token=token), suggests=EN) == REFUSED, "it is worthless now"
    assert told(practice) == [], "which was told"
    assert practice.everything()["telegram_chat"] == []


async def test_rule_1_by_a_chat_that_is_bound_to_somebody_else(practice: Practice, there: Listening) -> None:
    anna, ben = await practice.enrolled("P-1", name="anna"), await practice.enrolled("P-2", name="ben")
    await bind(anna, there)
    token = await token_for(ben)
    await refused(practice, there, CHAT, token)
    (row,) = [r for r in practice.outbox(OutboxKind.REPLY) if r.state is OutboxState.QUEUED]
    assert row.recipient == ben.recipient.id, "the room of whoever the link was given to"
    await practice.send_replies()
    assert await there.start_chat(OTHER, token) == [(TelegramSentence.LINK_REFUSED, FR)]
    assert chat_of(practice, ben.recipient.id) is None


async def test_rule_1_for_somebody_who_left(practice: Practice, there: Listening) -> None:
    anna = await practice.enrolled()
    token = await token_for(anna)
    await anna.say("quitter")
    await anna.say("oui")
    assert await there(Started(chat=CHAT, token=token), suggests=EN) == REFUSED
    assert told(practice) == []
    assert practice.everything()["telegram_chat"] == []


async def test_rule_1_an_unknown_one(practice: Practice, there: Listening) -> None:
    assert await there(Started(chat=CHAT, token=UNKNOWN), suggests=EN) == REFUSED
    assert await there.start_chat(OTHER, UNKNOWN) == [(TelegramSentence.LINK_REFUSED, FR)], "the practice's"
    assert "telegram_refused" not in practice.audited()


async def test_rule_3_wrong_tokens_bring_pauses_in_which_nothing_is_looked_at(
    practice: Practice, there: Listening
) -> None:
    anna = await practice.enrolled()
    token = await token_for(anna)
    answers = [await there(Started(chat=CHAT, token=UNKNOWN), suggests=EN) for _ in range(6)]
    assert answers == [REFUSED] * 4 + [[]] * 2, "three wrong ones, one in the pause, then nothing"
    assert await there(Started(chat=CHAT, token=token), suggests=EN) == [], "a right one waits as well"
    assert told(practice) == [], "and is not spent"
    practice.clock.forward(minutes=1)
    assert await there.start_chat(CHAT, token) == LINKED


async def test_rule_3_in_the_pause_of_one_chat_the_right_token_is_accepted_of_another(
    practice: Practice, there: Listening
) -> None:
    """Whoever tries tokens from one account keeps nobody from linking, with the very token that was refused too."""
    anna = await practice.enrolled()
    token = await token_for(anna)
    for _ in range(6):
        await there.start_chat(OTHER, UNKNOWN)
    assert await there.start_chat(OTHER, token) == [], "refused in the pause, and not spent"
    assert await there.start_chat(CHAT, token) == LINKED
    bound = chat_of(practice, anna.recipient.id)
    assert bound is not None
    assert bound.chat == CHAT


async def test_rule_5_after_a_restart_everything_that_comes_again_changes_nothing(
    practice: Practice, there: Listening
) -> None:
    """Also in another order, as Telegram numbers anew after a week without anything."""
    anna, ben = await practice.enrolled("P-1", name="anna"), await practice.enrolled("P-2", name="ben")
    token, late = await token_for(anna), await token_for(ben)
    came: list[HeardOnTelegram] = [
        Started(chat=CHAT, token=token),
        Started(chat=GROUP, token=late, private=False),
        Asked(chat=CHAT, what=Command.LANGUAGE, language=FR),
        Typed(chat=CHAT, message=4, like_secret=True),
        Asked(chat=CHAT, what=Command.STOP),
    ]
    for number, heard in enumerate(came):
        await there(heard, number=1000 + number)
    await practice.send_replies()
    again = await token_for(anna)
    assert await there.start_chat(CHAT, again) == LINKED
    await there(Asked(chat=CHAT, what=Command.HELP), number=3)
    await practice.send_replies()
    before, linked = chat_of(practice, anna.recipient.id), practice.audited().count("telegram_linked")
    practice.start_bot()
    there.start()
    for order in (came, came[::-1]):
        for heard in order:
            await there(heard, number=1000 + came.index(heard))
    assert chat_of(practice, anna.recipient.id) == before
    assert chat_of(practice, ben.recipient.id) is None
    assert practice.audited().count("telegram_linked") == linked
    assert practice.audited().count("telegram_unlinked") == 1
    assert told(practice) == ["reply.telegram_refused"], "the first link, worthless since, for a second time"


async def test_a_chat_that_was_one_recipients_is_anothers(practice: Practice, there: Listening) -> None:
    """Nothing of the first one's goes there, nor does what they do in their room touch it."""
    anna, ben = await practice.enrolled("P-1", name="anna"), await practice.enrolled("P-2", name="ben")
    await bind(anna, there)
    assert await anna.say("telegram off") == ["reply.telegram_unlinked"]
    await bind(ben, there)
    assert await anna.say("telegram off") == ["reply.telegram_none"]
    bound = chat_of(practice, ben.recipient.id)
    assert bound is not None
    assert bound.chat == CHAT
    await there(Typed(chat=CHAT, message=9, like_secret=True))
    await there(Asked(chat=CHAT, what=Command.STOP))
    rows = [r for r in practice.outbox(OutboxKind.REPLY) if r.state is OutboxState.QUEUED]
    assert {row.recipient for row in rows} == {ben.recipient.id}


async def test_rule_3_a_flood_of_wrong_tokens_slows_nobody_else(practice: Practice, there: Listening) -> None:
    anna = await practice.enrolled()
    newcomer = practice.person("newcomer")
    with practice.home.uow() as uow:
        sender = uow.rooms.user_index(newcomer.room.user)
        uow.guesses.wrong(sender, practice.now)
        uow.commit()
    for number in range(40):
        await there.start_chat(1000 + number, UNKNOWN)
    with practice.home.uow() as uow:
        assert uow.guesses.wait_seconds(sender, practice.now) == 0
    assert await there.start_chat(CHAT, await token_for(anna)) == LINKED


# -- strangers -------------------------------------------------------------------------------------------------------


STRANGE: list[HeardOnTelegram] = [
    Started(chat=OTHER),
    Typed(chat=OTHER, message=3),
    *(Asked(chat=OTHER, what=what) for what in Command),
    Asked(chat=OTHER, what=Command.LANGUAGE, language=Language.EN),
]


@pytest.mark.parametrize("heard", STRANGE, ids=lambda heard: type(heard).__name__)
async def test_rule_3_a_stranger_is_answered_once_a_day(
    practice: Practice, there: Listening, heard: HeardOnTelegram
) -> None:
    once = [(TelegramSentence.STRANGER, FR)]
    assert await there(heard) == once
    practice.clock.forward(hours=23, minutes=59)
    for each in STRANGE:
        assert await there(each, suggests=EN) == []
    practice.clock.forward(minutes=1)
    assert await there(heard, suggests=EN) == [(TelegramSentence.STRANGER, EN)]
    assert there.telegram.taken == []
    assert await there(Started(chat=CHAT)) == once, "another one is another"


async def test_rule_3_nothing_is_kept_of_a_stranger_but_a_digest(
    practice: Practice, there: Listening
) -> None:
    before = practice.everything()
    for heard in [*STRANGE, Started(chat=OTHER, token=UNKNOWN), Blocked(chat=OTHER)]:
        await there(heard)
    after = practice.everything()
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {"seen", "guess"}
    assert len(after["seen"]) == 1
    assert str(OTHER) not in str(after)
    assert there.woken == 0


async def test_rule_2_what_looks_like_a_secret_is_deleted_whoever_typed_it(there: Listening) -> None:
    for message in (8, 9):
        await there(Typed(chat=OTHER, message=message, like_secret=True))
    assert there.telegram.taken == [(OTHER, 8), (OTHER, 9)]
    assert [s for _, s, _ in there.telegram.said] == [TelegramSentence.STRANGER]


async def test_a_stranger_who_blocks_is_not_answered(there: Listening) -> None:
    assert await there(Blocked(chat=OTHER)) == []


# -- readers ---------------------------------------------------------------------------------------------------------


async def test_rule_2_what_a_reader_types_is_deleted_and_they_are_told_once_an_hour(
    practice: Practice, there: Listening
) -> None:
    anna = await practice.enrolled()
    await bind(anna, there)
    once = [(TelegramSentence.TYPE_IN_ROOM, EN)]
    assert await there(Typed(chat=CHAT, message=1)) == once
    assert await there(Typed(chat=CHAT, message=2)) == []
    practice.clock.forward(minutes=59, seconds=59)
    assert await there(Typed(chat=CHAT, message=3)) == []
    practice.clock.forward(seconds=1)
    assert await there(Typed(chat=CHAT, message=4)) == once
    assert there.telegram.taken == [(CHAT, n) for n in (1, 2, 3, 4)]
    assert told(practice) == []


async def test_rule_2_where_it_looked_like_a_secret_the_room_advises_and_the_vault_is_not_asked(
    practice: Practice, there: Listening
) -> None:
    anna = await practice.enrolled()
    await bind(anna, there)
    await there(Typed(chat=CHAT, message=1))
    for message in (2, 3):
        assert await there(Typed(chat=CHAT, message=message, like_secret=True)) == []
    assert told(practice) == ["reply.telegram_secret"], "once an hour, whatever was typed before"
    assert there.telegram.taken == [(CHAT, 1), (CHAT, 2), (CHAT, 3)]
    assert "pin_wrong" not in practice.audited()
    assert practice.keys.unlock(anna.recipient, Secret(PIN)), "and no try was counted"
    before = len(practice.channel.sent)
    await practice.send_replies()
    assert "change it now" in "".join(s.text for s in practice.channel.sent[before:])


@pytest.mark.parametrize("secret", [True, False])
async def test_rule_2_a_deletion_that_fails_for_now_is_tried_again(
    practice: Practice, there: Listening, *, secret: bool
) -> None:
    anna = await practice.enrolled()
    await bind(anna, there)
    there.telegram.fault = failing("take_back", ChannelError("busy", permanent=False))
    assert await there(Typed(chat=CHAT, message=1, like_secret=secret)) == [
        (TelegramSentence.TYPE_IN_ROOM, EN)
    ]
    assert await there.hear.tidy() == 1
    assert there.telegram.taken == []
    there.telegram.fault = lambda _call: None
    assert await there.hear.tidy() == 0
    assert there.telegram.taken == [(CHAT, 1)]
    assert await there.hear.tidy() == 0
    assert there.telegram.taken == [(CHAT, 1)]


async def test_rule_2_one_that_fails_for_good_is_given_up(practice: Practice, there: Listening) -> None:
    anna = await practice.enrolled()
    await bind(anna, there)
    there.telegram.fault = failing("take_back", ChannelError("gone", permanent=True))
    await there(Typed(chat=CHAT, message=1))
    assert await there.hear.tidy() == 0


async def test_rule_2_a_secret_is_deleted_also_where_the_storage_refuses(
    practice: Practice, there: Listening
) -> None:
    def broken(_: Any) -> Any:
        raise StorageError("no space")

    practice.wrap_uow = broken
    with pytest.raises(StorageError):
        await there(Typed(chat=OTHER, message=1, like_secret=True))
    assert there.telegram.taken == [(OTHER, 1)]


async def test_stop_unbinds_and_both_sides_are_told(practice: Practice, there: Listening) -> None:
    anna = await practice.enrolled()
    await bind(anna, there)
    assert await there(Asked(chat=CHAT, what=Command.STOP)) == [(TelegramSentence.STOPPED, EN)]
    assert chat_of(practice, anna.recipient.id) is None
    assert told(practice) == ["reply.telegram_stopped"]
    assert practice.audited().count("telegram_unlinked") == 1


async def test_who_blocks_the_bot_is_unbound_and_told_in_the_room_alone(
    practice: Practice, there: Listening
) -> None:
    anna = await practice.enrolled()
    await bind(anna, there)
    assert await there(Blocked(chat=CHAT)) == []
    assert chat_of(practice, anna.recipient.id) is None
    assert told(practice) == ["reply.telegram_blocked"]


async def test_rule_5_an_update_that_comes_again_later_undoes_nothing(
    practice: Practice, there: Listening
) -> None:
    anna = await practice.enrolled()
    await bind(anna, there)
    for number, heard in ((500, Asked(chat=CHAT, what=Command.STOP)), (501, Blocked(chat=CHAT))):
        await there(heard, number=number)
        await practice.send_replies()
        await bind(anna, there)
        assert await there(heard, number=number) == []
        assert chat_of(practice, anna.recipient.id) is not None
        assert told(practice) == []


async def test_the_chats_language_is_chosen_there(practice: Practice, there: Listening) -> None:
    anna = await practice.enrolled()
    await bind(anna, there)
    assert await there(Asked(chat=CHAT, what=Command.LANGUAGE, language=FR)) == [
        (TelegramSentence.LANGUAGE_SET, FR)
    ]
    bound = chat_of(practice, anna.recipient.id)
    assert bound is not None
    assert bound.language is FR
    assert anna.recipient.language is EN, "the room's is chosen in the room"
    assert await there(Asked(chat=CHAT, what=Command.HELP)) == [(TelegramSentence.HELP, FR)]
    assert await there(Asked(chat=CHAT, what=Command.LANGUAGE)) == [(TelegramSentence.HELP, FR)]
    assert await there(Started(chat=CHAT)) == [(TelegramSentence.HELP, FR)]


async def test_rule_4_groups_and_channels_are_left_at_once(practice: Practice, there: Listening) -> None:
    stored = practice.everything()
    assert await there(Elsewhere(chat=GROUP)) == []
    assert await there(Started(chat=GROUP, private=False)) == []
    assert there.telegram.left == [GROUP, GROUP]
    assert practice.everything() == stored


# -- whatever goes wrong ---------------------------------------------------------------------------------------------


def failing(call: str, error: BaseException) -> Callable[[str], BaseException | None]:
    return lambda name: error if name == call else None


EVERYTHING: list[HeardOnTelegram] = [
    *STRANGE,
    Started(chat=CHAT, token=UNKNOWN),
    Started(chat=GROUP, token=UNKNOWN, private=False),
    Typed(chat=CHAT, message=1, like_secret=True),
    Elsewhere(chat=GROUP),
    Asked(chat=CHAT, what=Command.STOP),
]


@pytest.mark.parametrize(
    "error",
    [
        ChannelError("blocked", permanent=True),
        ChannelError("busy", permanent=False),
        ValueError("canary 4242424242"),
    ],
    ids=["permanent", "passing", "defect"],
)
async def test_rule_6_nothing_raises_and_nothing_of_it_is_logged(
    practice: Practice, there: Listening, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    anna = await practice.enrolled()
    await bind(anna, there)
    there.telegram.fault = lambda _call: error
    with caplog.at_level(logging.DEBUG):
        for heard in EVERYTHING:
            assert await there(heard) == []
        if isinstance(error, ChannelError):
            await there.hear.tidy()
    assert "4242424242" not in caplog.text
    assert "canary" not in caplog.text
    assert caplog.records
    assert chat_of(practice, anna.recipient.id) is None, "what was written holds: /stop is /stop"
    there.telegram.fault = lambda _call: None
    assert await there.start_chat(CHAT, await token_for(anna)) == LINKED, "and life goes on"


class Refusing:
    """A storage whose commits fail, before they were done or (``late``) after."""

    def __init__(self, practice: Practice, *, late: bool) -> None:
        self.late, self.fails = late, True
        practice.wrap_uow = self.wrap

    def wrap(self, uow: UnitOfWork) -> UnitOfWork:
        inner = uow.commit

        def commit() -> None:
            if not self.fails or self.late:
                inner()
            if self.fails:
                raise StorageError("no space")

        uow.commit = commit  # type: ignore[method-assign]  # of this one
        return uow


HEARD: list[HeardOnTelegram] = [
    Started(chat=CHAT),
    Blocked(chat=CHAT),
    Typed(chat=CHAT, message=5),
    Typed(chat=CHAT, message=6, like_secret=True),
    *(Asked(chat=CHAT, what=what) for what in Command),
    Asked(chat=CHAT, what=Command.LANGUAGE, language=FR),
]


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("heard", HEARD, ids=lambda heard: type(heard).__name__)
async def test_rule_7_what_the_storage_refused_is_raised_and_done_when_it_comes_again(
    practice: Practice, there: Listening, heard: HeardOnTelegram, *, late: bool
) -> None:
    """At the end it is as if the storage had never refused, also where only its answer was lost."""
    anna = await practice.enrolled()
    await bind(anna, there)
    storage = Refusing(practice, late=late)
    said = len(there.telegram.said)
    for _ in range(3):
        with pytest.raises(StorageError):
            await there(heard, number=900)
    assert len(there.telegram.said) == said, "nothing is said that was not written"
    storage.fails = False
    await there(heard, number=900)
    await there(heard, number=900)
    stops = isinstance(heard, Blocked) or (isinstance(heard, Asked) and heard.what is Command.STOP)
    bound = chat_of(practice, anna.recipient.id)
    assert (bound is None) is stops
    assert practice.audited().count("telegram_unlinked") == int(stops)
    secret = isinstance(heard, Typed) and heard.like_secret
    assert len(told(practice)) == int(stops or secret)
    if isinstance(heard, Asked) and heard.language is FR and bound is not None:
        assert bound.language is FR


@pytest.mark.parametrize("late", [False, True])
async def test_rule_7_a_storage_that_refuses_binds_nothing_and_says_nothing(
    practice: Practice, there: Listening, *, late: bool
) -> None:
    anna = await practice.enrolled()
    token = await token_for(anna)
    storage = Refusing(practice, late=late)
    with pytest.raises(StorageError):
        await there.start_chat(CHAT, token)
    assert there.telegram.said == []
    storage.fails = False
    assert (chat_of(practice, anna.recipient.id) is None) is not late
    for _ in range(2):
        assert await there.start_chat(CHAT, token) == LINKED
    assert told(practice) == ["reply.telegram_linked"]


async def test_rule_6_no_transaction_is_open_while_telegram_is_spoken_to(
    practice: Practice, there: Listening
) -> None:
    """Another unit of work writes and commits in the middle of every call."""
    token = await token_for(await practice.enrolled())

    def writes(call: str) -> None:
        with practice.home.uow() as uow:
            uow.meta.set("spoken", call)
            uow.commit()

    there.telegram.fault = writes
    answers: list[Answer] = []
    answers += await there.start_chat(CHAT, token)
    answers += await there(Typed(chat=CHAT, message=1))
    answers += await there(Asked(chat=CHAT, what=Command.STOP))
    assert len(answers) == 3
