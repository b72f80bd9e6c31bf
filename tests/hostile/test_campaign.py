"""Many lies at once, drawn at random (P4, P5): nothing private is readable, nothing is done that was not typed."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest

from bot.domain.templates import Template
from tests.hostile.server import Ghost
from tests.hostile.test_devices import by_a_copied_signature, by_a_new_master_key, by_nobody
from tests.hostile.test_rooms import STATES
from tests.hostile.world import World
from tests.journey.talk import PIN, WRONG_PIN

pytestmark = [pytest.mark.asyncio(loop_scope="package"), pytest.mark.nightly]

Json = dict[str, Any]
ROUNDS = 20
WORDS = (
    PIN,
    PIN,
    WRONG_PIN,
    "show",
    "cancel 1",
    "yes",
    "no",
    "confirm 1",
    "move 1",
    "on Friday",
    "help",
    "stop",
    "start",
)


def lie_somehow(world: World, chance: random.Random) -> None:
    """Each kind of lie is told or not."""
    hostile, victim = world.hostile, world.victim
    if chance.random() < 0.4:
        ghost = Ghost(victim.user)
        world.attackers.append(ghost.keys)
        hostile.ghosts.append(ghost)
        lie = chance.choice([by_nobody, by_a_new_master_key, by_a_copied_signature])(ghost, victim)
        hostile.lies += [lie] if lie else []
        hostile.announce(victim.user)
    if chance.random() < 0.2:
        hostile.impersonate(victim)
        world.attackers.append(hostile.ghosts[-1].keys)
        hostile.announce(victim.user)
    if chance.random() < 0.3:
        hostile.about_room(victim.room, chance.choice(list(STATES.values())))
    if chance.random() < 0.3:
        hostile.keep_back = lambda room, _event: room == victim.room and chance.random() < 0.5
    if chance.random() < 0.2:
        hostile.claims.append(lambda answer: answer["one_time_keys"].clear())


@pytest.mark.parametrize("seed", range(4))
async def test_p4_p5_lies_at_random(world: World, seed: int) -> None:
    victim, hostile, practice = world.victim, world.hostile, world.practice
    chance = random.Random(seed)  # noqa: S311 - a campaign that can be told again, not a secret
    typed: Counter[str] = Counter()
    kept: list[tuple[str, Json]] = []
    before = counts(world)
    for _ in range(ROUNDS):
        lie_somehow(world, chance)
        for text in chance.choices(WORDS, k=chance.randint(1, 4)):
            typed[text] += 1
            await victim.say(text)
        if chance.random() < 0.1:
            del victim.speaker.sessions[victim.room]
        again = chance.sample([(r, e) for r, e in hostile.told if r == victim.room], k=3)
        await hostile.replay(*again, days_ago=chance.choice([0, 0, 3]))
        if chance.random() < 0.3:
            await hostile.give(*chance.sample(hostile.given, k=min(5, len(hostile.given))))
        kept += hostile.kept
        hostile.honest()
        hostile.announce(victim.user)
        if kept and chance.random() < 0.3:
            await hostile.tell(*chance.sample(kept, k=min(3, len(kept))))
        if chance.random() < 0.05:
            practice.kill()
            await practice.start()
        practice.let_pin_delays_pass()
        typed[PIN] += 1
        await victim.say(PIN)  # so that the count of wrong ones never comes near to ten
        await practice.settled(seconds=120)
        assert (await world.honest.tell("help")).startswith(practice.text(Template.HELP))
    world.check_readable(*world.attackers)
    done = counts(world) - before
    assert done["pin_wrong"] <= typed[WRONG_PIN]
    assert done["released"] <= typed.total()
    assert done["confirmed"] <= typed["confirm 1"]
    assert done["cancelled"] <= min(typed["cancel 1"], typed["yes"])
    assert done["move"] <= typed["move 1"]
    assert world.facts(victim)["tries"] != 0


def counts(world: World) -> Counter[str]:
    """What was done for good for the victim, by kind."""
    recipient = world.recipients[world.victim.user]
    rows = world.practice.query(
        "SELECT kind FROM audit WHERE recipient = ? UNION ALL SELECT kind FROM answer WHERE recipient = ?",
        recipient,
        recipient,
    )
    return Counter(str(row["kind"]) for row in rows)
