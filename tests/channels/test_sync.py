"""A homeserver that fails, stalls or lies. Rules: ``client``, ``directory``, ``send``."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import peewee
import pytest

from bot.channels.matrix.client import Health
from bot.channels.matrix.http import CLIENT, Http, MatrixError
from bot.domain.messages import Nudge, Oddity, PrivateText
from bot.domain.values import Language
from bot.errors import ChannelError, StorageError, Untrusted
from tests.channels.bot_rig import Bot, address, new_txn
from tests.channels.conftest import NewHand
from tests.channels.forge import Json, Signer
from tests.channels.proxy import Proxy
from tests.channels.test_hearing import room_with
from tests.rig.homeserver import RigHomeserver
from tests.rig.waiting import until

FR = Nudge(language=Language.FR)


# -- failing -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "body", "permanent", "retry_after"),
    [
        (429, {"errcode": "M_LIMIT_EXCEEDED", "retry_after_ms": 2500}, False, 2.5),
        (429, {"errcode": "M_LIMIT_EXCEEDED", "retry_after_ms": "soon"}, False, None),
        (500, {"errcode": "M_UNKNOWN"}, False, None),
        (502, {}, False, None),
        (401, {"errcode": "M_UNKNOWN_TOKEN"}, False, None),
        (403, {"errcode": "M_FORBIDDEN"}, True, None),
        (413, {"errcode": "M_TOO_LARGE"}, True, None),
    ],
)
async def test_a_refused_message_says_whether_to_try_again(
    bot: Bot,
    new_hand: NewHand,
    proxy: Proxy,
    status: int,
    body: Json,
    permanent: bool,
    retry_after: float | None,
) -> None:
    hand = await new_hand()
    async with bot.running(through=proxy.url) as (channel, ears):
        to = address(await room_with(channel, ears, hand), hand.user)
        proxy.failures["/send/"] = [(status, body)]
        txn = new_txn()
        with pytest.raises(ChannelError) as failed:
            await channel.nudge(to, FR, txn)
        assert (failed.value.permanent, failed.value.retry_after) == (permanent, retry_after)
        assert to.room not in str(failed.value)
        await channel.nudge(to, FR, txn)


@pytest.mark.parametrize("part", ["/keys/query", "/sendToDevice", "/state"])
async def test_a_failure_on_the_way_leaves_nothing_hanging(
    bot: Bot, new_hand: NewHand, proxy: Proxy, part: str
) -> None:
    """In nio a failed share counts as shared."""
    hand = await new_hand()
    async with bot.running(through=proxy.url) as (channel, ears):
        room = await room_with(channel, ears, hand)
        await hand.share(room, bot.session.user)
        await hand.say(room, "code")
        to = address(room, hand.user, (await ears.wait_text("code")).device)
        proxy.failures[part] = [(500, {})]
        with pytest.raises(ChannelError) as failed:
            await channel.say(to, PrivateText(text="x"), new_txn(), rotate=False)
        assert not failed.value.permanent
        assert proxy.count("/send/") == 0
        await channel.say(to, PrivateText(text="x"), new_txn(), rotate=False)
        assert proxy.count("/send/") == 1


@pytest.mark.parametrize("part", ["/keys/claim", "/sendToDevice"])
async def test_a_failure_before_the_first_word_leaves_nothing_hanging(
    bot: Bot, new_hand: NewHand, proxy: Proxy, part: str
) -> None:
    """In nio a claim that raises leaves the room locked for ever."""
    hand = await new_hand()
    async with bot.running(through=proxy.url) as (channel, ears):
        to = address(await room_with(channel, ears, hand), hand.user)
        proxy.failures[part] = [(500, {})]
        with pytest.raises(ChannelError):
            await channel.nudge(to, FR, new_txn())
        assert proxy.count("/send/") == 0
        await channel.nudge(to, FR, new_txn())


async def test_no_answer_is_an_error_after_the_time_out(proxy: Proxy) -> None:
    proxy.silent.add("/versions")
    http = Http(proxy.url)
    with pytest.raises(MatrixError) as failed:
        await http.call("GET", "/_matrix/client/versions", timeout=0.2)
    assert (failed.value.status, failed.value.permanent) == (0, False)
    await http.close()
    with pytest.raises(MatrixError):
        await http.call("GET", "/_matrix/client/versions")


async def test_the_homeserver_gone_and_back_loses_nothing(bot: Bot, new_hand: NewHand, proxy: Proxy) -> None:
    hand = await new_hand()
    states: list[Health] = []
    async with bot.running(through=proxy.url, health=states.append) as (channel, ears):
        room = await room_with(channel, ears, hand)
        await hand.share(room, bot.session.user)
        proxy.failures["/sync"] = [
            (502, {}),
            (429, {"errcode": "M_LIMIT_EXCEEDED", "retry_after_ms": 10}),
            (401, {"errcode": "M_UNKNOWN_TOKEN"}),
        ]
        await hand.say(room, "meanwhile")  # ends the poll that runs; the next three fail
        await ears.wait_text("meanwhile")
        await hand.say(room, "back")
        await ears.wait_text("back")
        assert channel.health is Health.CONNECTED
    assert states == [
        Health.CONNECTED,
        Health.BACKING_OFF,
        Health.LOGGED_OUT,
        Health.CONNECTED,
        Health.STOPPED,
    ]


async def test_a_token_that_the_homeserver_forgot_is_dropped(
    bot: Bot, new_hand: NewHand, proxy: Proxy
) -> None:
    hand = await new_hand()
    async with bot.running(through=proxy.url) as (channel, ears):
        room = await room_with(channel, ears, hand)
        await hand.share(room, bot.session.user)
        proxy.failures["/sync"] = [(400, {"errcode": "M_INVALID_PARAM"})]
        await hand.say(room, "one")
        await ears.wait_text("one")
        await hand.say(room, "two")
        await ears.wait_text("two")


# -- lying ---------------------------------------------------------------------------------------------------


def poison_room(sync: Json, part: object) -> None:
    sync.setdefault("rooms", {}).setdefault("join", {})["!poison:x"] = part


def poison_events(sync: Json, events: object) -> None:
    poison_room(sync, {"timeline": {"events": events, "limited": True, "prev_batch": 7}, "state": events})


def poison_device(sync: Json, events: list[object]) -> None:
    to_device = sync.setdefault("to_device", {})
    to_device["events"] = [*events, *to_device.get("events", [])]


POISONS: dict[str, Callable[[Json], object]] = {
    "room is a list": lambda sync: poison_room(sync, [1]),
    "room is null": lambda sync: poison_room(sync, None),
    "timeline is text": lambda sync: poison_room(sync, {"timeline": "x", "state": 7}),
    "events are odd": lambda sync: poison_events(
        sync,
        [
            None,
            7,
            {},
            {"type": []},
            {"type": "m.room.member", "state_key": [], "content": None},
            {"type": "m.room.member", "state_key": "@x:y", "content": {"membership": {}}},
            {"type": "m.room.message", "sender": [], "event_id": {}, "content": {"a": 1}},
            {"type": "m.room.encrypted", "sender": "@x:y", "event_id": "$x", "content": [1]},
            {"type": "m.room.message", "sender": "@x:y", "event_id": "$y", "origin_server_ts": 10**30},
            {"type": "m.room.message", "sender": "\ud800", "event_id": "$z", "content": {"body": "\ud800"}},
        ],
    ),
    "device events are odd": lambda sync: poison_device(
        sync, [None, 7, [], {}, {"type": "m.room.encrypted"}]
    ),
    "device lists are odd": lambda sync: sync.update(
        device_lists={"changed": [7, None, "\ud800"], "left": "x"}
    ),
    "counts are odd": lambda sync: sync.update(
        device_one_time_keys_count={"signed_curve25519": "many"}, device_unused_fallback_key_types=[7]
    ),
    "invitations are odd": lambda sync: sync.setdefault("rooms", {}).update(
        invite={"!a:x": None, "!b:x": {"invite_state": {"events": [None, {"type": "m.room.member"}]}}}
    ),
    "left rooms are odd": lambda sync: sync.setdefault("rooms", {}).update(leave={"!c:x": []}),
}


@pytest.mark.parametrize("name", POISONS)
async def test_failure_09_a_poisoned_answer_does_not_stop_the_bot(
    bot: Bot, new_hand: NewHand, proxy: Proxy, name: str
) -> None:
    hand = await new_hand()

    def poison(sync: Json) -> Json:
        POISONS[name](sync)
        return sync

    proxy.changes["/sync"] = poison
    async with bot.running(through=proxy.url) as (channel, ears):
        room = await room_with(channel, ears, hand)
        await hand.share(room, bot.session.user)
        await hand.say(room, "still here")
        await ears.wait_text("still here")


async def test_failure_09_a_deep_device_event_does_not_stop_the_bot(
    bot: Bot, new_hand: NewHand, proxy: Proxy
) -> None:
    """``safejson`` rule 1: the whole answer was lost with it, and asked for again, for ever."""
    hand = await new_hand()

    def deepen(sync: Json) -> bytes:
        poison_device(sync, [{"type": "m.room.encrypted", "sender": hand.user, "content": "HERE"}])
        return json.dumps(sync).replace('"HERE"', '{"a":' * 3000 + "1" + "}" * 3000).encode()

    proxy.changes["/sync"] = deepen
    async with bot.running(through=proxy.url) as (channel, ears):
        room = await room_with(channel, ears, hand)
        await hand.share(room, bot.session.user)
        await hand.say(room, "still here")
        await ears.wait_text("still here")


async def test_other_keys_first_and_the_real_ones_later(bot: Bot, new_hand: NewHand, proxy: Proxy) -> None:
    """``directory`` rule 1: nio keeps the first, so that the patient's words would be a stranger's for ever."""
    hand = await new_hand()
    forger = Signer()
    lying = True

    def lie(answer: Json) -> Json:
        devices = answer.get("device_keys", {}).get(hand.user, {})
        if lying and hand.machine.device_id in devices:
            forged = copy.deepcopy(devices[hand.machine.device_id])
            forged["keys"][f"ed25519:{hand.machine.device_id}"] = forger.public
            forged["signatures"] = {}
            devices[hand.machine.device_id] = forger.sign(forged, hand.user, hand.machine.device_id)
        return answer

    proxy.changes["/keys/query"] = lie
    async with bot.running(through=proxy.url) as (channel, ears):
        room = await room_with(channel, ears, hand)
        await hand.share(room, bot.session.user)
        await hand.say(room, "first")
        assert (await ears.wait_text("first")).device is None
        lying = False
        await hand.say(room, "second")
        device = (await ears.wait_text("second")).device
        assert device is not None
        to = address(room, hand.user, device)
        await channel.say(to, PrivateText(text="x"), new_txn(), rotate=False)
        lying = True
        with pytest.raises(Untrusted) as refused:
            await channel.say(to, PrivateText(text="x"), new_txn(), rotate=False)
        assert refused.value.reason == "device"


async def test_a_device_that_vanished_and_came_back_is_served(
    bot: Bot, new_hand: NewHand, proxy: Proxy
) -> None:
    """nio keeps it deleted."""
    hand = await new_hand()
    hidden = False

    def hide(answer: Json) -> Json:
        if hidden:
            answer.get("device_keys", {}).get(hand.user, {}).clear()
        return answer

    proxy.changes["/keys/query"] = hide
    async with bot.running(through=proxy.url) as (channel, ears):
        room = await room_with(channel, ears, hand)
        await hand.share(room, bot.session.user)
        await hand.say(room, "code")
        to = address(room, hand.user, (await ears.wait_text("code")).device)
        hidden = True
        with pytest.raises(Untrusted):
            await channel.say(to, PrivateText(text="x"), new_txn(), rotate=False)
        await hand.say(room, "while hidden")
        assert (await ears.wait_text("while hidden")).device is None
        hidden = False
        await channel.say(to, PrivateText(text="x"), new_txn(), rotate=False)
        await hand.say(room, "again")
        assert (await ears.wait_text("again")).device is not None


@pytest.mark.parametrize("lie", ["silent", "no master key", "a device that proves nothing"])
async def test_silence_about_the_patient_or_the_bot_is_no_consent(
    bot: Bot, new_hand: NewHand, proxy: Proxy, lie: str
) -> None:
    hand = await new_hand()
    lying: list[str] = []

    def change(answer: Json) -> Json:
        about_bot = bot.session.user in lying
        if lie == "silent" or hand.user in lying:
            for user in lying:
                answer["device_keys"].pop(user, None)
        elif about_bot and lie == "no master key":
            answer["master_keys"].pop(bot.session.user)
        elif about_bot:
            answer["device_keys"][bot.session.user]["GHOST"] = {}
        return answer

    proxy.changes["/keys/query"] = change
    async with bot.running(through=proxy.url) as (channel, ears):
        room = await room_with(channel, ears, hand)
        await hand.share(room, bot.session.user)
        await hand.say(room, "code")
        to = address(room, hand.user, (await ears.wait_text("code")).device)
        lying.append(hand.user)
        with pytest.raises(ChannelError) as failed:
            await channel.say(to, PrivateText(text="x"), new_txn(), rotate=False)
        assert not failed.value.permanent
        lying[:] = [bot.session.user]
        with pytest.raises(Untrusted) as refused:
            await channel.say(to, PrivateText(text="x"), new_txn(), rotate=False)
        assert refused.value.reason == "own_device"
        assert proxy.count("/send/") == 0


async def test_an_answer_that_was_overtaken_by_a_change_is_old(
    bot: Bot, new_hand: NewHand, proxy: Proxy
) -> None:
    """``directory`` rule 3."""
    hand = await new_hand()
    async with bot.running(through=proxy.url) as (channel, ears):
        await room_with(channel, ears, hand)
        directory = channel._directory
        assert directory is not None
        await directory.current(hand.user)
        assert directory.stale([hand.user]) == []

        def announce(answer: Json) -> Json:
            directory.changed([hand.user])
            return answer

        proxy.changes["/keys/query"] = announce
        await directory.refresh([hand.user])
        assert directory.stale([hand.user]) == [hand.user]
        proxy.changes.clear()
        await directory.current(hand.user)
        assert directory.stale([hand.user]) == []


BAD_CLAIMS: dict[str, Callable[[Json], Any]] = {
    "no signature": lambda key: key.pop("signatures"),
    "another key": lambda key: key.update(key=Signer().public),
    "no key": lambda key: key.clear(),
}


@pytest.mark.parametrize("name", BAD_CLAIMS)
async def test_a_device_with_a_bad_one_time_key_is_not_served(
    bot: Bot, new_hand: NewHand, proxy: Proxy, name: str
) -> None:
    """``trust`` rule 10, ``send`` rule 5: nobody holds the key, so nothing is sent."""
    hand = await new_hand()

    def forge(answer: Json) -> Json:
        for device in answer["one_time_keys"].get(hand.user, {}).values():
            for key in device.values():
                BAD_CLAIMS[name](key)
        return answer

    async with bot.running(through=proxy.url) as (channel, ears):
        to = address(await room_with(channel, ears, hand), hand.user)
        proxy.changes["/keys/claim"] = forge
        with pytest.raises(ChannelError) as failed:
            await channel.nudge(to, FR, new_txn())
        assert not failed.value.permanent
        assert (proxy.count("/send/"), proxy.count("/sendToDevice")) == (0, 0)
        proxy.changes.clear()
        await channel.nudge(to, FR, new_txn())


# -- tokens --------------------------------------------------------------------------------------------------


class Tokens:
    """A sync store that can refuse."""

    def __init__(self) -> None:
        self.saved: list[str] = []
        self.refuses = False

    async def load(self) -> str | None:
        return self.saved[-1] if self.saved else None

    async def save(self, token: str) -> None:
        if self.refuses:
            raise StorageError
        self.saved.append(token)


async def test_a_token_that_was_not_stored_means_everything_is_heard_again(
    bot: Bot, new_hand: NewHand
) -> None:
    """The room key came before the crash and is still there; the services know the event again by its id."""
    hand = await new_hand()
    tokens = Tokens()
    async with bot.running(sync_store=tokens) as (channel, ears):
        room = await room_with(channel, ears, hand)
        tokens.refuses = True
        await hand.share(room, bot.session.user)
        event = await hand.say(room, "1234")
        first = await ears.wait_text("1234")
        await channel.nudge(address(room, hand.user), FR, new_txn())
    tokens.refuses = False
    async with bot.running(sync_store=tokens) as (_, ears):
        again = await ears.wait_text("1234")
    assert (again.event, again.replay_key, again.oddity) == (event, first.replay_key, None)


async def test_the_token_waits_for_the_handler(bot: Bot, new_hand: NewHand) -> None:
    hand = await new_hand()
    tokens = Tokens()
    async with bot.running(sync_store=tokens, grace_seconds=60) as (channel, ears):
        room, other = await room_with(channel, ears, hand), await room_with(channel, ears, hand)

        async def settled() -> bool:
            return channel._running()._inbox.waiting == 0

        await until(settled, "nothing waiting")
        await hand.say(room, "no key yet")
        await hand.put(other, {"msgtype": "m.text", "body": "one"}, kind="m.room.message")
        await ears.wait_text("one")
        before = list(tokens.saved)
        await hand.put(other, {"msgtype": "m.text", "body": "two"}, kind="m.room.message")
        await ears.wait_text("two")
        assert tokens.saved == before
    async with bot.running(sync_store=tokens, grace_seconds=0.1) as (_, ears):
        heard = await ears.wait_heard(lambda message: message.room == room)
        await ears.wait_text("two")
    assert heard.oddity is Oddity.UNDECRYPTABLE


async def test_nothing_is_asked_without_a_token_of_access(homeserver: RigHomeserver) -> None:
    http = Http(homeserver.url)
    with pytest.raises(MatrixError) as failed:
        await http.call("GET", f"{CLIENT}/sync")
    assert (failed.value.status, failed.value.permanent) == (401, False)
    await http.close()


@pytest.mark.parametrize(("status", "heard"), [(500, 80), (403, 50)])
async def test_a_gap_that_cannot_be_filled_is_no_end(
    bot: Bot, new_hand: NewHand, proxy: Proxy, status: int, heard: int
) -> None:
    """``client`` rule 5: asked again where that can help, done without where it cannot."""
    hand = await new_hand()
    async with bot.running() as (channel, ears):
        room = await room_with(channel, ears, hand)
        await hand.share(room, bot.session.user)
        await hand.say(room, "before")
        await ears.wait_text("before")
    said = [f"message {number}" for number in range(80)]
    for message in said:
        await hand.say(room, message)
    proxy.failures["/messages"] = [(status, {})]
    async with bot.running(through=proxy.url) as (_, ears):
        await ears.wait_text(said[-1])
    assert [message.text.reveal() for message in ears.heard] == said[-heard:]


async def test_a_store_that_refuses_for_a_while_loses_nothing(
    bot: Bot, new_hand: NewHand, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``olm`` rule 6: the room key comes once; the answer that holds it is read again until it is stored."""
    hand = await new_hand()
    states: list[Health] = []
    refused: list[str] = []
    async with bot.running(through=proxy.url, health=states.append) as (channel, ears):
        room = await room_with(channel, ears, hand)
        assert channel._machine is not None
        store = channel._machine._store
        save = store.save_inbound_group_session

        def refuse_twice(session: object) -> None:
            if len(refused) < 2:
                refused.append("x")
                raise peewee.OperationalError("database or disk is full")
            save(session)

        monkeypatch.setattr(store, "save_inbound_group_session", refuse_twice)
        await hand.share(room, bot.session.user)
        await hand.say(room, "late but whole")
        await ears.wait_text("late but whole")
    assert len(refused) == 2
    assert Health.BACKING_OFF in states
