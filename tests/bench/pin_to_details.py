"""From the patient's send of the PIN to the arrival of the release, beside one Argon2id check plus two raw PUTs.

The bot is ``pli run``; the patients are enrolled clients that share this machine with it. The fixed delay is set to
zero, so that nothing can hide behind it; a second look, with the delay as it is shipped, has it subtracted. The
reference is measured between the rounds, for as many at once.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
from nio import RoomMessageNotice  # type: ignore[import-untyped]  # nio ships no types

from bot.domain.values import Secret
from config.settings import FILE_NAME
from storage.wrap import hash_secret, new_salt
from tests.bench.figures import Figure, Result, quantile
from tests.bench.raw import put
from tests.bench.rig import homeserver_and_practice
from tests.journey.practice import Practice, write_settings
from tests.journey.talk import People, Talk
from tests.rig.py_patient import PyPatient

PATIENTS = 20
ROUNDS_TOGETHER = 2  # a run
SHIPPED_DELAY = 2.0
_PLACE = "2nd floor, left"
_WAIT_SECONDS = 60.0
_DELAY = ("release", "answer_delay_seconds")
_CHECKS = 2  # the bot's key ring lets two at once


@dataclass
class _Phone:
    """One enrolled patient; what the bot says comes with the moment of its arrival."""

    talk: Talk
    heard: asyncio.Queue[tuple[float, str]]

    @classmethod
    def of(cls, talk: Talk) -> _Phone:
        heard: asyncio.Queue[tuple[float, str]] = asyncio.Queue()
        assert isinstance(talk.patient, PyPatient)

        async def note(_: object, event: Any) -> None:
            heard.put_nowait((time.perf_counter(), event.body))

        talk.patient._client.add_event_callback(note, RoomMessageNotice)
        return cls(talk, heard)

    async def unlock(self) -> float:
        """Seconds from sending the PIN to the arrival of the list."""
        await self._ask("voir")
        began = time.perf_counter()
        at, text = await self._ask(self.talk.pin)
        assert _PLACE in text, "this is not the list"
        return at - began

    async def lock(self) -> None:
        """Close the window again."""
        await self._ask("pin")
        await self._ask("non")

    async def _ask(self, text: str) -> tuple[float, str]:
        await self.talk.say(text)
        return await asyncio.wait_for(self.heard.get(), _WAIT_SECONDS)


class _Trial:
    def __init__(self, practice: Practice, phones: Sequence[_Phone], http: aiohttp.ClientSession) -> None:
        self._practice, self._phones, self._http = practice, phones, http

    async def run(self) -> dict[str, float]:
        alone, base_alone = [], []
        for phone in self._phones:
            base_alone += await self._reference([phone])
            alone += await self._together([phone])
        many, base_many = [], []
        for _ in range(ROUNDS_TOGETHER):
            base_many += await self._reference(self._phones)
            many += await self._together(self._phones)
        found: dict[str, float] = {}
        for name, took, base in (("1", alone, base_alone), (str(PATIENTS), many, base_many)):
            for share in (0.5, 0.95):
                ours, theirs = quantile(took, share), quantile(base, share)
                key = f"{name} p{share * 100:.0f}"
                found |= {key: ours, f"{key}, reference": theirs, f"{key}, to reference": ours / theirs}
        return found

    async def after_the_delay(self) -> dict[str, float]:
        """What is left of the wait when the shipped delay is subtracted."""
        alone = [took for phone in self._phones for took in await self._together([phone])]
        many = await self._together(self._phones)
        return {
            f"{name} p{share * 100:.0f}": quantile(took, share) - SHIPPED_DELAY
            for name, took in (("1", alone), (str(PATIENTS), many))
            for share in (0.5, 0.95)
        }

    @staticmethod
    async def _together(phones: Sequence[_Phone]) -> list[float]:
        took = await asyncio.gather(*(phone.unlock() for phone in phones))
        await asyncio.gather(*(phone.lock() for phone in phones))
        return list(took)

    async def _reference(self, phones: Sequence[_Phone]) -> list[float]:
        gate = asyncio.Semaphore(_CHECKS)
        home = self._practice.home
        token, salt = home.session().token.reveal(), new_salt()

        async def one(room: str) -> float:
            began = time.perf_counter()
            await put(self._http, self._practice.homeserver.url, token, room)
            async with gate:
                await asyncio.to_thread(hash_secret, Secret("482915"), salt)
            await put(self._http, self._practice.homeserver.url, token, room)
            return time.perf_counter() - began

        return list(await asyncio.gather(*(one(phone.talk.room) for phone in phones)))


def bench(folder: Path, runs: int) -> Result:
    """See the module."""
    with homeserver_and_practice(folder, {_DELAY: 0.0}) as (_, practice):
        measured, delayed = asyncio.run(_measure(practice, runs))
    figures = []
    for many in ("1", str(PATIENTS)):
        for share in ("p50", "p95"):
            key, told = f"{many} {share}", f"{share}, {many} at once"
            columns = {"": "s", ", reference": "s", ", to reference": "ratio"}
            figures += [
                Figure(name=told + name, unit=unit, runs=tuple(m[key + name] for m in measured))
                for name, unit in columns.items()
            ]
            figures.append(Figure(name=f"{told}, beyond a delay of 2 s", unit="s", runs=(delayed[key],)))
    what = f"to details, {PATIENTS} patients; reference: one Argon2id check plus two raw PUTs"
    return Result(name="PIN", what=what, figures=tuple(figures))


async def _measure(practice: Practice, runs: int) -> tuple[list[dict[str, float]], dict[str, float]]:
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(aiohttp.ClientSession())
        stack.callback(practice.kill)
        await practice.start()
        people = People(practice=practice, stack=stack)
        talks, when = [], datetime.now(UTC) + timedelta(days=30)
        for number in range(PATIENTS):
            reference = f"P-{number:04}"
            talks.append(await people.enrolled(reference))
            for day in range(3):
                at = (when + timedelta(days=day)).strftime("%Y-%m-%dT10:00")
                await practice.pli("agenda", "add", reference, "--at", at, "--where", _PLACE)
        trial = _Trial(practice, [_Phone.of(talk) for talk in talks], http)
        measured = [await trial.run() for _ in range(runs)]
        assert await practice.stop() == 0
        write_settings(practice.folder / FILE_NAME, {_DELAY: SHIPPED_DELAY})
        await practice.start()
        return measured, await trial.after_the_delay()
