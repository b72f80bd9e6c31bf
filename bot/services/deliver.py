"""Take rows out of the outbox: claim, check again, send, settle.

1. A row is claimed durably before anything leaves; its transaction id makes a second send the same message.
2. A nudge is checked again when claimed: not paused, enrolled, wanted, still booked, still useful. Several that are
   due at once for one recipient become one; the others are done with only when that one has left, since each has
   reasons of its own. None is claimed on the word of a clock that is in doubt.
3. A row whose transaction id the homeserver may have forgotten (claimed over 23 hours ago, or from another device) is
   not sent again but reported.
4. A release's text lives in memory only. After a crash its row asks for the PIN again, under the same transaction id:
   had the release arrived, the homeserver answers with that event, and it is redacted on time.
5. A doubt about a device, a key or a room: no release, a plain sentence for the patient, a line for the staff.
6. Passing failures are repeated with growing pauses, and nothing overtakes them in their room; permanent ones are
   reported. Whatever goes wrong with one message stops no other.
7. A storage that refuses (full, locked, gone) is a passing failure, before a message leaves and after: nothing is given
   up for it. What it left claimed goes on a moment after it answers again: at once, a storage that takes one thing and
   refuses another would have the same message go round in circles.
8. A channel that refuses a nudge for good is switched off for that reader, and the staff are told once. Many at once
   are no readers who left: these are tried again.
9. Nudges leave at a pace: no more are claimed than may leave now, so that the end of an outage looks like any slot. A
   pause that the other side named holds all of them (:mod:`bot.services.pace_nudges`).
10. In a dry run what would leave is judged, shown by slot, and rolled back.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from bot.domain.messages import Nudge, OpenSentence, PrivateText
from bot.domain.records import OutboxKind, OutboxRow, OutboxState
from bot.domain.slots import NudgeRules
from bot.domain.templates import Template, Words
from bot.domain.trust import Address
from bot.domain.values import Language, TransactionId, UserId
from bot.errors import StorageError
from bot.ports import Clock, NudgeChannel, PrivateChannel
from bot.ports_storage import UnitOfWork, UnitOfWorkFactory
from bot.services.choose_nudges import ChooseNudges, Delivery, is_forgotten
from bot.services.pace_nudges import PaceNudges
from bot.services.settle_copies import give_up_copies
from bot.services.settle_sent import Release, Sending, Work, settle_sent

log = logging.getLogger("pli.deliver")

NUDGE_BATCH = 500
REPLY_BATCH = 50
AT_ONCE = 32
PART = 25  # prepared together: few requests, and the first leave soon
PARTS_AT_ONCE = 4  # homeservers give keys one by one: one request alone falls behind what leaves
EVERYTHING = 1_000_000

PATIENCE = timedelta(minutes=2)
UNSTICK = timedelta(seconds=5)
REPLIES = (OutboxKind.OPEN, OutboxKind.REPLY, OutboxKind.RELEASE, OutboxKind.REDACT)


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
        rules: NudgeRules,
        delivery: Delivery | None = None,
    ) -> None:
        self._delivery = delivery or Delivery()
        self._pace = PaceNudges(self._delivery.pace, self._delivery.channel, clock)
        self._choose = ChooseNudges(rules, device=device, delivery=self._delivery)
        self._shown: Mapping[datetime, int] = {}
        self._uow, self._nudges, self._private = uow, nudges, private
        self._words, self._clock, self._device, self._rules = words, clock, device, rules
        self._releases: dict[int, Release] = {}
        self._flying: set[int] = set()
        self._busy: set[str] = set()
        self._pauses: dict[str, datetime] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._unstick_at: datetime | None = None
        self.wake = asyncio.Event()

    def hold(self, row: int, release: Release) -> None:
        """Remember a release until its row is sent, or its window is over."""
        self._releases[row] = release

    # -- start --------------------------------------------------------------------------------------------------

    def recover(self) -> int:
        """Put right what a process that died left behind; how many rows."""
        now = self._clock.now()
        with self._uow() as uow:
            rows = uow.outbox.claimed()
            for row in rows:
                uow.outbox.postpone(
                    row.id, due=now
                )  # whether it may be sent again is judged when it is claimed
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
            held = uow.outbox.release_held(now=now, before=now)
            if not self._delivery.telegram:
                give_up_copies(uow, now)
            uow.commit()
        return len(rows) + held

    def tidy(self) -> int:
        """Now and then: what a failure of the storage left claimed or held goes on; what is over is forgotten."""
        now = self._clock.now()
        self._releases = {row: r for row, r in self._releases.items() if r.until > now or row in self._flying}
        with self._uow() as uow:
            stuck = [row.id for row in uow.outbox.claimed() if row.id not in self._flying]
            for row in stuck:
                uow.outbox.postpone(row, due=now)
            held = uow.outbox.release_held(now=now, before=now - PATIENCE)
            uow.commit()
        return len(stuck) + held

    async def _unstick(self) -> None:
        """Rule 7. Raises :class:`StorageError` while it still refuses."""
        if self._unstick_at is not None and self._unstick_at <= self._clock.now():
            await asyncio.to_thread(self.tidy)
            self._unstick_at = None

    # -- nudges -------------------------------------------------------------------------------------------------

    async def nudges_due(self) -> int:
        """Send what is due and may leave now, at most one batch; how many rows were taken."""
        if self._rules.is_quiet_for_all(self._clock.now()):  # else it is judged by nudge, when claimed
            return 0
        if self._delivery.show is not None:
            await self._show(self._delivery.show)
            return 0
        await self._unstick()
        # One task: a stop waits for what was claimed (:meth:`drain`).
        task = asyncio.create_task(self._send_nudges())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return await asyncio.shield(task)

    def nudges_at(self) -> float:
        """The next moment of the monotonic clock at which some may leave (rule 9): now, or later."""
        return self._pace.at()

    async def _send_nudges(self) -> int:
        room = self._pace.room()
        if not room:
            return 0
        taken, works, behind = await asyncio.to_thread(self._claim_nudges, min(room, NUDGE_BATCH))
        self._pace.leave(len(works), behind=behind)
        try:
            if works:
                outcomes = await self._send_all(works)
                self._pace.slow_down(outcomes)
                await asyncio.to_thread(self._settle, outcomes)
        except StorageError:
            self._unstick_at = self._clock.now() + UNSTICK
            raise
        finally:
            self._flying.difference_update(row.id for w in works for row in w.rows)
        return taken

    async def _send_all(self, works: Sequence[Work]) -> list[Sending]:
        """While some are prepared, those before them leave."""
        leaving, preparing = asyncio.Semaphore(AT_ONCE), asyncio.Semaphore(PARTS_AT_ONCE)

        async def send(part: Sequence[Work]) -> list[Sending]:
            async with preparing:
                await self._warm([w.to for w in part])
            return list(await asyncio.gather(*(self._nudge(w, leaving) for w in part)))

        parts = [works[start : start + PART] for start in range(0, len(works), PART)]
        return [sending for sent in await asyncio.gather(*map(send, parts)) for sending in sent]

    async def _show(self, show: Callable[[Mapping[datetime, int]], None]) -> None:
        """Rule 10."""
        slots = await asyncio.to_thread(self._would_leave)
        if slots != self._shown:
            self._shown = slots
            show(slots)

    def _would_leave(self) -> Mapping[datetime, int]:
        now = self._clock.now()
        with self._uow() as uow:  # and no commit
            works = self._choose.judge(uow, now, EVERYTHING)[1]
        return dict(sorted(Counter(w.row.slot or w.row.due for w in works).items()))

    async def _warm(self, to: Sequence[Address]) -> None:
        try:
            await self._nudges.warm(to)
        except Exception as error:  # noqa: BLE001 - rule 6: what is not warm is only slower
            log.error("nudges were not prepared", extra={"error": type(error).__name__})  # noqa: TRY400 - no traceback: locals may be quoted

    async def _nudge(self, work: Work, gate: asyncio.Semaphore) -> Sending:
        async with gate:
            try:
                event = await self._nudges.nudge(
                    work.to, Nudge(language=work.language), TransactionId(work.row.txn)
                )
            except Exception as error:  # noqa: BLE001 - rule 6
                return Sending.failed(work, error)
            return Sending(work=work, event=event)

    def _claim_nudges(self, limit: int) -> tuple[int, list[Work], int]:
        """How many rows were taken, what is to be sent of them, and how many more are due, as far as it matters."""
        now, behind = self._clock.now(), 0
        with self._uow() as uow:
            taken, works = self._choose(uow, now, limit)
            self._flying.update(
                row.id for w in works for row in w.rows
            )  # first: :meth:`tidy` leaves these alone
            if taken >= limit:
                behind = uow.outbox.nudges_due(now, most=self._pace.most_together)
            if taken:
                uow.commit()
        return taken, works, behind

    # -- everything else ----------------------------------------------------------------------------------------

    async def replies_due(self) -> int:
        """Start sending what is due, in order within a room, rooms beside one another; how many rows were taken."""
        await self._unstick()
        rows = await asyncio.to_thread(self._claim_replies)
        by_room: dict[str, list[Work]] = defaultdict(list)
        for work in rows:
            by_room[work.row.room].append(work)
        for room, works in by_room.items():
            self._busy.add(room)
            task = asyncio.create_task(self._room(room, sorted(works, key=lambda w: w.row.id)))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return len(rows)

    async def drain(self) -> None:
        """Wait for what is being sent."""
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    def _claim_replies(self) -> list[Work]:
        now = self._clock.now()
        works = []
        with self._uow() as uow:
            rows = uow.outbox.claim(
                now=now, device=self._device, kinds=REPLIES, limit=REPLY_BATCH, busy=self._waiting(now)
            )
            for row in rows:
                if is_forgotten(uow, row, now, device=self._device):
                    continue
                work = _work(uow, row)
                if work is None:
                    uow.outbox.settle(row.id, OutboxState.DROPPED, now=now)
                    continue
                works.append(work)
            if rows:
                self._flying.update(w.row.id for w in works)
                uow.commit()
        return works

    def _waiting(self, now: datetime) -> set[str]:
        """Rooms in which something is being sent, or has failed a moment ago."""
        self._pauses = {room: until for room, until in self._pauses.items() if until > now}
        return self._busy | self._pauses.keys()

    async def _room(self, room: str, works: Sequence[Work]) -> None:
        try:
            for number, work in enumerate(works):
                outcome = await self._reply(work)
                until = await asyncio.to_thread(self._settle, [outcome], works[number + 1 :])
                if until is not None:
                    self._pauses[room] = until
                    return
        except StorageError:
            log.error("the storage refused; these rows go on later")  # noqa: TRY400 - constant line
            self._unstick_at = self._clock.now() + UNSTICK
        finally:
            self._flying.difference_update(w.row.id for w in works)
            self._busy.discard(room)
            self.wake.set()

    async def _reply(self, work: Work) -> Sending:
        row, txn = work.row, TransactionId(work.row.txn)
        try:
            if row.kind is OutboxKind.REDACT:
                if row.event is not None:
                    await self._private.redact(work.to, row.event, txn)
                return Sending(work=work)
            if row.kind is OutboxKind.OPEN:
                sentence = OpenSentence(row.template)
                return Sending(
                    work=work,
                    event=await self._private.say_open(work.to, sentence, work.language, txn),
                )
            release = self._releases.get(row.id) if row.kind is OutboxKind.RELEASE else None
            if release is not None and release.until > self._clock.now():
                text = release.text
            else:
                release = None
                names = Template.ASK_PIN.value if row.kind is OutboxKind.RELEASE else row.template
                templates = (Template(name) for name in names.split(","))
                text = PrivateText(text=self._words[work.language].text(*templates, **row.params))
            event = await self._private.say(work.to, text, txn, rotate=row.rotate)
        except Exception as error:  # noqa: BLE001 - rule 6
            return Sending.failed(work, error)
        return Sending(work=work, event=event, release=release)

    # -- settling -----------------------------------------------------------------------------------------------

    def _settle(self, sendings: Sequence[Sending], behind: Sequence[Work] = ()) -> datetime | None:
        """When what failed for now, and all that is ``behind`` it, is tried again."""
        with self._uow() as uow:
            again = settle_sent(uow, sendings, behind, self._clock.now())
            uow.commit()
        for sending in sendings:
            if not sending.is_passing:
                self._releases.pop(sending.work.row.id, None)
        return again

    def counts(self) -> Mapping[str, int]:
        """Rows by state."""
        with self._uow() as uow:
            return uow.outbox.counts()


def _work(uow: UnitOfWork, row: OutboxRow) -> Work | None:
    """Where the row goes; None where there is no such room any more."""
    room = uow.rooms.get(row.room)
    if room is None:
        staff = uow.staff_rooms.get()
        if staff is None or staff.id != row.room or row.kind is not OutboxKind.REDACT:
            return None
        return Work(row=row, to=Address(room=staff.room, user=UserId("")), language=Language.FR)
    recipient = uow.recipients.get(room.recipient) if room.recipient else None
    to = Address(room=room.room, user=room.user, pin=recipient.pin if recipient else None)
    return Work(row=row, to=to, language=recipient.language if recipient else room.language)
