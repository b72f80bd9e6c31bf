"""The rig's own proof: both kinds of patient talk with each other, and see what the tests rely on."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from bot.domain.values import UserId
from tests.channels.proxy import Proxy
from tests.conftest import NewJsPatient, NewPyPatient
from tests.rig.homeserver import RigHomeserver
from tests.rig.js_patient import JsError, JsPatient
from tests.rig.node import JS_FOLDER, ensure_node_modules
from tests.rig.patient import Message, Patient
from tests.rig.push_gateway import PushGateway
from tests.rig.py_patient import PyPatient
from tests.rig.waiting import until


async def _meet(host: Patient, guest: Patient) -> str:
    room = await host.create_dm(guest.user)
    assert await guest.accept_invite() == room

    def joined(it: Message) -> bool:
        return (
            it.type == "m.room.member" and it.sender == guest.user and it.content.get("membership") == "join"
        )

    await host.wait_for(joined, "the guest's arrival")
    return room


async def test_both_patients_talk_encrypted_both_ways(
    new_js_patient: NewJsPatient, new_py_patient: NewPyPatient
) -> None:
    js, py = await new_js_patient(), await new_py_patient()
    room = await _meet(js, py)
    await js.send(room, "grüezi, ça va")
    heard = await py.wait_message(sender=js.user, room=room)
    assert (heard.body, heard.msgtype, heard.encrypted, heard.decrypted) == (
        "grüezi, ça va",
        "m.text",
        True,
        True,
    )
    sent = await py.send(room, "très bien")
    answer = await js.wait_message(sender=py.user, room=room)
    assert (answer.event, answer.body, answer.encrypted, answer.decrypted) == (sent, "très bien", True, True)
    assert answer.shield is None, "a cross-signed device's message carries no warning"
    sizes = [
        message.wire_size for client in (js, py) for message in await client.read() if message.event == sent
    ]
    assert len(sizes) == 2
    assert sizes[0] == sizes[1]
    assert sizes[0] is not None
    await js.redact(room, heard.event)
    await py.wait_redacted(heard.event)
    await js.wait_redacted(heard.event)
    assert "ça va" not in repr(await py.read()) + repr([message.content for message in await py.read()])


async def test_a_room_opened_by_the_python_patient_is_encrypted_for_the_strict_one(
    new_js_patient: NewJsPatient, new_py_patient: NewPyPatient
) -> None:
    js, py = await new_js_patient(), await new_py_patient()
    room = await _meet(py, js)
    await py.send(room, "one")
    assert (await js.wait_message(room=room)).body == "one"
    await js.send(room, "two")
    assert (await py.wait_message(room=room)).body == "two"
    (entry,) = await js.rooms()
    assert entry["encrypted"] is True
    assert sorted(entry["members"]) == sorted([[js.user, "join"], [py.user, "join"]])


async def test_the_strict_patient_gives_no_keys_to_an_unsigned_device(
    homeserver: RigHomeserver, new_js_patient: NewJsPatient
) -> None:
    js = await new_js_patient()
    user, password = await homeserver.new_user()
    async with await PyPatient.start(homeserver.url, user, password, cross_sign=False) as unsigned:
        room = await _meet(js, unsigned)
        event = await js.send(room, "for signed devices only")
        seen = await unsigned.wait_event(event)
        assert (seen.encrypted, seen.decrypted, seen.body) == (True, False, None)
        # The other way round: what an unsigned device sends is not shown to a strict patient.
        event = await unsigned.send(room, "from an unsigned device")
        got = await js.wait_event(event)
        assert (got.decrypted, got.body == "from an unsigned device") == (False, False)


async def test_a_second_device_is_unsigned_until_the_first_vouches_for_it(
    new_js_patient: NewJsPatient, new_py_patient: NewPyPatient
) -> None:
    js, py = await new_js_patient(), await new_py_patient()
    first, master = js.device, (await js.identity()).master
    async with await js.second_device() as second, await py.second_device() as third:
        assert (await second.identity()).master in {None, master}
        assert await second.devices_of(js.user) == {first: True, second.device: False}
        await js.sign_device(second.device)
        assert await second.devices_of(js.user) == {first: True, second.device: True}
        assert await js.devices_of(py.user) == {py.device: True, third.device: False}
        await py.sign_device(third.device)
        assert await js.devices_of(py.user) == {py.device: True, third.device: True}
        await second.logout()
    assert await js.devices_of(js.user) == {first: True}


async def test_a_reset_identity_is_a_new_master_key(new_js_patient: NewJsPatient) -> None:
    js = await new_js_patient()
    before = await js.identity()
    await js.reset_identity()
    after = await js.identity()
    assert before.master
    assert after.master
    assert before.master != after.master
    assert (before.device, before.ed25519) == (after.device, after.ed25519)


async def test_an_answer_about_the_old_identity_does_not_cost_the_new_one(homeserver: RigHomeserver) -> None:
    """A question about keys is under way while the identity is begun anew, and its answer names the old one."""
    user, password = await homeserver.new_user()
    asked, let_go = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        asked.set()
        await let_go.wait()

    async with (
        Proxy(homeserver.url) as proxy,
        await JsPatient.start(proxy.url, user, password) as js,
        asyncio.TaskGroup() as both,
    ):
        before = await js.identity()
        proxy.before["/keys/query"] = hold
        both.create_task(js.devices_of(user))
        await asked.wait()
        resetting = both.create_task(js.reset_identity())
        await (
            js.identity()
        )  # the client does one thing while it waits for another: it has begun with the new one
        let_go.set()
        await resetting
        assert (await js.identity()).master not in {before.master, None}


async def test_clear_events_in_an_encrypted_room_are_told_apart(
    new_js_patient: NewJsPatient, new_py_patient: NewPyPatient
) -> None:
    js, py = await new_js_patient(), await new_py_patient()
    room = await _meet(js, py)
    for sender, reader in ((js, py), (py, js)):
        event = await sender.send_clear(room, "m.room.message", {"msgtype": "m.text", "body": "in clear"})
        seen = await reader.wait_event(event)
        assert (seen.body, seen.encrypted, seen.decrypted, seen.wire_size) == ("in clear", False, False, None)


@pytest.mark.parametrize("event_id_only", [False, True])
async def test_a_text_rings_once_and_a_notice_does_not(
    new_js_patient: NewJsPatient,
    new_py_patient: NewPyPatient,
    push_gateway: PushGateway,
    event_id_only: bool,
) -> None:
    js, py = await new_js_patient(), await new_py_patient()
    room = await _meet(py, js)
    await js.set_pusher(push_gateway.url, event_id_only=event_id_only)
    text = await py.send(room, "rings")
    notice = await py.send_raw(room, "m.room.message", {"msgtype": "m.notice", "body": "does not ring"})

    async def both_pushed() -> bool:
        return {text, notice} <= set(push_gateway.events())

    await until(both_pushed, "the pushes")
    assert push_gateway.events().count(text) == 1
    wire = json.dumps(push_gateway.notifications)
    assert "ring" not in wire
    assert "ciphertext" not in wire
    assert any("content" in push for push in push_gateway.notifications) is False
    rings = await js.wait_for(lambda it: it.event == text and it.decrypted, "the text")
    silent = await js.wait_for(lambda it: it.event == notice and it.decrypted, "the notice")
    assert (rings.notify, rings.msgtype) == (True, "m.text")
    assert (silent.notify, silent.msgtype) == (False, "m.notice")
    mine = await js.wait_for(lambda it: it.sender == js.user, "an event of one's own")
    assert mine.notify is False


async def test_a_refused_command_is_an_error_and_the_client_lives_on(new_js_patient: NewJsPatient) -> None:
    js = await new_js_patient()
    with pytest.raises(JsError, match="M_"):
        await js.join("!nowhere:pli.localhost")
    assert await js.invites() == []


async def test_a_wrong_password_ends_the_client(homeserver: RigHomeserver) -> None:
    user, _ = await homeserver.new_user()
    with pytest.raises(JsError, match="403"):
        await JsPatient.start(homeserver.url, user, "not the password")


@pytest.fixture(params=["js", "py"])
async def either(
    request: pytest.FixtureRequest, new_js_patient: NewJsPatient, new_py_patient: NewPyPatient
) -> JsPatient | PyPatient:
    """A patient of each kind: what follows is the contract that both keep."""
    return await (new_js_patient if request.param == "js" else new_py_patient)()


async def test_contract_logging_out_removes_the_device(
    either: JsPatient | PyPatient, homeserver: RigHomeserver
) -> None:
    async with await either.second_device() as second, await homeserver.admin() as admin:
        assert set(await admin.devices(UserId(either.user))) == {either.device, second.device}
        await second.logout()
        assert await admin.devices(UserId(either.user)) == (either.device,)


async def test_contract_leaving_is_seen_by_those_who_stay(
    either: JsPatient | PyPatient, new_py_patient: NewPyPatient
) -> None:
    host = await new_py_patient()
    room = await _meet(host, either)
    await either.leave(room)

    def left(it: Message) -> bool:
        return (
            it.type == "m.room.member"
            and it.sender == either.user
            and it.content.get("membership") == "leave"
        )

    assert (await host.wait_for(left, "the departure")).room == room


async def test_contract_events_keep_their_order_and_their_index(
    either: JsPatient | PyPatient, new_py_patient: NewPyPatient
) -> None:
    host = await new_py_patient()
    room = await _meet(host, either)
    sent = [await host.send(room, str(number)) for number in range(20)]
    await either.wait_for(lambda it: it.event == sent[-1] and it.decrypted, "the last message")
    seen = await either.read()
    assert [message.index for message in seen] == list(range(len(seen)))
    texts = [message for message in seen if message.type == "m.room.message"]
    assert [(text.event, text.body) for text in texts] == [(event, str(n)) for n, event in enumerate(sent)]
    assert await either.read(texts[-1].index) == [texts[-1]]
    assert (await either.wait_message(since=texts[5].index)).body == "5"
    assert await either.read(len(seen)) == []


async def test_contract_raw_events_are_encrypted_and_own_ones_are_read_back(
    either: JsPatient | PyPatient, new_py_patient: NewPyPatient
) -> None:
    host = await new_py_patient()
    room = await _meet(host, either)
    event = await either.send_raw(room, "m.room.message", {"msgtype": "m.notice", "body": "x", "filler": "…"})
    for reader in (host, either):
        seen = await reader.wait_for(lambda it: it.event == event and it.decrypted, "the notice")
        assert (seen.msgtype, seen.content["filler"], seen.sender) == ("m.notice", "…", either.user)
    clear = await either.send_clear(room, "m.reaction", {"m.relates_to": {"rel_type": "m.annotation"}})
    assert (await host.wait_event(clear)).encrypted is False


async def test_contract_a_pusher_pushes_ids_and_no_content(
    either: JsPatient | PyPatient, new_py_patient: NewPyPatient, push_gateway: PushGateway
) -> None:
    host = await new_py_patient()
    room = await _meet(host, either)
    await either.set_pusher(push_gateway.url, event_id_only=True)
    event = await host.send(room, "rings")

    async def pushed() -> bool:
        return event in push_gateway.events()

    await until(pushed, "the push")
    (push,) = (push for push in push_gateway.notifications if push.get("event_id") == event)
    assert push["room_id"] == room
    assert set(push) <= {"event_id", "room_id", "counts", "devices", "prio"}


async def test_contract_the_identity_is_what_the_homeserver_serves(
    either: JsPatient | PyPatient, new_js_patient: NewJsPatient
) -> None:
    identity = await either.identity()
    assert (identity.user, identity.device) == (either.user, either.device)
    assert identity.master
    assert len(identity.master) == len(identity.ed25519) == len(identity.curve25519) == 43
    viewer = await new_js_patient()
    assert await viewer.devices_of(either.user) == {either.device: True}


@pytest.mark.parametrize(
    ("ci", "outcome"), [("", pytest.skip.Exception), ("true", pytest.fail.Exception)], ids=["here", "ci"]
)
def test_without_node_the_strict_journeys_are_skipped_aloud_but_fail_in_ci(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ci: str, outcome: type[BaseException]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CI", ci)
    with pytest.raises(outcome, match="DO NOT RUN"):
        ensure_node_modules.__wrapped__()


def test_the_lock_of_the_second_client_names_no_address() -> None:
    lock = (JS_FOLDER / "package-lock.json").read_text()
    assert "://" not in lock
    assert "resolved" not in lock
    packages = json.loads(lock)["packages"]
    assert packages["node_modules/matrix-js-sdk"]["version"] == "43.0.0"
    assert all("integrity" in entry for name, entry in packages.items() if name)
    assert Path(JS_FOLDER / "patient.mjs").exists()
