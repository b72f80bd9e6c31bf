"""``pli run``: the bot's process. Supervised tasks, a clean stop, health pages and metrics on loopback.

1. A task that fails is started again with growing pauses (:mod:`bot.supervise`), and ``/readyz`` names it
   (:mod:`bot.health_pages`).
2. At the start the database decides what a crash left between it and the vault, and the outbox is put right.
3. On SIGTERM nothing new is claimed, what is being sent is finished, the rest waits for the next start.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime

from bot.app import Installation
from bot.channels.matrix.channel import MatrixChannel
from bot.channels.matrix.hearing import Listener
from bot.domain.messages import Incoming
from bot.domain.records import AuditKind, ProblemKind
from bot.domain.retention import is_due
from bot.domain.values import RoomId, UserId
from bot.errors import InvalidSeal, StorageError, WrongUse
from bot.health_pages import HealthPages
from bot.instance import begin
from bot.ports import IncomingHandler
from bot.services.choose_nudges import Delivery
from bot.services.converse import Converse
from bot.services.deliver import Deliver
from bot.services.enrol import Enrol
from bot.services.keep_plans import KeepPlans
from bot.services.note_seen import NoteSeen
from bot.services.open_rooms import OpenRooms
from bot.services.prepare_nudges import PrepareNudges
from bot.services.purge import Purge
from bot.services.reconcile_stores import ReconcileStores
from bot.services.release_details import ReleaseDetails
from bot.services.staff_duty import StaffDuty
from bot.supervise import Loop, Supervisor
from bot.telegram_duty import TelegramDuty
from storage.audit_rows import verify_audit
from storage.engine import truncate_wal

log = logging.getLogger("pli.run")

POLL_SECONDS = 0.5
PROVE_SECONDS = 2.0
UPKEEP_SECONDS = 60.0
PREPARE_SECONDS = 5.0  # so many people in so long: slowly, beside everything else
STOP_SECONDS = 8.0

Show = Callable[[Mapping[datetime, int]], None]


class BotProcess:
    """One run. ``await run()`` returns after :meth:`stop` or a signal.

    With ``show`` it is a dry run: no nudge leaves, their number by slot is shown whenever it changes.
    """

    def __init__(self, installation: Installation, *, show: Show | None = None) -> None:
        self._installation = installation
        self._telegram: TelegramDuty | None = None
        self._show = show
        self._stopping = asyncio.Event()
        self._loops = Supervisor()
        self._clock = installation.watch_clock()
        self._channel: MatrixChannel | None = None
        rules = installation.settings.nudge_rules()
        self._plans = KeepPlans(installation.uow, rules, trusted=self._clock.agrees)
        self._staff: StaffDuty | None = None
        self._pages = HealthPages(
            installation, clock=self._clock, loops=self._loops, dry=self._show is not None
        )

    def stop(self) -> None:
        self._stopping.set()

    async def run(self) -> None:
        """Raises :class:`PliError` where the start is refused."""
        home = self._installation
        await asyncio.to_thread(self._prepare)
        channel = self._channel = self._pages.channel = home.channel()
        delivery = home.delivery(self._clock.agrees, self._show)
        deliver = Deliver(
            home.uow,
            nudges=channel,
            private=channel,
            words=home.words,
            clock=home.clock,
            device=home.session().device_id,
            rules=home.settings.nudge_rules(),
            delivery=delivery,
        )
        telegram = self._telegram = self._pages.telegram = self._on_telegram(delivery, deliver.wake.set)
        enrol = Enrol(home.uow, home.keyring, home.settings.nudge_rules())
        converse = Converse(
            home.uow,
            keys=home.keyring,
            enrol=enrol,
            release=ReleaseDetails(home.uow, home.keyring, home.settings.nudge_rules()),
            deliver=deliver,
            words=home.words,
            clock=home.clock,
            rules=home.rules,
            telegram=telegram.linking if telegram else None,
        )
        rooms = OpenRooms(home.uow, channel, clock=home.clock, language=home.settings.practice.language)
        desk = home.desk()
        staff = self._staff = self._pages.staff = home.staff_duty(channel, desk)
        await asyncio.to_thread(
            staff.load
        )  # before the first answer: what is said in an unknown room is passed over
        begun = (
            asyncio.Event()
        )  # rule 2: nobody is listened to before the stores agree and the outbox is right

        async def on_message(incoming: Incoming) -> None:
            await begun.wait()
            if staff.is_room(incoming.room):
                await staff.on_message(incoming)
            else:
                await converse.handle(incoming)
                staff.wake()

        listener = _listener(rooms, staff, on_message, NoteSeen(home.uow, home.clock))
        await channel.start(listener)  # takes the device's lock before anything is changed
        try:
            health = (
                await self._pages.serve()
            )  # fails where the port is taken: then the other's name stays right
            self._pages.instance = await asyncio.to_thread(begin, home.bot_dir)
            await asyncio.to_thread(self._begin, deliver, enrol)
        except BaseException:
            await channel.stop()
            raise
        begun.set()
        self._listen_to_signals()
        self._start_loops(deliver, converse, rooms, staff)
        log.info("started")
        try:
            await self._stopping.wait()
        finally:
            await self._loops.stop()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(deliver.drain(), STOP_SECONDS / 2)
            if telegram is not None:
                await telegram.stop()
            await channel.stop()
            await desk.close()
            await health.cleanup()
            await asyncio.to_thread(self._end)
            log.info("stopped")

    def _start_loops(self, deliver: Deliver, converse: Converse, rooms: OpenRooms, staff: StaffDuty) -> None:
        self._loops.start(Loop.NUDGES, lambda: self._nudges(deliver))
        self._loops.start(Loop.REPLIES, lambda: self._replies(deliver))
        self._loops.start(Loop.UPKEEP, lambda: self._upkeep(converse, deliver, rooms))
        self._loops.start(Loop.PURGE, self._purging)
        self._loops.start(Loop.CLOCK, self._clocking)
        self._loops.start(Loop.STORAGE, self._storage)
        self._loops.start(Loop.STAFF_ROOM, lambda: self._on_duty(staff.keep))
        self._loops.start(Loop.STAFF_NEWS, lambda: self._on_duty(staff.tell))
        if self._channel is not None and self._show is None:  # a dry run reaches nobody's device
            ahead = PrepareNudges(self._installation.uow, self._channel)
            self._loops.start(Loop.PREPARE, lambda: self._preparing(ahead))
        if self._telegram is not None:
            self._telegram.start(self._loops)

    def _on_telegram(self, delivery: Delivery, wake: Callable[[], None]) -> TelegramDuty | None:
        """None where Telegram is off. Raises :class:`WrongUse`."""
        home = self._installation
        if not home.uses_telegram():
            return None
        return TelegramDuty(home, delivery=delivery, wake=wake, tell=self._wake_staff)

    def _wake_staff(self) -> None:
        if self._staff is not None:
            self._staff.wake()

    # -- start and end ------------------------------------------------------------------------------------------

    def _prepare(self) -> None:
        if not self._installation.schema_is_current():
            raise WrongUse(
                "the database has another schema",
                mend="stop every pli and run: pli upgrade; or use the newer version of pli that made it",
            )
        _ = self._installation.vault  # of an older form: refused here, with the mend

    def _begin(self, deliver: Deliver, enrol: Enrol) -> None:
        home = self._installation
        now = home.clock.now()
        self._clock.load()  # before anything goes by it
        ReconcileStores(home.uow, home.keyring, enrol)(now)
        self._verify_audit()
        deliver.recover()
        if self._telegram is not None:
            self._telegram.recover()
        if changed := self._plans.apply_rules(now):
            log.info("planned anew", extra={"count": changed})
        self._plans.decoys(now)
        with home.uow() as uow:
            uow.audit.add(AuditKind.STARTED, now)
            uow.commit()

    def _verify_audit(self) -> None:
        """A log that was tampered with stops nothing, and is not passed over either."""
        home = self._installation
        try:
            verify_audit(home.engine, home.audit_chain, home.vault)
        except InvalidSeal:
            log.error("the audit log does not verify")  # noqa: TRY400 - a constant line; no traceback in the log
            with home.uow() as uow:
                uow.problems.add(ProblemKind.AUDIT_BROKEN, home.clock.now())
                uow.commit()

    def _end(self) -> None:
        home = self._installation
        with contextlib.suppress(StorageError):
            with home.uow() as uow:
                uow.audit.add(AuditKind.STOPPED, home.clock.now())
                uow.commit()
            truncate_wal(home.engine)
        home.engine.dispose()

    def _listen_to_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for sign in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(sign, self._stopping.set)

    # -- tasks --------------------------------------------------------------------------------------------------

    async def _nudges(self, deliver: Deliver) -> None:
        if self._connected() and await deliver.nudges_due():
            return
        # Not before the next one may leave, and soon after it: the pace is kept, not stretched by the poll.
        left = deliver.nudges_at() - self._installation.clock.monotonic()
        await asyncio.sleep(min(left, POLL_SECONDS) if left > 0 else POLL_SECONDS)

    async def _replies(self, deliver: Deliver) -> None:
        deliver.wake.clear()
        if self._connected() and await deliver.replies_due():
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(deliver.wake.wait(), POLL_SECONDS)

    async def _upkeep(self, converse: Converse, deliver: Deliver, rooms: OpenRooms) -> None:
        await converse.forget()
        await asyncio.to_thread(deliver.tidy)
        if self._telegram is not None:
            await asyncio.to_thread(self._telegram.tidy)
        await asyncio.to_thread(self._plans.decoys, self._installation.clock.now())
        await rooms.close_left()
        self._loops.worked(Loop.UPKEEP)
        await asyncio.sleep(UPKEEP_SECONDS)

    async def _preparing(self, ahead: PrepareNudges) -> None:
        over = self._connected() and not await ahead.turn()
        self._loops.worked(Loop.PREPARE)
        await asyncio.sleep(UPKEEP_SECONDS if over else PREPARE_SECONDS)

    async def _purging(self) -> None:
        await asyncio.to_thread(self._purge)
        self._loops.worked(Loop.PURGE)
        await asyncio.sleep(UPKEEP_SECONDS)

    async def _clocking(self) -> None:
        before = self._clock.thinks
        if await asyncio.to_thread(self._clock.note) is not before and self._staff is not None:
            self._staff.wake()
        self._loops.worked(Loop.CLOCK)
        await asyncio.sleep(POLL_SECONDS)

    async def _on_duty(self, work: Callable[[], Awaitable[None]]) -> None:
        if self._connected():
            await work()
        await asyncio.sleep(POLL_SECONDS)

    async def _storage(self) -> None:
        """Rule 1. A refusal is over once something could be written; whoever was refused has said so in the log."""
        if self._installation.watch.refused:
            with contextlib.suppress(StorageError):
                await asyncio.to_thread(self._installation.prove_storage)
        await asyncio.sleep(PROVE_SECONDS)

    def _purge(self) -> None:
        home = self._installation
        home.prove_storage()
        purge = Purge(home.uow, home.keyring, home.settings.retention_rules())
        now = home.clock.now()
        purge.left(now)  # at once: leaving means gone
        hour, zone = home.settings.purge_hour, home.settings.practice.zone
        if self._clock.agrees(now) and is_due(now, purge.last_night(), hour=hour, zone=zone):
            gone = purge.nightly(now)
            log.info("purged", extra={"count": gone.total})
            if gone.audit_broken:
                log.error("the audit log does not verify: none of its rows was purged")
        truncate_wal(home.engine)

    def _connected(self) -> bool:
        return self._pages.connected


def _listener(rooms: OpenRooms, staff: StaffDuty, on_message: IncomingHandler, on_read: NoteSeen) -> Listener:
    """Patients' rooms and the staff's: the channel knows no difference."""

    async def on_joined(room: RoomId, user: UserId) -> None:
        await (staff.on_moved() if staff.is_room(room) else rooms.on_joined(room, user))

    async def on_left(room: RoomId, user: UserId) -> None:
        await (staff.on_moved() if staff.is_room(room) else rooms.on_left(room, user))

    async def on_invited(user: UserId) -> None:
        if not await staff.on_invited(user):
            await rooms.on_invited(user)

    return Listener(
        book=_Book(rooms, staff),
        on_message=on_message,
        on_invited=on_invited,
        on_joined=on_joined,
        on_left=on_left,
        on_read=on_read,
    )


class _Book:
    """See :class:`bot.channels.matrix.hearing.RoomBook`."""

    def __init__(self, rooms: OpenRooms, staff: StaffDuty) -> None:
        self._rooms, self._staff = rooms, staff

    async def opened_by_bot(self, room: RoomId) -> bool:
        return self._staff.is_room(room) or await self._rooms.opened_by_bot(room)
