"""A slot of 10,000 nudges against a homeserver that only answers: how much of the time is the bot's own.

The bot's real services deliver to a stub in a process of its own; beside them stands a plain client that PUTs as many
events of the same size, 32 at once, to the same stub. *Own share* is the part of the slot's time that the plain client
does not need: rows claimed, checked again and settled, keys, encryption. The pace of ``[delivery]`` is lifted.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import time as clock_time
from datetime import timedelta
from pathlib import Path

import aiohttp

from bot.app import Installation
from bot.channels.matrix.channel import MatrixChannel
from bot.channels.matrix.session import Seeds
from bot.channels.matrix.session import Session as Login
from bot.domain.records import OutboxState
from bot.domain.trust import Pin
from bot.domain.values import Secret
from bot.logs import silence
from bot.services.deliver import Deliver
from config.settings import Settings
from config.settings import Storage as StorageSettings
from storage.keys import create_keys
from storage.schema import migrate
from storage.vault_file import create_vault
from tests.bench.booked import Booked, book_all, plan
from tests.bench.figures import Figure, Result
from tests.bench.raw import puts
from tests.bench.start import BOT, DEVICE, KEY, room_and_patient
from tests.bench.stub import stub_homeserver
from tests.channels.bot_rig import TEXTS, Ears

NUDGES = 10_000
_MIDNIGHT = clock_time(0, 0)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Slot:
    """Seconds: of the slot, of this process' processor, and of the plain client beside it."""

    took: float
    cpu: float
    plain: float

    @property
    def own_share(self) -> float:
        return max(0.0, 1 - self.plain / self.took)


def bench(folder: Path, runs: int) -> Result:
    """See the module."""
    silence()  # the stub publishes nothing of the bot's, which it says
    home = _practice(folder)
    pin = Pin(master_key="m" * 43)
    booked = book_all(home, [(user, pin, room) for room, user in map(room_and_patient, range(NUDGES))])
    cold, warm = [], []
    with stub_homeserver(NUDGES) as url:
        for run in range(runs):
            (folder / f"life{run}").mkdir(mode=0o700)
            first, second = asyncio.run(_life(home, booked, url, folder / f"life{run}"))
            cold.append(first)
            warm.append(second)
    figures = [
        Figure(
            name="a plain client's PUTs",
            unit="events/s",
            runs=tuple(NUDGES / slot.plain for slot in (*cold, *warm)),
        )
    ]
    for name, slots in (("warm", warm), ("cold", cold)):
        figures += [
            Figure(name=f"{name}", unit="nudges/s", runs=tuple(NUDGES / s.took for s in slots)),
            Figure(
                name=f"{name}: own share of the time", unit="ratio", runs=tuple(s.own_share for s in slots)
            ),
            Figure(
                name=f"{name}: processor for a nudge",
                unit="ms",
                runs=tuple(s.cpu * 1000 / NUDGES for s in slots),
            ),
        ]
    return Result(
        name="slot", what=f"{NUDGES:,} nudges, a homeserver that only answers", figures=tuple(figures)
    )


def _practice(folder: Path) -> Installation:
    storage = StorageSettings(database="sqlite:///pli.db", vault="vault.db")
    home = Installation(Settings(folder=folder, storage=storage))
    create_keys(home.bot_dir, home.import_dir)
    create_vault(home.vault_path)
    migrate(home.engine)
    return home


async def _life(home: Installation, booked: Sequence[Booked], url: str, folder: Path) -> tuple[_Slot, _Slot]:
    """A bot that has never spoken with anybody, and two slots."""
    Seeds.load_or_make(folder)
    login = Login(homeserver=url, user=BOT, device_id=DEVICE, token=Secret("none"))
    channel = MatrixChannel(session=login, key_dir=folder, store_dir=folder, pickle_key=KEY, texts=TEXTS)
    deliver = Deliver(
        home.uow,
        nudges=channel,
        private=channel,
        words=home.words,
        clock=home.clock,
        device=DEVICE,
        rules=replace(home.settings.nudge_rules(), quiet_from=_MIDNIGHT, quiet_to=_MIDNIGHT, daily_cap=1000),
    )
    await channel.start(Ears().listener())
    try:
        await channel.wait_ready()
        return await _slot(home, booked, deliver, url), await _slot(home, booked, deliver, url)
    finally:
        await channel.stop()


async def _slot(home: Installation, booked: Sequence[Booked], deliver: Deliver, url: str) -> _Slot:
    rooms = [room_and_patient(number)[0] for number in range(NUDGES)]
    async with aiohttp.ClientSession() as http:
        before = await puts(http, url, "none", rooms)
        plan(home, booked, home.clock.now() - timedelta(seconds=1))
        sent = deliver.counts().get(OutboxState.SENT.value, 0)
        began, cpu = time.perf_counter(), time.process_time()
        while await deliver.nudges_due():
            pass
        took, cpu = time.perf_counter() - began, time.process_time() - cpu
        assert deliver.counts()[OutboxState.SENT.value] - sent == NUDGES
        after = await puts(http, url, "none", rooms)
    return _Slot(took=took, cpu=cpu, plain=(before + after) / 2)
