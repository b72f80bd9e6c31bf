"""What a homeserver, or a user of it, sends: answers to calls, sync answers, device events, room events."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

import vodozemac

from bot.channels.matrix.client import Client
from bot.channels.matrix.directory import Directory
from bot.channels.matrix.guard import GuardedOlm
from bot.channels.matrix.hearing import Listener
from bot.channels.matrix.http import Http, _refusal
from bot.channels.matrix.olm import MEGOLM, OLM, Decrypted, Machine, NoKey, Unreadable
from bot.channels.matrix.reading import room_event, said_encrypted, said_in_clear
from bot.channels.matrix.rooms import RoomState, creation
from bot.channels.matrix.safejson import as_list, as_object, canonical, parse, parse_object
from bot.channels.matrix.trust import answered, devices_of, listed_devices, master_key_of, one_time_key
from bot.channels.matrix.upkeep import Upkeep
from bot.domain.messages import Incoming, Oddity
from bot.domain.values import RoomId, SecretBytes, UserId
from bot.errors import ChannelError, Untrusted
from tests.channels.forge import ALICE, Json, Person, Signer
from tests.fuzz.kind import Parser

_BOT, _ROOM = UserId("@bot:pli.localhost"), RoomId("!room:pli.localhost")
_ACCOUNT = vodozemac.Account()
_ALICE = Person(curves={"PHONE": _ACCOUNT.curve25519_key.to_base64()})
_KEYS = _ALICE.answer()
_GENUINE = devices_of(_KEYS, ALICE)


class NotJsonError(Exception):
    """What is not even JSON: tried as a target of its own, and nothing else than that."""


def _object(data: bytes) -> Json:
    try:
        return parse_object(data)
    except ValueError:
        raise NotJsonError from None


# -- JSON and answers ----------------------------------------------------------------------------------------


def _json(data: bytes) -> None:
    value = parse(data)
    again = parse(json.dumps(value).encode())
    assert again == value or data.count(b"e") > 0  # 1e999 is infinite once, and nothing the second time
    canonical(as_object(value))


def _answer(data: bytes) -> None:
    """What :class:`Http` makes of a refusal."""
    error = _refusal(data[0] if data else 0, as_object(parse(data[1:])))
    assert error.retry_after is None or 0 <= error.retry_after < 86_400


def _keys(data: bytes) -> None:
    """Nobody but Alice's own key makes a device hers."""
    answer = _object(data)
    for device in devices_of(answer, ALICE):
        if device.master_key == _ALICE.master.public:
            assert device in _GENUINE
        assert device.device_id in listed_devices(answer, ALICE)
        assert answered(answer, ALICE)
    master = master_key_of(answer, ALICE)
    assert master is None or len(master) == 43


def _claimed(data: bytes) -> None:
    found = one_time_key(_object(data), _GENUINE[0])
    assert found in (None, _ONE_TIME_KEY)


_ONE_TIME_KEY = _ALICE.curve("OTHER")
_CLAIMED = {
    "signed_curve25519:AAAA": _ALICE.devices["PHONE"].sign(
        {"key": _ONE_TIME_KEY, "fallback": True}, ALICE, "PHONE"
    ),
    "signed_curve25519:BBBB": Signer().sign({"key": _ONE_TIME_KEY}, ALICE, "PHONE"),
}


# -- rooms ---------------------------------------------------------------------------------------------------


def _state_events() -> list[Json]:
    made = creation(user=ALICE, name="Pli")
    levels = {**made["power_level_content_override"], "users": {_BOT: 100}}
    return [
        _state("m.room.create", {"room_version": "11"}),
        _state("m.room.power_levels", levels),
        *({**event, "sender": _BOT} for event in made["initial_state"]),
        _state("m.room.member", {"membership": "join"}, _BOT),
        _state("m.room.member", {"membership": "join"}, ALICE),
    ]


def _state(kind: str, content: Json, key: str = "") -> Json:
    return {"type": kind, "state_key": key, "sender": _BOT, "content": content, "event_id": "$s"}


def _room_state(data: bytes) -> None:
    value = _object(data).get("events")
    state = RoomState(as_list(value))
    state.check(bot=_BOT, patient=ALICE)
    assert state.present() == {_BOT, ALICE}
    assert state.created_by(_BOT)
    joins = [as_object(e) for e in as_list(value) if as_object(e).get("type") == "m.room.encryption"]
    assert any(as_object(e.get("content")).get("algorithm") == MEGOLM for e in joins)


def _room_event(data: bytes) -> None:
    raw = _object(data)
    event = room_event(_ROOM, raw)
    if event is None:
        return
    said = said_in_clear(event)
    assert said is None or said.oddity is Oddity.UNENCRYPTED
    inside = Decrypted(payload=event.content, curve25519="c", ed25519="e", session_id="s", index=0)
    said = said_encrypted(event, inside)
    if said is not None and event.content.get("room_id") != _ROOM:
        assert said.oddity is Oddity.UNDECRYPTABLE
        assert not said.text.reveal()


def _events() -> Sequence[bytes]:
    texts: list[Json] = [
        {"msgtype": "m.text", "body": "482915"},
        {
            "msgtype": "m.text",
            "body": "> <@a:b> x\n\nmontrer",
            "m.relates_to": {"m.in_reply_to": {"event_id": "$e"}},
        },
        {
            "msgtype": "m.text",
            "body": "* x",
            "m.new_content": {"body": "x"},
            "m.relates_to": {"rel_type": "m.replace"},
        },
        {"type": "m.room.message", "room_id": _ROOM, "content": {"msgtype": "m.text", "body": "montrer"}},
    ]
    kinds = ("m.room.message", "m.room.message", "m.room.message", "m.room.encrypted")
    return [json.dumps(_message(kind, content)).encode() for kind, content in zip(kinds, texts, strict=True)]


def _message(kind: str, content: Json) -> Json:
    return {
        "type": kind,
        "sender": ALICE,
        "event_id": "$e",
        "origin_server_ts": 1_788_000_000_000,
        "content": content,
    }


# -- the machine ---------------------------------------------------------------------------------------------


class _Nothing:
    """A practice that opened no room, and a place for the token."""

    async def opened_by_bot(self, _: RoomId) -> bool:
        return False

    async def load(self) -> str | None:
        return None

    async def save(self, token: str) -> None:
        token.encode()


async def _hear(_: Incoming) -> None: ...


async def _hear_user(_: UserId) -> None: ...


async def _hear_member(_: RoomId, __: UserId) -> None: ...


class _Device:
    """The bot's device, with one session of Alice's, and a homeserver that is gone."""

    def __init__(self) -> None:
        folder = Path(tempfile.mkdtemp(prefix="pli-fuzz-"))
        self.machine = Machine(user=_BOT, device_id="BOT", folder=folder, pickle_key=SecretBytes(bytes(32)))
        self.loop = asyncio.new_event_loop()
        self.http = Http("http://127.0.0.1:1")
        self.loop.run_until_complete(self.http.close())
        self.directory = Directory(self.http, self.machine, own_master_key=None)
        self.machine.admit(may_share=lambda _room, _user: True, may_speak=lambda _: True)
        self.session = vodozemac.GroupSession()
        olm: GuardedOlm = self.machine._olm
        olm.create_group_session(
            _GENUINE[0].curve25519,
            _GENUINE[0].ed25519,
            _ROOM,
            self.session.session_id,
            self.session.session_key.to_base64(),
        )
        assert self.machine.take_new_keys()
        self.first_words = self._olm_event()  # now: later keys may all be out

    def encrypted(self, payload: Json) -> Json:
        ciphertext = self.session.encrypt(json.dumps(payload).encode()).to_base64()
        return {
            "algorithm": MEGOLM,
            "ciphertext": ciphertext,
            "session_id": self.session.session_id,
            "device_id": "PHONE",
        }

    def _olm_event(self) -> Json:
        _ACCOUNT.generate_one_time_keys(1)
        one_time, _ = self.machine.prepare_one_time_keys(1, fallback=False)
        key = vodozemac.Curve25519PublicKey.from_base64(next(iter(one_time.values()))["key"])
        ours = vodozemac.Curve25519PublicKey.from_base64(self.machine.curve25519)
        kind, ciphertext = (
            _ACCOUNT.create_outbound_session(ours, key).encrypt(b'{"type":"m.room_key"}').to_parts()
        )
        sender_key = _ACCOUNT.curve25519_key.to_base64()
        message = {
            self.machine.curve25519: {
                "type": kind,
                "body": __import__("base64").b64encode(ciphertext).decode(),
            }
        }
        content = {"algorithm": OLM, "sender_key": sender_key, "ciphertext": message}
        return {"type": "m.room.encrypted", "sender": ALICE, "content": content}

    def client(self) -> Client:
        nothing = _Nothing()
        listener = Listener(
            book=nothing,
            on_message=_hear,
            on_invited=_hear_user,
            on_joined=_hear_member,
            on_left=_hear_member,
        )
        made = Client(
            self.http,
            self.machine,
            self.directory,
            listener,
            nothing,
            health=lambda _: None,
            grace_seconds=0.0,
        )
        made._since = "s0"
        return made


_made: list[_Device] = []


def _device() -> _Device:
    if not _made:
        _made.append(_Device())
    return _made[0]


def _to_device(data: bytes) -> None:
    _device().machine.receive(_object(data))


def _megolm(data: bytes) -> None:
    found = _device().machine.decrypt(_ROOM, _object(data))
    assert isinstance(found, Decrypted | NoKey | Unreadable)
    if isinstance(found, Decrypted):
        assert (found.curve25519, found.ed25519) == (_GENUINE[0].curve25519, _GENUINE[0].ed25519)


def _decrypted_elsewhere(data: bytes) -> None:
    """The room's name is the homeserver's too."""
    room = RoomId(data.decode("utf-8", "surrogatepass"))
    found = _device().machine.decrypt(
        room, _SOME.setdefault("content", _device().encrypted({"room_id": _ROOM}))
    )
    assert isinstance(found, NoKey) or room == _ROOM


_SOME: Json = {}


def _sync(data: bytes) -> None:
    device = _device()
    answer = _object(data)

    async def take() -> None:
        client = device.client()
        device.directory._take(_KEYS, ALICE, device.directory._changes.get(ALICE, 0))
        await client._take(answer)
        await client._inbox.close(seconds=5)

    device.loop.run_until_complete(take())


def _kept(data: bytes) -> None:
    upkeep = Upkeep(_device().http, _device().machine)
    upkeep.hear(_object(data))
    assert upkeep.one_time_keys is None or type(upkeep.one_time_keys) is int


def _syncs() -> Sequence[bytes]:
    device = _device()
    said = device.encrypted(
        {"type": "m.room.message", "room_id": _ROOM, "content": {"msgtype": "m.text", "body": "x"}}
    )
    invite = {"invite_state": {"events": [_state("m.room.member", {"membership": "invite"}, _BOT)]}}
    timeline = {"limited": False, "prev_batch": "p", "events": [_message("m.room.encrypted", said)]}
    counts = {"signed_curve25519": 50}
    full: Json = {
        "next_batch": "s1",
        "rooms": {
            "join": {_ROOM: {"state": {"events": _state_events()}, "timeline": timeline}},
            "invite": {"!other:pli.localhost": invite},
            "leave": {"!gone:pli.localhost": {}},
        },
        "to_device": {"events": [device.first_words, {"type": "m.dummy", "sender": ALICE, "content": {}}]},
        "device_lists": {"changed": ["@carol:pli.localhost"], "left": ["@x:y"]},
        "device_one_time_keys_count": counts,
        "device_unused_fallback_key_types": ["signed_curve25519"],
    }
    limited = {**full, "rooms": {"join": {_ROOM: {"timeline": {**timeline, "limited": True}}}}}
    return json.dumps(full).encode(), json.dumps(limited).encode()


def _to_devices() -> Sequence[bytes]:
    return (json.dumps(_device().first_words).encode(),)


def _megolms() -> Sequence[bytes]:
    payload = {"type": "m.room.message", "room_id": _ROOM, "content": {"msgtype": "m.text", "body": "x"}}
    return json.dumps(_device().encrypted(payload)).encode(), json.dumps(_device().encrypted({})).encode()


def _text(*given: object) -> Sequence[bytes]:
    return [json.dumps(each).encode() for each in given]


PARSERS: dict[str, Parser] = {
    "json": (_json, lambda: _text({"a": [1, "b", None, {"c": 2.5}]}, [[[]]]), (ValueError,), 1.0),
    "refusal": (
        _answer,
        lambda: [b"\xc8" + each for each in _text({"errcode": "M_LIMIT", "retry_after_ms": 5})],
        (ValueError,),
        1.0,
    ),
    "keys-query": (_keys, lambda: _text(_KEYS), (NotJsonError,), 0.5),
    "keys-claim": (_claimed, lambda: _text(_CLAIMED), (NotJsonError,), 0.5),
    "keys-left": (
        _kept,
        lambda: _text({"device_one_time_keys_count": {"signed_curve25519": 50}}),
        (NotJsonError,),
        1.0,
    ),
    "room-state": (_room_state, lambda: _text({"events": _state_events()}), (NotJsonError, Untrusted), 0.5),
    "room-event": (_room_event, _events, (NotJsonError,), 1.0),
    "to-device": (_to_device, _to_devices, (NotJsonError,), 0.5),
    "megolm": (_megolm, _megolms, (NotJsonError,), 0.5),
    "megolm-room": (_decrypted_elsewhere, lambda: (_ROOM.encode(), b"!x:y"), (UnicodeDecodeError,), 0.5),
    "sync": (_sync, _syncs, (NotJsonError, ChannelError), 0.1),
}
