"""``python -m tests.rig.telegram_sender FOLDER URL``: what ``pli run`` does about nudges on Telegram, to be killed.

The product's own services take nudges out of the outbox, copy them and send them through the product's own channel to
the Bot API at URL. It says ``ready`` once what an earlier process left is put right.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import time
from pathlib import Path

from bot.app import Installation
from bot.channels.telegram.channel import BotApiChannel, Texts
from bot.channels.telegram.line import Line
from bot.domain.choices import Level
from bot.domain.slots import NudgeRules
from bot.domain.telegram import ChatId, NudgeOn, TelegramChat, TelegramSentence
from bot.domain.values import Language, RecipientId, Secret, UserId, new_id
from bot.ports_telegram import TelegramChannel
from bot.services.choose_nudges import Delivery
from bot.services.deliver import Deliver
from bot.services.deliver_telegram import DeliverTelegram
from config.settings import Settings
from config.settings import Storage as StorageSettings
from storage.keys import create_keys
from storage.schema import migrate
from storage.vault_file import create_vault
from tests.rig.bot_api import TOKEN
from tests.services.channel import FakeChannel

DEVICE, BOT = "BOTDEVICE", UserId("@pli:example.org")
_MIDNIGHT = time(0, 0)


def opened(folder: Path) -> Installation:
    storage = StorageSettings(database="sqlite:///pli.db", vault="vault.db")
    return Installation(Settings(folder=folder, storage=storage))


def made(folder: Path) -> Installation:
    """A new one."""
    home = opened(folder)
    create_keys(home.bot_dir, home.import_dir)
    create_vault(home.vault_path)
    migrate(home.engine)
    return home


def rules(home: Installation) -> NudgeRules:
    """At any hour, and as many a day as a test wants."""
    usual = home.settings.nudge_rules()
    return replace(usual, daily_cap=10_000, quiet_from=_MIDNIGHT, quiet_to=_MIDNIGHT)


def link_all(home: Installation, people: Sequence[RecipientId]) -> dict[str, RecipientId]:
    """A chat for everybody, who is nudged there alone; whose each is."""
    alone = tuple((level.value, NudgeOn.TELEGRAM) for level in Level)
    with home.uow() as uow:
        for number, recipient in enumerate(people, start=1):
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
    return {str(number): recipient for number, recipient in enumerate(people, start=1)}


def line_to(url: str) -> Line:
    return Line(token=Secret(TOKEN), api_url=url)


def channel_on(home: Installation, line: Line) -> BotApiChannel:
    words = home.words
    texts = Texts(
        nudges={language: words[language].telegram_nudge() for language in Language},
        buttons={language: words[language].telegram_button() for language in Language},
        sentences={(s, lang): words[lang].telegram_text(s) for s in TelegramSentence for lang in Language},
    )
    return BotApiChannel(line, texts=texts, bot=BOT)


def senders(
    home: Installation, telegram: TelegramChannel, delivery: Delivery
) -> tuple[Deliver, DeliverTelegram]:
    """Nothing leaves on the first one's channel: everybody is nudged on Telegram alone."""
    matrix, settings = FakeChannel(), rules(home)
    first = Deliver(
        home.uow,
        nudges=matrix,
        private=matrix,
        words=home.words,
        clock=home.clock,
        device=DEVICE,
        rules=settings,
        delivery=delivery,
    )
    return first, DeliverTelegram(
        home.uow, channel=telegram, clock=home.clock, device=DEVICE, rules=settings, delivery=delivery
    )


async def _run(folder: Path, url: str) -> None:
    home = opened(folder)
    deliver, copies = senders(home, channel_on(home, line_to(url)), Delivery(telegram=True))
    deliver.recover()
    copies.recover()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while True:
        if await deliver.nudges_due() + await copies.due() == 0:
            await asyncio.sleep(max(0.01, min(copies.at() - home.clock.monotonic(), 0.5)))


if __name__ == "__main__":
    asyncio.run(_run(Path(sys.argv[1]), sys.argv[2]))
