"""What is gone from the device's store, and when. Rules 5 and 11 to 16 of ``olm``, ``parting``, ``upkeep`` 2 and 3."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import sqlite3
import subprocess
import sys
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import peewee
import pytest
import vodozemac

from bot.channels.matrix import hearing
from bot.channels.matrix.http import CLIENT, Http, segment
from bot.channels.matrix.olm import Decrypted, Machine, NoKey, Unreadable
from bot.channels.matrix.upkeep import Upkeep
from bot.domain.messages import Incoming, Nudge
from bot.domain.values import Language, RoomId, SecretBytes, UserId
from bot.errors import ChannelError
from tests.channels.bot_rig import Bot, Ears, address, new_txn
from tests.channels.conftest import NewHand
from tests.channels.forge import Json
from tests.channels.pair import PEER, ROOM, Pair, forget, megolm
from tests.channels.proxy import Proxy
from tests.channels.test_hearing import room_with
from tests.channels.test_keys import claim
from tests.rig.waiting import until

GONE = UserId("@gone:pli.localhost")


def pickles(folder: Path, table: str) -> dict[str, bytes]:
    """What lies in the store, by session id, read beside the bot."""
    with contextlib.closing(sqlite3.connect(folder / "olm.db", timeout=30)) as database:
        return dict(database.execute(_PICKLES[table]).fetchall())


_PICKLES = {
    "accounts": "SELECT device_id, account FROM accounts",
    "olmsessions": "SELECT session_id, session FROM olmsessions",
    "megolminboundsessions": "SELECT session_id, session FROM megolminboundsessions",
}


def raw(folder: Path) -> bytes:
    """Every byte of every file, the write-ahead log's included."""
    return b"".join(path.read_bytes() for path in folder.iterdir())


def lies_in(blob: bytes, data: bytes) -> bool:
    """Whether a good part of the end of ``blob`` is there: pickles of one kind begin alike."""
    return blob[-300:-200] in data or blob[-150:] in data


# -- one-time keys -------------------------------------------------------------------------------------------


def opened(folder: Path, key: SecretBytes, sender: str, message: vodozemac.PreKeyMessage) -> bytes | None:
    """What the account that lies in the store makes of an Olm message."""
    (stored,) = pickles(folder, "accounts").values()
    pickle_key = hashlib.sha256(key.reveal().hex().encode()).digest()
    account = vodozemac.Account.from_pickle(stored.decode(), pickle_key)
    try:
        made = account.create_inbound_session(vodozemac.Curve25519PublicKey.from_base64(sender), message)
    except vodozemac.SessionCreationException:
        return None
    return bytes(made[1])


def opened_by_the_account(pair: Pair, event: Json) -> bytes | None:
    body = event["content"]["ciphertext"][pair.bot.curve25519]["body"]
    message = vodozemac.PreKeyMessage.from_base64(body)
    return opened(pair.folder, pair.key, pair.peer.curve25519, message)


def test_rule_12_a_used_one_time_key_is_gone_from_the_store_at_once(pair: Pair) -> None:
    """nio saves the account a moment too early, and then not until new keys are uploaded."""
    event = pair.room_key(vodozemac.GroupSession())
    assert b"m.room_key" in (opened_by_the_account(pair, event) or b""), "the search finds what is there"
    pair.bot.receive(event)
    assert opened_by_the_account(pair, event) is None
    assert len(pair.bot.take_new_keys()) == 1


def test_rule_12_killed_at_any_point_the_key_and_its_session_change_together(pair: Pair) -> None:
    """A process that dies before each statement in turn: the store holds the key and no session, or the reverse."""
    event = pair.room_key(vodozemac.GroupSession())
    pair.bot.close()
    done = subprocess.run(
        [sys.executable, "-c", _DIES, str(pair.folder), pair.key.reveal().hex(), repr(event)],
        capture_output=True,
        text=True,
        check=True,
    )
    steps = int(done.stdout)
    assert steps > 5
    states = []
    for step in range(1, steps + 1):
        copy = Pair(pair.bot, pair.peer, pair.folder.with_name(f"step-{step}"), pair.key)
        found = opened_by_the_account(copy, event) is not None, len(pickles(copy.folder, "olmsessions"))
        states.append(found)
    assert set(states) == {(True, 0), (False, 1)}
    assert states[-1] == (False, 1)
    pair.reopen()


_DIES = """
import ast, itertools, os, shutil, signal, sys
from pathlib import Path
from typing import Any
from bot.channels.matrix.olm import Machine
from bot.domain.values import SecretBytes, UserId
folder, key, event = Path(sys.argv[1]), SecretBytes(bytes.fromhex(sys.argv[2])), ast.literal_eval(sys.argv[3])

def receive(copy, left):
    machine = Machine(user=UserId("@bot:pli.localhost"), device_id="DEVICE", folder=copy, pickle_key=key)
    machine.admit(may_share=lambda *_: True, may_speak=lambda _: True)

    def count(_sql):
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    machine._store.database.connection().set_trace_callback(count)
    machine.receive(event)
    machine._store.database.connection().set_trace_callback(None)
    os._exit(0)

for step in itertools.count(1):
    copy = folder.with_name(f"step-{step}")
    shutil.copytree(folder, copy)
    child = os.fork()
    if child == 0:
        receive(copy, step)
    if os.waitpid(child, 0)[1] == 0:
        print(step)
        break
"""


# -- inbound sessions ----------------------------------------------------------------------------------------


def test_rule_14_what_was_withheld_before_a_read_message_stays_unreadable(pair: Pair) -> None:
    """A homeserver keeps the message with the PIN back, the patient types again, and later the disk is taken."""
    withheld, other, read = pair.share(), pair.share(), pair.share()
    kept_back = [megolm(session, {"room_id": ROOM}) for session in (withheld, other)]
    assert isinstance(pair.bot.decrypt(ROOM, megolm(read, {"room_id": ROOM})), Decrypted)
    forget(pair.bot, read, 0)
    assert [pair.bot.decrypt(ROOM, content) for content in kept_back] == [NoKey(), NoKey()]
    later = pair.share()
    assert set(pickles(pair.folder, "megolminboundsessions")) == {read.session_id, later.session_id}


def test_rule_14_other_rooms_and_what_came_later_are_kept(pair: Pair) -> None:
    pair.bot.admit(may_share=lambda *_: True, may_speak=lambda _: True)
    elsewhere = vodozemac.GroupSession()
    pair.bot.receive(pair.room_key(elsewhere, room_id="!elsewhere:pli.localhost"))
    pair.bot.take_new_keys()
    read, later = pair.share(), pair.share()
    forget(pair.bot, read, 0)
    assert set(pickles(pair.folder, "megolminboundsessions")) == {
        elsewhere.session_id,
        read.session_id,
        later.session_id,
    }


def test_rule_13_what_was_read_before_a_crash_is_forgotten_after_it(pair: Pair) -> None:
    session = pair.share()
    pin, later = megolm(session, {"room_id": ROOM}), megolm(session, {"room_id": ROOM})
    pair.bot.note_read([(ROOM, session.session_id, 0)])
    machine = pair.reopen()  # nothing was forgotten: as after a kill
    assert isinstance(machine.decrypt(ROOM, pin), Decrypted)
    machine.forget_noted(machine.last_note())
    assert isinstance(machine.decrypt(ROOM, pin), Unreadable)
    assert isinstance(machine.decrypt(ROOM, later), Decrypted)
    assert machine.last_note() == 0


def test_rule_16_old_bytes_stay_neither_in_free_pages_nor_in_the_log(pair: Pair) -> None:
    """Sessions that were moved on, deleted, or used, and the account with the keys that it had."""
    many = [pair.share() for _ in range(12)]
    before = [
        *(pickles(pair.folder, "megolminboundsessions")[s.session_id] for s in many),
        *pickles(pair.folder, "olmsessions").values(),
        *pickles(pair.folder, "accounts").values(),
    ]
    assert all(lies_in(blob, raw(pair.folder)) for blob in before), "the search finds what is there"
    one_time, _ = pair.bot.prepare_one_time_keys(5, fallback=True)
    pair.bot.receive(pair.olm_event(pair.payload("m.dummy", {})))
    forget(pair.bot, many[3], 0)
    forget(pair.bot, many[-1], 0)
    pair.bot.truncate_log()
    assert one_time
    left = [number for number, blob in enumerate(before) if lies_in(blob, raw(pair.folder))]
    assert left == []


def test_rule_11_nothing_but_the_account_is_loaded(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(3):
        pair.share()
    asked: list[str] = []
    execute: Any = peewee.SqliteDatabase.execute_sql

    def listen(database: peewee.SqliteDatabase, sql: str, *values: object) -> object:
        asked.append(sql)
        return execute(database, sql, *values)

    monkeypatch.setattr(peewee.SqliteDatabase, "execute_sql", listen)
    pair.reopen().reload()
    reads = [sql.lower() for sql in asked if sql.upper().startswith("SELECT")]
    assert any("account" in sql for sql in reads)
    assert not [sql for sql in reads if "sessions" in sql]
    assert pair.still_works()


# -- who is gone ---------------------------------------------------------------------------------------------


def test_rule_15_sessions_of_rooms_and_people_that_are_gone_are_deleted(pair: Pair) -> None:
    pair.share()
    pair.bot.forget_people([GONE])
    pair.bot.forget_room(RoomId("!elsewhere:pli.localhost"))
    assert not pair.bot.was_forgotten(PEER)
    for table in ("olmsessions", "megolminboundsessions"):
        assert len(pickles(pair.folder, table)) == 1, "nobody else's"
    pair.bot.keep_only(rooms=[ROOM], people=[PEER])
    pair.bot.forget_people([PEER])
    pair.bot.forget_room(ROOM)
    for table in ("olmsessions", "megolminboundsessions"):
        assert pickles(pair.folder, table) == {}
    assert pair.bot.was_forgotten(PEER)
    assert not pair.bot.was_forgotten(GONE)
    pair.bot.met_again(PEER)
    assert not pair.bot.was_forgotten(PEER)


def test_rule_15_at_the_start_what_is_not_there_any_more_is_deleted(pair: Pair) -> None:
    pair.share()
    pair.bot.keep_only(rooms=[], people=[GONE])
    for table in ("olmsessions", "megolminboundsessions"):
        assert pickles(pair.folder, table) == {}


def counts(bot: Bot) -> tuple[int, int]:
    """Olm sessions and inbound Megolm sessions in the running bot's store."""
    return len(pickles(bot.store_dir, "olmsessions")), len(pickles(bot.store_dir, "megolminboundsessions"))


async def test_rule_15_whoever_leaves_takes_their_sessions_and_is_understood_again(
    bot: Bot, new_hand: NewHand, proxy: Proxy
) -> None:
    """``upkeep`` rule 5: back in another room, their phone goes on with the Olm session that was deleted here."""
    hand, other = await new_hand(), await new_hand()
    proxy.changes["/sync"] = lambda answer: {k: v for k, v in answer.items() if k != "device_lists"}
    async with bot.running(through=proxy.url) as (channel, ears):
        room, kept = await room_with(channel, ears, hand), await room_with(channel, ears, other)
        for one, place in ((hand, room), (other, kept)):
            await one.share(place, bot.session.user)
            await one.say(place, "before")
        await ears.wait_heard(lambda message: message.room == room)
        await ears.wait_heard(lambda message: message.room == kept)
        assert counts(bot) == (2, 2)
        await hand.http.call("POST", f"{CLIENT}/rooms/{segment(room)}/leave", {})

        async def forgotten() -> bool:
            return counts(bot) == (1, 1)

        await until(forgotten, "their sessions gone")
        await hand.take_keys()
        again = await room_with(channel, ears, hand)
        await until(lambda: _some(hand.take_keys()), "a new Olm session")
        await hand.share(again, bot.session.user)
        await hand.say(again, "back")
        heard = await ears.wait_text("back")
        assert heard.device is not None
        await channel.nudge(address(again, hand.user), Nudge(language=Language.FR), new_txn())


async def _some(number: Awaitable[int]) -> bool:
    return await number > 0


async def test_rule_15_what_happened_while_the_bot_was_down_counts_as_well(
    bot: Bot, new_hand: NewHand
) -> None:
    hand, other = await new_hand(), await new_hand()
    async with bot.running() as (channel, ears):
        room, kept = await room_with(channel, ears, hand), await room_with(channel, ears, other)
        for one, place in ((hand, room), (other, kept)):
            await one.share(place, bot.session.user)
            await one.say(place, "before")
        await ears.wait_heard(lambda message: message.room == room)
        await ears.wait_heard(lambda message: message.room == kept)
    await hand.http.call("POST", f"{CLIENT}/rooms/{segment(room)}/leave", {})
    async with bot.running():

        async def forgotten() -> bool:
            return counts(bot) == (1, 1)

        await until(forgotten, "their sessions gone")


async def test_an_answer_that_leaves_rooms_out_costs_no_session(
    bot: Bot, new_hand: NewHand, proxy: Proxy
) -> None:
    """``parting`` rules 2 and 3, the homeserver's word that somebody left included."""
    hand = await new_hand()
    async with bot.running() as (channel, ears):
        room = await room_with(channel, ears, hand)
        await hand.share(room, bot.session.user)
        await hand.say(room, "before")
        await ears.wait_text("before")
    before = counts(bot)
    assert before == (1, 1)
    asked = proxy.count("/sync")

    def forgets(answer: Json) -> Json:
        answer["rooms"] = {}
        answer["device_lists"] = {"changed": [], "left": [hand.user]}
        return answer

    proxy.changes["/sync"] = forgets
    proxy.poll_ms = 100
    async with bot.running(through=proxy.url):

        async def looked() -> bool:
            return proxy.count("/joined_rooms") > 0 and proxy.count("/sync") > asked + 2

        await until(looked, "the bot to look around")
    assert counts(bot) == before


# -- the clock -----------------------------------------------------------------------------------------------


async def test_rule_13_a_killed_bot_forgets_in_its_next_life(
    bot: Bot, new_hand: NewHand, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``client`` rule 7: by the clock, not by the homeserver's answers; the first life ends before it forgot."""
    hand = await new_hand()
    monkeypatch.setattr(hearing.Hearing, "forget_read", lambda *_, **__: None)
    async with bot.running() as (channel, ears):
        room = await room_with(channel, ears, hand)
        await hand.share(room, bot.session.user)
        await hand.say(room, "1234")
        await ears.wait_text("1234")
    read = pickles(bot.store_dir, "megolminboundsessions")
    monkeypatch.undo()
    monkeypatch.setattr(hearing, "_FORGET_AFTER_SECONDS", 0.2)
    monkeypatch.setattr("bot.channels.matrix.client._FORGET_EVERY_SECONDS", 0.05)
    async with bot.running():

        async def moved_on() -> bool:
            now = pickles(bot.store_dir, "megolminboundsessions")
            (old,) = read.values()
            return now.keys() == read.keys() and now != read and not lies_in(old, raw(bot.store_dir))

        await until(moved_on, "the session moved past what was read")


async def test_rule_5_one_event_that_is_never_done_keeps_nobody_s_pin_readable(
    bot: Bot, new_hand: NewHand, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The token waits for it for ever: a homeserver can see to that, with one patient's help."""
    monkeypatch.setattr(hearing, "_FORGET_ANYWAY_SECONDS", 0.2)
    monkeypatch.setattr("bot.channels.matrix.client._FORGET_EVERY_SECONDS", 0.05)
    hand, mallory = await new_hand(), await new_hand()
    ears = Stuck()
    async with bot.running(ears) as (channel, _):
        room, stuck = await room_with(channel, ears, hand), await room_with(channel, ears, mallory)
        await mallory.put(stuck, {"msgtype": "m.text", "body": "never"}, kind="m.room.message")
        await asyncio.wait_for(ears.stuck.wait(), 30)
        token = (bot.store_dir / "sync.json").read_bytes()
        await hand.share(room, bot.session.user)
        ciphertext = hand.encrypt(room, {"msgtype": "m.text", "body": "1234"})
        await hand.put(room, ciphertext)
        await ears.wait_text("1234")
        assert channel._machine is not None
        machine = channel._machine

        async def gone() -> bool:
            return isinstance(machine.decrypt(room, ciphertext), Unreadable)

        await until(gone, "the PIN unreadable")
        assert (bot.store_dir / "sync.json").read_bytes() == token


class Stuck(Ears):
    """Is never done with one message."""

    def __init__(self) -> None:
        super().__init__()
        self.stuck = asyncio.Event()

    async def on_message(self, message: Incoming) -> None:
        if message.text.reveal() == "never":
            self.stuck.set()
            await asyncio.Event().wait()
        await super().on_message(message)


class Hours:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_upkeep_rule_2_a_used_fallback_key_is_gone_within_the_hour(
    bot: Bot, new_hand: NewHand, proxy: Proxy
) -> None:
    """Whatever the homeserver says of its use; and also while it takes no new key."""
    thief, hours = await new_hand(), Hours()
    http = Http(proxy.url, bot.session.token.reveal())
    machine = Machine(
        user=bot.session.user,
        device_id=bot.session.device_id,
        folder=bot.store_dir,
        pickle_key=bot.pickle_key,
    )
    keeper = Upkeep(http, machine, monotonic=hours)
    await keeper.publish()
    used: list[tuple[str, vodozemac.PreKeyMessage]] = []

    async def use() -> None:
        """Somebody finds no one-time key left, and writes with the fallback key."""
        while not (found := await claim(thief, bot)).get("fallback"):
            pass
        account = vodozemac.Account()
        session = account.create_outbound_session(
            vodozemac.Curve25519PublicKey.from_base64(machine.curve25519),
            vodozemac.Curve25519PublicKey.from_base64(found["key"]),
        )
        message = session.encrypt(b"the PIN").to_pre_key()
        assert message is not None
        used.append((account.curve25519_key.to_base64(), message))

    def readable() -> list[bool]:
        return [opened(bot.store_dir, bot.pickle_key, *message) == b"the PIN" for message in used]

    async def beat(minutes: float) -> None:
        hours.now += minutes * 60
        keeper.hear({"device_unused_fallback_key_types": ["signed_curve25519"], "to_device": {"events": []}})
        keeper.expire()
        await keeper.top_up()

    await use()
    await beat(0)  # the start: the first is replaced, and what is on its way can still be read
    await use()
    assert readable() == [True, True]
    for _ in range(12):
        await beat(5)
    assert readable() == [False, False]
    await use()
    proxy.failures["/keys/upload"] = [(503, {})] * 1000
    for _ in range(12):
        with contextlib.suppress(ChannelError):
            await beat(5)
    assert readable() == [False, False, False]
    await http.close()
    machine.close()


async def test_upkeep_rule_3_uploads_that_fail_do_not_fill_the_account(bot: Bot, proxy: Proxy) -> None:
    """Each makes fifty more keys; vodozemac keeps 5,000 and then forgets those that others still use."""
    hours = Hours()
    http = Http(proxy.url, bot.session.token.reveal())
    machine = Machine(
        user=bot.session.user,
        device_id=bot.session.device_id,
        folder=bot.store_dir,
        pickle_key=bot.pickle_key,
    )
    keeper = Upkeep(http, machine, monotonic=hours)
    proxy.failures["/keys/upload"] = [(503, {})] * 1000
    for _ in range(360):
        hours.now += 10
        keeper.hear({"device_one_time_keys_count": {}, "to_device": {"events": []}})
        with contextlib.suppress(ChannelError):
            await keeper.top_up()
    assert 5 < proxy.count("/keys/upload") < 15
    proxy.failures.clear()
    hours.now += 3600
    await keeper.top_up()
    await keeper.top_up()
    assert keeper.one_time_keys == keeper._machine.one_time_key_target
    await http.close()
    machine.close()
