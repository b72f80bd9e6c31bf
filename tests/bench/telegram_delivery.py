"""Nudges to 500 chats on Telegram, beside bare posts of the same body, one after the other, to the same server.

The bot's real services deliver through the real client (python-telegram-bot) to a local Bot API in a process of its
own: each copy is judged again, marked durably, sent and settled, one at a time, as no more than one may be in doubt
after a crash (:mod:`bot.services.deliver_telegram`). The pace is lifted, and the client's own limit with it; beside
that stands what comes of it all at the usual pace, with fifty milliseconds there and back.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import httpx

from bot.app import Installation
from bot.channels.telegram.api import Api
from bot.domain.pacing import UNPACED, Pace, bucket
from bot.domain.records import OutboxState
from bot.domain.trust import Pin
from bot.domain.values import Language, RoomId, Secret, UserId
from bot.logs import silence
from bot.services.choose_nudges import Delivery
from bot.services.deliver_telegram import TELEGRAM
from tests.bench.booked import Booked, book_all, plan
from tests.bench.figures import Figure, Result
from tests.bench.telegram_stub import stub_telegram
from tests.rig.bot_api import TOKEN
from tests.rig.telegram_sender import channel_on, line_to, link_all, made, senders

PEOPLE = 500
USUAL = 200  # of them, at the usual pace
FAR_SECONDS = 0.05
_NO_LIMIT = 1_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class _Run:
    """Seconds for everybody: bare posts before and after, and the bot's between them."""

    bare: float
    took: float
    cpu: float


class _Trial:
    """Everybody is nudged on Telegram alone."""

    def __init__(self, folder: Path) -> None:
        self.home: Installation = made(folder)
        pin = Pin(master_key="m" * 43)
        people = [(UserId(f"@c{n}:example.org"), pin, RoomId(f"!c{n}:example.org")) for n in range(PEOPLE)]
        self.booked: list[Booked] = book_all(self.home, people)
        link_all(self.home, [recipient for _, recipient in self.booked])
        self._slot = self.home.clock.now() - timedelta(days=1)

    async def deliver(self, url: str, people: Sequence[Booked], *, paced: bool) -> tuple[float, float]:
        """Seconds, and of them this process' processor, until every copy is settled as sent."""
        self._slot += timedelta(minutes=1)
        plan(self.home, people, self._slot)
        line, lifted = line_to(url), Pace(overall=UNPACED.overall, own={TELEGRAM: bucket(_NO_LIMIT)})
        if not paced:
            line.api = Api(token=Secret(TOKEN), api_url=url, burst=_NO_LIMIT)
        delivery = Delivery(telegram=True) if paced else Delivery(telegram=True, pace=lifted)
        deliver, copies = senders(self.home, channel_on(self.home, line), delivery)
        sent = deliver.counts().get(OutboxState.SENT.value, 0)
        began, cpu = time.perf_counter(), time.process_time()
        while await deliver.nudges_due():
            pass
        claimed = deliver.counts()[OutboxState.SENT.value]
        assert claimed - sent == len(people), "the nudges that were copied"
        while deliver.counts()[OutboxState.SENT.value] - claimed < len(people):
            await copies.due()
            await asyncio.sleep(max(0.0, copies.at() - self.home.clock.monotonic()))
        await line.api.close_connections()
        return time.perf_counter() - began, time.process_time() - cpu

    async def bare(self, url: str) -> float:
        """Seconds for as many posts of the same, one after the other."""
        text = self.home.words[Language.FR].telegram_nudge()
        async with httpx.AsyncClient() as http:
            began = time.perf_counter()
            for chat in range(1, PEOPLE + 1):
                body = {"chat_id": chat, "text": text, "protect_content": True}
                (await http.post(f"{url}/bot{TOKEN}/sendMessage", json=body)).raise_for_status()
            return time.perf_counter() - began

    async def run(self, url: str) -> _Run:
        before = await self.bare(url)
        took, cpu = await self.deliver(url, self.booked, paced=False)
        return _Run(bare=(before + await self.bare(url)) / 2, took=took, cpu=cpu)


def bench(folder: Path, runs: int) -> Result:
    """See the module."""
    silence()
    trial = _Trial(folder)
    with stub_telegram(0.0, PEOPLE) as url:
        near = [asyncio.run(trial.run(url)) for _ in range(runs)]
    with stub_telegram(FAR_SECONDS, PEOPLE) as url:
        far = [asyncio.run(trial.deliver(url, trial.booked[:USUAL], paced=False))[0] for _ in range(runs)]
        usual = [asyncio.run(trial.deliver(url, trial.booked[:USUAL], paced=True))[0] for _ in range(runs)]
    figures = (
        Figure(name="bare posts, one at a time", unit="posts/s", runs=tuple(PEOPLE / r.bare for r in near)),
        Figure(name="nudges", unit="nudges/s", runs=tuple(PEOPLE / r.took for r in near)),
        Figure(name="nudges, to bare posts", unit="ratio", runs=tuple(r.bare / r.took for r in near)),
        Figure(name="processor for a nudge", unit="ms", runs=tuple(r.cpu * 1000 / PEOPLE for r in near)),
        Figure(name="nudges, 50 ms away", unit="nudges/s", runs=tuple(USUAL / seconds for seconds in far)),
        Figure(
            name="the same, at the usual pace",
            unit="nudges/s",
            runs=tuple(USUAL / seconds for seconds in usual),
            goal="at most 25",
        ),
    )
    return Result(
        name="telegram", what=f"{PEOPLE} chats, the real client, one copy at a time", figures=figures
    )
