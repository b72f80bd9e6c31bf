"""Take copies of nudges out of the outbox and send them to Telegram, one after the other.

1. Telegram takes no transaction id, so that a message sent again is a second message. A copy is marked durably right
   before its one call and settled after it, and at most one is in between at any moment: a process that dies there
   leaves one copy of which nobody knows whether it left. It is settled as "unknown" at the next start, with a line for
   the staff, and never sent again. What one call settles and what the next one marks is one transaction.
2. A copy is judged again in the transaction that marks it: not paused, enrolled, wanted, its reason still there or a
   decoy wanted in its stead, useful, its chat still bound. The cap and the distance between two nudges are the
   decision's (:mod:`bot.services.copy_nudges`). None is marked on the word of a clock that is in doubt, in quiet hours
   or in a dry run.
3. Passing failures are repeated with growing pauses until the nudge is of no use. A pause that Telegram named holds
   all. What may have left is "unknown", whatever failed: rather lost and reported than twice. A proxy that answers in
   Telegram's stead makes each one unknown, so that each in a row holds all for longer: an outage costs a few.
   Where Telegram refuses the bot itself (a revoked token), what waits goes to Matrix: nobody knows for how long.
4. A chat that refuses for good twice, a minute apart, is closed (:func:`bot.services.settle_copies.close_chat`). Many
   that refuse at once are no readers who left, but a token or an account that is out of order: all are tried again.
5. A storage that refuses is a passing failure: what a call answered is kept until it can be written, and nothing else
   leaves before.
6. Copies leave at Telegram's own pace. What the bot says on commands is not counted here: the rate leaves room for it.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from bot.domain.messages import Nudge
from bot.domain.pacing import UNPACED, Bucket, Pace
from bot.domain.records import OutboxRow, OutboxState, ProblemKind
from bot.domain.slots import NudgeRules
from bot.domain.telegram import ChatAddress, ChatId
from bot.domain.values import Language, TransactionId
from bot.errors import ChannelError, PliError
from bot.ports import Clock
from bot.ports_storage import UnitOfWork, UnitOfWorkFactory
from bot.ports_telegram import TelegramChannel
from bot.services.choose_nudges import Delivery
from bot.services.copy_nudges import decisions
from bot.services.pause_nudges import is_paused
from bot.services.recheck_nudge import NudgeLimits, RecheckNudges
from bot.services.settle_copies import (
    close_chat,
    drop_copy,
    give_up_waiting,
    recover_copies,
    settle_copy,
    to_matrix,
    unknown_copy,
)
from bot.services.settle_sent import LONGEST_HOLD, MANY, MAX_PAUSE

log = logging.getLogger("pli.deliver")

TELEGRAM: Final = "telegram"  # the channel's name in the pace
NUDGES_PER_SECOND: Final = 25.0  # of the 30 messages a second that Telegram takes of a bot
AT_ONCE: Final = 3  # after a pause: no second sees more than 28
LOOK = 20  # copies that are looked at in one transaction, until one may leave
BELIEVED, REMEMBERED = timedelta(minutes=1), timedelta(minutes=10)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Try:
    """A copy that was marked, as it was before. ``tried``: it may have left; with ``error``, if that came of it."""

    copy: OutboxRow
    to: ChatAddress
    language: Language
    tried: bool = False
    error: PliError | None = None

    @property
    def refusal(self) -> tuple[int, ChatId]:
        """What is remembered of one: by another chat, bound meanwhile, it was not refused yet."""
        return self.copy.id, self.to.chat

    @property
    def is_refused(self) -> bool:
        return isinstance(self.error, ChannelError) and self.error.permanent


class DeliverTelegram:
    """One instance a process."""

    def __init__(
        self,
        uow: UnitOfWorkFactory,
        *,
        channel: TelegramChannel,
        clock: Clock,
        device: str,
        rules: NudgeRules,
        delivery: Delivery | None = None,
    ) -> None:
        self._delivery = delivery or Delivery()
        chosen = self._delivery.pace.own.get(TELEGRAM)
        own = Bucket(per_second=chosen.per_second if chosen else NUDGES_PER_SECOND, burst=AT_ONCE)
        self._pace = Pace(overall=UNPACED.overall, own={TELEGRAM: own})
        self._uow, self._channel, self._clock = uow, channel, clock
        self._device, self._rules = device, rules
        self._held: list[_Try] = []  # at most two: one whose end could not be written, and one not tried yet
        self._refused: dict[tuple[int, ChatId], datetime] = {}
        self._doubts = 0  # in a row
        self._taken: deque[datetime] = deque()
        self._task: asyncio.Task[int] | None = None

    def recover(self) -> int:
        """Rule 1, at the start; how many copies are unknown."""
        with self._uow() as uow:
            number = recover_copies(uow, self._clock.now())
            uow.commit()
        return number

    def tidy(self) -> int:
        """Now and then, also while nothing leaves: copies that are of no use any more are dropped (rule 2), and those
        that are marked, and not by what this process knows of, are unknown; how many of these.
        """
        now = self._clock.now()
        self._end_useless(now)
        with self._uow() as uow:
            known = {held.copy.id for held in self._held}
            stuck = [copy for copy in uow.outbox.marked_copies() if copy.id not in known]
            for copy in stuck:
                unknown_copy(uow, copy, now)
            if stuck:
                uow.commit()
        return len(stuck)

    def _end_useless(self, now: datetime) -> None:
        """Telegram may be away for longer than they are of use: whoever has to telephone learns of it in time."""
        if self._delivery.show is not None:
            return
        with self._uow() as uow:
            if is_paused(uow) or not self._delivery.trusted(now):
                return
            ended = [self._judge(uow, copy, now) for copy in uow.outbox.copies_over(now)]
            if ended:
                uow.commit()

    def give_up(self) -> int:
        """Where Telegram refuses the bot: what waits goes to Matrix; how many copies."""
        if self._delivery.show is not None:
            return 0
        with self._uow() as uow:
            number = give_up_waiting(uow, self._clock.now())
            if number:
                uow.commit()
        return number

    def at(self) -> float:
        """The next moment of the monotonic clock at which one may leave (rule 6): now, or later."""
        return self._pace.permitted_at(TELEGRAM, self._clock.monotonic())

    async def due(self) -> int:
        """Send what is due and may leave now; how many copies were taken."""
        if self._rules.is_quiet_for_all(self._clock.now()) or self._delivery.show is not None:
            return 0
        await self.drain()
        self._task = asyncio.create_task(self._send())  # a stop waits for what was marked
        return await asyncio.shield(self._task)

    async def drain(self) -> None:
        """Wait for what is being sent."""
        if self._task is not None:
            await asyncio.wait({self._task})

    async def _send(self) -> int:
        taken = 0
        while self._pace.room(TELEGRAM, self._clock.monotonic()):
            number, leaving = await asyncio.to_thread(self._next)
            taken += number
            if leaving is None:
                if number:
                    continue
                break
            self._pace = self._pace.taken(TELEGRAM, 1, self._clock.monotonic())
            self._held = [await self._try(leaving)]
        if self._held:
            await asyncio.to_thread(self._write)
        return taken

    async def _try(self, leaving: _Try) -> _Try:
        self._held = [replace(leaving, tried=True, error=PliError("stopped"))]  # until it is known better
        error: PliError | None = None
        try:
            nudge, txn = Nudge(language=leaving.language), TransactionId(leaving.copy.txn)
            await self._channel.nudge(leaving.to, nudge, txn)
        except PliError as failure:
            error = failure
        except Exception as defect:  # noqa: BLE001 - rule 3: a defect stops no other copy
            log.error("a copy met a defect", extra={"error": type(defect).__name__})  # noqa: TRY400 - no traceback: locals may be quoted
            error = PliError("a defect")
        if (pause := self._pause_after(error)) > 0:
            self._pace = self._pace.held(TELEGRAM, self._clock.monotonic() + pause)
        done = replace(leaving, tried=True, error=error)
        self._note(done)
        return done

    def _pause_after(self, error: PliError | None) -> float:
        """Rule 3: of all, in seconds."""
        in_doubt = isinstance(error, ChannelError) and error.unsure
        self._doubts = self._doubts + 1 if in_doubt else 0
        named = (error.retry_after or 0.0) if isinstance(error, ChannelError) else 0.0
        own = min(2.0 ** min(self._doubts, 10), MAX_PAUSE) if in_doubt else 0.0
        return max(own, min(named, LONGEST_HOLD.total_seconds()))

    def _note(self, done: _Try) -> None:
        """For rule 4."""
        now = self._clock.now()
        self._forget(now)
        if done.error is None:
            self._taken.append(now)
        elif done.is_refused:
            self._refused.setdefault(done.refusal, now)

    def _forget(self, now: datetime) -> None:
        self._refused = {which: at for which, at in self._refused.items() if now - at <= REMEMBERED}
        while self._taken and now - self._taken[0] > REMEMBERED:
            self._taken.popleft()

    # -- in one transaction -------------------------------------------------------------------------------------

    def _next(self) -> tuple[int, _Try | None]:
        """Rules 1 and 2: settle the last, mark the next. How many copies were looked at, and the one to be sent."""
        now = self._clock.now()
        with self._uow() as uow:
            self._settle(uow, now)
            taken, leaving = self._choose(uow, now)
            held, self._held = self._held, [*self._held, *([leaving] if leaving else [])]
            if held or taken:
                uow.commit()  # of one that fails nobody knows whether it was done: both are looked at again
            self._held = [leaving] if leaving else []
        return taken, leaving

    def _write(self) -> None:
        with self._uow() as uow:
            self._settle(uow, self._clock.now())
            uow.commit()
            self._held = []

    def _settle(self, uow: UnitOfWork, now: datetime) -> None:
        for held in self._held:
            copy = uow.outbox.get(held.copy.id)
            if copy is None or copy.state is not OutboxState.CLAIMED:
                continue  # it was written, and only the answer was lost
            if not held.tried:
                uow.outbox.put_back(held.copy, due=held.copy.due)
            elif not held.is_refused:
                settle_copy(uow, copy, held.error, now)
            elif self._is_believed(held, now):
                log.warning("a chat is closed to the bot")
                close_chat(uow, copy, held.to.chat, now)
            else:
                uow.outbox.postpone(copy.id, due=now + BELIEVED)

    def _is_believed(self, held: _Try, now: datetime) -> bool:
        """Rule 4: refused before, and not everybody is."""
        everybody = len(self._refused) > MANY and len(self._refused) > len(self._taken)
        return now - self._refused.get(held.refusal, now) >= BELIEVED and not everybody

    def _choose(self, uow: UnitOfWork, now: datetime) -> tuple[int, _Try | None]:
        if is_paused(uow) or not self._delivery.trusted(now):
            return 0, None
        copies = uow.outbox.copies_due(now, LOOK)
        for number, copy in enumerate(copies, start=1):
            if (leaving := self._judge(uow, copy, now)) is not None:
                uow.outbox.mark(copy.id, now=now, device=self._device)
                return number, leaving
        return len(copies), None

    def _judge(self, uow: UnitOfWork, copy: OutboxRow, now: datetime) -> _Try | None:
        """Rule 2; None where it was settled instead."""
        of = decisions(uow, copy)
        recheck = RecheckNudges(uow, of, now, limits=NudgeLimits(rules=self._rules))
        quiet = [until for row in of if (until := recheck.quiet_until(row)) is not None]
        if quiet:
            uow.outbox.put_back(copy, due=max(quiet))
            return None
        if (refusal := recheck.refuses(copy, of)) is not None:
            drop_copy(uow, copy, refusal[1] if of else ProblemKind.TOO_LATE, now)
            return None
        chat = uow.telegram.by_recipient(copy.recipient) if copy.recipient is not None else None
        if chat is None:
            to_matrix(uow, copy, now, state=OutboxState.DROPPED)
            return None
        return _Try(copy=copy, to=ChatAddress(chat=chat.chat), language=chat.language)
