"""What this homeserver does not carry, and another might: put into the answers that the bot reads."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from bot.channels.matrix.olm import MEGOLM, OLM
from bot.channels.matrix.session import SESSION_FILE
from bot.domain.values import RoomId
from tests.abuse.scene import Attacker, Scene, deep, into_room
from tests.channels.proxy import Proxy
from tests.journey.practice import Practice, judge_log
from tests.rig.homeserver import RigHomeserver
from tests.rig.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

Json = dict[str, Any]
RAW = "here come raw bytes"
MANY = 10_000
FROM_ONE = 100  # what the rule allows, said again


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def proxy(homeserver: RigHomeserver) -> AsyncIterator[Proxy]:
    async with Proxy(homeserver.url) as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def practice(
    proxy: Proxy, homeserver: RigHomeserver, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Practice]:
    """A bot that reads through the proxy."""
    folder: Path = tmp_path_factory.mktemp("uncarried") / "practice"
    made = await asyncio.to_thread(Practice.make, folder, homeserver)
    session = made.home.bot_dir / SESSION_FILE
    session.write_text(json.dumps({**json.loads(session.read_text()), "homeserver": proxy.url}))
    await made.start()
    try:
        yield made
    finally:
        made.kill()
    judge_log(made.log.read_text(encoding="utf-8"), errors=False)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def patient(scene: Scene) -> tuple[Attacker, RoomId]:
    return await scene.patient()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def spoiled(scene: Scene) -> tuple[Attacker, RoomId]:
    """A patient about whose room the bot is told nonsense: nothing is said of what it thinks of them afterwards."""
    return await scene.patient()


async def put_into_sync(scene: Scene, proxy: Proxy, change: Callable[[Json], None], raw: bytes = b"") -> None:
    """Into one answer, together with a message of the patient who is to be served; ``raw`` in :data:`RAW`'s place."""
    done = asyncio.Event()

    def once(answer: Json) -> Json | bytes:
        if done.is_set() or not answer.get("rooms", {}).get("join"):
            return answer
        done.set()
        change(answer)
        return json.dumps(answer).encode().replace(b'"%b"' % RAW.encode(), raw or b"null")

    proxy.changes["/sync"] = once
    try:
        async with scene.served():
            await until(_is_set(done), "an answer to be changed")
    finally:
        del proxy.changes["/sync"]


def _is_set(done: asyncio.Event) -> Callable[[], Any]:
    async def probe() -> bool:
        return done.is_set()

    return probe


# -- one item -------------------------------------------------------------------------------------------------------

RAW_ITEMS: dict[str, bytes] = {
    "null": b"null",
    "a number": b"7",
    "a list": b"[1]",
    "empty": b"{}",
    "type is a list": b'{"type":[],"sender":"SENDER","content":{}}',
    "sender is a list": b'{"type":"m.room.encrypted","sender":["SENDER"],"content":{"algorithm":"%b"}}'
    % OLM.encode(),
    "content is a list": b'{"type":"m.room.encrypted","sender":"SENDER","content":[]}',
    "content is deep": b'{"type":"m.room.encrypted","sender":"SENDER","content":%b}' % deep(5000),
    "everything is deep": deep(200_000),
    "ciphertext is deep": b'{"type":"m.room.encrypted","sender":"SENDER","content":'
    b'{"algorithm":"%b","sender_key":"x","ciphertext":%b}}' % (OLM.encode(), deep(5000, b'{"a":')),
    "a lone surrogate": b'{"type":"m.room.encrypted","sender":"SENDER\\ud800","event_id":"$\\ud800","content":'
    b'{"algorithm":"%b","sender_key":"\\ud800"}}' % OLM.encode(),
    "not UTF-8": b'{"type":"m.room.encrypted","sender":"SENDER","event_id":"$\xff","content":'
    b'{"algorithm":"%b","sender_key":"\xff\xfe","session_id":"\xc3"}}' % MEGOLM.encode(),
    "a very long number": b'{"type":"m.room.message","sender":"SENDER","event_id":"$n","content":'
    b'{"msgtype":"m.text","body":"x"},"origin_server_ts":%b}' % (b"9" * 10_000),
    "infinity": b'{"type":"m.room.message","sender":"SENDER","event_id":"$i","content":{"msgtype":"m.text",'
    b'"body":-Infinity},"origin_server_ts":1e999}',
    "oversized": b'{"type":"m.room.encrypted","sender":"SENDER","event_id":"$o","content":'
    b'{"algorithm":"%b","session_id":"s","ciphertext":"%b"}}' % (MEGOLM.encode(), b"x" * 5_000_000),
    "text of wrong types": b'{"type":"m.room.message","sender":"SENDER","event_id":"$t","content":'
    b'{"msgtype":"m.text","body":{"a":[]}}}',
    "state of wrong types": b'{"type":"m.room.member","sender":"SENDER","state_key":[],"content":7}',
    "a membership that is a list": b'{"type":"m.room.member","sender":"SENDER","state_key":"SENDER",'
    b'"event_id":"$m","content":{"membership":["join"],"displayname":{}}}',
}


@pytest.mark.parametrize("name", RAW_ITEMS)
async def test_failure_09_any_item_costs_itself(
    scene: Scene, proxy: Proxy, spoiled: tuple[Attacker, RoomId], name: str
) -> None:
    """As a device event, in the attacker's room and among invitations, all in one answer with an honest message."""
    hand, room = spoiled

    def change(answer: Json) -> None:
        answer.setdefault("to_device", {}).setdefault("events", []).insert(0, RAW)
        timeline = {"timeline": {"events": [RAW], "limited": False}, "state": {"events": [RAW]}}
        answer["rooms"]["join"] = {room: timeline, **answer["rooms"]["join"]}
        answer["rooms"]["invite"] = {"!x:pli.localhost": {"invite_state": {"events": [RAW]}}, "!y": RAW}
        answer["device_lists"] = {"changed": [RAW, hand.user], "left": [RAW]}

    await put_into_sync(scene, proxy, change, RAW_ITEMS[name].replace(b"SENDER", hand.user.encode()))


PARTS: dict[str, object] = {
    "null": None,
    "a number": 7,
    "text": "x",
    "a list": [1, {}],
    "an object": {"a": [7]},
}


@pytest.mark.parametrize("name", PARTS)
async def test_failure_09_parts_of_the_answer_that_are_something_else(
    scene: Scene, proxy: Proxy, patient: tuple[Attacker, RoomId], name: str
) -> None:
    part = PARTS[name]

    def change(answer: Json) -> None:
        answer["to_device"] = answer["device_lists"] = answer["device_one_time_keys_count"] = part
        answer["device_unused_fallback_key_types"] = answer["account_data"] = answer["presence"] = part
        for kind in ("invite", "leave", "knock"):
            answer["rooms"][kind] = part
        answer["rooms"]["join"] |= {
            "!a:pli.localhost": part,
            "!b:pli.localhost": {"timeline": part, "state": part},
        }

    await put_into_sync(scene, proxy, change)
    assert await scene.practice_hears(*patient)


# -- very many at once ----------------------------------------------------------------------------------------------


async def test_ten_thousand_device_events_in_one_answer(
    scene: Scene, proxy: Proxy, patient: tuple[Attacker, RoomId]
) -> None:
    """From somebody outside, from made-up devices, and from a real device of a patient."""
    hand, room = patient
    outsider = await scene.outsider()

    def event(sender: str, key: str, number: int) -> Json:
        body = {"type": number % 2, "body": "AwogdGhpcyBpcyBubyBtZXNzYWdlIGF0IGFsbA"}
        content = {"algorithm": OLM, "sender_key": key, "ciphertext": {hand.target.curve25519: body}}
        return {"type": "m.room.encrypted", "sender": sender, "content": content}

    def change(answer: Json) -> None:
        events = answer.setdefault("to_device", {}).setdefault("events", [])
        for n in range(MANY // 4):
            events.append(event(outsider.user, outsider.machine.curve25519, n))
            events.append(event(hand.user, f"made up {n}", n))
            events.append(event(hand.user, hand.machine.curve25519, n))
            events.append({"type": "m.room_key_request", "sender": hand.user, "content": {"action": n}})
        assert len(events) >= MANY

    await put_into_sync(scene, proxy, change)
    assert await scene.practice_hears(hand, room)
    dropped = re.findall(r"not looked at: (\d+)", scene.practice.log.read_text())
    assert max(map(int, dropped)) >= MANY // 2 - FROM_ONE, "of one sender"


async def test_thousands_of_profile_changes_and_hundreds_of_invitations_in_one_answer(
    scene: Scene, proxy: Proxy, patient: tuple[Attacker, RoomId]
) -> None:
    hand, room = patient
    known = scene.room_of(hand.user)
    assert known is not None
    counts = await asyncio.to_thread(_rows, scene.practice, known.id)

    def change(answer: Json) -> None:
        member = {"type": "m.room.member", "sender": hand.user, "state_key": hand.user}
        events = [
            {**member, "event_id": f"$p{n}", "content": {"membership": "join", "displayname": f"{n}"}}
            for n in range(5000)
        ]
        answer["rooms"]["join"].setdefault(room, {})["timeline"] = {"events": events, "limited": False}
        invited = {**member, "state_key": scene.practice.bot_user, "content": {"membership": "invite"}}
        answer["rooms"]["invite"] = {
            f"!i{n}:pli.localhost": {"invite_state": {"events": [invited]}} for n in range(500)
        }

    await put_into_sync(scene, proxy, change)
    assert await scene.practice_hears(hand, room)
    after = await asyncio.to_thread(_rows, scene.practice, known.id)
    assert after["room"] == counts["room"], "who has a room gets no other"
    assert after["open"] == counts["open"], "and a patient no greeting"


def _rows(practice: Practice, room: str) -> dict[str, int]:
    """All rooms, and what was said openly in one: others may still be greeted for what was done before."""
    opened = "SELECT count(*) FROM outbox WHERE kind = 'open' AND room = ?"
    return {
        "room": practice.query("SELECT count(*) FROM room")[0][0],
        "open": practice.query(opened, room)[0][0],
    }


# -- keys -----------------------------------------------------------------------------------------------------------

KEYS: dict[str, object] = {
    **PARTS,
    "deep": RAW,
    "devices are numbers": {"D": 7, "E": None, "F": []},
    "keys are deep": {"D": {"user_id": "USER", "device_id": "D", "keys": RAW, "signatures": RAW}},
    "keys are lists": {"D": {"user_id": "USER", "device_id": "D", "keys": [1], "algorithms": {}}},
    "keys are garbage": {
        "D": {"user_id": "USER", "device_id": "D", "keys": {"ed25519:D": "%%", "curve25519:D": "\ud800"}}
    },
}


@pytest.mark.parametrize("name", KEYS)
@pytest.mark.parametrize("path", ["/keys/claim", "/keys/query"])
async def test_failure_09_keys_of_one_patient_that_are_none(
    scene: Scene, proxy: Proxy, patient: tuple[Attacker, RoomId], path: str, name: str
) -> None:
    """They cost that patient's answer; the other patients are served meanwhile."""
    hand, room = patient
    seen = asyncio.Event()
    text = json.dumps(KEYS[name]).replace("USER", hand.user)
    forged = text.encode().replace(b'"%b"' % RAW.encode(), deep(5000))

    def change(answer: Json) -> bytes:
        places = [p for p in answer.values() if isinstance(p, dict) and hand.user in p]
        for place in places:
            place[hand.user] = RAW
            seen.set()
        return json.dumps(answer).encode().replace(b'"%b"' % RAW.encode(), forged)

    if path == "/keys/claim":
        await scene.further(hand)  # a device with which the bot has no session
    proxy.changes |= {path: change, "/sync": _announcing(hand.user)}
    try:
        async with scene.served():
            if path == "/keys/claim":
                await into_room(hand, room, "m.room.message", {"msgtype": "m.text", "body": "in clear"})
            else:
                await hand.say(room, "help")
            await until(_is_set(seen), f"an answer to {path} to be forged")
    finally:
        del proxy.changes[path], proxy.changes["/sync"]


def _announcing(user: str) -> Callable[[Json], Json]:
    """What the homeserver says when somebody's devices changed."""

    def change(answer: Json) -> Json:
        answer.setdefault("device_lists", {}).setdefault("changed", []).append(user)
        return answer

    return change
