"""``python -m tests.rig.telegram_sender FOLDER URL RATE``: what ``pli run`` does about Telegram nudges, to be killed.

The product's own services take nudges out of the outbox, copy them and send them; the channel is the least that can:
one HTTP call a copy, to URL. It says ``ready`` once what an earlier process left is put right.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import time
from pathlib import Path

import aiohttp

from bot.app import Installation
from bot.domain.choices import Level
from bot.domain.messages import Nudge
from bot.domain.pacing import UNPACED, Pace, bucket
from bot.domain.slots import NudgeRules
from bot.domain.telegram import ChatAddress, ChatId, NudgeOn, TelegramChat
from bot.domain.values import Language, RecipientId, TransactionId, new_id
from bot.errors import ChannelError
from bot.services.choose_nudges import Delivery
from bot.services.deliver import Deliver
from bot.services.deliver_telegram import TELEGRAM, DeliverTelegram
from config.settings import Settings
from config.settings import Storage as StorageSettings
from tests.services.channel import FakeChannel

DEVICE = "BOTDEVICE"
_MIDNIGHT = time(0, 0)


@dataclass
class HttpTelegram:
    """A :class:`bot.ports_telegram.TelegramChannel` that only nudges."""

    http: aiohttp.ClientSession
    url: str

    async def nudge(self, to: ChatAddress, nudge: Nudge, txn: TransactionId) -> None:
        body = {"chat_id": to.chat, "text": nudge.language.value, "txn": txn}
        try:
            async with self.http.post(self.url, json=body) as response:
                await response.read()
        except aiohttp.ClientConnectorError:
            raise ChannelError("not reached", permanent=False) from None
        except (aiohttp.ClientError, TimeoutError):
            raise ChannelError("no answer", permanent=False, unsure=True) from None

    async def say(self, *_: object) -> None:
        raise NotImplementedError("it only nudges")

    async def take_back(self, *_: object) -> None:
        raise NotImplementedError("it only nudges")

    async def leave(self, *_: object) -> None:
        raise NotImplementedError("it only nudges")

    def link(self, token: str) -> str:
        raise NotImplementedError("it only nudges")


def opened(folder: Path) -> Installation:
    storage = StorageSettings(database="sqlite:///pli.db", vault="vault.db")
    return Installation(Settings(folder=folder, storage=storage))


def rules(home: Installation) -> NudgeRules:
    """At any hour, and as many a day as a test wants."""
    usual = home.settings.nudge_rules()
    return replace(usual, daily_cap=10_000, quiet_from=_MIDNIGHT, quiet_to=_MIDNIGHT)


def link_all(home: Installation, people: Sequence[RecipientId]) -> None:
    """A chat for everybody, who is nudged there alone."""
    alone = tuple((level.value, NudgeOn.TELEGRAM) for level in Level)
    with home.uow() as uow:
        for number, recipient in enumerate(people):
            uow.telegram.put_chat(
                TelegramChat(
                    id=new_id("chat"),
                    recipient=recipient,
                    chat=ChatId(number),
                    language=Language.FR,
                    linked_at=home.clock.now(),
                    nudge_on=alone,
                )
            )
        uow.commit()


def senders(home: Installation, telegram: HttpTelegram, pace: Pace) -> tuple[Deliver, DeliverTelegram]:
    """Nothing leaves on the first one's channel: everybody is nudged on Telegram alone."""
    delivery, matrix = Delivery(telegram=True, pace=pace), FakeChannel()
    deliver = Deliver(
        home.uow,
        nudges=matrix,
        private=matrix,
        words=home.words,
        clock=home.clock,
        device=DEVICE,
        rules=rules(home),
        delivery=delivery,
    )
    copies = DeliverTelegram(
        home.uow, channel=telegram, clock=home.clock, device=DEVICE, rules=rules(home), delivery=delivery
    )
    return deliver, copies


async def _run(folder: Path, url: str, rate: float) -> None:
    home = opened(folder)
    async with aiohttp.ClientSession() as http:
        pace = Pace(overall=UNPACED.overall, own={TELEGRAM: bucket(rate)})
        deliver, copies = senders(home, HttpTelegram(http, url), pace)
        deliver.recover()
        copies.recover()
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        while True:
            if await deliver.nudges_due() + await copies.due() == 0:
                await asyncio.sleep(max(0.01, min(copies.at() - home.clock.monotonic(), 0.5)))


if __name__ == "__main__":
    asyncio.run(_run(Path(sys.argv[1]), sys.argv[2], float(sys.argv[3])))
