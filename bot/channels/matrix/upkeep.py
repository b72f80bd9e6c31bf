"""Keys that others need to reach this device: published at the start and topped up for ever. And Olm sessions, where
they were lost, and ahead of their use.

1. The number of one-time keys on the homeserver is asked for at the start, and zero is a number.
2. A fallback key is published: whoever claims all one-time keys silences nobody. It is replaced after the
   start and every :data:`FALLBACK_SECONDS`, used or not, whatever the homeserver says of it. The account keeps
   the one before, so that a message on its way is still read; two replacements later a key is gone, and what
   was encrypted to it cannot be read again: within twice that time, which is less than an hour, also while the
   homeserver takes no new one (:meth:`Upkeep.expire`).
3. Keys are stored before they are uploaded. After an upload that failed the next waits longer each time: the
   account would fill with keys that nobody uses until it forgot those that are in use. A fallback key whose
   upload was not answered is uploaded again: making another would drop the one that others still use.
4. A device of a room's member whose Olm messages no longer decrypt gets a new session, once an hour at most.
5. So does, at once, whoever comes back after theirs were deleted: their client goes on with the old one, and
   the keys of what they say next would be lost.
6. Devices without a session are given one ahead of its use, for everybody alike. It is used at once, with an empty
   message: their client would forget in time a key that was claimed and never used. A device that has no key to give,
   or a wrong one, is not asked again for an hour. Being given a session entitles to nothing: who gets a room's key is
   decided when it is sent.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection
from typing import Final

from bot.channels.matrix.directory import KEYS_PER_CLAIM, Directory
from bot.channels.matrix.http import CLIENT, Http
from bot.channels.matrix.olm import Machine
from bot.channels.matrix.safejson import JsonObject, as_list, as_object
from bot.channels.matrix.send import send_to_device
from bot.domain.trust import Device
from bot.domain.values import UserId

_ALGORITHM: Final = "signed_curve25519"
FALLBACK_SECONDS: Final = 25 * 60.0
_FIRST_WAIT: Final = 10.0
_LONGEST_WAIT: Final = 3600.0
_HEAL_AGAIN_SECONDS: Final = 3600.0
_PREPARE_AGAIN_SECONDS: Final = 3600.0

_log = logging.getLogger("pli.matrix.keys")


class Upkeep:
    """``one_time_keys`` is what the homeserver said last; None where it has not yet."""

    def __init__(
        self, http: Http, machine: Machine, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._http = http
        self._machine = machine
        self._monotonic = monotonic
        self._healed_at: dict[str, float] = {}
        self._prepared_at: dict[Device, float] = {}
        self._uploading = asyncio.Lock()
        self._born = monotonic()
        self._replaced_at: float | None = None
        self._wait, self._not_before = _FIRST_WAIT, self._born
        self._drained = False
        self.one_time_keys: int | None = None

    async def publish(self) -> None:
        """Upload the device's keys and fill up one-time and fallback keys (rule 1). Raises
        :class:`ChannelError`.
        """
        async with self._uploading:
            new = not self._machine.published
            await self._upload({"device_keys": self._machine.device_keys()} if new else {})
        await self.top_up(fallback=new)

    def hear(self, sync: JsonObject) -> None:
        """Take in what a sync answer says about the keys left."""
        counts = sync.get("device_one_time_keys_count")
        if isinstance(counts, dict):
            self.one_time_keys = _count(counts)
        self._drained = not as_list(as_object(sync.get("to_device")).get("events"))

    async def top_up(self, *, fallback: bool = False) -> None:
        """Upload what is missing or old (rules 2 and 3). Raises :class:`ChannelError`."""
        async with self._uploading:
            now = self._monotonic()
            if now < self._not_before:
                return
            target = self._machine.one_time_key_target
            have = self.one_time_keys
            missing = target - have if have is not None and have <= target // 2 else 0
            replaces = fallback or self._is_due(now)
            if missing <= 0 and not replaces:
                return
            one_time, fallbacks = self._machine.prepare_one_time_keys(missing, fallback=replaces)
            self._not_before = now + self._wait  # rule 3, should there be no answer
            self._wait = min(self._wait * 2, _LONGEST_WAIT)
            await self._upload({"one_time_keys": one_time, "fallback_keys": fallbacks})
            self._wait, self._not_before = _FIRST_WAIT, now
            if fallbacks:
                self._replaced_at = now

    def expire(self) -> None:
        """Rule 2: make another key though the last one never got out. Raises :class:`StorageError`."""
        now = self._monotonic()
        if now - self._last_replaced >= 2 * FALLBACK_SECONDS:
            self._machine.replace_fallback_key()
            self._replaced_at = now

    def _is_due(self, now: float) -> bool:
        """Rule 2. After the start messages of a while may be waiting: those are read first."""
        waited = now - self._last_replaced >= FALLBACK_SECONDS
        return waited or (self._replaced_at is None and self._drained)

    @property
    def _last_replaced(self) -> float:
        return self._born if self._replaced_at is None else self._replaced_at

    async def heal(self, directory: Directory) -> None:
        """Open a new Olm session with devices that lost theirs (rule 4). Raises :class:`ChannelError`."""
        now = self._monotonic()
        self._healed_at = {k: t for k, t in self._healed_at.items() if now - t < _HEAL_AGAIN_SECONDS}
        lost: set[Device] = set()
        for user, curve25519 in self._machine.take_wedged():
            if curve25519 not in self._healed_at:
                people = await directory.current(user)
                lost |= {device for device in people.devices if device.curve25519 == curve25519}
        self._healed_at |= {device.curve25519: now for device in lost}
        await self._greet(directory, lost)

    async def meet(self, directory: Directory, user: UserId) -> None:
        """Open Olm sessions with the devices of ``user``, if theirs were deleted (rule 5). Raises
        :class:`ChannelError`.
        """
        if not self._machine.was_forgotten(user):
            return
        people = await directory.current(user)
        await self._greet(directory, {d for d in people.devices if not self._machine.has_session(d)})
        self._machine.met_again(user)

    async def prepare(self, directory: Directory, users: Collection[UserId]) -> None:
        """Open Olm sessions with all devices of ``users`` that have none (rule 6). Raises :class:`ChannelError`."""
        if stale := directory.stale(users):
            users = set(users) - await directory.refresh(stale)
        now = self._monotonic()
        self._prepared_at = {
            device: at for device, at in self._prepared_at.items() if now - at < _PREPARE_AGAIN_SECONDS
        }
        missing = [
            device
            for user in sorted(users)
            for device in directory.remembered(user).devices
            if device not in self._prepared_at and not self._machine.has_session(device)
        ]
        for start in range(0, len(missing), KEYS_PER_CLAIM):
            part = missing[start : start + KEYS_PER_CLAIM]
            await self._greet(directory, part)
            self._prepared_at |= dict.fromkeys(part, now)

    async def _greet(self, directory: Directory, devices: Collection[Device]) -> None:
        if not devices:
            return
        await directory.claim(devices)
        contents = {}
        with self._machine.batch():
            for device in devices:
                content = self._machine.encrypt_to(device, "m.dummy", {})
                if content is not None:
                    contents[device] = content
        if contents:
            await send_to_device(self._http, contents)
        _log.info("opened Olm sessions: %d", len(contents))

    async def _upload(self, body: JsonObject) -> None:
        answer = await self._http.call("POST", f"{CLIENT}/keys/upload", body)
        if body:
            self._machine.mark_published()
        self.one_time_keys = _count(as_object(answer.get("one_time_key_counts")))


def _count(counts: JsonObject) -> int:
    count = counts.get(_ALGORITHM, 0)
    return count if type(count) is int else 0
