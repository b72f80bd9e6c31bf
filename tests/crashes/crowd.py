"""A hundred people in their rooms, nudges to all of them, and the proof that each came once."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import aiohttp

from bot.domain.trust import Pin
from bot.domain.values import Language, RoomId, UserId
from tests.bench.booked import Booked, book, plan
from tests.bench.phones import call, new_phones
from tests.channels.bot_rig import Ears
from tests.crashes.reader import Reader
from tests.journey.practice import Practice
from tests.rig.js_patient import JsPatient
from tests.rig.waiting import until

PEOPLE = 100
STRICT = 2  # of them, so many with the whole of the strict client
_AT_ONCE = 16


@dataclass
class Crowd:
    """Everybody of one practice, and how many slots were planned for them."""

    practice: Practice
    readers: list[Reader]
    strict: dict[str, JsPatient]
    booked: list[Booked]
    slots: list[datetime] = field(default_factory=list)

    @classmethod
    @asynccontextmanager
    async def gather(cls, practice: Practice) -> AsyncIterator[Crowd]:
        """Rooms opened by the bot's own code and joined, people enrolled. The bot does not run meanwhile."""
        homeserver = practice.homeserver
        async with AsyncExitStack() as stack:
            http = await stack.enter_async_context(aiohttp.ClientSession())
            crowd = cls(practice, [], {}, [])
            phones = await new_phones(homeserver.embedded, http, PEOPLE - STRICT)
            strict = []
            for _ in range(STRICT):
                client = await JsPatient.start(homeserver.url, *await homeserver.new_user())
                strict.append(await stack.enter_async_context(client))
            channel = practice.home.channel()
            await channel.start(Ears().listener())
            try:
                await channel.wait_ready()
                for phone in phones:
                    room = await channel.open_room(phone.user)
                    join = f"{homeserver.url}/_matrix/client/v3/join/{quote(room, safe='')}"
                    await call(http, "POST", join, phone.token, {})
                    crowd.readers.append(Reader(phone, room, homeserver.url))
                    crowd._enrol(phone.user, phone.pin, room)
                for client in strict:
                    room = await channel.open_room(UserId(client.user))
                    assert await client.accept_invite() == room
                    keys = await client.identity()
                    pin = Pin(device_id=keys.device, ed25519=keys.ed25519, curve25519=keys.curve25519)
                    crowd.strict[room] = client
                    crowd._enrol(UserId(client.user), pin, room)
            finally:
                await channel.stop()
            yield crowd

    def _enrol(self, user: UserId, pin: Pin, room: RoomId) -> None:
        self.booked.append(book(self.practice.home, user, pin, room))

    def plan(self) -> None:
        """One nudge to everybody, due now, in a slot of its own. Earlier ones count as another day's."""
        self.practice.query(
            "UPDATE outbox SET settled_at = ? WHERE kind = 'nudge' AND state = 'sent'",
            (datetime.now(UTC) - timedelta(hours=25)).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        )
        last = self.slots[-1] if self.slots else self.practice.home.clock.now() - timedelta(days=1)
        self.slots.append(last + timedelta(minutes=1))
        plan(self.practice.home, self.booked, self.slots[-1])

    async def delivered(self, after: str, *, every: float = 0.2) -> None:
        """Every nudge so far is settled as sent, and the homeserver has each once. ``after`` what happened."""

        async def all_sent() -> bool:
            return not self.left()

        await until(all_sent, f"all nudges to be sent after {after}", seconds=120, every=every)
        self.recorded(after)

    def left(self) -> int:
        """How many nudges are not settled as sent."""
        states = self._states()
        assert not states.keys() & {"failed", "unknown", "dropped"}, "a nudge was given up"
        return states.total() - states["sent"]

    def claimed(self) -> int:
        """How many were taken to be sent."""
        return self._states()["claimed"]

    def _states(self) -> Counter[str]:
        rows = self.practice.query("SELECT state, recipient FROM outbox WHERE kind = 'nudge'")
        mine = {recipient for _, recipient in self.booked}
        return Counter(str(row["state"]) for row in rows if row["recipient"] in mine)

    def arrived(self) -> int:
        """How many events of the bot's the homeserver has, in all rooms."""
        sql = "SELECT count(*) FROM events WHERE type = 'm.room.encrypted' AND sender = ?"
        return int(self.practice.seen_by_homeserver(sql, self.practice.bot_user)[0][0])

    def recorded(self, after: str, *, finished: bool = True) -> None:
        """The homeserver has one event for each row at most, and the one that our row names.

        ``finished``: and exactly one for each room and slot.
        """
        # first: what a bot that was killed had sent may still be coming in, and has a transaction id then
        rooms = [reader.room for reader in self.readers] + list(self.strict)
        sql = "SELECT room_id, event_id FROM events WHERE type = 'm.room.encrypted' AND sender = ?"
        events = [
            row
            for row in self.practice.seen_by_homeserver(sql, self.practice.bot_user)
            if row["room_id"] in rooms
        ]
        mine = {recipient for _, recipient in self.booked}
        rows = [
            row
            for row in self.practice.query("SELECT txn, event, recipient FROM outbox WHERE kind = 'nudge'")
            if row["recipient"] in mine
        ]
        assert len(rows) == len(self.slots) * len(self.booked)
        sql = "SELECT txn_id, event_id FROM event_txn_id_device_id"
        by_txn = {str(row["txn_id"]): str(row["event_id"]) for row in self.practice.seen_by_homeserver(sql)}
        for row in rows:
            assert row["event"] in {None, by_txn.get(row["txn"])}, f"after {after}: another event than ours"
        sent = {by_txn[row["txn"]] for row in rows if row["txn"] in by_txn}
        assert {row["event_id"] for row in events} <= sent, f"after {after}: an event without a row"
        if finished:
            assert {row["event_id"] for row in events} == sent, f"after {after}: a row without its event"
            counted = Counter(row["room_id"] for row in events)
            assert counted == Counter(dict.fromkeys(rooms, len(self.slots))), f"after {after}: lost or twice"

    async def read_back(self) -> None:
        """Every client reads exactly one nudge a slot in its room, and nothing that it cannot read."""
        words, bot = self.practice.nudge(Language.FR), self.practice.bot_user
        gate = asyncio.Semaphore(_AT_ONCE)
        async with aiohttp.ClientSession() as http:

            async def one(reader: Reader) -> list[str | None]:
                async with gate:
                    found = await reader.read(http)
                assert {it.sender for it in found} <= {bot}
                return [it.content["content"]["body"] if it.content else None for it in found]

            for bodies in await asyncio.gather(*(one(reader) for reader in self.readers)):
                assert bodies == [words] * len(self.slots)
        for room, client in self.strict.items():
            assert await self._strictly(client, room) == [words] * len(self.slots)

    async def _strictly(self, client: JsPatient, room: str) -> list[str | None]:
        """What the strict client shows, once it has all that the homeserver has."""

        async def everything() -> list[str | None] | None:
            found = [m for m in await client.read() if m.room == room and m.type.startswith("m.room.")]
            mine = [m for m in found if m.sender == self.practice.bot_user and m.encrypted]
            done = len(mine) >= len(self.slots) and all(m.decrypted for m in mine)
            return [m.body for m in mine] if done else None

        return await until(everything, "the strict client to read all nudges")
