"""The phone rings for a nudge, once, and for nothing else."""

from __future__ import annotations

from bot.domain.values import Language
from tests.journey.practice import Practice
from tests.journey.talk import People
from tests.rig.push_gateway import PushGateway
from tests.rig.waiting import until


async def test_failure_22_each_nudge_rings_once_and_nothing_else_rings(
    people: People, practice: Practice, push_gateway: PushGateway
) -> None:
    await people.add("N-1")
    talk, code = await people.arrive("N-1", lang="fr", strict=True)
    talk.language = Language.FR
    await talk.patient.set_pusher(push_gateway.url)
    await talk.enrol(code, yes="oui")
    for count in (1, 2):
        await people.news("N-1")
        await talk.wait_nudges(count)
    await talk.unlock()
    await talk.tell("aide")
    await people.news("N-1")
    nudges = await talk.wait_nudges(3)
    assert len(nudges) == 3

    async def pushed() -> bool:
        return {n.event for n in nudges} <= set(push_gateway.events())

    await until(pushed, "the pushes")
    # In a room of two the homeserver pushes every encrypted event; the phone decrypts, and rings by its own rules.
    assert all(n.notify for n in nudges)
    assert [push_gateway.events().count(n.event) for n in nudges] == [1, 1, 1]
    assert {n.body for n in nudges} == {practice.nudge(Language.FR)}
    silent = [m for m in await talk.from_bot() if m.msgtype != "m.text"]
    assert len(silent) >= 6
    assert not any(m.notify for m in silent)
    for push in push_gateway.notifications:
        assert "content" not in push, "what is pushed holds no text, not even a sealed one"
        assert push.get("room_name", "Messages") == "Messages"
