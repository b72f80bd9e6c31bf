"""Updates as Telegram sends them, read into :class:`bot.domain.telegram.Update`. Loads nothing of the library.

1. Nothing is believed: whatever an update holds, reading it never raises, and what is not known is None.
2. The text ends here: what is handed on says at most that there was one, and whether it looked like a secret.
3. Of a group or a channel nothing is read but that it is one, and whether a link was tried there.
"""

from __future__ import annotations

import re
from typing import Any, Final, TypeGuard

from bot.domain.telegram import (
    Asked,
    Blocked,
    ChatId,
    Command,
    Elsewhere,
    HeardOnTelegram,
    Started,
    Typed,
    Update,
)
from bot.domain.typed_secret import looks_like_secret
from bot.domain.values import Language, Secret

ALLOWED_UPDATES: Final = ("message", "edited_message", "my_chat_member")

_LARGEST: Final = 2**53  # the documentation: numbers have at most 52 significant bits
_COMMAND: Final = re.compile(r"/([a-z]+)(?:@\w{1,64})?(?:\s+(.*))?", re.DOTALL | re.IGNORECASE | re.ASCII)
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{16,64}")
_CODE: Final = re.compile(r"[0-9A-Za-z]{4}(?:-[0-9A-Za-z]{4}){4}")
_LANGUAGES: Final = {
    **dict.fromkeys(("fr", "francais", "français", "french"), Language.FR),
    **dict.fromkeys(("en", "anglais", "english"), Language.EN),
}
# What Telegram itself puts into a private chat: nobody typed it.
_SERVICE: Final = frozenset(
    {
        *(
            "message_auto_delete_timer_changed",
            "pinned_message",
            "chat_background_set",
            "write_access_allowed",
        ),
        *("connected_website", "chat_owner_left", "chat_owner_changed", "managed_bot_created"),
        *("video_chat_scheduled", "video_chat_started", "video_chat_ended", "boost_added"),
    }
)


def number_of(raw: object) -> int | None:
    """The number by which an update is confirmed."""
    number = raw.get("update_id") if isinstance(raw, dict) else None
    return number if _is_number(number) and number >= 0 else None


def read_update(raw: object) -> Update | None:
    """None for what is of no concern, and for what cannot be read (rule 1)."""
    number = number_of(raw)
    if number is None or not isinstance(raw, dict):
        return None
    message = _part(raw, "message")
    changed = message is None
    message = message if message is not None else _part(raw, "edited_message")
    moved = _part(raw, "my_chat_member")
    if message is not None:
        heard = _heard(message, edited=changed)
    elif moved is not None:
        heard = _moved(moved)
    else:
        return None
    if heard is None:
        return None
    sender = _part(message if message is not None else moved or {}, "from") or {}
    return Update(number=number, heard=heard, suggests=_suggested(sender.get("language_code")))


def _heard(message: dict[str, Any], *, edited: bool) -> HeardOnTelegram | None:
    chat, private = _chat(message)
    if chat is None:
        return None
    typed = _text(message)
    command = None if edited else _COMMAND.fullmatch(typed.strip())
    if not private:  # rule 3
        if command is not None and command[1].lower() == "start":
            return Started(chat=chat, token=_token((command[2] or "").strip()), private=False)
        return Elsewhere(chat=chat)
    if not _SERVICE.isdisjoint(message):
        return None
    if command is not None and (obeyed := _obeyed(chat, command[1].lower(), (command[2] or "").strip())):
        return obeyed
    number = message.get("message_id")
    return (
        Typed(chat=chat, message=number, like_secret=looks_like_secret(typed)) if _is_number(number) else None
    )


def _obeyed(chat: ChatId, command: str, rest: str) -> HeardOnTelegram | None:
    """None for what is no command, and for one that carries what looks like a secret: that is taken back as typed."""
    if command == "start":
        token = _token(rest)
        return None if token is None and looks_like_secret(rest) else Started(chat=chat, token=token)
    if command not in set(Command) or looks_like_secret(rest):
        return None
    language = _LANGUAGES.get(rest.casefold()) if command == Command.LANGUAGE else None
    return Asked(chat=chat, what=Command(command), language=language)


def _token(text: str) -> Secret | None:
    """What a link can carry, and nothing that somebody types: no digits alone, no sign-up code."""
    if _TOKEN.fullmatch(text) is None or text.isdecimal() or _CODE.fullmatch(text) is not None:
        return None
    return Secret(text)


def _moved(change: dict[str, Any]) -> HeardOnTelegram | None:
    chat, private = _chat(change)
    status = (_part(change, "new_chat_member") or {}).get("status")
    gone = status in {"kicked", "left"}
    if chat is None or not isinstance(status, str) or gone != private:
        return None  # unblocked, or away from a group: nothing to do
    return Blocked(chat=chat) if private else Elsewhere(chat=chat)


def _chat(holder: dict[str, Any]) -> tuple[ChatId | None, bool]:
    """Its number, and whether it is private: only what says so is."""
    chat = _part(holder, "chat") or {}
    number = chat.get("id")
    return (ChatId(number) if _is_number(number) and number else None), chat.get("type") == "private"


def _text(message: dict[str, Any]) -> str:
    found = message.get("text", message.get("caption"))
    return found if isinstance(found, str) else ""


def _suggested(code: object) -> Language | None:
    """Of an IETF tag like ``fr-CA``."""
    return _LANGUAGES.get(code[:2].lower()) if isinstance(code, str) and code[2:3] in {"", "-"} else None


def _part(holder: dict[str, Any], name: str) -> dict[str, Any] | None:
    part = holder.get(name)
    return part if isinstance(part, dict) else None


def _is_number(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < _LARGEST
