"""Keys that others need to reach this device: published at the start and topped up for ever.

1. The number of one-time keys on the homeserver is asked for at the start, and zero is a number.
2. A fallback key is published, and replaced once it was used: whoever claims all one-time keys silences
   nobody.
3. Keys are stored before they are uploaded.
4. A device of a room's member whose Olm messages no longer decrypt gets a new session, once an hour at most.
5. So does, at once, whoever comes back after theirs were deleted: their client goes on with the old one, and
   the keys of what they say next would be lost.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection
from typing import Final

from bot.channels.matrix.directory import Directory
from bot.channels.matrix.http import CLIENT, Http
from bot.channels.matrix.olm import Machine
from bot.channels.matrix.safejson import JsonObject, as_list, as_object
from bot.channels.matrix.send import send_to_device
from bot.domain.trust import Device
from bot.domain.values import UserId

_ALGORITHM: Final = "signed_curve25519"
_HEAL_AGAIN_SECONDS: Final = 3600.0

_log = logging.getLogger("pli.matrix.keys")


class Upkeep:
    """``one_time_keys`` and ``has_fallback`` are what the homeserver said last; None where it has not yet."""

    def __init__(
        self, http: Http, machine: Machine, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._http = http
        self._machine = machine
        self._monotonic = monotonic
        self._healed_at: dict[str, float] = {}
        self._uploading = asyncio.Lock()
        self.one_time_keys: int | None = None
        self.has_fallback: bool | None = None

    async def publish(self) -> None:
        """Upload the device's keys and fill up one-time and fallback keys (rule 1). Raises
        :class:`ChannelError`.
        """
        async with self._uploading:
            new = not self._machine.published
            await self._upload({"device_keys": self._machine.device_keys()} if new else {})
            if new:
                self.has_fallback = False
        await self.top_up()

    def hear(self, sync: JsonObject) -> None:
        """Take in what a sync answer says about the keys left."""
        counts = sync.get("device_one_time_keys_count")
        if isinstance(counts, dict):
            self.one_time_keys = _count(counts)
        unused = sync.get("device_unused_fallback_key_types")
        if isinstance(unused, list):
            self.has_fallback = _ALGORITHM in as_list(unused)

    async def top_up(self) -> None:
        """Upload what is missing (rules 2 and 3). Raises :class:`ChannelError`."""
        async with self._uploading:
            target = self._machine.one_time_key_target
            have = self.one_time_keys
            missing = target - have if have is not None and have <= target // 2 else 0
            fallback = self.has_fallback is False
            if missing <= 0 and not fallback:
                return
            one_time, fallbacks = self._machine.prepare_one_time_keys(missing, fallback=fallback)
            await self._upload({"one_time_keys": one_time, "fallback_keys": fallbacks})
            self.has_fallback = True if fallback else self.has_fallback

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

    async def _greet(self, directory: Directory, devices: Collection[Device]) -> None:
        if not devices:
            return
        await directory.claim(devices)
        contents = {}
        for device in devices:
            content = self._machine.encrypt_to(device, "m.dummy", {})
            if content is not None:
                contents[device] = content
        if contents:
            await send_to_device(self._http, contents)
        _log.info("renewed Olm sessions: %d", len(contents))

    async def _upload(self, body: JsonObject) -> None:
        answer = await self._http.call("POST", f"{CLIENT}/keys/upload", body)
        if body:
            self._machine.mark_published()
        self.one_time_keys = _count(as_object(answer.get("one_time_key_counts")))


def _count(counts: JsonObject) -> int:
    count = counts.get(_ALGORITHM, 0)
    return count if type(count) is int else 0
