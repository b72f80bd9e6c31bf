"""Which devices people have: asked for, checked by :mod:`bot.channels.matrix.trust`, remembered until they
change.

1. Each answer replaces what was known before: there is no "first key wins".
2. What was remembered is used only while the homeserver has announced no change; private messages ask again.
3. An announcement that arrives while an answer is under way makes that answer old.
4. The bot's own account is clean only if this device is listed with its own keys and every listed device is
   signed by the identity whose seeds are here.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from bot.channels.matrix.http import CLIENT, Http
from bot.channels.matrix.olm import Machine
from bot.channels.matrix.safejson import JsonObject, as_object
from bot.channels.matrix.trust import answered, devices_of, listed_devices, master_key_of, one_time_key
from bot.domain.trust import Device
from bot.domain.values import UserId
from bot.errors import ChannelError, Untrusted

USERS_PER_QUERY: Final = 200
KEYS_PER_CLAIM: Final = 200

_log = logging.getLogger("pli.matrix.directory")


@dataclass(frozen=True, kw_only=True, slots=True)
class People:
    """One user as the last answer showed them; ``master_key`` only with a verified chain."""

    devices: Sequence[Device]
    master_key: str | None


class Directory:
    """Devices of the people the bot talks to, and the one-time keys to reach them."""

    def __init__(self, http: Http, machine: Machine, *, own_master_key: str | None) -> None:
        self._http = http
        self._machine = machine
        self._own_master_key = own_master_key
        self._known: dict[UserId, People] = {}
        self._changes: dict[UserId, int] = {}
        self._clean_at: dict[UserId, int] = {}
        self._own_clean = True

    @property
    def own_account_clean(self) -> bool:
        """What the last look at the bot's own account showed (rule 4)."""
        return self._own_clean

    def changed(self, users: Iterable[UserId]) -> None:
        """The homeserver announced a change."""
        for user in users:
            self._changes[user] = self._changes.get(user, 0) + 1

    def forget(self, users: Iterable[UserId]) -> None:
        """No room is shared any longer, so changes are not announced any more."""
        for user in users:
            self._known.pop(user, None)
            self._clean_at.pop(user, None)
            self._changes[user] = self._changes.get(user, 0) + 1

    def stale(self, users: Collection[UserId]) -> list[UserId]:
        return [u for u in users if u not in self._known or self._clean_at.get(u) != self._changes.get(u, 0)]

    def lists(self, user: UserId, curve25519: str) -> bool:
        """Whether a device of ``user`` has that key, as far as is remembered."""
        people = self._known.get(user)
        return people is not None and any(device.curve25519 == curve25519 for device in people.devices)

    def remembered(self, user: UserId) -> People:
        """As the last answer showed them, however old: for what decides about nothing."""
        return self._known.get(user, People(devices=(), master_key=None))

    async def current(self, user: UserId) -> People:
        """As remembered, or asked for where a change was announced (rule 2)."""
        if self.stale([user]):
            await self.refresh([user])
        return self.remembered(user)

    async def fresh(self, user: UserId) -> People:
        """Asked for now, together with the bot's own account. Raises :class:`Untrusted` where that is not
        clean.
        """
        return (await self.fresh_of([user]))[user]

    async def fresh_of(self, users: Collection[UserId]) -> Mapping[UserId, People]:
        """:meth:`fresh` for several, in one answer."""
        silent = await self.refresh([*users, self._machine.user])
        if not self._own_clean:
            raise Untrusted("own_device")
        if not silent.isdisjoint(users):
            raise ChannelError("the homeserver said nothing about somebody's devices", permanent=False)
        return {user: self._known[user] for user in users}

    async def refresh(self, users: Collection[UserId]) -> frozenset[UserId]:
        """Ask for ``users``; returns those about whom nothing was said. Raises :class:`ChannelError`."""
        asked = sorted(set(users))
        silent: set[UserId] = set()
        for start in range(0, len(asked), USERS_PER_QUERY):
            part = asked[start : start + USERS_PER_QUERY]
            before = {user: self._changes.get(user, 0) for user in part}
            body = {"device_keys": {user: [] for user in part}, "timeout": 10_000}
            answer = await self._http.call("POST", f"{CLIENT}/keys/query", body)
            silent |= {user for user in part if not self._take(answer, user, before[user])}
        return frozenset(silent)

    async def claim(self, devices: Iterable[Device]) -> None:
        """Start Olm sessions with ``devices``, as far as their one-time keys are fit. Raises
        :class:`ChannelError`.
        """
        wanted = list(devices)
        for start in range(0, len(wanted), KEYS_PER_CLAIM):
            part = wanted[start : start + KEYS_PER_CLAIM]
            keys: dict[str, dict[str, str]] = {}
            for device in part:
                keys.setdefault(device.user, {})[device.device_id] = "signed_curve25519"
            answer = await self._http.call(
                "POST", f"{CLIENT}/keys/claim", {"one_time_keys": keys, "timeout": 10_000}
            )
            self._start_sessions(as_object(answer.get("one_time_keys")), part)

    def find(self, people: People, *, curve25519: str, ed25519: str) -> Device | None:
        """The device with exactly these keys."""
        for device in people.devices:
            if device.curve25519 == curve25519 and device.ed25519 == ed25519:
                return device
        return None

    def _start_sessions(self, claimed: Mapping[str, object], devices: Sequence[Device]) -> None:
        unfit = 0
        with self._machine.batch():
            for device in devices:
                entry = as_object(as_object(claimed.get(device.user)).get(device.device_id))
                key = one_time_key(entry, device)
                if key is None or not self._machine.start_session(device, key):
                    unfit += 1
        if unfit:
            _log.warning("devices without a fit one-time key: %d", unfit)

    def _take(self, answer: JsonObject, user: UserId, change: int) -> bool:
        if user == self._machine.user:
            clean = self._is_clean(answer)
            if self._own_clean and not clean:
                _log.error("the bot's own account shows a device that the bot did not sign")
            self._own_clean = clean
        if not answered(answer, user):
            return False
        self._known[user] = People(
            devices=tuple(devices_of(answer, user)), master_key=master_key_of(answer, user)
        )
        self._clean_at[user] = change  # rule 3
        return True

    def _is_clean(self, answer: JsonObject) -> bool:
        own = self._machine
        devices = {device.device_id: device for device in devices_of(answer, own.user)}
        this = devices.get(own.device_id)
        if this is None or (this.ed25519, this.curve25519) != (own.ed25519, own.curve25519):
            return False
        if self._own_master_key is None or listed_devices(answer, own.user) != frozenset(devices):
            return False
        return all(device.master_key == self._own_master_key for device in devices.values())
