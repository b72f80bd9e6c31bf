"""Each kind of item by which a local user or a patient ended such a bot, one at a time, through a real homeserver.

After each, another patient asks and is answered. What the homeserver itself refuses to carry: ``test_uncarried``.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from bot.channels.matrix.http import CLIENT
from bot.channels.matrix.olm import MEGOLM, OLM
from bot.domain.values import RoomId, SecretBytes
from tests.abuse.scene import Attacker, Scene, deep, into_room, send, to_bot
from tests.channels.pair import Pair, megolm
from tests.channels.test_guards import MALFORMED, PLAINTEXTS
from tests.rig.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

Json = dict[str, Any]
BIG = "x" * 60_000
KEYS = ("algorithms", "device_id", "user_id", "keys", "signatures")


class Wire(Pair):
    """What the machine's own tests send by hand, for a homeserver to carry."""

    def payload(self, kind: str, content: object, **changes: Any) -> Json:
        return super().payload(kind, content, **{"sender": self.peer.user, **changes})


@dataclasses.dataclass
class Attackers:
    outsider: Attacker
    stranger: Attacker
    strangers_room: RoomId
    patient: Attacker
    patients_room: RoomId

    def all(self) -> tuple[Attacker, ...]:
        return self.outsider, self.stranger, self.patient

    def inside(self) -> tuple[tuple[Attacker, RoomId], ...]:
        return (self.stranger, self.strangers_room), (self.patient, self.patients_room)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def attackers(scene: Scene) -> Attackers:
    outsider, (stranger, one), (patient, other) = (
        await scene.outsider(),
        await scene.stranger(),
        await scene.patient(),
    )
    return Attackers(outsider, stranger, one, patient, other)


async def still_served(scene: Scene) -> None:
    await scene.ask()
    assert scene.practice.ready()


def olm(ciphertext: bytes, sender_key: bytes = b'"x"') -> bytes:
    return b'{"algorithm":"%b","sender_key":%b,"ciphertext":%b}' % (OLM.encode(), sender_key, ciphertext)


# -- to-device ------------------------------------------------------------------------------------------------------

CARRIED = [
    name for name in MALFORMED if name not in {"not an object", "content is a list", "content is deep"}
]


@pytest.mark.parametrize("name", CARRIED)
async def test_failure_09_a_malformed_device_event(scene: Scene, attackers: Attackers, name: str) -> None:
    for hand in attackers.all():
        pair: Any = Wire(hand.target, hand.machine, Path(), SecretBytes(b""))  # type: ignore[arg-type]  # of the bot only the public keys are used
        event: Any = MALFORMED[name](pair)
        await to_bot(hand, event.get("type", "m.room.encrypted"), event.get("content", {}))
    await still_served(scene)


DEVICE_EVENTS: dict[str, tuple[str, bytes]] = {
    "deep, of the right kind": ("m.room.encrypted", olm(deep(900))),
    "deep sender key": ("m.room.encrypted", olm(b"{}", deep(900, b'{"a":'))),
    "oversized": ("m.room.encrypted", olm(b'{"%b":{"type":0,"body":""}}' % BIG.encode())),
    "oversized, of no kind": ("org.example", b'{"a":"%b"}' % BIG.encode()),
    "NUL": ("m.room.encrypted", olm(b'{"a\\u0000":1}', b'"\\u0000"')),
    "algorithm is a number": ("m.room.encrypted", b'{"algorithm":1,"ciphertext":1,"sender_key":1}'),
    "Megolm to a device": ("m.room.encrypted", b'{"algorithm":"%b"}' % MEGOLM.encode()),
    "a room key in clear": (
        "m.room_key",
        b'{"algorithm":"m","room_id":"!r","session_id":1,"session_key":[]}',
    ),
    "a forwarded key": ("m.forwarded_room_key", b'{"algorithm":[],"forwarding_curve25519_key_chain":{}}'),
    "a key is withheld": ("m.room_key.withheld", b'{"code":7,"reason":[]}'),
    "key request, wrong types": ("m.room_key_request", b'{"action":1,"body":[],"request_id":{}}'),
    "a secret": ("m.secret.send", b'{"request_id":1,"secret":{}}'),
    "a secret is asked for": ("m.secret.request", b'{"action":"request","requesting_device_id":1}'),
    "a type of 200 characters": ("x" * 200, b"{}"),
    "a dummy in clear": ("m.dummy", b'{"a":1}'),
    **{
        f"verification, {step}": (f"m.key.verification.{step}", content)
        for step, content in {
            "request": b'{"from_device":1,"methods":{},"timestamp":"x","transaction_id":[]}',
            "ready": b'{"from_device":[],"methods":"m.sas.v1"}',
            "start": b'{"from_device":"D","method":"m.sas.v1","transaction_id":"t","hashes":7,'
            b'"key_agreement_protocols":{},"message_authentication_codes":1,"short_authentication_string":[1]}',
            "accept": b'{"transaction_id":"t","commitment":7,"key_agreement_protocol":[]}',
            "key": b'{"transaction_id":"t","key":"no key"}',
            "mac": b'{"transaction_id":"t","mac":{"ed25519:D":7},"keys":[]}',
            "cancel": b'{"transaction_id":"t","code":1,"reason":{}}',
            "done": b"{}",
        }.items()
    },
}


@pytest.mark.parametrize("name", DEVICE_EVENTS)
async def test_failure_09_a_strange_device_event(scene: Scene, attackers: Attackers, name: str) -> None:
    kind, content = DEVICE_EVENTS[name]
    assert [await to_bot(hand, kind, content) for hand in attackers.all()] == [200] * 3
    await still_served(scene)


# -- room events ----------------------------------------------------------------------------------------------------

ENCRYPTED = "m.room.encrypted"
ROOM_EVENTS: dict[str, tuple[str, object]] = {
    "no content": (ENCRYPTED, {}),
    "deep": (ENCRYPTED, b'{"algorithm":"%b","session_id":%b}' % (MEGOLM.encode(), deep(100))),
    "deep message": ("m.room.message", b'{"msgtype":"m.text","body":"x","a":%b}' % deep(90, b'{"a":')),
    "oversized": (ENCRYPTED, {"algorithm": MEGOLM, "session_id": "s", "ciphertext": BIG}),
    "oversized, in clear": ("m.room.message", {"msgtype": "m.text", "body": BIG}),
    "wrong types": (ENCRYPTED, {"algorithm": MEGOLM, "session_id": 1, "ciphertext": {}, "sender_key": []}),
    "algorithm is a list": (ENCRYPTED, {"algorithm": [MEGOLM]}),
    "Olm in a room": (ENCRYPTED, {"algorithm": OLM, "ciphertext": {}}),
    "NUL": (ENCRYPTED, b'{"algorithm":"%b","session_id":"\\u0000"}' % MEGOLM.encode()),
    "unknown session": (ENCRYPTED, {"algorithm": MEGOLM, "session_id": "s", "ciphertext": "AwgA"}),
    "a strange relation": ("m.room.message", {"msgtype": "m.text", "body": "x", "m.relates_to": "x"}),
    "unknown type": ("org.example.unknown", {"a": {"b": [None]}}),
    "an emote": ("m.room.message", {"msgtype": "m.emote", "body": "show"}),
    "a reaction": ("m.reaction", {"m.relates_to": {"rel_type": "m.annotation", "key": ""}}),
    "a poll": ("m.poll.start", {"m.poll": 7}),
    "a call": ("m.call.invite", {"call_id": [], "version": {}, "offer": "x"}),
    "a verification in clear": (
        "m.room.message",
        {"msgtype": "m.key.verification.request", "body": "x", "to": 7},
    ),
    "a verification's key": ("m.key.verification.key", {"key": "no key", "m.relates_to": {"event_id": 7}}),
}


@pytest.mark.parametrize("name", ROOM_EVENTS)
async def test_failure_09_a_strange_room_event(scene: Scene, attackers: Attackers, name: str) -> None:
    kind, content = ROOM_EVENTS[name]
    assert [await into_room(hand, room, kind, content) for hand, room in attackers.inside()] == [200] * 2
    await still_served(scene)


DEEP_TEXT = b'{"room_id":"r","type":"m.room.message","content":' + b'{"a":' * 4000 + b"1" + b"}" * 4001
SAID: dict[str, bytes] = {
    **PLAINTEXTS,
    "deep": DEEP_TEXT,
    "a list of lists": deep(4000),
    "text is a number": b'{"room_id":"ROOM","type":"m.room.message","content":{"msgtype":"m.text","body":7}}',
    "not UTF-8 inside": b'{"room_id":"ROOM","type":"m.room.message",'
    b'"content":{"msgtype":"m.text","body":"\xff\xfe"}}',
    "a lone surrogate": b'{"room_id":"ROOM","type":"m.room.message",'
    b'"content":{"msgtype":"m.text","body":"\\ud800"}}',
    "oversized": b'{"room_id":"ROOM","type":"m.room.message","content":{"msgtype":"m.text","body":"%b"}}'
    % (b"1" * 40_000),
    "type is a list": b'{"room_id":"ROOM","type":["m.room.message"],"content":{}}',
    "an edit of wrong types": b'{"room_id":"ROOM","type":"m.room.message","content":'
    b'{"msgtype":"m.text","body":"x","m.relates_to":{"rel_type":"m.replace"},"m.new_content":[1]}}',
    "state": b'{"room_id":"ROOM","type":"m.room.member","state_key":7,"content":{"membership":[]}}',
}


@pytest.mark.parametrize("name", SAID)
async def test_failure_09_a_strange_text_under_encryption(
    scene: Scene, attackers: Attackers, name: str
) -> None:
    for hand, room in attackers.inside():
        content = megolm(hand.session(room), SAID[name].replace(b"ROOM", room.encode()))
        assert await into_room(hand, room, ENCRYPTED, content) == 200
    await still_served(scene)


# -- keys -----------------------------------------------------------------------------------------------------------


def of_device(hand: Attacker) -> Json:
    return {k: v for k, v in hand.machine.device_keys().items() if k in KEYS}


Forge = Callable[[Json, Attacker], object]


def bad_one_time(key: object) -> Forge:
    """Signed by the device as it should be: only the key is none."""
    return lambda _, hand: {f"signed_curve25519:A{n}": hand.machine.sign({"key": key}) for n in range(10)}


DEVICE_KEYS: dict[str, Forge] = {
    "keys are a list": lambda keys, _: {**keys, "keys": [1]},
    "keys are numbers": lambda keys, _: {**keys, "keys": dict.fromkeys(keys["keys"], 7)},
    "keys are garbage": lambda keys, _: {**keys, "keys": dict.fromkeys(keys["keys"], "%%%")},
    "keys are short": lambda keys, _: {**keys, "keys": dict.fromkeys(keys["keys"], "AAAA")},
    "no keys": lambda keys, _: {**keys, "keys": {}},
    "signatures are text": lambda keys, _: {**keys, "signatures": "x"},
    "signatures are deep": lambda keys, hand: {**keys, "signatures": {hand.user: {"ed25519:X": [[[[]]]]}}},
    "algorithms are numbers": lambda keys, _: {**keys, "algorithms": [1, {}]},
    "oversized": lambda keys, _: {**keys, "more": BIG},
    "of somebody else": lambda keys, _: {**keys, "user_id": "@x:pli.localhost"},
}
ONE_TIME_KEYS: dict[str, Forge] = {
    "garbage, validly signed": bad_one_time("%%%"),
    "short, validly signed": bad_one_time("AAAA"),
    "all zero, validly signed": bad_one_time("A" * 43),
    "a number, validly signed": bad_one_time(7),
    "a list, validly signed": bad_one_time([[]]),
    "unsigned": lambda _, hand: {"signed_curve25519:A": {"key": hand.machine.curve25519}},
    "text": lambda *_: {"signed_curve25519:A": "x"},
}


async def upload(hand: Attacker, body: Json) -> int:
    return await send(hand, "POST", f"{CLIENT}/keys/upload", body)


@pytest.mark.parametrize("name", DEVICE_KEYS)
async def test_failure_09_strange_device_keys_of_a_patient(
    scene: Scene, attackers: Attackers, name: str
) -> None:
    """A further phone's; the bot asks for them before it answers."""
    hand = await scene.further(attackers.patient)
    status = await upload(hand, {"device_keys": DEVICE_KEYS[name](of_device(hand), hand)})
    assert status in {200, 400}, "carried as it is, or refused"
    await answered_all(scene, attackers)


@pytest.mark.parametrize("name", ONE_TIME_KEYS)
async def test_failure_09_strange_one_time_keys_of_a_patient(
    scene: Scene, attackers: Attackers, name: str
) -> None:
    """A further phone's, which the bot claims before it answers."""
    hand = await scene.further(attackers.patient)
    while await claimed(hand):
        pass
    assert await upload(hand, {"one_time_keys": ONE_TIME_KEYS[name]({}, hand)}) in {200, 400}
    await answered_all(scene, attackers)


async def claimed(hand: Attacker) -> bool:
    """Take one of the device's own good keys away; False where none is left but the fallback."""
    claim = {"one_time_keys": {hand.user: {hand.machine.device_id: "signed_curve25519"}}}
    found: Json = await hand.http.call("POST", f"{CLIENT}/keys/claim", claim)
    (key,) = found["one_time_keys"][hand.user][hand.machine.device_id].values()
    return "fallback" not in key


async def answered_all(scene: Scene, attackers: Attackers) -> None:
    """To what comes in clear the bot answers all devices of whoever sent it, and goes on."""
    hand, room = attackers.patient, attackers.patients_room
    await into_room(hand, room, "m.room.message", {"msgtype": "m.text", "body": "in clear"})
    await still_served(scene)
    assert await scene.practice_hears(hand, room)


async def test_failure_09_whoever_claims_all_keys_keeps_nobody_out(
    scene: Scene, attackers: Attackers
) -> None:
    """A new account comes while somebody takes every key that the bot puts there."""
    target = attackers.outsider.target
    claim = {"one_time_keys": {target.user: {target.device_id: "signed_curve25519"}}}
    taken = 0

    async def take() -> None:
        nonlocal taken
        while True:
            found: Json = await attackers.outsider.http.call("POST", f"{CLIENT}/keys/claim", claim)
            (key,) = found["one_time_keys"][target.user][target.device_id].values()
            taken += "fallback" not in key

    async def more_than_there_are() -> bool:
        return taken > 100  # a device has fifty: others were put in their place

    taking = [asyncio.create_task(take()) for _ in range(4)]
    try:
        async with scene.served():
            await until(more_than_there_are, "the keys to be taken")
            new, room = await scene.stranger()
            assert await scene.practice_hears(new, room)
    finally:
        for task in taking:
            task.cancel()
        await asyncio.gather(*taking, return_exceptions=True)
