"""What was typed once, told again, late, out of order or in another name (P4, P5): obeyed once at most."""

from __future__ import annotations

from typing import Any

import pytest

from bot.domain.messages import OpenSentence
from bot.domain.templates import Template
from tests.hostile.world import SECRET, World, named
from tests.journey.talk import PIN, WRONG_PIN

pytestmark = pytest.mark.asyncio(loop_scope="package")

Json = dict[str, Any]


async def test_p5_replays_under_new_ids_before_and_after_a_restart(world: World) -> None:
    """An old wrong PIN, an old right one, "cancel 1" with its "yes", and every room key."""
    victim, hostile, practice = world.victim, world.hostile, world.practice
    first = len(victim.typed)
    assert await victim.tell(WRONG_PIN) == practice.text(Template.PIN_WRONG)
    assert SECRET in await victim.tell(PIN)
    for text in ("cancel 1", "yes"):
        assert SECRET in await victim.tell(text)
    assert (
        await victim.tell(WRONG_PIN) != ""
    )  # the last word: it leaves a counted try that a replay could double
    await practice.settled()
    before = world.facts(victim)
    assert before["tries"] == 9
    typed = named(hostile.told, *victim.typed[first:])
    for restarted in (False, True):
        if restarted:
            practice.kill()
            await practice.start()
        await victim.catch_up()
        heard = len(victim.heard)
        await hostile.give(*hostile.given)
        await hostile.replay(*typed, *typed)
        assert (await victim.tell("help")).startswith(practice.text(Template.HELP))
        await world.others_go_on()
        await practice.settled()
        await victim.sync()
        assert len(victim.heard) == heard + 1, "no replay was answered"
        assert world.facts(victim) == before
    practice.kill()
    practice.query("UPDATE answer SET state = 'void' WHERE recipient = ?", world.recipients[victim.user])
    await practice.start()
    await world.victim_is_served()


async def test_p5_kept_back_and_told_after_what_was_typed_later(world: World) -> None:
    """Re-ordered: the patient said "no" in the end, and typed the PIN again in vain."""
    victim, hostile, practice = world.victim, world.hostile, world.practice
    assert SECRET in await victim.tell(PIN)
    assert SECRET in await victim.tell("cancel 1")
    hostile.keep_back = lambda room, event: room == victim.room and event.get("sender") == victim.user
    for text in ("yes", WRONG_PIN, PIN):
        await victim.say(text)
    await world.others_go_on()
    await hostile.has_kept(3)
    hostile.keep_back = lambda _room, _event: False
    assert await victim.tell("no") == practice.text(Template.NOTHING_DONE)
    before, kept = world.facts(victim), list(hostile.kept[-3:])
    await hostile.tell(*kept)
    unreadable = practice.sentence(OpenSentence.UNREADABLE)
    assert [await victim.hear() for _ in kept] == [unreadable] * 3
    await world.redacted(victim, *victim.typed[-3:-1])
    await hostile.replay(*kept)
    assert await victim.tell("thanks") == practice.text(Template.THANKS), "and not a second time"
    assert world.facts(victim) == before
    await world.victim_is_served()


async def test_p5_an_older_session_is_over_once_a_newer_one_was_used(world: World) -> None:
    """The patient's app began a new session; what was kept back of the old one, with its key, comes after all."""
    victim, hostile, practice = world.victim, world.hostile, world.practice
    assert SECRET in await victim.tell(PIN)
    hostile.keep_back = lambda room, event: room == victim.room and event.get("sender") == victim.user
    await victim.say("confirm 1")
    await hostile.has_kept(1)
    hostile.keep_back = lambda _room, _event: False
    del victim.speaker.sessions[victim.room]
    assert await victim.tell("help") == practice.text(Template.HELP)
    before = world.facts(victim)
    await hostile.give(*hostile.given)
    await hostile.tell(hostile.kept[-1])
    assert await victim.hear() == practice.sentence(OpenSentence.UNREADABLE)
    assert world.facts(victim) == before
    await world.others_go_on()
    await world.victim_is_served()


async def test_p5_delayed_by_days(world: World) -> None:
    """By the homeserver's own stamp it is too late: asked about, redacted, not obeyed; greetings are answered."""
    victim, hostile, practice = world.victim, world.hostile, world.practice
    await world.close_window()
    before = world.facts(victim)
    hostile.keep_back = lambda room, event: room == victim.room and event.get("sender") == victim.user
    texts = ("show", PIN, WRONG_PIN, "confirm 1", "yes", "help")
    typed = [await victim.say(text) for text in texts]
    await hostile.has_kept(len(texts))
    hostile.keep_back = lambda _room, _event: False
    days = dict(zip(typed, named(hostile.kept, *typed), strict=True))
    for room, event in days.values():
        event["origin_server_ts"] -= 2 * 86_400_000
        await hostile.tell((room, event))
    asked = practice.text(Template.ASK_PIN)
    told = [await victim.hear() for _ in texts]
    assert told == [asked] * 5 + [f"{practice.text(Template.HELP)}"]
    assert world.facts(victim) == before
    await world.redacted(victim, *typed[1:3])
    await world.others_go_on()
    await world.victim_is_served()


async def test_p5_everything_twice(world: World) -> None:
    """Each message in the same answer again, and in the next one; each room key too."""
    victim, hostile, practice = world.victim, world.hostile, world.practice

    def double(answer: Json) -> None:
        for part in answer["rooms"]["join"].values():
            events = part.get("timeline", {}).get("events", [])
            events[:] = [one for event in events for one in (event, event)]
            later.append(list(events))
        given = answer.setdefault("to_device", {}).setdefault("events", [])
        given[:] = [one for event in given for one in (event, event)]

    later: list[list[Json]] = []
    hostile.syncs.append(double)
    answers = len(world.facts(victim)["answers"])  # type: ignore[arg-type]  # a list of rows
    assert SECRET in await victim.tell(PIN)
    for text in ("confirm 1", "help", "thanks"):
        answer = await victim.tell(text)
    assert answer == practice.text(Template.THANKS), "one answer each"
    hostile.syncs.clear()
    await hostile.tell(*((victim.room, event) for events in later for event in events if "sender" in event))
    assert await victim.tell("thanks") == practice.text(Template.THANKS)
    assert len(world.facts(victim)["answers"]) == answers + 1  # type: ignore[arg-type]  # as above
    await world.others_go_on()


async def test_p5_an_old_session_used_under_another_sender(world: World) -> None:
    """The patient's own ciphertext, told as somebody else's, in either room; and somebody else's as the patient's."""
    victim, mallory, hostile = world.victim, world.mallory, world.hostile
    hostile.keep_back = lambda _room, event: event.get("sender") in {victim.user, mallory.user}
    for phone in (victim, mallory):
        await phone.say(PIN)
        await phone.say("cancel 1")
    await hostile.has_kept(4)
    hostile.keep_back = lambda _room, _event: False
    kept = hostile.kept[-4:]
    before = world.facts(victim), world.facts(mallory)
    pairs = [(room, sender) for room in (victim.room, mallory.room) for sender in (victim.user, mallory.user)]
    swapped = [
        (room, {**event, "sender": sender, "content": event["content"]})
        for _, event in kept
        for room, sender in pairs
        if (room, sender) != (victim.room, victim.user) or event["sender"] != victim.user
        if (room, sender) != (mallory.room, mallory.user) or event["sender"] != mallory.user
    ]
    await hostile.replay(*swapped)
    await world.others_go_on()
    for phone in (victim, mallory):
        await phone.say("help")
        while (words := await phone.hear()) != world.practice.text(Template.HELP):
            assert words in world.open_words
    assert (world.facts(victim), world.facts(mallory)) == before
    await world.victim_is_served()
