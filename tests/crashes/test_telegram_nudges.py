"""Killed in a slot of two hundred nudges on Telegram, the bot sends none twice, and knows not of one at most.

Telegram takes no transaction id: what was under way when the bot died is "unknown", reported, and never sent again
(rule 1 of :mod:`bot.services.deliver_telegram`).
"""

from __future__ import annotations

import asyncio
import random
import secrets
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from bot.app import Installation
from bot.domain.trust import Pin
from bot.domain.values import RecipientId, RoomId, UserId
from tests.bench.booked import Booked, book_all, plan
from tests.rig.bot_api import BotApi
from tests.rig.telegram_sender import link_all, made
from tests.rig.waiting import until

PEOPLE = 200
LATENCY_SECONDS = 0.02  # the way there and back, in which a sender may die


@dataclass
class Slot:
    """Two hundred people whose nudges go to Telegram, and the process that sends them."""

    home: Installation
    booked: list[Booked]
    api: BotApi
    chats: dict[str, RecipientId]
    log: Path
    slots: list[datetime] = field(default_factory=list)
    kills: int = 0
    sender: subprocess.Popen[str] | None = None

    @classmethod
    @asynccontextmanager
    async def gather(cls, folder: Path) -> AsyncIterator[Slot]:
        home, pin = made(folder), Pin(master_key="m" * 43)
        people = [(UserId(f"@c{n}:example.org"), pin, RoomId(f"!c{n}:example.org")) for n in range(PEOPLE)]
        booked = book_all(home, people)
        chats = link_all(home, [recipient for _, recipient in booked])
        async with BotApi(latency=LATENCY_SECONDS, chats={int(chat) for chat in chats}) as api:
            slot = cls(home, booked, api, chats, folder / "sender.log")
            try:
                yield slot
            finally:
                slot.kill()
                home.engine.dispose()

    def plan(self) -> None:
        last = self.slots[-1] if self.slots else self.home.clock.now() - timedelta(days=1)
        self.slots.append(last + timedelta(minutes=1))
        plan(self.home, self.booked, self.slots[-1])

    async def spawn(self) -> None:
        """A new process, from when it has put right what the last one left."""
        self.sender = await asyncio.to_thread(self._start)

    def _start(self) -> subprocess.Popen[str]:
        program = (sys.executable, "-m", "tests.rig.telegram_sender")
        command = [*program, str(self.home.settings.folder), self.api.url]
        with self.log.open("a", encoding="utf-8") as log:
            sender = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        assert sender.stdout is not None
        assert sender.stdout.readline() == "ready\n"
        return sender

    def kill(self) -> None:
        if self.sender is not None:
            self.sender.kill()
            assert self.sender.wait() == -signal.SIGKILL
            if self.sender.stdout is not None:
                self.sender.stdout.close()
            self.sender = None

    def copies(self) -> list[tuple[str, str]]:
        """State and recipient of each."""
        sql = "SELECT state, recipient FROM outbox WHERE kind = 'telegram'"
        with closing(sqlite3.connect(self.home.settings.folder / "pli.db", timeout=30)) as database:
            return [tuple(row) for row in database.execute(sql)]

    def states(self) -> Counter[str]:
        return Counter(state for state, _ in self.copies())

    def left(self) -> int:
        """How many of the nudges have not been tried."""
        states = self.states()
        return len(self.slots) * PEOPLE - states["sent"] - states["unknown"]

    async def delivered(self) -> None:
        async def all_done() -> bool:
            return not self.left()

        await until(all_done, "every nudge to be sent or unknown", seconds=60, every=0.02)

    def check(self, after: str) -> None:
        """One that was under way at a kill may still be taken after this was asked."""
        arrived = Counter(self.chats[str(sent["chat_id"])] for sent in self.api.sent)
        copies = Counter(self.copies())
        for _, who in self.booked:
            sent, perhaps = copies["sent", who], copies["unknown", who] + copies["claimed", who]
            assert sent <= arrived[who], f"after {after}: counted as sent, and never arrived"
            assert arrived[who] <= sent + perhaps, f"after {after}: sent twice, or to be sent again"
        states = self.states()
        assert not states.keys() - {"queued", "claimed", "sent", "unknown"}, f"after {after}: given up"
        in_doubt = states["unknown"] + states["claimed"]
        assert in_doubt <= self.kills + (self.sender is not None), f"after {after}: more than one a kill"

    def reported(self) -> int:
        """Lines for the staff of what is unknown."""
        with self.home.uow() as uow:
            kinds = Counter(problem.kind for problem in uow.problems.all())
        assert kinds.keys() <= {"unknown_send", "unknown_copy"}
        return kinds.total()


async def random_kills(folder: Path, count: int) -> None:
    """Each at a moment of the time that an undisturbed slot takes."""
    seed = secrets.randbits(32)
    draw = random.Random(seed)  # noqa: S311 - moments, not secrets
    async with Slot.gather(folder) as slot:
        slot.plan()
        await slot.spawn()
        began = time.monotonic()
        await slot.delivered()
        whole = time.monotonic() - began
        unfinished = 0
        for number in range(count):
            if not slot.left():
                slot.plan()
            if slot.sender is None:
                await slot.spawn()
            await asyncio.sleep(draw.uniform(0, whole))  # the moment itself, not a wait for something
            slot.kill()
            slot.kills += 1
            unfinished += bool(slot.left())
            slot.check(f"kill {number} of seed {seed}")
        assert unfinished, f"seed {seed}: no kill hit a slot"
        await slot.spawn()
        await slot.delivered()
        slot.kill()
        slot.check(f"the last of seed {seed}")
        states = slot.states()
        assert states["sent"] + states["unknown"] == len(slot.slots) * PEOPLE, f"seed {seed}: lost"
        assert states["unknown"] == slot.reported() <= slot.kills, f"seed {seed}: not each was reported once"
        assert {str(sent["chat_id"]) for sent in slot.api.sent} == slot.chats.keys()


async def test_killed_ten_times_none_is_sent_twice_and_each_unknown_one_is_reported(tmp_path: Path) -> None:
    await random_kills(tmp_path, 10)


@pytest.mark.nightly
async def test_killed_a_hundred_times_none_is_sent_twice(tmp_path: Path) -> None:
    await random_kills(tmp_path, 100)


async def test_killed_between_the_call_and_its_answer_it_is_unknown(tmp_path: Path) -> None:
    """The worst moment: Telegram has taken it, and nobody knows. The process dies in its first calls."""
    async with Slot.gather(tmp_path) as slot:
        slot.plan()
        for kills in range(1, 4):
            before = len(slot.api.sent)
            await slot.spawn()

            async def arrives(before: int = before) -> bool:
                return len(slot.api.sent) > before

            await until(arrives, "a nudge at Telegram", every=0.001)
            slot.kill()
            slot.kills = kills
            slot.check(f"kill {kills}")
        await slot.spawn()
        await slot.delivered()
        slot.kill()
        slot.check("the end")
        assert slot.reported() == slot.states()["unknown"] <= slot.kills
