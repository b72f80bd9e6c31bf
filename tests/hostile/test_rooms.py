"""Rooms that are not what they were (P5): who came in, and what the homeserver hides or alters of their state."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest

from bot.domain.messages import OpenSentence
from tests.hostile.world import SECRET, World
from tests.journey.talk import PIN

pytestmark = pytest.mark.asyncio(loop_scope="package")

Json = dict[str, Any]


async def test_p5_others_join_between_the_check_and_the_share(world: World) -> None:
    """Another recipient and a stranger come in when the room was found fit and the key is on its way."""
    victim, mallory = world.victim, world.mallory
    trudy = await world.account()
    joined: list[str] = []

    async def join() -> None:
        for phone in (mallory, trudy):
            await world.as_bot("POST", f"rooms/{quote(victim.room)}/invite", {"user_id": phone.user})
            await phone.join(victim.room)
            joined.append(phone.user)

    world.hostile.proxy.before["/sendToDevice"] = join
    assert SECRET in await victim.tell(PIN)
    assert joined == [mallory.user, trudy.user], "they came before the key left"
    released = victim.count(SECRET)
    await world.redacted(victim, await victim.say(PIN))
    await world.others_go_on()
    await world.practice.settled()
    for phone in (mallory, trudy):
        await phone.leave(victim.room)
    await world.victim_is_served()
    assert victim.count(SECRET) == released + 1, "nothing was said while they were there"
    world.check_readable(mallory.keys, trudy.keys)


def without(kind: str) -> Callable[[list[Json]], list[Json]]:
    return lambda state: [event for event in state if event["type"] != kind]


def altered(kind: str, **content: Any) -> Callable[[list[Json]], list[Json]]:
    def alter(state: list[Json]) -> list[Json]:
        return [e | {"content": e["content"] | content} if e["type"] == kind else e for e in state]

    return alter


def with_member(membership: str) -> Callable[[list[Json]], list[Json]]:
    stranger = {
        "type": "m.room.member",
        "state_key": "@eve:pli.localhost",
        "content": {"membership": membership},
    }
    return lambda state: [*state, stranger]


STATES: dict[str, Callable[[list[Json]], list[Json]]] = {
    "encryption hidden": without("m.room.encryption"),
    "encryption altered": altered("m.room.encryption", algorithm="m.megolm.v0"),
    "levels hidden": without("m.room.power_levels"),
    "levels altered": altered("m.room.power_levels", users_default=100),
    "a stranger joined": with_member("join"),
    "a stranger knocks": with_member("knock"),
    "all have left": altered("m.room.member", membership="leave"),
    "nobody was ever there": without("m.room.member"),
    "no state at all": lambda _: [],
}


async def test_p5_a_room_whose_state_is_hidden_or_altered_gets_nothing_private(world: World) -> None:
    victim = world.victim
    unknown = world.practice.sentence(OpenSentence.UNKNOWN_DEVICE)
    for name, lie in STATES.items():
        world.hostile.about_room(victim.room, lie)
        assert await victim.tell(PIN) == unknown, name
    await world.others_go_on()
    world.hostile.honest()
    await world.victim_is_served()


TOLD: list[tuple[str, str, Json]] = [
    ("m.room.member", "@eve:pli.localhost", {"membership": "join"}),
    ("m.room.encryption", "", {"algorithm": "m.none"}),
    ("m.room.power_levels", "", {"users_default": 100, "state_default": 0}),
    ("m.room.history_visibility", "", {"history_visibility": "world_readable"}),
]


async def test_p5_state_told_in_the_stream_in_clear_and_inside_an_encrypted_event(world: World) -> None:
    """In clear it counts against the room, whatever else is said of it; inside an encrypted event it is nothing."""
    victim, practice = world.victim, world.practice
    aside = practice.sentence(OpenSentence.UNENCRYPTED)
    for kind, key, content in TOLD:
        inside = {
            "type": "m.room.encrypted",
            "sender": victim.user,
            "content": victim.speaker.encrypt(victim.room, "", kind=kind, content=content),
        }
        await world.hostile.replay((victim.room, inside), (victim.room, {**inside, "state_key": key}))
        await victim.say_in_clear("show")
        assert await victim.hear() == aside, "the room is as it was"
    for kind, key, content in TOLD:
        true = [e for e in await victim.state() if (e["type"], e["state_key"]) == (kind, key)]
        lie = {"type": kind, "state_key": key, "sender": practice.bot_user, "content": content}
        await world.hostile.replay((victim.room, lie))
        await victim.say_in_clear("show")
        await world.others_go_on()
        await practice.settled()
        before = len(victim.readable)
        await victim.sync()
        assert len(victim.readable) == before, (
            "not even a constant goes where it does not look as it was opened"
        )
        await world.hostile.replay(
            (victim.room, true[0] if true else {**lie, "content": {"membership": "leave"}})
        )
    await victim.say_in_clear("show")
    assert await victim.hear() == aside
    await world.victim_is_served()
