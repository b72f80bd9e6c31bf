"""What a stranger can send to the Olm machine. Rules: ``olm``. A peer makes what needs keys."""

from __future__ import annotations

import asyncio
import json
import logging
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import peewee
import pytest
import vodozemac

from bot.channels.matrix import olm
from bot.channels.matrix.guard import contained
from bot.channels.matrix.olm import MEGOLM, Decrypted, NoKey, Unreadable
from bot.domain.trust import Device
from bot.domain.values import RoomId
from bot.errors import StorageError
from tests.channels.forge import Json, b64
from tests.channels.pair import (
    OTHER_ROOM,
    PEER,
    ROOM,
    Pair,
    device_of,
    forget,
    lose_sessions,
    megolm,
    new_machine,
)

CANARY = "PIN-739251"


MALFORMED: dict[str, Callable[[Pair], object]] = {
    "not an object": lambda _: [1],
    "empty": lambda _: {},
    "content is a list": lambda p: {**p.olm_event({}), "content": []},
    "content is deep": lambda p: p.olm_event({}, ciphertext=deep(3000)),
    "no sender": lambda p: {k: v for k, v in p.olm_event({}).items() if k != "sender"},
    "sender is a list": lambda p: p.olm_event({}, sender=[PEER]),  # type: ignore[arg-type]  # what the test is about
    "no ciphertext": lambda p: p.olm_event({}, ciphertext={}),
    "ciphertext is text": lambda p: p.olm_event({}, ciphertext="x"),
    "pre-key body is garbage": lambda p: p.olm_event({}, ciphertext={p.bot.curve25519: body(0, "%%%")}),
    "pre-key body is short": lambda p: p.olm_event({}, ciphertext={p.bot.curve25519: body(0, "AAAA")}),
    "body is garbage": lambda p: p.olm_event({}, ciphertext={p.bot.curve25519: body(1, "%%%")}),
    "body is short": lambda p: p.olm_event({}, ciphertext={p.bot.curve25519: body(1, "AAAA")}),
    "body is no text": lambda p: p.olm_event({}, ciphertext={p.bot.curve25519: body(0, 7)}),
    "type is unknown": lambda p: p.olm_event({}, ciphertext={p.bot.curve25519: body(9, "AAAA")}),
    "type is text": lambda p: p.olm_event({}, ciphertext={p.bot.curve25519: body("0", "AAAA")}),
    "sender key is garbage": lambda p: p.olm_event({}, sender_key="%%%"),
    "sender key is no text": lambda p: p.olm_event({}, sender_key=[1]),
    "sender key has a lone surrogate": lambda p: p.olm_event({}, sender_key="\ud800"),
    "payload is no JSON": lambda p: p.olm_event("{"),
    "payload is a list": lambda p: p.olm_event("[1]"),
    "payload is deep": lambda p: p.olm_event('{"content":' + "[" * 3000 + "]" * 3000 + "}"),
    "payload has a lone surrogate": lambda p: p.olm_event(p.payload("m.room_key", {"room_id": "\ud800"})),
    "payload of another sender": lambda p: p.olm_event(p.payload("m.dummy", {}, sender="@x:pli.localhost")),
    "payload for another": lambda p: p.olm_event(p.payload("m.dummy", {}, recipient="@x:pli.localhost")),
    "payload without keys": lambda p: p.olm_event(p.payload("m.room_key", {}, keys={})),
    "payload keys are text": lambda p: p.olm_event(p.payload("m.room_key", {}, keys="x")),
    "payload recipient keys are text": lambda p: p.olm_event(p.payload("m.dummy", {}, recipient_keys="x")),
    "room key without content": lambda p: p.olm_event(p.payload("m.room_key", {})),
    "room key content is a list": lambda p: p.olm_event(p.payload("m.room_key", [1])),
    "room key is garbage": lambda p: p.room_key(vodozemac.GroupSession(), session_key="garbage"),
    "room key is empty": lambda p: p.room_key(vodozemac.GroupSession(), session_key=""),
    "room key is no text": lambda p: p.room_key(vodozemac.GroupSession(), session_key=7),
    "room key under another id": lambda p: p.room_key(vodozemac.GroupSession(), session_id="x" * 43),
    "room key of another algorithm": lambda p: p.room_key(vodozemac.GroupSession(), algorithm="m.x"),
    "unknown type": lambda p: p.olm_event(p.payload("m.secret.send", {"secret": "x"})),
    "verification": lambda _: {
        "type": "m.key.verification.start",
        "sender": PEER,
        "content": {"from_device": "DEVICE", "method": "m.sas.v1", "transaction_id": "x", "key": "bad"},
    },
    "key request": lambda _: {
        "type": "m.room_key_request",
        "sender": PEER,
        "content": {"action": "request", "requesting_device_id": "DEVICE", "request_id": "x", "body": {}},
    },
}


def deep(levels: int) -> list[Any]:
    made: list[Any] = []
    for _ in range(levels):
        made = [made]
    return made


def body(kind: object, text: object) -> Json:
    return {"type": kind, "body": text}


@pytest.mark.parametrize("name", MALFORMED)
def test_failure_09_a_malformed_device_event_never_makes_the_bot_deaf(pair: Pair, name: str) -> None:
    """Rule 1; each of these raised out of nio's sync, or could have."""
    pair.bot.receive(MALFORMED[name](pair))  # type: ignore[arg-type]  # what the test is about
    assert pair.bot.take_new_keys() == []
    assert pair.still_works()


PLAINTEXTS = {
    "not UTF-8": b"\xff\xfe" + CANARY.encode(),
    "a list": b"[1]",
    "no JSON": b"{" + CANARY.encode(),
    "empty": b"",
    "a number with many digits is no reason to stop": b'{"a":' + b"9" * 5000 + b',"b":}',
}


@pytest.mark.parametrize("name", PLAINTEXTS)
def test_failure_09_a_malformed_plaintext_is_only_unreadable(pair: Pair, name: str) -> None:
    session = pair.share()
    assert pair.bot.decrypt(ROOM, megolm(session, PLAINTEXTS[name])) == Unreadable()
    assert pair.still_works()


def test_failure_09_deep_plaintexts_and_long_numbers_are_read_as_far_as_they_go(pair: Pair) -> None:
    session = pair.share()
    text = b'{"room_id":"r","content":' + b'{"a":' * 5000 + b"1" + b"}" * 5000 + b',"n":' + b"9" * 5000 + b"}"
    found = pair.bot.decrypt(ROOM, megolm(session, text))
    assert isinstance(found, Decrypted)
    assert (found.payload["room_id"], found.payload["n"]) == ("r", 0)


@pytest.mark.parametrize(
    "change",
    [
        {"ciphertext": "%%%"},
        {"ciphertext": ""},
        {"ciphertext": "AwgA"},
        {"ciphertext": 7},
        {"ciphertext": {"a": 1}},
    ],
)
def test_a_malformed_ciphertext_is_only_unreadable(pair: Pair, change: Json) -> None:
    session = pair.share()
    assert pair.bot.decrypt(ROOM, {**megolm(session, {}), **change}) == Unreadable()


@pytest.mark.parametrize("session_id", [None, 7, [], "\ud800", "unknown"])
def test_an_unknown_session_has_no_key(pair: Pair, session_id: object) -> None:
    assert (
        pair.bot.decrypt(ROOM, {"algorithm": MEGOLM, "session_id": session_id, "ciphertext": "x"}) == NoKey()
    )


def test_nothing_is_logged_and_nothing_printed(
    pair: Pair, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """Rule 10: nio logs the plaintext of what does not fit its schema."""
    caplog.set_level(logging.DEBUG)
    session = pair.share()
    for plain in (*PLAINTEXTS.values(), json.dumps({"type": CANARY, "content": CANARY}).encode()):
        pair.bot.decrypt(ROOM, megolm(session, plain))
    pair.bot.receive(pair.olm_event(pair.payload(CANARY, {"body": CANARY})))
    logging.getLogger("nio.crypto.log").warning(CANARY)
    logging.getLogger("nio.responses").error(CANARY)
    logging.getLogger("peewee").error(CANARY)
    assert CANARY not in caplog.text
    assert PEER not in caplog.text
    assert CANARY not in "".join(capfd.readouterr())
    assert any(record.name == "pli.matrix.olm" for record in caplog.records)


def test_a_key_counts_only_from_a_member_of_its_room(pair: Pair) -> None:
    """Rule 2."""
    pair.bot.receive(pair.room_key(vodozemac.GroupSession(), room_id=OTHER_ROOM))
    assert pair.bot.take_new_keys() == []


def test_strangers_are_not_even_decrypted(pair: Pair) -> None:
    """Rule 8: the one-time key that the message would use up is still there."""
    event = pair.room_key(vodozemac.GroupSession())
    pair.bot.admit(may_share=lambda *_: True, may_speak=lambda _: False)
    pair.bot.receive(event)
    assert pair.bot.take_new_keys() == []
    pair.bot.admit(may_share=lambda *_: True, may_speak=lambda _: True)
    pair.bot.receive(event)
    assert len(pair.bot.take_new_keys()) == 1


def test_a_known_key_is_not_replaced_or_moved(pair: Pair) -> None:
    """Rule 2."""
    session = pair.share()
    first = megolm(session, {"room_id": ROOM})
    pair.bot.admit(may_share=lambda *_: True, may_speak=lambda _: True)
    pair.bot.receive(pair.room_key(session))
    pair.bot.receive(pair.room_key(session, room_id=OTHER_ROOM))
    assert pair.bot.take_new_keys() == []
    assert isinstance(pair.bot.decrypt(ROOM, first), Decrypted)
    assert pair.bot.decrypt(OTHER_ROOM, first) == NoKey()


def test_forwarded_keys_are_not_taken(pair: Pair) -> None:
    """Rule 3."""
    session = vodozemac.GroupSession()
    inbound = vodozemac.InboundGroupSession(session.session_key)
    exported = inbound.export_at(0)
    assert exported is not None
    content = {
        "algorithm": MEGOLM,
        "room_id": ROOM,
        "session_id": session.session_id,
        "session_key": exported.to_base64(),
        "sender_key": pair.peer.curve25519,
        "sender_claimed_ed25519_key": pair.peer.ed25519,
        "forwarding_curve25519_key_chain": [],
    }
    pair.bot.receive(pair.olm_event(pair.payload("m.forwarded_room_key", content)))
    assert pair.bot.take_new_keys() == []
    assert pair.bot.decrypt(ROOM, megolm(session, {})) == NoKey()


def test_what_was_read_cannot_be_read_again_from_the_disk(pair: Pair) -> None:
    """Rule 5: disk, pickle key and the homeserver's database together do not give a typed PIN back."""
    session = pair.share()
    pin, later = megolm(session, {"room_id": ROOM}), megolm(session, {"room_id": ROOM})
    assert isinstance(pair.bot.decrypt(ROOM, pin), Decrypted)
    forget(pair.bot, session, 0)
    for reopened in (False, True):
        machine = pair.reopen() if reopened else pair.bot
        assert machine.decrypt(ROOM, pin) == Unreadable(passed=0, curve25519=pair.peer.curve25519)
        assert isinstance(machine.decrypt(ROOM, later), Decrypted)
    forget(pair.bot, session, 0)
    assert isinstance(pair.bot.decrypt(ROOM, later), Decrypted)


def test_sessions_per_room_are_bounded(pair: Pair) -> None:
    """Rule 7."""
    sessions = [pair.share() for _ in range(olm.MAX_ROOM_SESSIONS + 3)]
    for reopened in (False, True):
        machine = pair.reopen() if reopened else pair.bot
        known = [machine.decrypt(ROOM, megolm(session, {})) != NoKey() for session in sessions]
        assert known == [False] * 3 + [True] * olm.MAX_ROOM_SESSIONS


def test_olm_sessions_per_device_are_bounded(pair: Pair, tmp_path: Path) -> None:
    """Rule 7."""
    for _ in range(olm.MAX_OLM_SESSIONS + 3):
        one_time, _ = pair.bot.prepare_one_time_keys(1, fallback=False)
        lose_sessions(pair.peer)
        assert pair.peer.start_session(device_of(pair.bot), next(iter(one_time.values()))["key"])
        pair.bot.receive(pair.olm_event(pair.payload("m.dummy", {})))
    assert len(pair.bot._store.sessions_with(pair.peer.curve25519)) == olm.MAX_OLM_SESSIONS
    with sqlite3.connect(tmp_path / "bot" / "olm.db") as database:
        assert database.execute("SELECT count(*) FROM olmsessions").fetchone() == (olm.MAX_OLM_SESSIONS,)


def test_the_store_names_no_room_and_no_patient(pair: Pair, tmp_path: Path) -> None:
    """Rule 9."""
    pair.share()
    pair.bot.close()
    stored = b"".join(path.read_bytes() for path in (tmp_path / "bot").iterdir())
    assert b"@bot:pli.localhost" in stored  # the search finds what is there
    assert ROOM.encode() not in stored
    assert PEER.encode() not in stored
    pair.reopen()


def test_a_bad_one_time_key_starts_no_session(pair: Pair) -> None:
    """Rule 1: validly signed, and still no key."""
    stranger = Device(
        user=PEER, device_id="X", ed25519="x", curve25519=b64(bytes(range(32))), master_key=None
    )
    for unfit in ("", "AAAA", "%%%", b64(bytes(31)), "\ud800"):
        assert not pair.bot.start_session(stranger, unfit)
    assert pair.bot.encrypt_to(stranger, "m.dummy", {}) is None
    assert pair.still_works()


def test_a_lost_olm_session_is_noticed(pair: Pair) -> None:
    pair.share()
    pair.peer.admit(may_share=lambda *_: True, may_speak=lambda _: True)
    content = pair.bot.encrypt_to(device_of(pair.peer), "m.dummy", {})
    pair.peer.receive({"type": "m.room.encrypted", "sender": pair.bot.user, "content": content})
    pair.bot.receive(pair.olm_event(pair.payload("m.dummy", {})))
    assert pair.bot.take_wedged() == []
    lose_sessions(pair.bot)
    pair.bot.receive(pair.olm_event(pair.payload("m.dummy", {})))
    assert pair.bot.take_wedged() == [(PEER, pair.peer.curve25519)]


def test_a_failing_store_is_no_malformed_item(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule 6: the event is read again, from what the store last held."""
    session = vodozemac.GroupSession()
    event = pair.room_key(session)

    def full(*_: object) -> None:
        raise peewee.OperationalError("database or disk is full")

    monkeypatch.setattr(pair.bot._store, "save_inbound_group_session", full)
    with pytest.raises(StorageError):
        pair.bot.receive(event)
    monkeypatch.undo()
    pair.bot.reload()
    pair.bot.receive(event)
    assert pair.bot.take_new_keys() == [(ROOM, session.session_id)]


def test_panics_are_contained_and_cancellation_is_not() -> None:
    """Rule 1."""
    panic = type("PanicException", (BaseException,), {})
    with contained("item"):
        raise panic
    with pytest.raises(asyncio.CancelledError), contained("item"):
        raise asyncio.CancelledError
    with pytest.raises(KeyboardInterrupt), contained("item"):
        raise KeyboardInterrupt


def test_rule_1_a_room_that_utf8_cannot_write_is_a_room_without_a_key(tmp_path: Path) -> None:
    """JSON can name one; the sync loop would otherwise read the same answer again for ever."""
    machine = new_machine("@bot:pli.localhost", tmp_path / "bot")
    for room in ("!\ud800:pli.localhost", "\udfff"):
        assert isinstance(machine.decrypt(RoomId(room), {"session_id": "s", "ciphertext": "c"}), NoKey)
