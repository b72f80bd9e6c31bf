"""Ghosts, swapped keys and missing keys (P5): who is given what the bot says, and whose words count."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from bot.domain.messages import OpenSentence
from bot.domain.templates import Template
from tests.channels.forge import Signer
from tests.hostile.device import signed
from tests.hostile.phone import Phone
from tests.hostile.server import Ghost
from tests.hostile.wiretap import Keys
from tests.hostile.world import SECRET, World
from tests.journey.talk import PIN, WRONG_PIN
from tests.rig.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="package")

Json = dict[str, Any]
COMMANDS = ("show", WRONG_PIN, PIN, "cancel 1", "yes", "stop", "leave", "yes", "english")


async def test_the_wiretap_reads_the_release_with_the_pinned_keys_and_with_no_others(world: World) -> None:
    """The control: without it, silence of the wiretap would prove nothing."""
    assert SECRET in await world.victim.tell(PIN)
    assert any(SECRET in words for _, words in world.hostile.tap.read(world.victim.keys))
    world.check_readable(world.mallory.keys)
    leaky = Keys(
        megolm=dict(world.victim.keys.megolm)
    )  # as if the sessions had been given to one more device
    with pytest.raises(AssertionError, match=SECRET):
        world.check_readable(leaky)


async def test_p5_other_keys_under_the_patient_s_device_first_and_the_true_ones_later(world: World) -> None:
    """From a start of the bot on, so that there is nothing that it could remember."""
    victim = world.victim
    world.practice.kill()
    world.hostile.impersonate(victim)
    await world.practice.start()
    before = world.facts(victim)
    for text in ("show", PIN, "cancel 1", "yes"):
        await victim.say(text)
    forged = world.hostile.ghosts[0]
    await until(lambda: reads(world, forged.keys, OpenSentence.UNKNOWN_DEVICE), "the open sentence")
    await world.others_go_on()
    assert world.facts(victim) == before
    assert world.check_readable(forged.keys) == {world.practice.sentence(OpenSentence.UNKNOWN_DEVICE)}
    world.attackers.append(forged.keys)
    world.hostile.honest()
    await world.victim_is_served()


async def reads(world: World, keys: Keys, sentence: OpenSentence) -> bool:
    return world.practice.sentence(sentence) in world.check_readable(keys)


def by_nobody(_: Ghost, __: Phone) -> Callable[[Json], None] | None:
    return None


def by_a_new_master_key(ghost: Ghost, victim: Phone) -> Callable[[Json], None]:
    """The homeserver has an identity of its own for the patient, which vouches for both devices."""
    master, self_signing = Signer(), Signer()

    def cross(usage: str, signer: Signer) -> Json:
        return {"user_id": ghost.user, "usage": [usage], "keys": {f"ed25519:{signer.public}": signer.public}}

    def lie(answer: Json) -> None:
        if ghost.user not in answer.get("device_keys", {}):
            return
        answer["master_keys"][ghost.user] = cross("master", master)
        answer["self_signing_keys"][ghost.user] = master.sign(
            cross("self_signing", self_signing), ghost.user, master.public
        )
        devices = answer["device_keys"][ghost.user]
        for device_id in (ghost.device_id, victim.device_id):
            devices[device_id] = self_signing.sign(devices[device_id], ghost.user, self_signing.public)

    return lie


def by_a_copied_signature(ghost: Ghost, victim: Phone) -> Callable[[Json], None]:
    """The patient's own signature of the true device stands under the ghost's keys."""

    def lie(answer: Json) -> None:
        devices = answer.get("device_keys", {}).get(ghost.user, {})
        if victim.device_id in devices:
            copied = copy.deepcopy(devices[ghost.device_id])
            copied["signatures"] = copy.deepcopy(devices[victim.device_id]["signatures"])
            devices[ghost.device_id] = signed(ghost.keys, copied, ghost.user, ghost.device_id)

    return lie


@pytest.mark.parametrize("vouched", [by_nobody, by_a_new_master_key, by_a_copied_signature])
async def test_p5_a_ghost_on_the_patient_s_account_reads_and_does_nothing(
    world: World, vouched: Callable[[Ghost, Phone], Callable[[Json], None] | None]
) -> None:
    victim, hostile, practice = world.victim, world.hostile, world.practice
    ghost = Ghost(victim.user)
    world.attackers.append(ghost.keys)
    hostile.ghosts.append(ghost)
    if (lie := vouched(ghost, victim)) is not None:
        hostile.lies.append(lie)
    hostile.announce(victim.user)
    before = world.facts(victim)
    await hostile.ghost_says(ghost, victim.room, await world.bot_device(), *COMMANDS, helper=victim)
    unknown = practice.sentence(OpenSentence.UNKNOWN_DEVICE)
    assert [await victim.hear() for _ in COMMANDS] == [unknown] * len(COMMANDS)
    assert world.facts(victim) == before, "none of its words were acted on"
    answer = await victim.tell(PIN)
    assert answer == unknown if vouched is by_a_new_master_key else SECRET in answer
    await world.others_go_on()
    assert world.check_readable(ghost.keys) == {unknown}, "it is given what everybody may read"


async def test_p5_a_ghost_on_the_bot_s_own_account_silences_everything_private(world: World) -> None:
    victim, hostile, practice = world.victim, world.hostile, world.practice
    ghost = Ghost(practice.bot_user)
    world.attackers.append(ghost.keys)
    hostile.ghosts.append(ghost)
    hostile.announce(practice.bot_user)
    await practice.wait_ready(ready=False)
    unknown = practice.sentence(OpenSentence.UNKNOWN_DEVICE)
    assert await victim.tell("show") == unknown, "no PIN is asked for"
    assert await world.honest.tell("show") == unknown, "nor in any other room"
    await world.people.news("H-3")
    await world.honest.wait_nudges(1)
    assert world.check_readable(ghost.keys) == set()
    hostile.honest()
    hostile.announce(practice.bot_user)
    await practice.wait_ready()
    assert await world.honest.tell("no") == practice.text(Template.NOTHING_DONE)
    await world.victim_is_served()


async def test_p5_device_lists_that_vanish_and_return(world: World) -> None:
    victim, hostile = world.victim, world.hostile
    hidden: list[str] = [victim.user]

    def vanish(answer: Json) -> None:
        for user in hidden:
            answer.get("device_keys", {}).get(user, {}).clear()
            for role in ("master_keys", "self_signing_keys"):
                answer.get(role, {}).pop(user, None)

    hostile.lies.append(vanish)
    hostile.syncs.append(lambda answer: answer.update(device_lists={"left": [victim.user], "changed": []}))
    before = world.facts(victim)
    typed = await victim.say(PIN)
    await victim.say("cancel 1")
    await world.others_go_on()
    await world.redacted(victim, typed)
    assert world.facts(victim) == before
    hostile.honest()
    hostile.announce(victim.user)
    await world.victim_is_served()


async def test_p5_a_new_key_while_the_device_list_has_vanished(world: World) -> None:
    """The patient's app begins a new session meanwhile. Its key is not lost: later on that session is read."""
    victim, hostile = world.victim, world.hostile

    def vanish(answer: Json) -> None:
        answer.get("device_keys", {}).get(victim.user, {}).clear()

    hostile.lies.append(vanish)
    hostile.announce(victim.user)
    await world.redacted(
        victim, await victim.say("show")
    )  # by then the bot has looked, and knows of no device
    del victim.speaker.sessions[victim.room]
    before = world.facts(victim)
    await victim.say(PIN)
    await world.others_go_on()
    assert world.facts(victim) == before
    hostile.honest()
    hostile.announce(victim.user)
    await world.victim_is_served()


async def test_p5_silence_about_one_patient_s_devices_stops_nobody_else(world: World) -> None:
    """From a start of the bot on: nothing is known of the patient's devices, and no answer comes about them alone."""
    victim, proxy = world.victim, world.hostile.proxy
    world.practice.kill()
    proxy.refuses = lambda path, body: "/keys/query" in path and victim.user in body["device_keys"]
    await world.practice.start()
    del victim.speaker.sessions[victim.room]
    before = world.facts(victim)
    await victim.say(PIN)
    await world.others_go_on()
    assert world.facts(victim) == before
    world.hostile.honest()
    await world.victim_is_served()


async def test_p5_one_time_keys_withheld_badly_signed_or_somebody_else_s(world: World) -> None:
    """Further phones of the patient's are given nothing until their own keys are handed out; the first reads on."""
    victim, hostile, practice = world.victim, world.hostile, world.practice
    forger = Ghost(victim.user)
    world.attackers.append(forger.keys)
    phones: list[Phone] = []
    claimed: list[str] = []

    def withhold(answer: Json) -> None:
        answer["one_time_keys"].pop(victim.user, None)

    def forge(answer: Json) -> None:
        answer["one_time_keys"][victim.user] = {phones[-1].device_id: forger.one_time_key()}

    def swap(answer: Json) -> None:
        ((name, true),) = answer["one_time_keys"][victim.user][phones[-1].device_id].items()
        (forged,) = forger.one_time_key().values()
        swapped = {name: {"key": forged["key"], "signatures": true["signatures"]}}
        answer["one_time_keys"][victim.user] = {phones[-1].device_id: swapped}

    async def asked() -> bool:  # an answer that was still under way may have come first
        return bool(claimed)

    for lie in (withhold, forge, swap):
        hostile.claims[:] = [lie, lambda _: claimed.append("once more")]
        phones.append(await world.phone(victim.user, world.passwords[victim.user], signer=victim.signer))
        phones[-1].room = victim.room
        hostile.announce(victim.user)
        assert SECRET in await victim.tell(PIN)
        await until(asked, "the bot to ask for a key")
        claimed.clear()
        for phone in phones:
            await phone.sync()
            assert phone.count(SECRET) == 0
    await world.others_go_on()
    hostile.honest()
    practice.kill()  # it would ask again after some minutes
    await practice.start()
    await world.victim_is_served()
    for phone in phones:
        assert SECRET in await phone.hear(), "no session was begun with a key that was not its own"
        await phone.call("POST", "logout", {})


async def test_p5_the_bot_s_one_time_keys_exhausted_to_zero(world: World) -> None:
    """All of them are claimed, and the homeserver reports none: a phone that never spoke to the bot still can."""
    victim, hostile = world.victim, world.hostile
    bot = await world.bot_device()
    hostile.syncs[:] = [lambda answer: answer.update(device_one_time_keys_count={"signed_curve25519": 50})]
    while "fallback" not in await world.mallory.one_time_key(bot):  # until then nobody tells the bot
        pass
    hostile.syncs[:] = [
        lambda answer: answer.update(
            device_one_time_keys_count={"signed_curve25519": 0}, device_unused_fallback_key_types=[]
        )
    ]

    async def more() -> bool:
        return "fallback" not in await world.mallory.one_time_key(bot)

    await until(more, "new one-time keys of the bot")
    second = await world.phone(victim.user, world.passwords[victim.user], signer=victim.signer)
    second.room = victim.room
    assert SECRET in await second.tell(PIN)
    await world.others_go_on()
    await second.call("POST", "logout", {})
