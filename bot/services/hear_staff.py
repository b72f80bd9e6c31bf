"""What is said in the staff room: who may say it, once, and what becomes of it.

1. Only what was decrypted, from a device that the pinned identity of a joined member vouches for, is handed on.
   Everything else is refused and audited, and taken back where the homeserver or a stranger could have written it.
2. An order is handed on under a key made of the place of its ciphertext in its session: a copy under another event id,
   and the event itself after a restart, have the same key. What was answered is not heard again.
3. An order is noted before it is handed on, and forgotten with its answer. What a crash left is read again and handed
   on again under its key; what does not come again, or comes too late to be meant, is answered with a plain sentence.
4. A file is judged by its event before anything of it is fetched (:mod:`bot.domain.staff_files`).
5. Refusals are answered with a constant sentence, each once a minute at most, and audited as often, with their number.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from bot.domain.late import MEANT_FOR
from bot.domain.messages import Attachment, Incoming, Oddity
from bot.domain.records import AuditKind, OutboxKind
from bot.domain.staff import HeardOrder, Member, MemberId, StaffFile, StaffOrder, StaffReply, StaffSentence
from bot.domain.staff_files import shown_name, why_not
from bot.domain.values import EventId, Secret
from bot.errors import ChannelError, DeskError, InvalidSeal, PliError, StorageError
from bot.ports import Clock, StaffChannel
from bot.ports_staff import Desk
from bot.ports_storage import UnitOfWork, UnitOfWorkFactory
from bot.services.keep_staff_room import KeepStaffRoom
from bot.services.say_to_staff import SayToStaff

log = logging.getLogger("pli.staff")

SENTENCES: Final = timedelta(minutes=1)
LEFT_OVER: Final = timedelta(minutes=5)
READ_AGAIN: Final = timedelta(
    seconds=15
)  # after the start, what was not answered comes again at once or never
_DESK_SECONDS: Final = 300.0
_FETCHES: Final = 3

Sentences = Mapping[StaffSentence, str]


class HearStaff:
    """One instance a process; ``handle`` runs for one event at a time."""

    def __init__(
        self,
        uow: UnitOfWorkFactory,
        channel: StaffChannel,
        *,
        desk: Desk,
        keep: KeepStaffRoom,
        say: SayToStaff,
        sentences: Sentences,
        clock: Clock,
        max_file_bytes: int,
        desk_answered: Callable[[bool], None],
    ) -> None:
        self._uow, self._channel, self._desk, self._keep, self._say = uow, channel, desk, keep, say
        self._sentences, self._clock, self._max_file_bytes = sentences, clock, max_file_bytes
        self._desk_answered = desk_answered
        self._said_at: dict[StaffSentence, datetime] = {}
        self._refused: dict[str, tuple[datetime, int]] = {}
        self._started_at = clock.now()
        self._one_by_one = asyncio.Lock()

    async def handle(self, incoming: Incoming) -> None:
        """Never raises for what a message contains; a storage failure is raised: the message is handled again later."""
        member, why = await self._judge(incoming)
        if member is None or why is not None:
            await self._refuse(incoming, member, why or StaffSentence.UNKNOWN_DEVICE)
        elif incoming.replay_key is not None:
            async with self._one_by_one:
                await self._obey(incoming, member, incoming.replay_key)

    async def finish_left_over(self) -> None:
        """Rule 3. To be called now and then."""
        now = self._clock.now()
        if now - self._started_at < READ_AGAIN or self._one_by_one.locked():
            return
        async with self._one_by_one:
            for order in await asyncio.to_thread(self._left_over, now - LEFT_OVER):
                await self._answer(order, self._sentence(StaffSentence.AGAIN), seen=(order.key,))

    # -- who speaks ---------------------------------------------------------------------------------------------

    async def _judge(self, incoming: Incoming) -> tuple[Member | None, StaffSentence | None]:
        """Rule 1. The member, where the account is one's, and what is wrong with the message."""
        member = await asyncio.to_thread(self._member, incoming)
        if member is None or not self._channel.followed(incoming.room).get(incoming.user):
            self._keep.look_soon()
            return None, StaffSentence.UNKNOWN_DEVICE
        if incoming.oddity is Oddity.UNENCRYPTED:
            return member, StaffSentence.UNENCRYPTED
        if incoming.oddity is Oddity.UNDECRYPTABLE:
            return member, StaffSentence.UNREADABLE
        device = incoming.device
        if device is None or device.master_key is None:
            return member, StaffSentence.UNKNOWN_DEVICE
        await asyncio.to_thread(self._keep.noted, member, device.master_key)
        member = await asyncio.to_thread(self._member, incoming)
        if member is None or member.pin is None or not member.pin.knows(device):
            return member, StaffSentence.UNKNOWN_DEVICE
        return member, None

    def _member(self, incoming: Incoming) -> Member | None:
        with self._uow() as uow:
            member = uow.staff.by_user(incoming.user)
        return None if member is None or member.leaving else member

    async def _refuse(self, incoming: Incoming, member: Member | None, why: StaffSentence) -> None:
        if not await asyncio.to_thread(self._note_refusal, incoming, member, why):
            return
        log.warning("a message in the staff room was refused")
        await self._remark(why)

    def _note_refusal(self, incoming: Incoming, member: Member | None, why: StaffSentence) -> bool:
        """False for what was seen before."""
        now = self._clock.now()
        with self._uow() as uow:
            new = uow.seen.add(_seen(incoming), now)
            if new and (why is not StaffSentence.UNREADABLE or incoming.text.reveal()):
                # what cannot be read at all is no try to say something: a key that is late looks like that
                self._audit(uow, member.id if member else None, why, now)
                uow.outbox.add(kind=OutboxKind.REDACT, due=now, room=self._keep.room_id, event=incoming.event)
            uow.commit()
        return new

    def _audit(self, uow: UnitOfWork, member: MemberId | None, why: StaffSentence, now: datetime) -> None:
        """Rule 5."""
        key = f"{member} {why}"
        at, count = self._refused.get(key, (None, 0))
        if at is not None and now - at < SENTENCES:
            self._refused[key] = (at, count + 1)
            return
        self._refused[key] = (now, 0)
        uow.audit.add(AuditKind.STAFF_REFUSED, now, member=member, count=count + 1)

    async def _remark(self, sentence: StaffSentence) -> None:
        """Rule 5. A remark that does not get through is no loss."""
        now = self._clock.now()
        last = self._said_at.get(sentence)
        if last is not None and now - last < SENTENCES:
            return
        self._said_at[sentence] = now
        try:
            key = f"remark {sentence} {now.isoformat()}"
            remark = StaffReply(texts=(self._sentences[sentence],))
            await self._say.unasked(remark, key=key, rings=False)
        except StorageError:
            raise
        except PliError as error:
            log.warning("a remark did not reach the staff room", extra={"error": type(error).__name__})

    # -- what is said -------------------------------------------------------------------------------------------

    async def _obey(self, incoming: Incoming, member: Member, key: str) -> None:
        order = await asyncio.to_thread(self._hear, incoming, key)
        if order is None:
            return
        said = await self._understood(incoming)
        if isinstance(said, StaffSentence):
            await self._answer(order, self._sentence(said), seen=_seen(incoming))
            return
        text, file = said
        reply = await self._carry_out(StaffOrder(member=member.id, key=key, line=text.reveal(), file=file))
        # from its beginning: what of it arrived before a crash is not said twice
        await self._answer(replace(order, sent=0), reply, seen=_seen(incoming))

    def _hear(self, incoming: Incoming, key: str) -> HeardOrder | None:
        """Rules 2 and 3. None for what was answered."""
        now = self._clock.now()
        with self._uow() as uow:
            left = uow.heard_orders.get(key)
            if left is not None:
                return left
            if not uow.seen.add(_seen(incoming), now):
                uow.commit()
                return None
            order = HeardOrder(key=key, event=incoming.event, at=now)
            uow.heard_orders.add(order)
            uow.commit()
        return order

    async def _understood(self, incoming: Incoming) -> StaffSentence | tuple[Secret, StaffFile | None]:
        if self._clock.now() - incoming.at > MEANT_FOR:
            return StaffSentence.TOO_LATE
        if incoming.oddity is Oddity.EDIT:
            return StaffSentence.EDITED
        if incoming.attachment is not None:
            found = await self._file(incoming.attachment)
            return found if isinstance(found, StaffSentence) else (Secret(""), found)
        if incoming.oddity is Oddity.NOT_TEXT or not incoming.text.reveal().strip():
            return StaffSentence.NOT_TEXT
        return incoming.text, None

    async def _file(self, described: Attachment) -> StaffSentence | StaffFile:
        """Rule 4."""
        wrong = why_not(described, limit=self._max_file_bytes)
        if wrong is not None:
            return wrong
        for left in reversed(range(_FETCHES)):
            try:
                data = await self._channel.fetch(described)
            except InvalidSeal:
                return StaffSentence.FILE_BROKEN
            except ChannelError as error:
                if error.permanent or not left:
                    return StaffSentence.FILE_GONE
                await asyncio.sleep(min(error.retry_after or 1.0, 10.0))
            else:
                return StaffFile(name=shown_name(described.name), media_type=described.media_type, data=data)
        return StaffSentence.FILE_GONE

    async def _carry_out(self, order: StaffOrder) -> StaffReply:
        try:
            reply = await asyncio.wait_for(self._desk.order(order), _DESK_SECONDS)
        except DeskError:
            self._desk_answered(False)  # noqa: FBT003 - one fact
            return self._sentence(StaffSentence.NOT_DONE)
        except TimeoutError:
            self._desk_answered(False)  # noqa: FBT003 - as above
            return self._sentence(StaffSentence.AGAIN)
        self._desk_answered(True)  # noqa: FBT003 - as above
        return reply

    async def _answer(self, order: HeardOrder, reply: StaffReply, *, seen: tuple[str, ...]) -> None:
        await self._say.answer(order, reply, seen=seen)

    def _left_over(self, before: datetime) -> list[HeardOrder]:
        with self._uow() as uow:
            return list(uow.heard_orders.before(before))

    def _sentence(self, sentence: StaffSentence) -> StaffReply:
        """Private: what it answers may hold details."""
        return StaffReply(texts=(self._sentences[sentence],), private=True)


def _seen(incoming: Incoming) -> tuple[str, ...]:
    return (_digest(incoming.event), *((incoming.replay_key,) if incoming.replay_key else ()))


def _digest(event: EventId) -> str:
    return hashlib.sha256(f"staff/{event}".encode()).hexdigest()
