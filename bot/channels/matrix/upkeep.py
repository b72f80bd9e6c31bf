"""Keys that others need to reach this device: published at the start and topped up for ever.

1. The number of one-time keys on the homeserver is asked for at the start, and zero is a number.
2. A fallback key is published, and replaced once it was used: whoever claims all one-time keys silences
   nobody.
3. Keys are stored before they are uploaded.
4. A device of a room's member whose Olm messages no longer decrypt gets a new session, once an hour at most.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Final

from bot.channels.matrix.directory import Directory
from bot.channels.matrix.http import CLIENT, Http
from bot.channels.matrix.olm import Machine
from bot.channels.matrix.safejson import JsonObject, as_list, as_object
from bot.channels.matrix.send import send_to_device
from bot.domain.trust import Device
from bot.domain.values import UserId
from bot.errors import ChannelError

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
        self.one_time_keys: int | None = None
        self.has_fallback: bool | None = None

    async def publish(self) -> None:
        """Upload the device's keys and fill up one-time and fallback keys (rule 1). Raises
        :class:`ChannelError`.
        """
        body: JsonObject = {} if self._machine.published else {"device_keys": self._machine.device_keys()}
        self._take(await self._upload(body))
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
        target = self._machine.one_time_key_target
        have = self.one_time_keys
        missing = target - have if have is not None and have <= target // 2 else 0
        fallback = not self.has_fallback
        if missing <= 0 and not fallback:
            return
        one_time, fallbacks = self._machine.prepare_one_time_keys(missing, fallback=fallback)
        body: JsonObject = {}
        if one_time:
            body["one_time_keys"] = one_time
        if fallbacks:
            body["fallback_keys"] = fallbacks
        self._take(await self._upload(body))
        self.has_fallback = True

    async def heal(self, directory: Directory) -> None:
        """Open a new Olm session with devices that lost theirs (rule 4). Raises :class:`ChannelError`."""
        lost: dict[str, Device] = {}
        for user, curve25519 in self._machine.take_wedged():
            if device := await self._wedged(directory, user, curve25519):
                lost[curve25519] = device
        if not lost:
            return
        await directory.claim(lost.values())
        contents = {}
        for device in lost.values():
            if self._machine.has_session(device):
                content = self._machine.encrypt_to(device, "m.dummy", {})
                if content is not None:
                    contents[device] = content
        if contents:
            _log.info("renewed Olm sessions: %d", len(contents))
            await send_to_device(self._http, contents)

    async def _wedged(self, directory: Directory, user: UserId, curve25519: str) -> Device | None:
        now = self._monotonic()
        if now - self._healed_at.get(curve25519, -_HEAL_AGAIN_SECONDS) < _HEAL_AGAIN_SECONDS:
            return None
        for device in (await directory.current(user)).devices:
            if device.curve25519 == curve25519:
                self._healed_at[curve25519] = now
                return device
        return None

    async def _upload(self, body: JsonObject) -> JsonObject:
        try:
            answer = await self._http.call("POST", f"{CLIENT}/keys/upload", body)
        except ChannelError as error:
            _log.warning("keys were not uploaded (permanent: %s)", error.permanent)
            raise
        if body:
            self._machine.mark_published()
        return answer

    def _take(self, answer: JsonObject) -> None:
        self.one_time_keys = _count(as_object(answer.get("one_time_key_counts")))


def _count(counts: JsonObject) -> int:
    count = counts.get(_ALGORITHM, 0)
    return count if type(count) is int else 0
