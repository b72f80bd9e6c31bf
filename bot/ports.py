"""The Protocols between services and the outside. One contract suite runs over every adapter of a port."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Protocol

from bot.domain.messages import Incoming, Nudge, OpenSentence, PrivateText
from bot.domain.trust import Address
from bot.domain.values import EventId, Language, RoomId, TransactionId, UserId

IncomingHandler = Callable[[Incoming], Awaitable[None]]


class Clock(Protocol):
    """``now`` is aware and in UTC; ``monotonic`` in seconds."""

    def now(self) -> datetime: ...

    def monotonic(self) -> float: ...


class NudgeChannel(Protocol):
    """Pushes generic nudges. No method takes text."""

    async def warm(self, to: Sequence[Address]) -> None:
        """Do at once for many what :meth:`nudge` would do one by one. Best effort; never raises for one address."""

    async def nudge(self, to: Address, nudge: Nudge, txn: TransactionId) -> EventId:
        """Raises :class:`bot.errors.ChannelError` or :class:`bot.errors.Untrusted`."""


class PrivateChannel(Protocol):
    """Talks with one patient in the encrypted room that the bot opened."""

    async def say_open(
        self, to: Address, sentence: OpenSentence, language: Language, txn: TransactionId
    ) -> EventId:
        """A constant sentence, readable by every device of the patient."""

    async def say(self, to: Address, text: PrivateText, txn: TransactionId, *, rotate: bool) -> EventId:
        """Text for the pinned devices alone, one wire size. ``rotate`` discards the session afterwards.

        Raises :class:`bot.errors.Untrusted` where any doubt remains, before a byte has left.
        """

    async def redact(self, to: Address, event: EventId, txn: TransactionId) -> None:
        """Idempotent; an event that is gone already is no error."""

    async def open_room(self, user: UserId) -> RoomId:
        """Create the encrypted room and invite ``user``."""

    async def leave_room(self, room: RoomId) -> None:
        """Leave a room that is over."""
