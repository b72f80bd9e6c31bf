"""A running bot, a patient who keeps asking, and three attackers: an outsider, a stranger in a room, a patient."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from yarl import URL

from bot.channels.matrix.http import CLIENT, segment
from bot.domain.records import Room
from bot.domain.templates import Template
from bot.domain.trust import Device
from bot.domain.values import RoomId, UserId, new_id
from tests.channels.hand import Hand
from tests.journey.practice import Practice
from tests.journey.talk import PIN, People, Talk
from tests.rig.waiting import until

MAY_GROW = 160 * 1024  # kilobytes
_SAMPLE_SECONDS = 0.1

Json = dict[str, Any]

_log = logging.getLogger("tests.abuse")  # figures: pytest -o log_cli=true -o log_cli_level=INFO


@dataclass
class Watch:
    """What was seen of the bot while something happened to it: /readyz, and the kilobytes that it holds in memory."""

    practice: Practice
    before: int
    unready: list[Json] = field(default_factory=list)
    samples: int = 0
    highest: int = 0

    async def look(self) -> None:
        status, body = await asyncio.to_thread(self.practice.health)
        self.samples += 1
        if status != 200:
            self.unready.append(body)
        self.highest = max(self.highest, resident(self.practice.pid))

    async def run(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(_SAMPLE_SECONDS)


def resident(pid: int) -> int:
    """Kilobytes of the process in memory."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise AssertionError("the bot has ended")


@dataclass
class Attacker(Hand):
    """Sends bytes that no library would, and has an Olm session with the bot's ``target``."""

    homeserver: str = ""
    pool: aiohttp.ClientSession = field(init=False)
    target: Device = field(init=False)

    async def aim(self, practice: Practice) -> None:
        token = self.http._token
        self.homeserver = practice.homeserver.url
        self.pool = aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"})
        (self.target,) = (await self.directory.current(UserId(practice.bot_user))).devices
        await self.directory.claim([self.target])

    async def close(self) -> None:
        await self.pool.close()
        await super().close()


@dataclass
class Scene:
    """``seconds`` are those that the patient waited for answers."""

    practice: Practice
    people: People
    folder: Path
    honest: Talk
    stack: AsyncExitStack
    seconds: list[float] = field(default_factory=list)
    passwords: dict[str, str] = field(default_factory=dict)

    # -- the patient who is to be served ------------------------------------------------------------------------

    async def ask(self) -> None:
        """The patient asks and is answered."""
        began = time.monotonic()
        assert await self.honest.tell("help") == self.honest.text(Template.HELP)
        self.seconds.append(time.monotonic() - began)

    @asynccontextmanager
    async def served(self) -> AsyncIterator[Watch]:
        """The patient is served while and after the block runs; ready all the time; memory bounded."""
        watch, before = Watch(self.practice, resident(self.practice.pid)), len(self.seconds)
        watching = asyncio.create_task(watch.run())
        asking = asyncio.create_task(self._keep_asking())
        try:
            try:
                yield watch
            finally:
                asking.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await asking
            await self.honest.quiet()  # what was still being answered when the block ended
            await self.ask()
        finally:
            watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watching
        await watch.look()
        waited, grown = self.seconds[before:], watch.highest - watch.before
        _log.info("answers: %d, the slowest in %.1f s; memory: +%d KiB", len(waited), max(waited), grown)
        assert watch.unready == []
        assert grown < MAY_GROW, "memory is bounded"

    async def _keep_asking(self) -> None:
        while True:
            await self.ask()

    # -- attackers ----------------------------------------------------------------------------------------------

    async def outsider(self) -> Attacker:
        """A local account that shares no room with anybody."""
        return await self._hand("", "")

    async def stranger(self) -> tuple[Attacker, RoomId]:
        """A local account in the room that the bot opened for it."""
        hand = await self.outsider()
        await invite(hand, self.practice.bot_user)
        return hand, await self.enter(hand)

    async def patient(self) -> tuple[Attacker, RoomId]:
        """An enrolled patient's own account."""
        reference = new_id("A")
        await self.people.add(reference)
        invited = await self.people.invite(reference, "--lang", "en")
        self.passwords[invited["user"]] = invited["password"]
        hand = await self._hand(invited["user"], invited["password"])
        room = await self.enter(hand)
        for text in (invited["code"], "yes", PIN, PIN):
            await hand.say(room, text)

        async def enrolled() -> bool:
            sql = "SELECT 1 FROM recipient WHERE id = ? AND state = 'enrolled'"
            return bool(self.practice.query(sql, invited["recipient"]))

        await until(enrolled, "an attacker to be a patient")
        return hand, room

    async def enter(self, hand: Attacker) -> RoomId:
        """Join the room that the bot opens or has opened, and give it the key."""

        async def opened() -> Room | None:
            room = self.room_of(hand.user)
            return room if room is not None and not room.left else None

        room = (await until(opened, "a room for an attacker")).room
        await hand.join(room)
        await hand.share(room, UserId(self.practice.bot_user))
        return room

    async def further(self, hand: Attacker) -> Attacker:
        """Another device on the same account, which nobody vouched for and which has given the bot no key."""
        return await self._hand(hand.user, self.passwords[hand.user], sign=False)

    async def practice_hears(self, hand: Attacker, room: RoomId) -> bool:
        """The attacker says something, and the bot answers in their room."""
        before = self._answers(room)
        await hand.say(room, "help")

        async def answered() -> bool:
            return self._answers(room) > before

        return await until(answered, "an answer to an attacker", seconds=60)

    def _answers(self, room: RoomId) -> int:
        sql = "SELECT count(*) FROM events WHERE room_id = ? AND sender = ? AND type = 'm.room.encrypted'"
        return int(self.practice.seen_by_homeserver(sql, room, self.practice.bot_user)[0][0])

    def room_of(self, user: UserId) -> Room | None:
        with self.practice.home.uow() as uow:
            return uow.rooms.by_user(user)

    async def _hand(self, user: str, password: str, *, sign: bool = True) -> Attacker:
        folder, server = self.folder / new_id("hand"), self.practice.homeserver
        hand = await Attacker.start(server, folder, user=user, password=password, sign=sign)
        self.stack.push_async_callback(hand.close)
        await hand.aim(self.practice)
        return hand


async def invite(hand: Attacker, bot: str) -> None:
    """Open a room and invite the bot."""
    body = {"preset": "private_chat", "is_direct": True, "invite": [bot]}
    await hand.http.call("POST", f"{CLIENT}/createRoom", body)


async def to_bot(hand: Attacker, kind: str, content: object) -> int:
    """One to-device event; what the homeserver said: 200, or why it does not carry this."""
    path = f"{CLIENT}/sendToDevice/{segment(kind)}/{new_id('t')}"
    body = b'{"messages":{"%b":{"%b":%b}}}' % (
        hand.target.user.encode(),
        hand.target.device_id.encode(),
        dump(content),
    )
    return await send(hand, "PUT", path, body)


async def into_room(hand: Attacker, room: RoomId, kind: str, content: object) -> int:
    """One room event; what the homeserver said."""
    return await send(
        hand, "PUT", f"{CLIENT}/rooms/{segment(room)}/send/{segment(kind)}/{new_id('t')}", content
    )


async def send(hand: Attacker, method: str, path: str, content: object) -> int:
    """Any request; the status."""
    url = URL(hand.homeserver + path, encoded=True)
    async with hand.pool.request(method, url, data=dump(content)) as answer:
        await answer.read()
        return answer.status


def dump(content: object) -> bytes:
    """JSON; bytes are taken as they are."""
    return content if isinstance(content, bytes) else json.dumps(content).encode()


def deep(levels: int, opening: bytes = b"[") -> bytes:
    closing = {b"[": b"]", b'{"a":': b"}"}[opening]
    return opening * levels + b"1" + closing * levels


@asynccontextmanager
async def new_scene(practice: Practice, folder: Path) -> AsyncIterator[Scene]:
    """With a patient, enrolled and answered."""
    async with AsyncExitStack() as stack:
        people = People(practice=practice, stack=stack)
        honest = await people.enrolled(new_id("H"))
        scene = Scene(practice, people, folder, honest, stack)
        await scene.ask()
        yield scene
