"""From room events to :class:`~bot.domain.messages.Incoming`: who spoke is decided here.

1. Only rooms that the bot opened are listened to; the bot's own events never are.
2. ``device`` is set only if the keys of whoever made the Megolm session are those of exactly one device of
   the sender in a checked answer; the event's own claims about its sender's keys are not read.
3. Where no device fits, the homeserver is asked once more before the event is taken for a stranger's.
4. A ciphertext that was read before and comes again carries the replay key it had, readable or not.
5. What comes out of the order in which its device spoke (:mod:`bot.channels.matrix.order`) counts as unreadable; its
   text goes with it only so that a PIN in it can be redacted.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Protocol

from bot.channels.matrix.directory import Directory
from bot.channels.matrix.olm import MEGOLM, Decrypted, Machine, NoKey, Unreadable
from bot.channels.matrix.order import Order
from bot.channels.matrix.reading import RoomEvent, Said, replay_key, said_encrypted, said_in_clear
from bot.channels.matrix.safejson import as_text
from bot.domain.messages import Incoming, Oddity
from bot.domain.trust import Device
from bot.domain.values import RoomId, Secret, UserId
from bot.errors import ChannelError, StorageError
from bot.ports import IncomingHandler

_FORGET_AFTER_SECONDS: Final = 60.0
_FORGET_ANYWAY_SECONDS: Final = 15 * 60.0
_ASK_AGAIN_SECONDS: Final = (1.0, 2.0, 5.0, 10.0, 30.0)

_log = logging.getLogger("pli.matrix.hearing")

OnUser = Callable[[UserId], Awaitable[None]]
OnMember = Callable[[RoomId, UserId], Awaitable[None]]
OnRead = Callable[[RoomId, UserId, datetime], Awaitable[None]]


async def nobody_listens(_room: RoomId, _user: UserId, _at: datetime) -> None:
    """Whoever wants no receipts."""


class RoomBook(Protocol):
    """Which rooms the bot opened, as the practice's database has it."""

    async def opened_by_bot(self, room: RoomId) -> bool: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Listener:
    """Who is told what. ``on_invited``: somebody invited the bot to a room of their own, which it does not
    enter. ``on_read``: somebody's client says that it showed what is in a room of the bot's, and when.
    """

    book: RoomBook
    on_message: IncomingHandler
    on_invited: OnUser
    on_joined: OnMember
    on_left: OnMember
    on_read: OnRead = nobody_listens


class Hearing:
    """Turns one event at a time into what the service is told."""

    def __init__(
        self,
        machine: Machine,
        directory: Directory,
        listener: Listener,
        *,
        grace_seconds: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._machine = machine
        self._directory = directory
        self._listener = listener
        self._grace = grace_seconds
        self._monotonic = monotonic
        self._order = Order()
        self._waiting: dict[tuple[RoomId, str], asyncio.Event] = {}
        self._read: list[tuple[float, RoomId, str, int]] = []
        self._to_forget: list[tuple[float, int]] = []
        self._truncated_at = monotonic()

    async def hear(self, event: RoomEvent, arrived: float) -> None:
        """``arrived`` on the monotonic clock, from which the grace for a late key counts."""
        if event.sender == self._machine.user or not await self._listener.book.opened_by_bot(event.room):
            return  # rule 1
        if not event.encrypted:
            if said := said_in_clear(event):
                await self._tell(event, said)
            return
        found = await self._decrypt(event, arrived)
        if isinstance(found, Decrypted):
            await self._hear_decrypted(event, found)
            return
        replay = None
        if isinstance(found, Unreadable) and found.passed is not None:  # rule 4
            session_id = as_text(event.content.get("session_id"))
            replay = replay_key(event.room, found.curve25519, session_id, found.passed)
        await self._tell(event, Said(text=Secret(""), oddity=Oddity.UNDECRYPTABLE), replay=replay)

    def keys_arrived(self) -> None:
        """Wake the events whose key came."""
        for key in self._machine.take_new_keys():
            self._order.key_came(*key)
            if waiting := self._waiting.get(key):
                waiting.set()

    def note_read(self) -> None:
        """Before a token is stored: what was read, so that it is forgotten whatever becomes of this process."""
        if self._read:
            self._machine.note_read(item[1:] for item in self._read)
            self._read = []

    def token_stored(self) -> None:
        """What was noted is not needed again; a moment is left for what is out of order.

        The first token takes in what an earlier process did not live to forget.
        """
        note = self._machine.last_note()
        if note and note not in {known for _, known in self._to_forget}:
            self._to_forget.append((self._monotonic() + _FORGET_AFTER_SECONDS, note))

    def forget_read(self, *, at_once: bool = False) -> None:
        """Make what is due unreadable (:meth:`Machine.forget_noted`). Raises :class:`StorageError`.

        What was handled is not kept for a token that does not come: the homeserver would only have to keep one
        person's event from being judged. Read again after a crash, it is known by its event and its replay key.
        """
        now = self._monotonic()
        if self._read and now - self._read[0][0] >= _FORGET_ANYWAY_SECONDS:
            self.note_read()
            self._to_forget.append((now, self._machine.last_note()))
        due = [note for at, note in self._to_forget if at_once or at <= now]
        if due:
            self._machine.forget_noted(max(due))
            self._to_forget = [item for item in self._to_forget if item[1] > max(due)]
        if due or now - self._truncated_at >= _FORGET_AFTER_SECONDS:
            self._machine.truncate_log()
            self._truncated_at = now

    async def _decrypt(self, event: RoomEvent, arrived: float) -> Decrypted | NoKey | Unreadable:
        if event.content.get("algorithm") != MEGOLM:
            return Unreadable()
        key = (event.room, as_text(event.content.get("session_id")))
        found = self._machine.decrypt(event.room, event.content)
        left = arrived + self._grace - self._monotonic()
        if not isinstance(found, NoKey) or left <= 0:
            return found
        waiting = self._waiting.setdefault(key, asyncio.Event())
        try:
            await asyncio.wait_for(waiting.wait(), left)
        except TimeoutError:
            return NoKey()
        finally:
            self._waiting.pop(key, None)
        return self._machine.decrypt(event.room, event.content)

    async def _hear_decrypted(self, event: RoomEvent, found: Decrypted) -> None:
        handled = True
        try:
            await self._understand(event, found)
        except StorageError:
            handled = False  # it is tried again, and has to be read again for that
            raise
        finally:
            if handled:
                self._read.append((self._monotonic(), event.room, found.session_id, found.index))

    async def _understand(self, event: RoomEvent, found: Decrypted) -> None:
        in_order = self._order.read(
            event.room, curve25519=found.curve25519, session_id=found.session_id, index=found.index
        )
        said = said_encrypted(event, found)
        if said is None:
            return
        replay = replay_key(event.room, found.curve25519, found.session_id, found.index)
        if not in_order:  # rule 5
            await self._tell(event, replace(said, oddity=Oddity.UNDECRYPTABLE), replay=replay)
            return
        if said.oddity is Oddity.UNDECRYPTABLE:
            await self._tell(event, said)
            return
        device = await self._device(event.sender, found)
        await self._tell(event, said, device=device, replay=replay)

    async def _device(self, user: UserId, found: Decrypted) -> Device | None:
        """Rules 2 and 3. Waits for the homeserver as long as it takes: silence is no stranger."""
        attempt = 0
        asked = False
        while True:
            try:
                if asked:
                    await self._directory.refresh([user])
                people = await self._directory.current(user)
            except ChannelError as error:
                if error.permanent:
                    return None
                await asyncio.sleep(_ASK_AGAIN_SECONDS[min(attempt, len(_ASK_AGAIN_SECONDS) - 1)])
                attempt += 1
                continue
            device = self._directory.find(people, curve25519=found.curve25519, ed25519=found.ed25519)
            if device is not None or asked:
                return device
            asked = True

    async def _tell(
        self, event: RoomEvent, said: Said, *, device: Device | None = None, replay: str | None = None
    ) -> None:
        await self._listener.on_message(
            Incoming(
                room=event.room,
                user=event.sender,
                event=event.event,
                at=event.at,
                text=said.text,
                device=device,
                replay_key=replay,
                oddity=said.oddity,
                attachment=said.attachment,
            )
        )
