"""What may leave and what comes in. Three types that cannot be mistaken for one another.

- :class:`Nudge` has no room for text: a channel turns it into the constant of its language.
- :class:`OpenSentence` names a constant sentence that may be read by every device of the patient.
- :class:`PrivateText` is for pinned devices only.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from bot.domain.trust import Device
from bot.domain.values import EventId, Language, RoomId, Secret, UserId


@dataclass(frozen=True, kw_only=True, slots=True)
class Nudge:
    """A generic sign of life. Carries a language and nothing else."""

    language: Language


class OpenSentence(StrEnum):
    """Constant sentences (msgids of the catalogue) for devices that nobody vouched for yet."""

    HELLO = "open.hello"
    CODE_WRONG = "open.code_wrong"
    CODE_TYPO = "open.code_typo"
    CODE_WAIT = "open.code_wait"
    UNKNOWN_DEVICE = "open.unknown_device"
    UNENCRYPTED = "open.unencrypted"
    OUT_OF_ORDER = "open.out_of_order"
    UNREADABLE = "open.unreadable"
    RESET = "open.reset"


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class PrivateText:
    """Text for pinned devices only; at most ``channels.MAX_TEXT_BYTES`` UTF-8 bytes."""

    text: str

    def __repr__(self) -> str:
        return "PrivateText(…)"


class Oddity(StrEnum):
    """Why a message is not ordinary text."""

    UNENCRYPTED = "unencrypted"
    UNDECRYPTABLE = "undecryptable"
    NOT_TEXT = "not_text"
    EDIT = "edit"
    REPLY = "reply"


@dataclass(frozen=True, kw_only=True, slots=True)
class Incoming:
    """A message in a room that the bot opened.

    ``device`` is None unless the event was decrypted and its key belongs to that very device; ``replay_key`` is a
    digest of (room, sender key, Megolm session, message index), None where nothing was decrypted. ``at`` is the
    homeserver's word. The text of what is UNDECRYPTABLE is empty, or that of an event out of its order.
    """

    room: RoomId
    user: UserId
    event: EventId
    at: datetime
    text: Secret = field(default_factory=lambda: Secret(""))
    device: Device | None = None
    replay_key: str | None = None
    oddity: Oddity | None = None
