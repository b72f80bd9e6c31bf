"""Telegram, where nobody vouches for anybody: what may leave there, and what comes in. Values only.

1. What leaves is a :class:`bot.domain.messages.Nudge` or a :class:`TelegramSentence`: constants of a language.
2. What somebody typed there never gets past the channel: :class:`Typed` says that something was, and whether it looked
   like a PIN or a code.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NewType

from bot.domain.choices import Level
from bot.domain.values import Language, RecipientId, Secret

ChatId = NewType("ChatId", int)


class TelegramSentence(StrEnum):
    """Constant sentences (msgids of the catalogue); none has a word about health or a name."""

    LINKED = "telegram.linked"
    LINK_REFUSED = "telegram.link_refused"
    STOPPED = "telegram.stopped"
    LANGUAGE_SET = "telegram.language_set"
    HELP = "telegram.help"
    TYPE_IN_ROOM = "telegram.type_in_room"
    STRANGER = "telegram.stranger"


class NudgeOn(StrEnum):
    """Where a recipient wants nudges."""

    MATRIX = "matrix"
    TELEGRAM = "telegram"
    BOTH = "both"


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class ChatAddress:
    """A private chat with the bot."""

    chat: ChatId


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class TelegramLink:
    """A link that was handed out in the encrypted room. ``id`` is the keyed digest of its token; ``spent`` once a chat
    was bound by it, or it was replaced.
    """

    id: str
    recipient: RecipientId
    expires: datetime
    spent: bool = False


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class TelegramChat:
    """The one private chat of a recipient, and where nudges go at each level of discretion, by the level's name; a
    level without a choice is nudged on both.
    """

    id: str
    recipient: RecipientId
    chat: ChatId
    language: Language
    linked_at: datetime
    nudge_on: tuple[tuple[str, NudgeOn], ...] = ()


def nudge_on(chat: TelegramChat | None, level: Level) -> NudgeOn:
    """Where somebody is nudged at ``level``; without a chat, on Matrix."""
    return NudgeOn.MATRIX if chat is None else dict(chat.nudge_on).get(level.value, NudgeOn.BOTH)


# -- what comes in ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Started:
    """``/start``, with the token of a link where there was one; ``private`` is False in a group."""

    chat: ChatId
    token: Secret | None = None
    private: bool = True


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Asked:
    """A command without anything to bind. ``language`` is what was typed behind ``/language``, if it is one."""

    chat: ChatId
    what: Command
    language: Language | None = None


class Command(StrEnum):
    STOP = "stop"
    LANGUAGE = "language"
    HELP = "help"


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Typed:
    """Anything else in a private chat: text, a picture, a contact. ``message`` is its number there, to take it back;
    ``like_secret``: it looked like a PIN or a code.
    """

    chat: ChatId
    message: int
    like_secret: bool = False


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Blocked:
    """The reader blocked the bot, or deleted the account."""

    chat: ChatId


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Elsewhere:
    """The bot was put into a group or a channel, or spoken to there."""

    chat: ChatId


HeardOnTelegram = Started | Asked | Typed | Blocked | Elsewhere


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Update:
    """One update. ``number`` grows; the same one may come again. ``suggests`` is the language of the sender's app."""

    number: int
    heard: HeardOnTelegram
    suggests: Language | None = None
