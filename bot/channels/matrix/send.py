"""The bot's own way out: choose the devices, share, check that it was shared, encrypt, check, PUT.

1. A private message goes to devices that the patient's pin knows, on an answer asked for that very message;
   the bot's own account must be clean and the room fit (:mod:`bot.channels.matrix.rooms`) on a fresh look.
2. An open message goes to every device of the patient that proves its own keys, and to nobody else's.
3. A Megolm session belongs to one kind: changing kind starts another. A private one is discarded after an
   answer (``rotate``) and whenever a device that could read it is no longer meant to.
4. A session is replaced before its index reaches :data:`~bot.channels.matrix.wire.MAX_INDEX`, and after a
   week.
5. Nothing is encrypted before at least one intended device holds the key, and only devices whose key was
   accepted by the homeserver count as holding it.
6. A device that had to open a new Olm session may have lost what it was given: it gets the key again.
7. Sessions live in memory only: no copy of a key that opens what the bot said rests on the disk.
8. The transaction id is the caller's, verbatim: the homeserver drops a repeat.
9. In the staff room only devices that a pinned master key vouches for are given keys, of known members who are joined,
   on answers and a state asked for that very message. Whenever these devices are others than before, another session
   is begun. One member's other identity silences nobody else. Whoever is there and is no member silences everything.
"""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

import vodozemac

from bot.channels.matrix import wire
from bot.channels.matrix.directory import Directory, People
from bot.channels.matrix.http import CLIENT, Http, segment
from bot.channels.matrix.olm import MEGOLM, Machine
from bot.channels.matrix.rooms import RoomState, fetch_state
from bot.channels.matrix.safejson import JsonObject, as_text
from bot.domain.trust import Address, Device, Pin
from bot.domain.values import EventId, RoomId, TransactionId, UserId
from bot.errors import ChannelError, Untrusted, UntrustedReason

ROOMS_PER_BATCH: Final = 200
_TO_DEVICE_BYTES: Final = 500_000
_MAX_AGE_SECONDS: Final = 7 * 86_400.0
_CLAIM_AGAIN_SECONDS: Final = 300.0

_log = logging.getLogger("pli.matrix.send")


class Kind(Enum):
    OPEN = "open"
    PRIVATE = "private"
    STAFF = "staff"


@dataclass(slots=True)
class _Outbound:
    """One outbound Megolm session; ``holders`` are the devices that have its key.

    The number beside each is the device's :meth:`Machine.renewals` when it got the key. ``meant`` are the devices that
    it was begun for.
    """

    kind: Kind
    born: float
    meant: frozenset[Device] = frozenset()
    session: vodozemac.GroupSession = field(default_factory=vodozemac.GroupSession)
    holders: dict[Device, int] = field(default_factory=dict)

    def serves(self, kind: Kind, intended: Sequence[Device], now: float) -> bool:
        """Rules 3, 4 and 9. A holder that lost or changed its standing is no longer among the intended."""
        young = now - self.born < _MAX_AGE_SECONDS and self.session.message_index < wire.MAX_INDEX
        same = kind is not Kind.STAFF or self.meant == set(intended)
        return self.kind is kind and young and same and self.holders.keys() <= set(intended)


@dataclass(frozen=True, slots=True)
class _Share:
    """A session whose key some devices still need."""

    room: RoomId
    outbound: _Outbound
    missing: tuple[Device, ...]


class Sender:
    """Sends one event at a time per room; rooms do not wait for each other."""

    def __init__(
        self,
        http: Http,
        machine: Machine,
        directory: Directory,
        *,
        known_state: Callable[[RoomId], RoomState | None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._http = http
        self._machine = machine
        self._directory = directory
        self._known_state = known_state
        self._monotonic = monotonic
        self._sessions: dict[RoomId, _Outbound] = {}
        self._locks: dict[RoomId, asyncio.Lock] = {}
        self._no_key_at: dict[Device, float] = {}

    async def send(
        self, to: Address, text: str, *, kind: Kind, rings: bool, txn: TransactionId, rotate: bool
    ) -> EventId:
        """Raises :class:`Untrusted` or :class:`ChannelError`; in doubt nothing has left."""
        plain = wire.plaintext(to.room, text, rings=rings)
        async with self._lock(to.room):
            try:
                intended = await (self._private(to) if kind is Kind.PRIVATE else self._open(to))
                return await self._send(to.room, intended, plain, kind, txn)
            finally:
                if rotate:
                    self._sessions.pop(to.room, None)

    async def send_staff(
        self, room: RoomId, pins: Mapping[UserId, Pin | None], content: JsonObject, txn: TransactionId
    ) -> EventId:
        """To the members, by account, each as pinned. Raises :class:`Untrusted` or :class:`ChannelError`."""
        plain = wire.padded(room, content)
        async with self._lock(room):
            intended = await self._of_members(room, pins)
            return await self._send(room, intended, plain, Kind.STAFF, txn)

    async def warm(self, to: Sequence[Address]) -> None:
        """Share open sessions with many in few requests. What fails is left to :meth:`send`."""
        rooms = {address.room: address for address in to}
        ordered = [rooms[room] for room in sorted(rooms)]
        for start in range(0, len(ordered), ROOMS_PER_BATCH):
            part = ordered[start : start + ROOMS_PER_BATCH]
            try:
                await self._warm(part)
            except ChannelError as error:
                _log.warning("warming stopped early (permanent: %s)", error.permanent)

    # -- one message ---------------------------------------------------------------------------------------

    async def _send(
        self, room: RoomId, intended: Sequence[Device], plain: bytes, kind: Kind, txn: TransactionId
    ) -> EventId:
        outbound = self._session(room, kind, intended)
        missing = self._missing(outbound, intended)
        if missing:
            await self._share([_Share(room, outbound, missing)])
        if not outbound.holders:  # rule 5
            raise ChannelError("no device of the reader's could be given the key", permanent=False)
        content = wire.checked(
            {
                "algorithm": MEGOLM,
                "sender_key": self._machine.curve25519,
                "ciphertext": outbound.session.encrypt(plain).to_base64(),
                "session_id": outbound.session.session_id,
                "device_id": self._machine.device_id,
            }
        )
        path = f"{CLIENT}/rooms/{segment(room)}/send/m.room.encrypted/{segment(txn)}"
        event = as_text((await self._http.call("PUT", path, content)).get("event_id"))
        if not event:
            raise ChannelError("the homeserver named no event", permanent=False)
        return EventId(event)

    async def _private(self, to: Address) -> list[Device]:
        """Rule 1."""
        pin = to.pin
        if pin is None:
            raise Untrusted("identity")
        # one after the other would cost a second round trip in front of every answer
        people, state = await asyncio.gather(self._directory.fresh(to.user), fetch_state(self._http, to.room))
        state.check(bot=self._machine.user, patient=to.user)
        known = [device for device in people.devices if pin.knows(device)]
        if not known:
            raise Untrusted(_why_unknown(people, pin.master_key))
        return known

    async def _open(self, to: Address) -> list[Device]:
        """Rule 2."""
        state = self._known_state(to.room) or await fetch_state(self._http, to.room)
        state.check(bot=self._machine.user, patient=to.user)
        devices = list((await self._directory.current(to.user)).devices)
        if not devices:
            raise ChannelError("the patient has no device that can read", permanent=False)
        return devices

    async def _of_members(self, room: RoomId, pins: Mapping[UserId, Pin | None]) -> list[Device]:
        """Rule 9."""
        people, state = await asyncio.gather(self._directory.fresh_of(pins), fetch_state(self._http, room))
        joined = state.check_staff(bot=self._machine.user, members=pins.keys())
        known = [
            device
            for user in sorted(joined)
            if (pin := pins[user]) is not None and pin.master_key is not None
            for device in people[user].devices
            if pin.knows(device)
        ]
        if not known:
            raise Untrusted("device")
        return known

    def _session(self, room: RoomId, kind: Kind, intended: Sequence[Device]) -> _Outbound:
        now = self._monotonic()
        outbound = self._sessions.get(room)
        if outbound is None or not outbound.serves(kind, intended, now):
            outbound = self._sessions[room] = _Outbound(kind, now, frozenset(intended))
        return outbound

    def _missing(self, outbound: _Outbound, intended: Sequence[Device]) -> tuple[Device, ...]:
        """Devices without the key; those that had no one-time key a moment ago only if nobody can read."""
        now = self._monotonic()
        missing = [d for d in intended if outbound.holders.get(d) != self._machine.renewals(d)]
        hopeful = [
            d for d in missing if now - self._no_key_at.get(d, -_CLAIM_AGAIN_SECONDS) >= _CLAIM_AGAIN_SECONDS
        ]
        return tuple(hopeful if outbound.holders or hopeful else missing)

    # -- sharing -------------------------------------------------------------------------------------------

    async def _warm(self, part: Sequence[Address]) -> None:
        users = {address.user for address in part}
        if stale := self._directory.stale(users):
            await self._directory.refresh(stale)
        async with AsyncExitStack() as stack:
            for address in part:  # sorted by room, so that two of these cannot wait for each other
                await stack.enter_async_context(self._lock(address.room))
            shares = []
            for address in part:
                try:
                    intended = await self._open(address)
                except (Untrusted, ChannelError):
                    continue  # send() will say why
                outbound = self._session(address.room, Kind.OPEN, intended)
                if missing := self._missing(outbound, intended):
                    shares.append(_Share(address.room, outbound, missing))
            await self._share(shares)

    async def _share(self, shares: Sequence[_Share]) -> None:
        strangers = {d for share in shares for d in share.missing if not self._machine.has_session(d)}
        if strangers:
            await self._directory.claim(sorted(strangers, key=lambda d: (d.user, d.device_id)))
        for batch in self._batches(shares):
            await send_to_device(self._http, {device: content for _, device, content in batch})
            for outbound, device, _ in batch:
                outbound.holders[device] = self._machine.renewals(device)  # rule 5

    def _batches(self, shares: Sequence[_Share]) -> Iterable[list[tuple[_Outbound, Device, JsonObject]]]:
        """Key messages in requests that are not too large and name no device twice."""
        batch: list[tuple[_Outbound, Device, JsonObject]] = []
        named: set[tuple[UserId, str]] = set()
        size = 0
        for outbound, device, content in self._key_messages(shares):
            length = len(json.dumps(content))
            if batch and (size + length > _TO_DEVICE_BYTES or (device.user, device.device_id) in named):
                yield batch
                batch, named, size = [], set(), 0
            batch.append((outbound, device, content))
            named.add((device.user, device.device_id))
            size += length
        if batch:
            yield batch

    def _key_messages(self, shares: Sequence[_Share]) -> list[tuple[_Outbound, Device, JsonObject]]:
        messages = []
        now = self._monotonic()
        with self._machine.batch():
            for share in shares:
                session = share.outbound.session
                key = {
                    "algorithm": MEGOLM,
                    "room_id": share.room,
                    "session_id": session.session_id,
                    "session_key": session.session_key.to_base64(),
                }
                for device in share.missing:
                    content = (
                        self._machine.encrypt_to(device, "m.room_key", key)
                        if self._machine.has_session(device)
                        else None
                    )
                    if content is None:
                        self._no_key_at[device] = now
                        continue
                    self._no_key_at.pop(device, None)
                    messages.append((share.outbound, device, content))
        return messages

    def _lock(self, room: RoomId) -> asyncio.Lock:
        return self._locks.setdefault(room, asyncio.Lock())


async def send_to_device(http: Http, contents: Mapping[Device, JsonObject]) -> None:
    """One request with one encrypted message per device. Raises :class:`ChannelError`."""
    messages: dict[str, dict[str, JsonObject]] = {}
    for device, content in contents.items():
        messages.setdefault(device.user, {})[device.device_id] = content
    path = f"{CLIENT}/sendToDevice/m.room.encrypted/{secrets.token_hex(12)}"
    await http.call("PUT", path, {"messages": messages})


def _why_unknown(people: People, pinned_master_key: str | None) -> UntrustedReason:
    """Another identity than the pinned one, or only devices that it does not vouch for."""
    return (
        "identity" if pinned_master_key is not None and people.master_key != pinned_master_key else "device"
    )
