"""What the staff room is told unasked: news, the morning's line, and that the desk is away.

1. What cannot wait is asked for once a minute, and soon after something happened; all of it in the slots.
2. News leave under their token, the morning's line under its day: said again after a crash, they are the same message.
   The desk is told that they arrived only then, and forgets them.
3. Texts are held in memory alone, from the desk's answer to the homeserver's.
4. The morning's line comes once a day, late if need be: no line means that something is wrong.
5. A desk that is away is told of once, when it has been for a while, and once more when it is back.
6. Within the quiet hours nothing rings.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Final

from bot.domain.slots import NudgeRules, at_local
from bot.domain.staff import StaffReply, StaffSentence
from bot.errors import DeskError, PliError, StorageError
from bot.ports import Clock
from bot.ports_staff import Desk
from bot.ports_storage import UnitOfWorkFactory
from bot.services.hear_staff import Sentences
from bot.services.say_to_staff import SayToStaff

log = logging.getLogger("pli.staff")

ASK_EVERY: Final = timedelta(minutes=1)
ASK_SOON: Final = timedelta(seconds=3)
AWAY_FOR: Final = timedelta(
    seconds=45
)  # by the clock that nobody sets: what is in doubt may be the other one
_DESK_SECONDS: Final = 60.0
_MOST_PIECES: Final = 20
_SLOT, _MORNING = "staff_slot", "staff_morning"


@dataclass(frozen=True, kw_only=True, slots=True)
class StaffHours:
    """``slots`` and ``morning`` are hours of the day in the zone of ``quiet``."""

    slots: Sequence[time]
    morning: time
    quiet: NudgeRules


class TellStaff:
    """One instance a process; :meth:`tick` again and again."""

    def __init__(
        self,
        uow: UnitOfWorkFactory,
        *,
        desk: Desk,
        say: SayToStaff,
        sentences: Sentences,
        clock: Clock,
        hours: StaffHours,
    ) -> None:
        self._uow, self._desk, self._say = uow, desk, say
        self._sentences, self._clock, self._hours = sentences, clock, hours
        self._asked_at: float | None = None  # monotonic, as the next but one
        self._woken = False
        self._away_since: float | None = None
        self._told_away = False
        self._arrived: set[str] = set()

    @property
    def desk_away(self) -> bool:
        return self._away_since is not None

    def wake(self) -> None:
        """Something happened: ask soon."""
        self._woken = True

    def desk_answered(self, answered: bool) -> None:  # noqa: FBT001 - one fact
        if answered:
            self._away_since = None
        elif self._away_since is None:
            self._away_since = self._clock.monotonic()

    async def tick(self) -> None:
        """Everything that is due. Raises :class:`StorageError`; what the channel refuses is due again later."""
        now = self._clock.now()
        slot, day = await asyncio.to_thread(self._due, now)
        asked = self._asked_at
        pause = ASK_SOON if self._woken else ASK_EVERY
        early = asked is not None and self._clock.monotonic() - asked < pause.total_seconds()
        if slot is None and day is None and early:
            await self._tell_away(now)
            return
        self._asked_at, self._woken = self._clock.monotonic(), False
        try:
            await self._news(urgent=slot is None, now=now)
            if slot is not None:
                await asyncio.to_thread(self._note, _SLOT, slot.isoformat())
            if day is not None:
                await self._morning(day, now)
        except DeskError:
            self.desk_answered(False)  # noqa: FBT003 - one fact
        except StorageError:
            raise
        except PliError as error:  # the channel's: said again later
            log.warning("news did not reach the staff room", extra={"error": type(error).__name__})
        else:
            self.desk_answered(True)  # noqa: FBT003 - as above
        await self._tell_away(now)

    async def _news(self, *, urgent: bool, now: datetime) -> None:
        for _ in range(_MOST_PIECES):  # a piece holds so much; after an outage there are several
            reply = await self._ask_news(urgent=urgent)
            if not reply.texts and not reply.files:
                return
            if reply.token not in self._arrived:
                await self._say.unasked(reply, key=f"news {reply.token}", rings=self._rings(now))
                self._arrived.add(reply.token)  # else a desk that does not hear of it has it said again
            await self._told(reply.token)

    async def _morning(self, day: str, now: datetime) -> None:
        """Rule 4."""
        try:
            reply = await asyncio.wait_for(self._desk.morning(), _DESK_SECONDS)
        except TimeoutError:
            raise DeskError from None
        await self._say.unasked(reply, key=f"morning {day}", rings=self._rings(now))
        if reply.token:
            await self._told(reply.token)
        await asyncio.to_thread(self._note, _MORNING, day)

    async def _ask_news(self, *, urgent: bool) -> StaffReply:
        try:
            return await asyncio.wait_for(self._desk.news(urgent=urgent), _DESK_SECONDS)
        except TimeoutError:
            raise DeskError from None

    async def _told(self, token: str) -> None:
        await self._desk.told(token)
        self._arrived.discard(token)

    async def _tell_away(self, now: datetime) -> None:
        """Rule 5."""
        if self._away_since is None:
            sentence = StaffSentence.DESK_BACK if self._told_away else None
        else:
            away = self._clock.monotonic() - self._away_since
            late = not self._told_away and away >= AWAY_FOR.total_seconds()
            sentence = StaffSentence.DESK_AWAY if late else None
        if sentence is None:
            return
        reply = StaffReply(texts=(self._sentences[sentence],))
        try:
            key = f"desk {sentence} {now.isoformat()}"
            await self._say.unasked(reply, key=key, rings=self._rings(now))
        except StorageError:
            raise
        except PliError as error:
            log.warning("a remark did not reach the staff room", extra={"error": type(error).__name__})
        self._told_away = sentence is StaffSentence.DESK_AWAY

    def _rings(self, now: datetime) -> bool:
        """Rule 6."""
        return not self._hours.quiet.is_quiet(now)

    # -- when ---------------------------------------------------------------------------------------------------

    def _due(self, now: datetime) -> tuple[datetime | None, str | None]:
        """The slot that has come and was not served, and the day whose line was not said."""
        local = now.astimezone(self._hours.quiet.zone)
        today = local.date().isoformat()
        slot = self._last_slot(now)
        with self._uow() as uow:
            served, morning = uow.meta.get(_SLOT), uow.meta.get(_MORNING)
            if served is None:  # the first start: from the next slot on
                uow.meta.set(_SLOT, slot.isoformat())
                uow.commit()
        due = served is not None and datetime.fromisoformat(served) < slot
        return (
            slot if due else None,
            today if local.time() >= self._hours.morning and morning != today else None,
        )

    def _last_slot(self, now: datetime) -> datetime:
        today = now.astimezone(self._hours.quiet.zone).date()
        return max(
            moment
            for day in (today, today - timedelta(days=1), today - timedelta(days=2))
            for hour in self._hours.slots
            if (moment := at_local(day, hour, self._hours.quiet.zone)) <= now
        )

    def _note(self, name: str, value: str) -> None:
        with self._uow() as uow:
            uow.meta.set(name, value)
            uow.commit()
