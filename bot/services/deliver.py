"""Take rows out of the outbox: claim, check again, send, settle.

1. A row is claimed durably before anything leaves; its transaction id makes a second send the same message.
2. A nudge is checked again when claimed: enrolled, wanted, still booked, still useful. Several that are due at once
   for one recipient become one.
3. A row whose transaction id the homeserver may have forgotten (claimed over 23 hours ago, or from another device) is
   not sent again but reported.
4. A release's text lives in memory only. After a crash its row asks for the PIN again, under the same transaction id:
   had the release arrived, the homeserver answers with that event, and it is redacted on time.
5. A doubt about a device, a key or a room: no release, a plain sentence for the patient, a line for the staff.
6. Passing failures are repeated with growing pauses; permanent ones are reported.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.domain.appointment import Status
from bot.domain.messages import Nudge, OpenSentence, PrivateText
from bot.domain.records import (
    AnswerKind,
    AnswerState,
    OutboxKind,
    OutboxRow,
    OutboxState,
    ProblemKind,
    RecipientState,
    Reminder,
    ReminderKind,
)
from bot.domain.templates import Template, Words
from bot.domain.trust import Address
from bot.domain.values import EventId, Language, RecipientId, TransactionId
from bot.errors import ChannelError, PliError, Untrusted
from bot.ports import Clock, NudgeChannel, PrivateChannel
from bot.ports_storage import UnitOfWork, UnitOfWorkFactory
from bot.services.plan_nudges import wants

log = logging.getLogger("pli.deliver")

NUDGE_BATCH = 100
REPLY_BATCH = 50
AT_ONCE = 32
FORGOTTEN = timedelta(hours=23)
MAX_PAUSE = 300.0
REPLIES = (OutboxKind.OPEN, OutboxKind.REPLY, OutboxKind.RELEASE, OutboxKind.REDACT)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Work:
    row: OutboxRow
    to: Address
    language: Language


@dataclass(frozen=True, kw_only=True, slots=True)
class _Outcome:
    work: _Work
    event: EventId | None = None
    error: PliError | None = None


class Deliver:
    """One instance a process."""

    def __init__(
        self,
        uow: UnitOfWorkFactory,
        *,
        nudges: NudgeChannel,
        private: PrivateChannel,
        words: Mapping[Language, Words],
        clock: Clock,
        device: str,
    ) -> None:
        self._uow, self._nudges, self._private = uow, nudges, private
        self._words, self._clock, self._device = words, clock, device
        self._texts: dict[int, PrivateText] = {}
        self._busy: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.wake = asyncio.Event()

    def hold_text(self, row: int, text: PrivateText) -> None:
        """Remember the text of a release until its row is sent."""
        self._texts[row] = text

    # -- start --------------------------------------------------------------------------------------------------

    def recover(self) -> int:
        """Put right what a process that died left behind; how many rows."""
        now = self._clock.now()
        with self._uow() as uow:
            rows = uow.outbox.claimed()
            for row in rows:
                if row.claimed_by != self._device or now - (row.claimed_at or now) > FORGOTTEN:
                    uow.outbox.settle(row.id, OutboxState.UNKNOWN, now=now)
                    uow.problems.add(ProblemKind.UNKNOWN_SEND, now, row.recipient)
                else:
                    uow.outbox.postpone(row.id, due=now)
            for row in uow.outbox.waiting(OutboxKind.RELEASE):
                uow.outbox.rewrite(
                    row.id,
                    kind=OutboxKind.REPLY,
                    state=OutboxState.QUEUED,
                    due=now,
                    template=Template.ASK_PIN.value,
                    params={},
                    redact_after=row.redact_after,
                )
            held = uow.outbox.release_held(now=now)
            uow.commit()
        return len(rows) + held

    # -- nudges -------------------------------------------------------------------------------------------------

    async def nudges_due(self) -> int:
        """Send what is due, at most one batch; how many rows were taken."""
        taken, works = await asyncio.to_thread(self._claim_nudges)
        if works:
            await self._nudges.warm([w.to for w in works])
            gate = asyncio.Semaphore(AT_ONCE)
            outcomes = await asyncio.gather(*(self._nudge(w, gate) for w in works))
            await asyncio.to_thread(self._settle, outcomes)
        return taken

    async def _nudge(self, work: _Work, gate: asyncio.Semaphore) -> _Outcome:
        async with gate:
            try:
                event = await self._nudges.nudge(
                    work.to, Nudge(language=work.language), TransactionId(work.row.txn)
                )
            except PliError as error:
                return _Outcome(work=work, error=error)
            return _Outcome(work=work, event=event)

    def _claim_nudges(self) -> tuple[int, list[_Work]]:
        now = self._clock.now()
        works: dict[RecipientId, _Work] = {}
        with self._uow() as uow:
            rows = uow.outbox.claim(
                now=now, device=self._device, kinds=(OutboxKind.NUDGE,), limit=NUDGE_BATCH
            )
            for row in rows:
                work = self._recheck(uow, row, now)
                if work is None:
                    continue
                if row.recipient in works:
                    uow.outbox.settle(row.id, OutboxState.DROPPED, now=now)  # rule 2: one is enough
                elif row.recipient is not None:
                    works[row.recipient] = work
            uow.commit()
        return len(rows), list(works.values())

    def _recheck(self, uow: UnitOfWork, row: OutboxRow, now: datetime) -> _Work | None:
        recipient = uow.recipients.get(row.recipient) if row.recipient else None
        reasons = uow.reminders.due(recipient.id, row.slot) if recipient and row.slot else ()
        if recipient is None or recipient.state is not RecipientState.ENROLLED:
            uow.outbox.settle(row.id, OutboxState.DROPPED, now=now)
            return None
        valid = [r for r in reasons if wants(recipient, r.kind) and _stands(uow, r, now)]
        if not valid:
            uow.outbox.settle(row.id, OutboxState.DROPPED, now=now)
            return None
        if all(r.useful_until <= now for r in valid):
            uow.outbox.settle(row.id, OutboxState.DROPPED, now=now)
            uow.problems.add(ProblemKind.TOO_LATE, now, recipient.id)
            return None
        room = uow.rooms.by_recipient(recipient.id)
        if room is None:
            uow.outbox.settle(row.id, OutboxState.FAILED, now=now)
            uow.problems.add(ProblemKind.SEND_FAILED, now, recipient.id)
            return None
        to = Address(room=room.room, user=room.user, pin=recipient.pin)
        return _Work(row=row, to=to, language=recipient.language)

    # -- everything else ----------------------------------------------------------------------------------------

    async def replies_due(self) -> int:
        """Start sending what is due, in order within a room, rooms beside one another; how many rows were taken."""
        rows = await asyncio.to_thread(self._claim_replies)
        by_room: dict[str, list[_Work]] = defaultdict(list)
        for work in rows:
            by_room[work.row.room].append(work)
        for room, works in by_room.items():
            self._busy.add(room)
            task = asyncio.create_task(self._room(room, works))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return len(rows)

    async def drain(self) -> None:
        """Wait for what is being sent."""
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    def _claim_replies(self) -> list[_Work]:
        now = self._clock.now()
        works = []
        with self._uow() as uow:
            rows = uow.outbox.claim(
                now=now, device=self._device, kinds=REPLIES, limit=REPLY_BATCH, busy=self._busy
            )
            for row in rows:
                room = uow.rooms.get(row.room)
                if room is None:
                    uow.outbox.settle(row.id, OutboxState.DROPPED, now=now)
                    continue
                recipient = uow.recipients.get(room.recipient) if room.recipient else None
                to = Address(room=room.room, user=room.user, pin=recipient.pin if recipient else None)
                language = recipient.language if recipient else room.language
                works.append(_Work(row=row, to=to, language=language))
            if rows:
                uow.commit()
        return works

    async def _room(self, room: str, works: Sequence[_Work]) -> None:
        try:
            for work in works:
                outcome = await self._reply(work)
                await asyncio.to_thread(self._settle, [outcome])
        finally:
            self._busy.discard(room)
            self.wake.set()

    async def _reply(self, work: _Work) -> _Outcome:
        row, txn = work.row, TransactionId(work.row.txn)
        try:
            if row.kind is OutboxKind.REDACT:
                if row.event is not None:
                    await self._private.redact(work.to, row.event, txn)
                return _Outcome(work=work)
            if row.kind is OutboxKind.OPEN:
                sentence = OpenSentence(row.template)
                return _Outcome(
                    work=work,
                    event=await self._private.say_open(work.to, sentence, work.language, txn),
                )
            text = self._texts.get(row.id) if row.kind is OutboxKind.RELEASE else None
            if text is None:
                names = Template.ASK_PIN.value if row.kind is OutboxKind.RELEASE else row.template
                templates = (Template(name) for name in names.split(","))
                text = PrivateText(text=self._words[work.language].text(*templates, **row.params))
            event = await self._private.say(work.to, text, txn, rotate=row.rotate)
        except PliError as error:
            return _Outcome(work=work, error=error)
        return _Outcome(work=work, event=event)

    # -- settling -----------------------------------------------------------------------------------------------

    def _settle(self, outcomes: Sequence[_Outcome]) -> None:
        now = self._clock.now()
        with self._uow() as uow:
            for outcome in outcomes:
                self._settle_one(uow, outcome, now)
            uow.commit()
        for outcome in outcomes:
            if not isinstance(outcome.error, ChannelError) or outcome.error.permanent:
                self._texts.pop(outcome.work.row.id, None)

    def _settle_one(self, uow: UnitOfWork, outcome: _Outcome, now: datetime) -> None:
        row, error = outcome.work.row, outcome.error
        if error is None:
            uow.outbox.settle(row.id, OutboxState.SENT, event=outcome.event, now=now)
            if row.redact_after and outcome.event is not None:
                uow.outbox.add(
                    kind=OutboxKind.REDACT,
                    due=now + timedelta(minutes=row.redact_after),
                    room=row.room,  # and no recipient: what is to be taken back outlives who it was for
                    event=outcome.event,
                )
            return
        if isinstance(error, ChannelError) and not error.permanent:
            pause = error.retry_after or min(2.0 ** min(row.attempts, 10), MAX_PAUSE)
            pause *= 1 + random.random() / 4  # noqa: S311 - jitter, not a secret
            uow.outbox.postpone(row.id, due=now + timedelta(seconds=pause))
            log.warning("send postponed", extra={"kind": row.kind.value, "attempts": row.attempts})
            return
        uow.outbox.settle(row.id, OutboxState.FAILED, now=now)
        doubt = isinstance(error, Untrusted)
        kind = ProblemKind.NOT_TRUSTED if doubt else ProblemKind.SEND_FAILED
        uow.problems.add(kind, now, row.recipient)
        log.warning("send refused", extra={"kind": row.kind.value, "problem": kind.value})
        if doubt and row.kind in (OutboxKind.REPLY, OutboxKind.RELEASE):
            uow.outbox.add(
                kind=OutboxKind.OPEN,
                due=now,
                room=row.room,
                recipient=row.recipient,
                template=OpenSentence.UNKNOWN_DEVICE.value,
            )

    def counts(self) -> Mapping[str, int]:
        """Rows by state."""
        with self._uow() as uow:
            return uow.outbox.counts()


def _stands(uow: UnitOfWork, reminder: Reminder, now: datetime) -> bool:
    """Whether the reason for a nudge still stands."""
    row = uow.appointments.get(reminder.appointment)
    if row is None or row.past_after <= now:
        return False
    envelopes = {e.recipient: e for e in uow.envelopes.of_appointments([row.id])}
    envelope = envelopes.get(reminder.recipient)
    if envelope is None:
        return False
    if reminder.kind is ReminderKind.CHANGE:
        return envelope.told < row.change
    if row.status is Status.CANCELLED:
        return False
    return not any(
        a.kind is AnswerKind.CANCELLED
        and a.state is not AnswerState.VOID
        and a.time_revision == row.time_revision
        for a in uow.answers.of(row.id)
    )
