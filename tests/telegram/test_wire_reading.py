"""What updates mean; rules by number are those of :mod:`bot.channels.telegram.reading`."""

from __future__ import annotations

import dataclasses
import inspect
import json
from typing import Any

import pytest
import telegram
from hypothesis import given
from hypothesis import strategies as st
from telegram.constants import UpdateType

from bot.channels.telegram.reading import ALLOWED_UPDATES, read_update
from bot.domain.codes import new_code
from bot.domain.telegram import Asked, Blocked, Command, Elsewhere, HeardOnTelegram, Started, Typed
from bot.domain.typed_secret import looks_like_secret
from bot.domain.values import Language
from tests.rig.bot_api import membership

Json = dict[str, Any]
CHAT = 11_111


def message(text: str | None = None, *, kind: str = "private", chat: int = CHAT, **more: Any) -> Json:
    return {
        "message_id": 5,
        "date": 1_790_000_000,
        "chat": {"id": chat, "type": kind},
        "from": {"id": CHAT, "is_bot": False, "first_name": "A", "language_code": "fr-CA"},
        **({"text": text} if text is not None else {}),
        **more,
    }


def heard(raw: Json) -> HeardOnTelegram | None:
    update = read_update({"update_id": 9, **raw})
    return update.heard if update is not None else None


def of(text: str, **more: Any) -> HeardOnTelegram | None:
    return heard({"message": message(text, **more)})


def token_of(thing: HeardOnTelegram | None) -> str | None:
    assert isinstance(thing, Started)
    return thing.token.reveal() if thing.token else None


# -- commands -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["/start {}", "/start  {} ", "/START {}", "/start@pli_messages_bot {}"])
def test_a_link_starts_with_its_token(text: str) -> None:
    assert token_of(of(text.format("Zm9vYmFyYmF6-_1234567Q"))) == "Zm9vYmFyYmF6-_1234567Q"


def test_start_alone_has_no_token() -> None:
    for text in ("/start", "/start ", "/start no token", "/start x"):
        assert token_of(of(text)) is None


@pytest.mark.parametrize(
    ("text", "what", "language"),
    [
        ("/stop", Command.STOP, None),
        ("/stop please", Command.STOP, None),
        ("/help", Command.HELP, None),
        ("/language", Command.LANGUAGE, None),
        ("/language fr", Command.LANGUAGE, Language.FR),
        ("/language Français", Command.LANGUAGE, Language.FR),
        ("/LANGUAGE en", Command.LANGUAGE, Language.EN),
        ("/language xx", Command.LANGUAGE, None),
    ],
)
def test_commands(text: str, what: Command, language: Language | None) -> None:
    found = of(text)
    assert isinstance(found, Asked)
    assert (found.chat, found.what, found.language) == (CHAT, what, language)


@pytest.mark.parametrize(
    "text", ["/start 482916", "/stop 482916", "/help 12 34 56", "/start 0000000000000000000"]
)
def test_a_secret_behind_a_command_is_typed(text: str) -> None:
    found = of(text)
    assert isinstance(found, Typed)
    assert found.like_secret


def test_a_code_behind_start_is_typed_and_no_link() -> None:
    for _ in range(50):
        found = of(f"/start {new_code().display.reveal()}")
        assert isinstance(found, Typed)
        assert found.like_secret


# -- what is typed --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["hello", "/nothing", "stop", "voir", "", "/", "//start"])
def test_rule_2_anything_else_is_typed(text: str) -> None:
    found = of(text)
    assert isinstance(found, Typed)
    assert (found.chat, found.message, found.like_secret) == (CHAT, 5, False)


def test_rule_2_an_edit_is_typed_whatever_it_says() -> None:
    for text in ("/start Zm9vYmFyYmF6-_1234567Q", "/stop", "482916"):
        found = heard({"edited_message": message(text)})
        assert isinstance(found, Typed)


@pytest.mark.parametrize("kind", ["photo", "contact", "voice", "document", "a_kind_of_a_later_version"])
def test_rule_2_what_is_no_text_is_typed_and_its_caption_looked_at(kind: str) -> None:
    plain = heard({"message": {**message(), kind: {}}})
    with_pin = heard({"message": {**message(caption="482916"), kind: {}}})
    assert isinstance(plain, Typed)
    assert isinstance(with_pin, Typed)
    assert (plain.like_secret, with_pin.like_secret) == (False, True)


def test_what_telegram_puts_there_by_itself_is_not_typed() -> None:
    assert (
        heard({"message": message(message_auto_delete_timer_changed={"message_auto_delete_time": 9})}) is None
    )
    assert heard({"message": message(pinned_message=message("x"))}) is None


@pytest.mark.parametrize(
    "text",
    [
        *(
            "482916",
            "48 29 16",
            "48-29-16",
            "４８２９１６",
            "٤٨٢٩١٦",
            "४८२९१६",
            "4\u200b8\u200b2916",
            "«482916»",
        ),
        *("mon code : 482916", "PIN=482916.", "c'est le 48.29.16 merci", "4829", "482916789012"),
        *("ma date\n482916\nvoilà", "４８２９１６ voilà"),
    ],
)
def test_what_looks_like_a_pin(text: str) -> None:
    assert looks_like_secret(text)


@pytest.mark.parametrize("wrap", ["{}", "mon code {} merci", "{}\n", "le voici : {}."])
def test_what_looks_like_a_code(wrap: str) -> None:
    for _ in range(20):
        shown = new_code().display.reveal()
        for text in (shown, shown.lower(), shown.replace("-", " "), shown.replace("-", " – ")):
            assert looks_like_secret(wrap.format(text))


@pytest.mark.parametrize(
    "text", ["", "bonjour", "à 14h30 ?", "le 3/12 à 9h", "merci !!!", "123", "show", "je viens le 3 décembre"]
)
def test_what_looks_like_nothing(text: str) -> None:
    assert not looks_like_secret(text)


@given(st.text(max_size=200))
def test_looking_never_raises(text: str) -> None:
    assert looks_like_secret(text) in {True, False}


# -- elsewhere ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["group", "supergroup", "channel", "a_kind_of_a_later_version"])
def test_rule_3_a_group_is_elsewhere(kind: str) -> None:
    found = of("482916", kind=kind, chat=-5)
    assert isinstance(found, Elsewhere)
    started = of("/start@pli_messages_bot Zm9vYmFyYmF6-_1234567Q", kind=kind, chat=-5)
    assert isinstance(started, Started)
    assert (started.chat, started.private) == (-5, False)
    put = heard({"my_chat_member": membership(-5, "member", kind=kind)})
    assert isinstance(put, Elsewhere)
    for away in ("left", "kicked"):
        assert heard({"my_chat_member": membership(-5, away, kind=kind)}) is None


def test_who_blocks_is_heard_and_who_unblocks_has_to_start() -> None:
    blocked = heard({"my_chat_member": membership(CHAT, "kicked")})
    assert isinstance(blocked, Blocked)
    assert heard({"my_chat_member": membership(CHAT, "member")}) is None


def test_the_language_of_the_app_is_suggested() -> None:
    for code, language in (("fr", Language.FR), ("fr-CA", Language.FR), ("en-GB", Language.EN), ("de", None)):
        raw = message("hello")
        raw["from"]["language_code"] = code
        update = read_update({"update_id": 9, "message": raw})
        assert update is not None
        assert update.suggests == language


# -- every kind of update that the library knows, and whatever else -------------------------------------------------

KINDS = sorted({kind.value for kind in UpdateType})
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=5,
)
# Every name that a message of the library's can have, so that those of later handling are met as well.
PARTS = sorted(
    name
    for kind in (
        telegram.Message,
        telegram.ChatMemberUpdated,
        telegram.CallbackQuery,
        telegram.Chat,
        telegram.User,
    )
    for name in inspect.signature(kind.__init__).parameters
    if name not in {"self", "api_kwargs"}
)
TEXTS = st.text(max_size=30) | st.sampled_from(
    ["/start", "/start Zm9vYmFyYmF6-_1234567Q", "/stop", "/language fr", "/help@x", "482916", "/" * 99]
)
CHATS = st.fixed_dictionaries(
    {
        "id": st.integers(-(2**70), 2**70) | JUNK,
        "type": st.sampled_from(["private", "group", "channel"]) | JUNK,
    }
)
KNOWN = st.fixed_dictionaries(
    {},
    optional={
        "chat": CHATS | JUNK,
        "from": st.fixed_dictionaries({}, optional={"language_code": st.text(max_size=5) | JUNK}) | JUNK,
        "text": TEXTS | JUNK,
        "caption": TEXTS | JUNK,
        "message_id": st.integers() | JUNK,
        "new_chat_member": st.fixed_dictionaries({"status": st.sampled_from(["kicked", "left"]) | JUNK})
        | JUNK,
    },
)
HALF = st.builds(
    lambda others, known: {**others, **known},
    st.dictionaries(st.sampled_from(PARTS), JUNK, max_size=3),
    KNOWN,
)
UPDATES = st.builds(
    lambda number, parts: {"update_id": number, **parts},
    st.integers(0, 2**40) | JUNK,
    st.dictionaries(
        st.sampled_from([*ALLOWED_UPDATES, *ALLOWED_UPDATES, *KINDS, "a_kind_of_a_later_version"]),
        HALF | JUNK,
        max_size=2,
    ),
)


def test_the_fuzz_knows_every_kind_of_the_library() -> None:
    known = set(inspect.signature(telegram.Update.__init__).parameters) - {"self", "update_id", "api_kwargs"}
    assert known <= set(KINDS)
    assert set(ALLOWED_UPDATES) < set(KINDS)


@given(UPDATES | JUNK)
def test_rule_1_whatever_comes_never_raises_and_nothing_of_it_is_kept(raw: Any) -> None:
    update = read_update(raw)
    if update is None:
        return
    assert isinstance(update.heard, HeardOnTelegram)
    kept = {f.name for f in dataclasses.fields(update.heard)}
    assert kept <= {"chat", "token", "private", "what", "language", "message", "like_secret"}
    assert isinstance(update.heard.chat, int)
    assert update.heard.chat != 0
    assert abs(update.heard.chat) < 2**53


def test_rule_1_kinds_that_are_not_asked_for_are_passed_over() -> None:
    for kind in set(KINDS) - set(ALLOWED_UPDATES):
        assert heard({kind: message("482916")}) is None


def test_rule_1_what_is_nested_very_deep() -> None:
    deep: Any = "x"
    for _ in range(900):
        deep = {"reply_to_message": deep}
    found = heard({"message": {**message("hello"), "reply_to_message": deep}})
    assert isinstance(found, Typed)
    json.dumps(deep)
