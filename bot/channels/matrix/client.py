"""The sync loop: asks, sorts, hands on; backs off and never ends by itself.

1. State and devices are taken in first, then keys, then messages: who may give a key is known before it
   comes.
2. Each room, device event and invitation is contained; what cannot be read never stops the next.
3. The homeserver deletes device events once their token is used: they are stored before it is used again.
4. Rooms of others are not entered: whoever invites is told on, and the invitation is declined.
5. A gap in a room's timeline is filled, so that a burst loses nothing.
6. 429, 5xx, time-outs and an expired token back off and say so (:class:`Health`). A long poll that is not answered
   soon after its time counts as a time-out: a homeserver that stands still is noticed within its minute.
7. What was read is forgotten by the clock, whether the homeserver answers or not.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import secrets
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import Final

from bot.channels.matrix.admission import Admission
from bot.channels.matrix.directory import Directory
from bot.channels.matrix.guard import contained
from bot.channels.matrix.hearing import Hearing, Listener
from bot.channels.matrix.http import CLIENT, Http, MatrixError, pause, segment
from bot.channels.matrix.inbox import Inbox, Job, SyncStore
from bot.channels.matrix.olm import Machine
from bot.channels.matrix.parting import Parting
from bot.channels.matrix.reading import read_receipts, room_event
from bot.channels.matrix.rooms import STATE_TYPES, RoomState, leave
from bot.channels.matrix.safejson import JsonObject, as_list, as_object, as_text
from bot.channels.matrix.upkeep import Upkeep
from bot.domain.trust import Address
from bot.domain.values import RoomId, UserId
from bot.errors import ChannelError, StorageError, Untrusted

_LONG_POLL_SECONDS: Final = 30
_SILENCE_SECONDS: Final = 10.0  # beyond the long poll: then the homeserver counts as gone
_FIRST_ANSWER_SECONDS: Final = 90.0  # everything since the last stop may be in it
_FORGET_EVERY_SECONDS: Final = 10.0
_FIRST_WAIT: Final = 1.0
_LONGEST_WAIT: Final = 60.0
_GAP_PAGES: Final = 5
_PAGE: Final = 100

_log = logging.getLogger("pli.matrix.sync")


class Health(StrEnum):
    STARTING = "starting"
    CONNECTED = "connected"
    BACKING_OFF = "backing_off"
    LOGGED_OUT = "logged_out"
    STOPPED = "stopped"


class Client:
    """One device's view of its rooms. :meth:`run` until :meth:`stop`."""

    def __init__(
        self,
        http: Http,
        machine: Machine,
        directory: Directory,
        listener: Listener,
        sync_store: SyncStore,
        *,
        health: Callable[[Health], None],
        grace_seconds: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._http = http
        self._machine = machine
        self._directory = directory
        self._listener = listener
        self._sync_store = sync_store
        self._tell_health = health
        self._monotonic = monotonic
        self._upkeep = Upkeep(http, machine, monotonic=monotonic)
        self._hearing = Hearing(
            machine, directory, listener, grace_seconds=grace_seconds, monotonic=monotonic
        )
        self._admission = Admission(directory, monotonic=monotonic)
        self._inbox = Inbox(sync_store, storing=self._hearing.note_read, stored=self._hearing.token_stored)
        self._rooms: dict[RoomId, RoomState] = {}
        self._parting = Parting(http, machine, self._rooms)
        self._declining: set[RoomId] = set()
        self._people: frozenset[UserId] = frozenset()
        self._gone_people: set[UserId] = set()
        self._jobs: list[tuple[str, Job]] = []
        self._since: str | None = None
        self._first = True
        self._answered_at: float | None = None
        self._stop = asyncio.Event()
        self.ready = asyncio.Event()
        self.health = Health.STARTING
        machine.admit(may_share=self._may_share, may_speak=self._may_speak)

    @property
    def user(self) -> UserId:
        """The bot's own account."""
        return self._machine.user

    @property
    def upkeep(self) -> Upkeep:
        return self._upkeep

    @property
    def sync_age(self) -> float | None:
        """Seconds since the homeserver's last answer was taken in; None before the first."""
        return None if self._answered_at is None else self._monotonic() - self._answered_at

    def state_of(self, room: RoomId) -> RoomState | None:
        """The room's clear state as followed since the start; None where it is not known (yet)."""
        return self._rooms.get(room)

    def is_with(self, to: Address) -> bool:
        """Whether the room is known to be fit for that patient, and both are in it. Nobody is asked."""
        state = self._rooms.get(to.room)
        if state is None:
            return False
        try:
            state.check(bot=self._machine.user, patient=to.user)
        except Untrusted:
            return False
        return True

    async def run(self) -> None:
        """Sync until :meth:`stop`; never raises for what the homeserver does."""
        forgetting = asyncio.create_task(self._forget())
        try:
            await self._sync()
        finally:
            forgetting.cancel()
            await asyncio.gather(forgetting, return_exceptions=True)

    async def _sync(self) -> None:
        wait = _FIRST_WAIT
        loaded, torn = False, False
        while not self._stop.is_set():
            try:
                if torn:  # the store refused in the middle of a change
                    self._machine.reload()
                    torn = False
                if not loaded:
                    self._since = await self._sync_store.load()
                    loaded = True
                await self._once()
                self._answered_at = self._monotonic()
                if not self._stop.is_set():
                    self._be(Health.CONNECTED)
                wait = _FIRST_WAIT
                continue
            except ChannelError as error:
                pausing = self._backing_off(error, wait)
            except StorageError:
                _log.error("the store refused; trying again")
                self._be(Health.BACKING_OFF)
                torn = True
                pausing = wait
            except Exception as error:  # noqa: BLE001 - the loop outlives whatever an answer does to it
                _log.error("an answer could not be read (%s)", type(error).__name__)
                self._be(Health.BACKING_OFF)
                pausing = wait
            wait = min(wait * 2, _LONGEST_WAIT)
            await pause(pausing, self._stop)

    async def stop(self, *, seconds: float) -> None:
        """Let what is being handled end within ``seconds``."""
        self._stop.set()
        await self._inbox.close(seconds=seconds)
        with contextlib.suppress(StorageError):  # noted: the next life does it
            self._hearing.forget_read(at_once=True)
        self._be(Health.STOPPED)

    # -- one answer ----------------------------------------------------------------------------------------

    async def _once(self) -> None:
        # after a failure the first answer is wanted at once: until it comes nothing is sent
        at_once = self._first or self.health is not Health.CONNECTED
        query = {"filter": _FILTER, "timeout": "0" if at_once else str(_LONG_POLL_SECONDS * 1000)}
        seconds = _FIRST_ANSWER_SECONDS if at_once else _LONG_POLL_SECONDS + _SILENCE_SECONDS
        if self._since:
            query["since"] = self._since
        if self._first:
            query["full_state"] = "true"
        asking = asyncio.ensure_future(self._http.call("GET", f"{CLIENT}/sync", query=query, timeout=seconds))
        stopping = asyncio.ensure_future(self._stop.wait())
        try:
            await asyncio.wait({asking, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
            if not asking.done():
                asking.cancel()
            answer = (await asyncio.gather(asking, return_exceptions=True))[0]
        if isinstance(answer, BaseException):
            if self._stop.is_set():
                return
            raise answer
        await self._take(answer)

    async def _take(self, sync: JsonObject) -> None:
        """All of one answer, or an exception and the same answer again."""
        token = as_text(sync.get("next_batch"))
        if not token:
            raise MatrixError(status=502)
        arrived = self._monotonic()
        rooms = as_object(sync.get("rooms"))
        joined = {RoomId(room): as_object(part) for room, part in as_object(rooms.get("join")).items()}
        timelines = {room: await self._timeline(room, part) for room, part in joined.items()}
        changed = as_object(sync.get("device_lists"))
        self._directory.changed(UserId(u) for u in as_list(changed.get("changed")) if as_text(u))
        self._directory.forget(UserId(u) for u in as_list(changed.get("left")) if as_text(u))
        for room, part in joined.items():
            with contained("room"):
                self._take_state(room, part)
        await self._take_device_events(as_list(as_object(sync.get("to_device")).get("events")))
        for room, events in timelines.items():
            self._queue_messages(room, events, arrived)
            self._queue_receipts(room, joined[room])
        self._queue_invitations(as_object(rooms.get("invite")))
        left = [RoomId(room) for room in as_object(rooms.get("leave"))]
        for gone in left:
            self._gone_people |= state.present() if (state := self._rooms.pop(gone, None)) else set()
            self._declining.discard(gone)
        self._jobs += self._parting.jobs(
            joined=joined, left=left, people=self._gone_people, first=self._first
        )
        self._gone_people.clear()
        self._since, self._first = token, False  # rule 3: everything above is stored or queued
        jobs, self._jobs = self._jobs, []
        await self._inbox.add(token, jobs)
        self.ready.set()
        self._upkeep.hear(sync)
        await self._look_after_keys()

    def _take_state(self, room: RoomId, part: JsonObject) -> None:
        known = self._rooms.get(room)
        state = known if known is not None and not self._first else RoomState()
        self._rooms[room] = state
        timeline = as_object(part.get("timeline"))
        gap = timeline.get("limited") is True
        for event in as_list(as_object(part.get("state")).get("events")):
            self._apply(room, state, as_object(event), tell=gap and known is not None)
        for event in as_list(timeline.get("events")):
            self._apply(room, state, as_object(event), tell=True)

    def _apply(self, room: RoomId, state: RoomState, event: JsonObject, *, tell: bool) -> None:
        if "state_key" not in event:
            return
        user = UserId(as_text(event.get("state_key")))
        member = event.get("type") == "m.room.member" and user and user != self._machine.user
        before = state.membership(user) if member else ""
        state.apply(event)
        after = state.membership(user) if member else ""
        if member and before != after and user not in state.present():
            self._gone_people.add(user)
        if not member or not tell or before == after:
            return
        if after == "join":
            self._jobs.append((room, partial(self._on_joined, room, user)))
        elif before == "join" or (after in {"leave", "ban"} and before == "invite"):
            self._jobs.append((room, partial(self._on_left, room, user)))

    async def _take_device_events(self, events: list[object]) -> None:
        if events:
            self._people = frozenset(user for state in self._rooms.values() for user in state.present())
        fit = await self._admission.admitted(events, people=self._people)
        for number, event in enumerate(fit):
            self._machine.receive(event)
            if number % 20 == 19:
                await asyncio.sleep(0)  # a flood of keys must not keep sends waiting
        self._hearing.keys_arrived()

    def _queue_messages(self, room: RoomId, events: list[object], arrived: float) -> None:
        for raw in events:
            with contained("room event"):
                event = room_event(room, as_object(raw))
                if event is not None:
                    self._jobs.append((room, partial(self._hearing.hear, event, arrived)))

    def _queue_receipts(self, room: RoomId, part: JsonObject) -> None:
        """Of those who are there; what they say is in clear and decides about nothing but the list to telephone."""
        state = self._rooms.get(room)
        with contained("receipt"):
            for user, at in read_receipts(as_list(as_object(part.get("ephemeral")).get("events"))).items():
                if user != self._machine.user and state is not None and user in state.present():
                    self._jobs.append((room, partial(self._on_read, room, user, at)))

    async def _timeline(self, room: RoomId, part: JsonObject) -> list[object]:
        timeline = as_object(part.get("timeline"))
        events = as_list(timeline.get("events"))
        if timeline.get("limited") is True and self._since:
            return [*await self._gap(room, as_text(timeline.get("prev_batch"))), *events]
        return events

    async def _gap(self, room: RoomId, start: str) -> list[JsonObject]:
        """Rule 5, oldest first."""
        found: list[JsonObject] = []
        for _ in range(_GAP_PAGES):
            if not start:
                break
            query = {"dir": "b", "from": start, "to": self._since or "", "limit": str(_PAGE)}
            try:
                page = await self._http.call("GET", f"{CLIENT}/rooms/{segment(room)}/messages", query=query)
            except ChannelError as error:
                if not error.permanent:
                    raise
                _log.warning("a gap in a room's messages could not be filled")
                break
            chunk = as_list(page.get("chunk"))
            found = [as_object(event) for event in reversed(chunk)] + found
            start = as_text(page.get("end")) if chunk else ""
        return found

    async def meet(self, user: UserId) -> None:
        """See :meth:`Upkeep.meet`. Raises :class:`StorageError`."""
        self._parting.expect(user)
        try:
            await self._upkeep.meet(self._directory, user)
        except ChannelError as error:  # tried again when they join
            _log.warning("no new Olm session with whoever comes back (permanent: %s)", error.permanent)

    # -- members and invitations ---------------------------------------------------------------------------

    async def _on_joined(self, room: RoomId, user: UserId) -> None:
        if await self._listener.book.opened_by_bot(room):
            await self.meet(user)
            await self._listener.on_joined(room, user)

    async def _on_read(self, room: RoomId, user: UserId, at: datetime) -> None:
        if await self._listener.book.opened_by_bot(room):
            await self._listener.on_read(room, user, at)

    async def _on_left(self, room: RoomId, user: UserId) -> None:
        if await self._listener.book.opened_by_bot(room):
            await self._listener.on_left(room, user)

    def _queue_invitations(self, invitations: JsonObject) -> None:
        """Rule 4. However many rooms somebody opens, they are heard once an answer."""
        by_user: dict[UserId | None, list[RoomId]] = {}
        for foreign, part in invitations.items():
            room = RoomId(foreign)
            with contained("invitation"):
                if room not in self._declining:
                    by_user.setdefault(self._inviter(as_object(part)), []).append(room)
                    self._declining.add(room)
        for inviter, places in by_user.items():
            self._jobs.append((f"invited by {inviter}", partial(self._on_invited, places, inviter)))

    def _inviter(self, part: JsonObject) -> UserId | None:
        for event in map(as_object, as_list(as_object(part.get("invite_state")).get("events"))):
            if event.get("type") == "m.room.member" and event.get("state_key") == self._machine.user:
                return UserId(as_text(event.get("sender")))
        return None

    async def _on_invited(self, places: Sequence[RoomId], inviter: UserId | None) -> None:
        try:
            if inviter:
                await self._listener.on_invited(inviter)
        finally:
            for room in places:
                await self._decline(room)

    async def _decline(self, room: RoomId) -> None:
        try:
            await leave(self._http, room)
        except ChannelError as error:
            self._declining.discard(room)
            _log.warning("an invitation could not be declined (permanent: %s)", error.permanent)

    def _may_share(self, room: RoomId, user: UserId) -> bool:
        state = self._rooms.get(room)
        return state is not None and state.membership(user) in {"join", "invite"}

    def _may_speak(self, user: UserId) -> bool:
        return user in self._people

    # -- keys and health -----------------------------------------------------------------------------------

    async def _forget(self) -> None:
        """Rule 7."""
        while not await pause(_FORGET_EVERY_SECONDS, self._stop):
            try:
                self._hearing.forget_read()
                self._upkeep.expire()
            except StorageError:
                _log.error("the store refused; what was read is still there")
            except Exception as error:  # noqa: BLE001 - forgetting outlives whatever one round of it meets
                _log.error("what was read is still there (%s)", type(error).__name__)

    async def _look_after_keys(self) -> None:
        try:
            await self._upkeep.top_up()
            await self._upkeep.heal(self._directory)
            if self._directory.stale([self._machine.user]):
                await self._directory.refresh([self._machine.user])
        except ChannelError as error:
            _log.warning("keys were not looked after (permanent: %s)", error.permanent)

    def _backing_off(self, error: ChannelError, wait: float) -> float:
        """Seconds to wait, with a little chance in them so that clients do not return all at once."""
        status = error.status if isinstance(error, MatrixError) else 0
        if status == 401:
            self._be(Health.LOGGED_OUT)
        else:
            self._be(Health.BACKING_OFF)
        if status == 400 and self._since:
            _log.warning("the homeserver no longer knows the sync token; starting without")
            self._since, self._first = None, True
        return max(error.retry_after or 0.0, wait) * (1.0 + secrets.randbelow(250) / 1000)

    def _be(self, health: Health) -> None:
        if health is not self.health:
            self.health = health
            _log.info("health: %s", health.value)
            self._tell_health(health)


_FILTER: Final = json.dumps(
    {
        "presence": {"types": []},
        "account_data": {"types": []},
        "room": {
            "ephemeral": {"types": ["m.receipt"]},
            "account_data": {"types": []},
            "state": {"types": list(STATE_TYPES), "lazy_load_members": False},
            "timeline": {"limit": 50, "types": [*STATE_TYPES, "m.room.encrypted", "m.room.message"]},
        },
    },
    separators=(",", ":"),
)
