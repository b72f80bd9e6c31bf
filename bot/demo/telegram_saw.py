"""What Telegram saw of Pli, judged: constants of a language and numbers, and nothing else (P1, P2).

1. Every request is of one of the forms below, whole: its address, its fields, their values. What is not, is strange.
2. The notices of a language have one body, byte by byte, whoever they are for: only the chat's number is left out.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from bot.channels.telegram.reading import ALLOWED_UPDATES
from bot.domain.telegram import TelegramSentence
from bot.domain.templates import Words
from bot.domain.values import Language

_SEND: Final = "sendMessage"
_CHAT: Final = "chat_id"


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """One request as it came: ``body`` raw, ``values`` read from it."""

    method: str
    path: str
    body: bytes
    values: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Constants:
    """What may be sent, by language."""

    notices: Mapping[str, Language]
    sentences: Mapping[str, Language]
    buttons: Mapping[Language, object]


@dataclass(slots=True)
class Saw:
    """Bodies of notices and of other sentences, how often each, by language; ``calls`` by method; ``strange`` ones."""

    notices: dict[Language, Counter[bytes]] = field(default_factory=lambda: defaultdict(Counter))
    sentences: dict[Language, Counter[bytes]] = field(default_factory=lambda: defaultdict(Counter))
    calls: Counter[str] = field(default_factory=Counter)
    strange: Counter[str] = field(default_factory=Counter)


def constants(words: Mapping[Language, Words], bot_user: str) -> Constants:
    """``bot_user`` is the only name that a button may hold."""
    return Constants(
        notices={each.telegram_nudge(): language for language, each in words.items()},
        sentences={each.telegram_text(s): lang for lang, each in words.items() for s in TelegramSentence},
        buttons={
            language: {
                "inline_keyboard": [
                    [{"text": each.telegram_button(), "url": f"https://matrix.to/#/{bot_user}"}]
                ]
            }
            for language, each in words.items()
        },
    )


def judge(requests: Iterable[Request], allowed: Constants, token: str) -> Saw:
    """``token`` is the bot's own, which stands in every address."""
    saw = Saw()
    for request in requests:
        method, values = request.method, dict(request.values)
        chat = values.pop(_CHAT, None)
        if request.path != f"/bot{token}/{method}" or not (chat is None or _number(chat)):
            saw.strange[method] += 1
        elif method == _SEND and chat is not None:
            _message(saw, values, allowed, request.body.replace(str(chat).encode(), b"", 1))
        elif _is_call(method, values, for_chat=chat is not None):
            saw.calls[method] += 1
        else:
            saw.strange[method] += 1
    return saw


def _message(saw: Saw, values: Mapping[str, Any], allowed: Constants, body: bytes) -> None:
    text = values.get("text")
    plain = {"text": text, "protect_content": True, "link_preview_options": {"is_disabled": True}}
    notice, sentence = allowed.notices.get(str(text)), allowed.sentences.get(str(text))
    if notice is not None and values == {**plain, "reply_markup": allowed.buttons[notice]}:
        saw.notices[notice][body] += 1
    elif sentence is not None and values == plain:
        saw.sentences[sentence][body] += 1
    else:
        saw.strange[_SEND] += 1


def _is_call(method: str, values: Mapping[str, Any], *, for_chat: bool) -> bool:
    match method:
        case "getUpdates":
            numbers = {name: value for name, value in values.items() if name != "allowed_updates"}
            listed = values.get("allowed_updates") == list(ALLOWED_UPDATES)
            fields = {"timeout"} <= numbers.keys() <= {"timeout", "offset"}
            return listed and fields and not for_chat and all(map(_number, numbers.values()))
        case "deleteMessage":
            return for_chat and values.keys() == {"message_id"} and _number(values["message_id"])
        case "deleteWebhook":
            return not for_chat and values == {"drop_pending_updates": False}
        case "getMe":
            return not for_chat and not values
    return False


def _number(value: object) -> bool:
    return str(value).isdecimal()
