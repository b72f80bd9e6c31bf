"""The device's keys over its life. Rules: ``identity``, ``upkeep``, ``files``."""

from __future__ import annotations

import json
import os
import secrets
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bot.channels.matrix.channel import set_up_device
from bot.channels.matrix.files import DeviceLock, read_private, write_private
from bot.channels.matrix.http import CLIENT, Http
from bot.channels.matrix.identity import login, publish_identity, verify_published
from bot.channels.matrix.olm import Machine
from bot.channels.matrix.session import Seeds, load_session
from bot.channels.matrix.upkeep import Upkeep
from bot.domain.messages import Nudge, Oddity
from bot.domain.values import Language, Secret, SecretBytes
from bot.errors import ChannelError, Refused, StorageError, Untrusted, WrongUse
from tests.channels.bot_rig import Bot, Ears, address, new_bot, new_txn
from tests.channels.conftest import NewHand
from tests.channels.hand import Hand
from tests.channels.test_hearing import room_with
from tests.rig.homeserver import RigHomeserver
from tests.rig.waiting import until

# -- identity ----------------------------------------------------------------------------------------------


def seeds_of(bot: Bot) -> Seeds:
    return Seeds.load(bot.key_dir)


async def test_the_identity_is_seen_from_outside(bot: Bot, new_hand: NewHand) -> None:
    """Failure 09: what ``pli doctor`` proves, with somebody else's token."""
    hand = await new_hand()
    master = seeds_of(bot).master_key
    await verify_published(hand.http, bot.session.user, master, bot.session.device_id)
    for wrong, reason in (("x" * 43, "identity"), (seeds_of(bot).master_key.lower(), "identity")):
        with pytest.raises(Untrusted) as refused:
            await verify_published(hand.http, bot.session.user, wrong, bot.session.device_id)
        assert refused.value.reason == reason
    with pytest.raises(Untrusted) as refused:
        await verify_published(hand.http, bot.session.user, master, "OTHER")
    assert refused.value.reason == "own_device"


async def test_an_unsigned_device_on_the_bot_s_account_is_found(
    bot: Bot, homeserver: RigHomeserver, tmp_path: Path, new_hand: NewHand
) -> None:
    hand = await new_hand()
    ghost = await Hand.start(
        homeserver, tmp_path / "ghost", user=bot.session.user, password=bot.password.reveal(), sign=False
    )
    await ghost.close()
    with pytest.raises(Untrusted) as refused:
        await verify_published(hand.http, bot.session.user, seeds_of(bot).master_key, bot.session.device_id)
    assert refused.value.reason == "own_device"


async def set_up(bot: Bot, *, password: Secret | None) -> None:
    await set_up_device(
        bot.session,
        key_dir=bot.key_dir,
        store_dir=bot.store_dir,
        pickle_key=bot.pickle_key,
        password=password,
    )


async def test_publishing_again_changes_nothing_and_needs_no_password(bot: Bot) -> None:
    before = read_private(bot.key_dir / "cross_signing.json")
    await set_up(bot, password=None)
    assert read_private(bot.key_dir / "cross_signing.json") == before


async def test_a_new_device_is_signed_by_the_same_identity(bot: Bot, new_hand: NewHand) -> None:
    hand = await new_hand()
    master = seeds_of(bot).master_key
    bot.session = await login(bot.homeserver.url, bot.session.user, bot.password, bot.key_dir)
    with pytest.raises(Untrusted):
        await verify_published(hand.http, bot.session.user, master, bot.session.device_id)
    (bot.store_dir / "olm.db").unlink()
    await set_up(bot, password=None)
    await verify_published(hand.http, bot.session.user, master, bot.session.device_id)
    assert seeds_of(bot).master_key == master


async def test_another_identity_is_replaced_only_with_the_password(bot: Bot, new_hand: NewHand) -> None:
    """Rule 3."""
    hand = await new_hand()
    (bot.key_dir / "cross_signing.json").unlink()
    with pytest.raises(Refused, match="password"):
        await set_up(bot, password=None)
    with pytest.raises(Refused, match="password"):
        await set_up(bot, password=Secret("wrong"))
    await set_up(bot, password=bot.password)
    await verify_published(hand.http, bot.session.user, seeds_of(bot).master_key, bot.session.device_id)


async def test_key_files_are_private_and_hold_no_password(bot: Bot) -> None:
    """Rule 4; ``files`` rule 1."""
    files = [*bot.key_dir.iterdir(), *bot.store_dir.iterdir()]
    assert {path.name for path in files} >= {"cross_signing.json", "session.json", "olm.db", "device.lock"}
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    assert {folder.stat().st_mode & 0o777 for folder in (bot.key_dir, bot.store_dir)} == {0o700}
    assert not [path for path in files if bot.password.reveal().encode() in path.read_bytes()]
    assert set(json.loads((bot.key_dir / "session.json").read_text())) == {
        "homeserver",
        "user_id",
        "device_id",
        "access_token",
    }
    assert load_session(bot.key_dir).user == bot.session.user


async def test_a_wrong_password_is_refused_without_a_trace(homeserver: RigHomeserver, tmp_path: Path) -> None:
    user, _ = await homeserver.new_user("bot")
    with pytest.raises(Refused) as refused:
        await login(homeserver.url, user, Secret("not-the-password"), tmp_path / "keys")
    assert user not in str(refused.value)
    assert not (tmp_path / "keys").exists()
    with pytest.raises(WrongUse):
        load_session(tmp_path / "keys")


@pytest.mark.parametrize("content", [{}, {"master": "00"}, {"master": 7}, {"other": "00" * 32}])
def test_damaged_seeds_are_refused(tmp_path: Path, content: dict[str, Any]) -> None:
    write_private(tmp_path / "cross_signing.json", content)
    with pytest.raises(StorageError):
        Seeds.load(tmp_path)


def test_a_key_file_open_to_others_is_refused(tmp_path: Path) -> None:
    Seeds.load_or_make(tmp_path)
    (tmp_path / "cross_signing.json").chmod(0o640)
    with pytest.raises(StorageError, match="open to other"):
        Seeds.load(tmp_path)


# -- one-time and fallback keys ------------------------------------------------------------------------------


async def claim(hand: Hand, bot: Bot) -> dict[str, Any]:
    body = {"one_time_keys": {bot.session.user: {bot.session.device_id: "signed_curve25519"}}}
    answer = await hand.http.call("POST", f"{CLIENT}/keys/claim", body)
    found: dict[str, Any] = next(
        iter(answer["one_time_keys"][bot.session.user][bot.session.device_id].values())
    )
    return found


async def claim_all(hand: Hand, bot: Bot) -> int:
    """Take every one-time key of the bot; returns how many there were."""
    taken = 0
    while not (await claim(hand, bot)).get("fallback"):
        taken += 1
    return taken


async def test_failure_09_claiming_every_key_does_not_silence_the_bot(bot: Bot, new_hand: NewHand) -> None:
    """Zero is a number, also after a restart; and until then there is the fallback key."""
    thief, hand = await new_hand(), await new_hand()
    assert await claim_all(thief, bot) == 50
    async with bot.running() as (channel, ears):
        room = await room_with(channel, ears, hand)

        async def refilled() -> bool:
            return not (await claim(thief, bot)).get("fallback")

        await until(refilled, "new one-time keys after the start")
        await claim_all(thief, bot)
        await hand.put(room, {"msgtype": "m.text", "body": "ends the long poll"}, kind="m.room.message")
        await until(refilled, "new one-time keys while running")
    await claim_all(thief, bot)
    await hand.share(room, bot.session.user)  # has only the fallback key to begin with
    await hand.say(room, "through the fallback key")
    async with bot.running() as (_, ears):
        heard = await ears.wait_text("through the fallback key")
        assert heard.device is not None
        used = (await claim(thief, bot)).get("key")
        await claim_all(thief, bot)

        async def replaced() -> bool:
            return bool((await claim(thief, bot)).get("key") != used)

        await until(replaced, "a new fallback key")


async def test_keys_of_an_upload_without_an_answer_are_not_offered_again(bot: Bot) -> None:
    machine = Machine(
        user=bot.session.user,
        device_id=bot.session.device_id,
        folder=bot.store_dir,
        pickle_key=bot.pickle_key,
    )
    first, fallback = machine.prepare_one_time_keys(3, fallback=True)
    machine.close()
    again = Machine(
        user=bot.session.user,
        device_id=bot.session.device_id,
        folder=bot.store_dir,
        pickle_key=bot.pickle_key,
    )
    assert again.prepare_one_time_keys(3, fallback=True) == ({}, fallback), "alone, and the same"
    again.mark_published()
    second, none = again.prepare_one_time_keys(3, fallback=False)
    again.close()
    assert len(first) == len(second) == 3
    assert not first.keys() & second.keys()
    assert none == {}


async def test_a_lost_olm_session_heals(bot: Bot, new_hand: NewHand) -> None:
    """``upkeep`` rule 4: the patient's client learns of it by a message in a new session."""
    hand = await new_hand()
    async with bot.running() as (channel, ears):
        room = await room_with(channel, ears, hand)
        await hand.share(room, bot.session.user)
        await hand.say(room, "one")
        await ears.wait_text("one")
        await channel.nudge(address(room, hand.user), Nudge(language=Language.FR), new_txn())
        assert await hand.take_keys() == 1
    with sqlite3.connect(bot.store_dir / "olm.db") as database:
        assert database.execute("DELETE FROM olmsessions").rowcount > 0
    hand.sessions.clear()
    async with bot.running(grace_seconds=0.5) as (_, ears):
        await hand.share(room, bot.session.user)
        await hand.say(room, "lost")
        await ears.wait_heard(lambda message: message.oddity is Oddity.UNDECRYPTABLE)

        async def told() -> bool:
            return await hand.take_keys() > 0

        await until(told, "the new session")
        hand.sessions.clear()
        await hand.share(room, bot.session.user)
        await hand.say(room, "healed")
        await ears.wait_text("healed")


# -- one process, many lives ---------------------------------------------------------------------------------


async def test_failure_19_a_second_process_is_told_who_holds_the_device(bot: Bot) -> None:
    async with bot.running():
        second = bot.channel()
        with pytest.raises(Refused, match=f"pid {os.getpid()}"):
            await second.start(Ears().listener())
        await second.stop()
        with pytest.raises(Refused):
            await set_up(bot, password=None)
    async with bot.running():
        pass


def test_failure_19_the_lock_ends_with_its_process(tmp_path: Path) -> None:
    script = (
        "import sys, pathlib\n"
        "from bot.channels.matrix.files import DeviceLock\n"
        "lock = DeviceLock(pathlib.Path(sys.argv[1])).take()\n"
        "print('held', flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(Refused, match=f"pid {holder.pid}"):
            DeviceLock(tmp_path).take()
        holder.kill()
        holder.wait()
        lock = DeviceLock(tmp_path).take()
        lock.release()


async def test_a_conversation_goes_on_after_a_restart(bot: Bot, new_hand: NewHand) -> None:
    hand = await new_hand()
    async with bot.running() as (channel, ears):
        room = await room_with(channel, ears, hand)
        await hand.share(room, bot.session.user)
        await hand.say(room, "before")
        await ears.wait_text("before")
    await hand.say(room, "while down")
    async with bot.running() as (channel, ears):
        await ears.wait_text("while down")
        await hand.say(room, "after")
        await ears.wait_text("after")
        await channel.nudge(address(room, hand.user), Nudge(language=Language.FR), new_txn())
    assert [message.text.reveal() for message in ears.heard] == ["while down", "after"]


async def test_a_wrong_pickle_key_is_refused(bot: Bot) -> None:
    bot.pickle_key = SecretBytes(secrets.token_bytes(32))
    with pytest.raises(StorageError):
        await bot.channel().start(Ears().listener())


async def test_a_refused_signature_is_noticed(bot: Bot, homeserver: RigHomeserver, tmp_path: Path) -> None:
    """Rule 5 and ``failures``: the device's keys were never uploaded."""
    other = await new_bot(homeserver, tmp_path / "other")
    http = Http(other.session.homeserver, other.session.token.reveal())
    machine = Machine(
        user=other.session.user,
        device_id="NEVER",
        folder=tmp_path,
        pickle_key=SecretBytes(bytes(32)),
    )
    with pytest.raises(ChannelError):
        await publish_identity(http, seeds_of(other), machine)
    assert Upkeep(http, machine).one_time_keys is None
    machine.close()
    await http.close()
    assert bot.session.user != other.session.user


async def test_a_device_that_opened_a_new_olm_session_gets_the_key_again(bot: Bot, new_hand: NewHand) -> None:
    """``send`` rule 6: it may have lost what it was given."""
    hand = await new_hand()
    async with bot.running() as (channel, ears):
        room = await room_with(channel, ears, hand)
        to = address(room, hand.user)
        for expected in (1, 0):
            await channel.nudge(to, Nudge(language=Language.FR), new_txn())
            assert await hand.take_keys() == expected
        hand.machine._store.database.execute_sql("DELETE FROM olmsessions")
        await hand.share(room, bot.session.user)
        await hand.say(room, "a new session")
        await ears.wait_text("a new session")
        for expected in (1, 0):
            await channel.nudge(to, Nudge(language=Language.FR), new_txn())
            assert await hand.take_keys() == expected
