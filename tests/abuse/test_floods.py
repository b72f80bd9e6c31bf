"""Very much of something that each is allowed, through a real homeserver: the others are served meanwhile.

The homeserver of these tests has no limits; one in use has, and slows such senders itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import vodozemac

from bot.channels.matrix.http import CLIENT, segment
from bot.channels.matrix.olm import MAX_OLM_SESSIONS, OLM
from bot.domain.codes import PUBLIC
from bot.domain.values import RoomId, UserId, new_id
from bot.services.open_rooms import GREETINGS, ROOMS_EACH
from storage.small_repositories import WRONG_CODES_IN_ALL
from tests.abuse.scene import Attacker, Scene, into_room, invite, to_bot
from tests.abuse.test_guessing import forged
from tests.channels.forge import b64
from tests.journey.practice import Practice
from tests.rig.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

Json = dict[str, Any]
AT_ONCE = 8


async def crowd(count: int, work: Callable[[int], Awaitable[object]]) -> None:
    """``work`` so many times, eight at once."""
    numbers = iter(range(count))

    async def one() -> None:
        for number in numbers:
            await work(number)

    await asyncio.gather(*(one() for _ in range(AT_ONCE)))


# -- device events --------------------------------------------------------------------------------------------------


async def fallback_key(hand: Attacker) -> str:
    """Take the bot's one-time keys until only the one is left that everybody may use."""
    claim = {"one_time_keys": {hand.target.user: {hand.target.device_id: "signed_curve25519"}}}
    for _ in range(1000):
        found: Json = await hand.http.call("POST", f"{CLIENT}/keys/claim", claim)
        (key,) = found["one_time_keys"][hand.target.user][hand.target.device_id].values()
        if "fallback" in key:
            return str(key["key"])
    raise AssertionError("the bot's keys do not end")


def good_olm(hand: Attacker, account: vodozemac.Account, key: str) -> Json:
    """A device event that decrypts, and opens a new Olm session."""
    curve = vodozemac.Curve25519PublicKey.from_base64
    session = account.create_outbound_session(curve(hand.target.curve25519), curve(key))
    payload = {
        "type": "m.dummy",
        "content": {},
        "sender": hand.user,
        "sender_device": hand.machine.device_id,
        "keys": {"ed25519": account.ed25519_key.to_base64()},
        "recipient": hand.target.user,
        "recipient_keys": {"ed25519": hand.target.ed25519},
    }
    kind, body = session.encrypt(json.dumps(payload).encode()).to_parts()
    ciphertext = {hand.target.curve25519: {"type": kind, "body": b64(body)}}
    return {"algorithm": OLM, "sender_key": account.curve25519_key.to_base64(), "ciphertext": ciphertext}


def sessions(practice: Practice) -> int:
    (store,) = practice.folder.rglob("olm.db")
    with contextlib.closing(sqlite3.connect(store)) as database:
        return int(database.execute("SELECT count(*) FROM olmsessions").fetchone()[0])


@pytest.mark.parametrize("many", [100, pytest.param(10_000, marks=pytest.mark.nightly)])
async def test_made_up_devices_leave_nothing_behind(scene: Scene, many: int) -> None:
    """Each of these would open an Olm session and keep it for ever."""
    hand, room = await scene.patient()
    key = await fallback_key(hand)  # before anything else is asked: at each answer the bot adds keys
    before = sessions(scene.practice)
    async with scene.served():
        await crowd(
            many, lambda _: to_bot(hand, "m.room.encrypted", good_olm(hand, vodozemac.Account(), key))
        )
    assert await scene.practice_hears(hand, room)
    assert sessions(scene.practice) <= before + MAX_OLM_SESSIONS


@pytest.mark.parametrize("many", [300, pytest.param(10_000, marks=pytest.mark.nightly)])
async def test_device_events_by_the_thousand(scene: Scene, many: int) -> None:
    """From an outsider and from a patient's own device: undecryptable ones."""
    outsider, (patient, room) = await scene.outsider(), await scene.patient()

    async def one(number: int) -> None:
        hand = (outsider, patient)[number % 2]
        body = {"type": number // 2 % 2, "body": "AwogdGhpcyBpcyBubyBtZXNzYWdlIGF0IGFsbA"}
        content = {"algorithm": OLM, "sender_key": hand.machine.curve25519}
        content["ciphertext"] = {hand.target.curve25519: body}  # type: ignore[assignment]  # JSON of any shape
        assert await to_bot(hand, "m.room.encrypted", content) == 200

    async with scene.served():
        await crowd(many, one)
    assert await scene.practice_hears(patient, room)


async def test_noise_in_many_rooms(scene: Scene) -> None:
    """Messages whose key never comes, which wait for it, and messages in clear, which are all taken back."""
    places = [await scene.stranger() for _ in range(3)]

    async def one(number: int) -> None:
        hand, room = places[number % len(places)]
        if number % 2:
            await into_room(hand, room, "m.room.message", {"msgtype": "m.text", "body": "in clear"})
        else:
            content = {"algorithm": "m.megolm.v1.aes-sha2", "session_id": new_id("s"), "ciphertext": "AwgA"}
            await into_room(hand, room, "m.room.encrypted", content)

    async with scene.served():
        await crowd(60, one)


# -- rooms ----------------------------------------------------------------------------------------------------------


def rooms(practice: Practice) -> int:
    return int(practice.query("SELECT count(*) FROM room")[0][0])


def greetings(practice: Practice, room: str) -> int:
    sql = "SELECT count(*) FROM outbox WHERE kind = 'open' AND room = ?"
    return int(practice.query(sql, room)[0][0])


def invited(practice: Practice) -> int:
    """Invitations that the bot has neither taken nor declined."""
    sql = (
        "SELECT count(*) FROM current_state_events"
        " WHERE type = 'm.room.member' AND state_key = ? AND membership = 'invite'"
    )
    return int(practice.seen_by_homeserver(sql, practice.bot_user)[0][0])


async def all_declined(practice: Practice) -> None:
    async def none_left() -> bool:
        return invited(practice) == 0

    await until(none_left, "every invitation to be declined", seconds=90)


@pytest.mark.parametrize("many", [25, pytest.param(300, marks=pytest.mark.nightly)])
async def test_invitations_without_end_from_one_account(scene: Scene, many: int) -> None:
    hand, before = await scene.outsider(), rooms(scene.practice)
    async with scene.served():
        await crowd(many, lambda _: invite(hand, scene.practice.bot_user))
        await all_declined(scene.practice)
    assert rooms(scene.practice) == before + 1
    room = scene.room_of(hand.user)
    assert room is not None
    assert greetings(scene.practice, room.id) <= GREETINGS


@pytest.mark.parametrize("many", [4, pytest.param(110, marks=pytest.mark.nightly)])
async def test_invitations_from_many_accounts(scene: Scene, many: int) -> None:
    hands, before = [await scene.outsider() for _ in range(many)], rooms(scene.practice)
    async with scene.served():
        await crowd(3 * many, lambda n: invite(hands[n % many], scene.practice.bot_user))
        await all_declined(scene.practice)
    assert rooms(scene.practice) == before + many
    opened = [scene.room_of(hand.user) for hand in hands]
    assert max(greetings(scene.practice, room.id) for room in opened if room) <= GREETINGS


async def leave(hand: Attacker, room: RoomId) -> None:
    await hand.http.call("POST", f"{CLIENT}/rooms/{segment(room)}/leave", {})


async def test_rooms_left_and_asked_for_again(scene: Scene) -> None:
    """By a stranger and by a patient: so many rooms an hour and no more, and the bot leaves those that are over."""
    for hand, room in (await scene.stranger(), await scene.patient()):
        practice, place = scene.practice, room
        seen = {place}
        async with scene.served():
            for _ in range(ROOMS_EACH + 2):
                await leave(hand, place)
                await _until_left(scene, hand.user)
                await invite(hand, practice.bot_user)
                await all_declined(practice)
                now = scene.room_of(hand.user)
                if now is None or now.left:
                    break
                place = await scene.enter(hand)
                seen.add(place)
            else:
                raise AssertionError("rooms without end")
        assert len(seen) <= 1 + ROOMS_EACH

        async def alone_no_more(ended: set[RoomId] = seen - {place}) -> bool:
            return {scene.practice.membership(room) for room in ended} <= {"leave", "none"}

        await until(alone_no_more, "the bot to leave rooms that are over")
    lines = json.loads((await scene.practice.pli("problems", "--json")).out)
    assert sum(line["kind"] == "room_left" for line in lines) <= ROOMS_EACH + 1


async def _until_left(scene: Scene, user: UserId) -> None:
    async def left() -> bool:
        room = scene.room_of(user)
        return room is None or room.left

    await until(left, "the bot to see that somebody left")


async def test_profiles_that_change_all_the_time(scene: Scene) -> None:
    hand, room = await scene.patient()
    known = scene.room_of(hand.user)
    assert known is not None
    before = greetings(scene.practice, known.id)
    async with await scene.practice.homeserver.admin() as admin:

        async def change(number: int) -> None:
            await admin._call(
                "PUT", f"/_synapse/admin/v2/users/{segment(hand.user)}", {"displayname": f"{number}"}
            )

        async def arrived() -> bool:
            """The last one, and several before it: a homeserver may leave some out."""
            sql = (
                "SELECT json_extract(j.json, '$.content.displayname') FROM events e JOIN event_json j USING (event_id)"
                " WHERE e.room_id = ? AND e.type = 'm.room.member' AND e.sender = ?"
            )
            names = [row[0] for row in scene.practice.seen_by_homeserver(sql, room, hand.user)]
            return "24" in names and len(names) > 5

        async with scene.served():
            for number in range(25):  # one after the other: this homeserver changes no profile twice at once
                await change(number)
            await until(arrived, "the changes in the room")
    assert greetings(scene.practice, known.id) == before, "nobody is greeted for a new name"
    assert await scene.practice_hears(hand, room)


# -- codes ----------------------------------------------------------------------------------------------------------


async def test_codes_guessed_from_many_accounts(scene: Scene) -> None:
    """With a public part that exists. The other patients are served; the right code works at once."""
    reference, practice = new_id("G"), scene.practice
    await scene.people.add(reference)
    code = (await practice.pli("invite", reference, "--lang", "en", "--json")).json()["code"]
    public = code.replace("-", "")[:PUBLIC]
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    practice.query("INSERT INTO guess VALUES ('', ?, ?)", WRONG_CODES_IN_ALL - 3, now)  # as if begun long ago
    places = [await scene.stranger() for _ in range(3)]
    newcomer, room = await scene.stranger()
    invitation = "SELECT redeemed_by, closed FROM invitation WHERE id = ?"
    try:
        async with scene.served():
            for _ in range(4):
                for hand, place in places:
                    await hand.say(place, forged(public))

            async def slowed() -> bool:
                return (
                    int(practice.query("SELECT count FROM guess WHERE sender = ''")[0][0])
                    >= WRONG_CODES_IN_ALL
                )

            await until(slowed, "the wrong codes to be counted")
            assert [tuple(row) for row in practice.query(invitation, public)] == [("", 0)]
            await newcomer.say(room, code)

            async def redeemed() -> bool:
                return bool(practice.query(invitation, public)[0]["redeemed_by"])

            await until(redeemed, "the right code to be taken")
        counted = practice.query("SELECT count FROM guess WHERE sender = ''")[0][0]
        assert counted <= WRONG_CODES_IN_ALL + len(places), "from then on nobody's second code is looked at"
    finally:
        practice.query("DELETE FROM guess")
