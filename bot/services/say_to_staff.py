"""What is said in the staff room: in parts of one size, each once, and taken back when its time is over.

1. A part's transaction id is derived from what it belongs to and its place in it: said again after a crash, it is the
   same message. No text is ever stored.
2. What is private is noted to be taken back right after each part has left, together with the line or file that it
   answers: a crash in between costs the note of one part at most, and that part is said, and noted, again.
3. Where somebody is in the room who is no member, it is seen to first, and the part is sent once more.
4. Parts of two answers never mix.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from bot.domain.long_texts import in_parts
from bot.domain.records import OutboxKind, ProblemKind
from bot.domain.staff import HeardOrder, StaffFile, StaffReply
from bot.domain.values import EventId, TransactionId
from bot.errors import ChannelError, PliError, StorageError, Untrusted
from bot.ports import MAX_STAFF_TEXT, Clock, StaffChannel
from bot.ports_storage import UnitOfWork, UnitOfWorkFactory
from bot.services.keep_staff_room import KeepStaffRoom

log = logging.getLogger("pli.staff")

_TRIES: Final = 12
_LONGEST_PAUSE: Final = 60.0

Piece = str | StaffFile


class SayToStaff:
    """``redact_after`` is the time for which private messages stay."""

    def __init__(
        self,
        uow: UnitOfWorkFactory,
        channel: StaffChannel,
        *,
        keep: KeepStaffRoom,
        clock: Clock,
        redact_after: timedelta,
    ) -> None:
        self._uow, self._channel, self._keep, self._clock = uow, channel, keep, clock
        self._redact_after = redact_after
        self._lock = asyncio.Lock()

    async def unasked(self, reply: StaffReply, *, key: str, rings: bool) -> None:
        """Say it now, or raise :class:`Untrusted`, :class:`ChannelError`, :class:`StorageError`: a later call with the
        same ``key`` goes on.
        """
        async with self._lock:
            for number, piece in enumerate(_pieces(reply)):
                event = await self._send(piece, _txn(key, number), rings=rings)
                if reply.private:
                    await asyncio.to_thread(self._take_back, event)

    async def answer(self, order: HeardOrder, reply: StaffReply, *, seen: Sequence[str]) -> None:
        """Answer ``order``, and forget it in the transaction that remembers the last part. Tried again for a while;
        then it is given up, and told. Raises :class:`StorageError`.
        """
        pieces = _pieces(reply)
        async with self._lock:
            for number, piece in enumerate(pieces):
                try:
                    event = await self._patiently(piece, _txn(order.key, order.sent + number))
                except StorageError:
                    raise
                except PliError as error:
                    log.warning(
                        "an answer did not reach the staff room", extra={"error": type(error).__name__}
                    )
                    await asyncio.to_thread(self._settle, order, seen, untold=True)
                    return
                if number + 1 < len(pieces):
                    await asyncio.to_thread(self._note, order, number + 1, event if reply.private else None)
                else:
                    await asyncio.to_thread(
                        self._settle,
                        order,
                        seen,
                        event=event if reply.private else None,
                        private=reply.private,
                    )
            if not pieces:
                await asyncio.to_thread(self._settle, order, seen, private=reply.private)

    async def _patiently(self, piece: Piece, txn: TransactionId) -> EventId:
        pause = 1.0
        for left in reversed(range(_TRIES)):
            try:
                return await self._send(piece, txn, rings=False)
            except ChannelError as error:
                if error.permanent or not left:
                    raise
                await asyncio.sleep(max(pause, error.retry_after or 0.0))
                pause = min(pause * 2, _LONGEST_PAUSE)
        raise AssertionError  # the loop returns or raises

    async def _send(self, piece: Piece, txn: TransactionId, *, rings: bool) -> EventId:
        try:
            return await self._send_once(piece, txn, rings=rings)
        except Untrusted as doubt:
            if doubt.reason != "membership":
                raise
            await self._keep.look(at_once=True)  # rule 3
            return await self._send_once(piece, txn, rings=rings)

    async def _send_once(self, piece: Piece, txn: TransactionId, *, rings: bool) -> EventId:
        to = await self._keep.address()
        if isinstance(piece, StaffFile):
            return await self._channel.show(to, piece, txn)
        return await self._channel.say(to, piece, txn, rings=rings)

    # -- what is noted ------------------------------------------------------------------------------------------

    def _take_back(self, *events: EventId) -> None:
        with self._uow() as uow:
            for event in events:
                self._add(uow, event)
            uow.commit()

    def _note(self, order: HeardOrder, sent: int, event: EventId | None) -> None:
        with self._uow() as uow:
            uow.heard_orders.note(order.key, sent=order.sent + sent)
            if event is not None:
                self._add(uow, event)
            uow.commit()

    def _settle(
        self,
        order: HeardOrder,
        seen: Sequence[str],
        *,
        event: EventId | None = None,
        private: bool = True,
        untold: bool = False,
    ) -> None:
        now = self._clock.now()
        with self._uow() as uow:
            uow.seen.add(seen, now)
            uow.heard_orders.remove(order.key)
            for each in (event, order.event if private else None):
                if each is not None:
                    self._add(uow, each)
            if untold:
                uow.problems.add(ProblemKind.STAFF_UNTOLD, now)
            uow.commit()

    def _add(self, uow: UnitOfWork, event: EventId) -> None:
        due = self._clock.now() + self._redact_after
        uow.outbox.add(kind=OutboxKind.REDACT, due=due, room=self._keep.room_id, event=event)


def _pieces(reply: StaffReply) -> list[Piece]:
    parts: list[Piece] = [part for text in reply.texts for part in in_parts(text, MAX_STAFF_TEXT)]
    return [*parts, *reply.files]


def _txn(key: str, number: int) -> TransactionId:
    """Rule 1."""
    return TransactionId("pli" + hashlib.sha256(f"{key}/{number}".encode()).hexdigest()[:32])
