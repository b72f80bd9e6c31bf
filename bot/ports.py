"""The Protocols between services and the outside. One contract suite runs over every adapter of a port."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from bot.domain.messages import Attachment, Incoming, Nudge, OpenSentence, PrivateText
from bot.domain.staff import StaffAddress, StaffFile
from bot.domain.trust import Address
from bot.domain.values import EventId, Language, RoomId, TransactionId, UserId

IncomingHandler = Callable[[Incoming], Awaitable[None]]


class Clock(Protocol):
    """``now`` is aware and in UTC; ``monotonic`` in seconds."""

    def now(self) -> datetime: ...

    def monotonic(self) -> float: ...


class NudgeChannel(Protocol):
    """Pushes generic nudges. No method takes text."""

    async def prepare(self, to: Sequence[Address]) -> None:
        """Do ahead of time what each needs once and keeps. Called for everybody alike, whether a nudge waits for them
        or not, again and again, for a few at a time: whoever needs nothing costs nothing. Whoever is not in their room
        is passed over. Best effort; never raises for one address, nor where the other side refuses.
        """

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


class StaffChannel(Protocol):
    """Talks with all members of the practice in the one encrypted room that the bot opened for them.

    Every method raises :class:`bot.errors.ChannelError`.
    """

    async def open_room(self, name: str) -> RoomId:
        """Create the encrypted room, with nobody in it but the bot."""

    async def invite(self, room: RoomId, user: UserId) -> None: ...

    async def remove(self, room: RoomId, user: UserId) -> None:
        """Send ``user`` away, or take the invitation back. Idempotent."""

    async def leave_room(self, room: RoomId) -> None: ...

    async def present(self, to: StaffAddress) -> Mapping[UserId, bool]:
        """Who else is there now, and whether joined (or only invited).

        Raises :class:`bot.errors.Untrusted` where the room is not as it was made.
        """

    def followed(self, room: RoomId) -> Mapping[UserId, bool]:
        """Like :meth:`present`, as followed since the start: nobody is asked."""

    async def identity(self, user: UserId) -> str | None:
        """The cross-signing master key now; None where no chain verifies."""

    async def say(self, to: StaffAddress, text: str, txn: TransactionId, *, rings: bool) -> EventId:
        """At most :data:`MAX_STAFF_TEXT` bytes, for verified devices of joined members alone, one wire size.

        Raises :class:`bot.errors.Untrusted` where any doubt remains, before a byte has left.
        """

    async def show(self, to: StaffAddress, file: StaffFile, txn: TransactionId) -> EventId:
        """Like :meth:`say`; the file is encrypted before it is uploaded."""

    async def fetch(self, described: Attachment) -> bytes:
        """What a member dropped, opened. Its size is checked before by the caller, and believed no further.

        Raises :class:`bot.errors.InvalidSeal` where it is not what its event describes.
        """


MAX_STAFF_TEXT = 2800
