"""The bot's whole folder is taken while it runs, and the homeserver wrote down every ciphertext.

Rules 5 and 12 to 16 of ``bot.channels.matrix.olm``, ``send`` rule 7, ``upkeep`` rule 2: an hour after a release neither
what was typed nor what was released can be read. Minutes after it, what was typed can: so the thief knows its trade.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from bot.domain.messages import OpenSentence
from bot.domain.templates import Template
from tests.channels.proxy import Proxy
from tests.forgetful.runner import STEP_SECONDS
from tests.forgetful.thief import Recorded, Thief
from tests.hostile.phone import Phone
from tests.journey.practice import Practice, judge_log
from tests.journey.talk import OTHER_PIN, PIN, WRONG_PIN, People
from tests.rig.homeserver import RigHomeserver
from tests.rig.waiting import until

SECRET = "Dr Quill"
HOUR = int(3600 / STEP_SECONDS)
POLL_MS = 200


@dataclass(repr=False)
class Scene:
    practice: Practice
    proxy: Proxy
    recorded: Recorded
    people: People
    stack: AsyncExitStack

    async def invited(self, reference: str) -> tuple[Phone, str]:
        """A phone in the bot's room, greeted; the code, not yet typed."""
        await self.people.add(reference)
        invited = await self.people.invite(reference, "--lang", "en")
        url, bot = self.practice.homeserver.url, self.practice.bot_user
        started = await Phone.start(url, invited["user"], invited["password"], bot=bot)
        phone = await self.stack.enter_async_context(started)
        await phone.accept_invite()
        assert await phone.hear() == self.practice.sentence(OpenSentence.HELLO)
        return phone, invited["code"]

    async def use_fallback_key(self, phone: Phone) -> None:
        """The phone's Olm session is made with the bot's fallback key: no other is left, nor uploaded for a while."""
        self.proxy.failures["/keys/upload"] = [(503, {})] * 100
        bot = await phone.bot_device()
        user, device = bot["user_id"], bot["device_id"]
        wanted = {"one_time_keys": {user: {device: "signed_curve25519"}}}
        key: dict[str, object] = {}
        while not key.get("fallback"):
            claimed = await phone.call("POST", "keys/claim", wanted)
            (key,) = claimed["one_time_keys"][user][device].values()
        await phone.claim(bot)

    async def time_passes(self, steps: int) -> None:
        """Five minutes each, in which the bot hears of its homeserver at least once."""
        for _ in range(steps):
            before = self.proxy.count("/sync")
            os.kill(self.practice.pid, signal.SIGUSR1)

            async def heard(wanted: int = before + 3) -> bool:
                return self.proxy.count("/sync") >= wanted

            await until(heard, "the bot to go on")

    def stolen(self, place: Path) -> list[str]:
        """Every word that a thief of everything reads now."""
        shutil.copytree(self.practice.folder, place, copy_function=_copy_if_there)
        assert self.recorded.stored(self.practice.homeserver.folder / "homeserver.db") > 0
        return Thief.with_disk(place).read(self.recorded)


def _copy_if_there(source: str, target: str) -> None:
    with suppress(FileNotFoundError):  # a journal that is over
        shutil.copy2(source, target)


@pytest.fixture
async def scene(homeserver: RigHomeserver, tmp_path: Path) -> AsyncIterator[Scene]:
    async with AsyncExitStack() as stack:
        proxy = await stack.enter_async_context(Proxy(homeserver.url))
        recorded = Recorded()
        proxy.ear, proxy.changes["/sync"], proxy.poll_ms = recorded.asked, recorded.told, POLL_MS
        lied_to = replace(homeserver, url=proxy.url)
        practice = await asyncio.to_thread(Practice.make, tmp_path / "practice", lied_to)
        practice.homeserver = homeserver
        stack.callback(practice.kill)
        practice.spawn(program=("tests.forgetful.runner",))
        await practice.wait_ready()
        people = People(practice=practice, stack=stack)
        yield Scene(practice=practice, proxy=proxy, recorded=recorded, people=people, stack=stack)
    judge_log(practice.log.read_text(encoding="utf-8"), errors=False)


async def test_an_hour_after_a_release_the_seized_disk_reads_nothing(scene: Scene, tmp_path: Path) -> None:
    practice = scene.practice
    phone, code = await scene.invited("F-1")
    for text in (code, "yes", PIN, PIN):
        answer = await phone.tell(text)
    assert answer == practice.text(Template.READY)
    for at in ("2031-05-05T10:00", "2031-06-06T11:00"):
        await practice.pli("agenda", "add", "F-1", "--at", at, "--with", SECRET)
    await scene.people.news("F-1")
    assert await phone.hear() == practice.nudge()
    await phone.tell("show")
    assert await phone.tell(WRONG_PIN) == practice.text(Template.PIN_WRONG)
    assert SECRET in await phone.tell(PIN)
    assert SECRET in await phone.tell("confirm 2")
    await phone.tell("change pin")
    for text in (PIN, OTHER_PIN, OTHER_PIN):
        answer = await phone.tell(text)
    assert answer == practice.text(Template.PIN_CHANGED)

    late, other_code = await scene.invited("F-2")  # their key came by the fallback key
    await scene.use_fallback_key(late)
    for text in (other_code, "yes", OTHER_PIN, OTHER_PIN):
        answer = await late.tell(text)
    assert answer == practice.text(Template.READY)
    scene.proxy.failures.clear()

    readable = [content for content in scene.recorded.events.values() if phone.keys.open_megolm(content)]
    assert SECRET in str([phone.keys.open_megolm(content) for content in readable]), "what the phone reads"
    at_once = scene.stolen(tmp_path / "at-once")
    assert {code, PIN, WRONG_PIN, OTHER_PIN, other_code} <= set(at_once), "the thief knows its trade"
    await scene.time_passes(1)
    soon = scene.stolen(tmp_path / "soon")
    assert set(soon) == {other_code, "yes", OTHER_PIN}, "by the fallback key alone"
    await scene.time_passes(HOUR - 1)
    assert scene.stolen(tmp_path / "an-hour-later") == []
    for one in (phone, late):
        assert await one.tell("help") == practice.text(Template.HELP), "and both are still understood"
