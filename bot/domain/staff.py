"""People of the practice, and what they say in the staff room. Pure values.

A line typed there and a file dropped there may hold details: neither is stored, and no ``repr`` shows them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NewType

from bot.domain.trust import Pin
from bot.domain.values import EventId, Language, RoomId, UserId

MemberId = NewType("MemberId", str)


class Role(StrEnum):
    SECRETARY = "secretary"
    ADMINISTRATOR = "administrator"


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Member:
    """Somebody of the practice. ``pin`` is the identity seen first; what another identity says is refused.

    ``other`` is the master key of such another identity, the last one seen. ``leaving``: removed, and not yet out of
    the room; such a member counts as nobody.
    """

    id: MemberId
    user: UserId
    role: Role
    language: Language
    added_at: datetime
    pin: Pin | None = None
    other: str = ""
    leaving: bool = False


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class StaffRoom:
    """The one room of all members; ``id`` names it in the outbox."""

    id: str
    room: RoomId


@dataclass(frozen=True, kw_only=True, slots=True)
class HeardOrder:
    """An order that was heard and is not answered yet. ``sent`` pieces of its answer have arrived.

    ``key`` is that of :class:`StaffOrder`; ``event`` is what the member sent, to be taken back.
    """

    key: str
    event: EventId
    at: datetime
    sent: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class StaffFile:
    """An attachment, opened: ``media_type`` as in RFC 2046; ``name`` is shown, and is never a path."""

    name: str = field(repr=False)
    media_type: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class StaffOrder:
    """What a verified device of a member said: a line, or a file with an empty line. ``key`` names the event, once."""

    member: MemberId
    key: str
    line: str = field(default="", repr=False)
    file: StaffFile | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class StaffReply:
    """What the room is told; nothing at all where ``texts`` and ``files`` are empty.

    ``private``: details are in it or in what it answers, so both are taken back after the set time. ``token`` names
    this piece of news: the same news has the same token until :meth:`bot.ports_staff.Desk.told` was called with it.
    """

    texts: tuple[str, ...] = field(default=(), repr=False)
    files: tuple[StaffFile, ...] = ()
    private: bool = False
    token: str = ""
