"""A new data key: rules of storage/data_key.py and storage/rekey.py, and the audit chain's rule 6."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.app import CRYPTO_STORE
from bot.channels.matrix.files import DeviceLock
from bot.domain.telegram import Asked, ChatId, Command, TelegramSentence
from bot.domain.values import Language, SecretBytes
from bot.domain.vocabulary import IntentKind
from bot.errors import Refused, StorageError
from bot.services.link_telegram import LinkTelegram
from storage import data_key
from storage import tables as t
from storage.audit_chain import AuditChain, BrokenChain, Fault
from storage.audit_rows import read_log, verified, verify_audit
from storage.columns import Columns
from storage.data_key import DATA, rotate_data_key
from storage.keys import AUDIT_OLDER, BotKeys
from storage.next_keys import locked
from storage.rekey import ACCOUNTS, OF_THE_IMPORT_SIDE, SEALED
from tests.rotation.dying import EVERYWHERE, again, audit_rows, back, die
from tests.services.kit import PIN, WRONG_PIN, Practice, entry, numbers
from tests.services.telegram import FakeTelegram, Listening, token_of

NEXT = f"{DATA}.next"


def rotate(practice: Practice) -> int:
    home = practice.home
    return rotate_data_key(home.bot_dir, home.engine, home.vault, practice.now)


def rows_of(practice: Practice) -> int:
    home = practice.home
    return verify_audit(home.engine, home.audit_chain, home.vault)


def test_rule_1_of_rekey_every_sealed_or_indexed_column_is_named() -> None:
    named = {(c.table.name, f"{c.column}_enc") for c in SEALED}
    named |= {(c.table.name, f"{c.column}_idx") for c in SEALED if c.index}
    there = {
        (table.name, column.name)
        for table in t.metadata.sorted_tables
        for column in table.columns
        if column.name.endswith(("_enc", "_idx")) and column.name not in OF_THE_IMPORT_SIDE
    }
    assert named == there
    assert {(table.name, column) for table, column in ACCOUNTS} == {
        ("invitation", "redeemed_by"),
        ("guess", "sender"),
    }


async def test_everything_goes_on_under_the_new_key(anywhere: Practice) -> None:
    anna = await anywhere.enrolled("P-1", name="anna")
    anywhere.take(entry("u-1"), entry("u-2", "2026-09-11 10:00"))
    await anna.say("show")
    await anna.say(WRONG_PIN)
    halfway, code = anywhere.person("halfway"), anywhere.invite("P-2").code.reveal()
    assert await halfway.say(code) == ["reply.consent"]
    guesser = anywhere.person("guesser")
    for _ in range(3):
        await guesser.say(anywhere.invite("P-3").code.reveal()[:-4] + "0000")
    old_key, rows = (anywhere.home.bot_dir / "data.key").read_bytes(), rows_of(anywhere)
    before = {i for table in ("patient", "room") for i in indexes(anywhere, table)}
    assert rotate(anywhere) > 5
    practice = again(anywhere)
    try:
        assert (practice.home.bot_dir / "data.key").read_bytes() != old_key
        assert not before & {i for table in ("patient", "room") for i in indexes(practice, table)}
        assert rows_of(practice) == rows + 1
        with practice.home.uow() as uow:
            assert uow.patients.by_reference("P-1") is not None
        told = practice.take(entry("u-1"), entry("u-2", "2026-09-11 12:00"))
        assert numbers(told) == {"unchanged": 1, "moved": 1}
        anna, halfway, guesser = (back(practice, n) for n in ("anna", "halfway", "guesser"))
        assert anna.recipient.pin is not None
        assert await anna.say("show") == ["reply.ask_pin"]
        assert await anna.say(PIN) == ["release"]
        told_data = await anna.read("my data")
        assert "wrong PIN" in told_data
        assert await halfway.say(code) == ["reply.consent"], "it is still the account that redeemed the code"
        assert await practice.person("another").say(code) == ["open.code_wrong"]
        with practice.home.uow() as uow:
            assert uow.guesses.wait_seconds(uow.rooms.user_index(guesser.room.user), practice.now) >= 0
        assert practice.everything()["guess"]
    finally:
        practice.close()


async def test_chats_of_telegram_go_on_and_links_of_before_bind_nothing(anywhere: Practice) -> None:
    """What is kept of a link is a digest under the old key: it cannot be made anew, and is refused."""
    anna, ben = await anywhere.enrolled("P-1", name="anna"), await anywhere.enrolled("P-2", name="ben")
    rules, address = anywhere.rules, FakeTelegram().link
    tokens = [
        token_of(
            LinkTelegram(anywhere.uow, address=address, rules=rules)(
                each.recipient.id, IntentKind.TELEGRAM, anywhere.now
            ).link
        )
        for each in (anna, ben)
    ]
    who, other = anna.recipient.id, ben.recipient.id
    there = Listening(anywhere.uow, FakeTelegram(), anywhere.clock)
    assert await there.start_chat(71, tokens[0]) == [(TelegramSentence.LINKED, Language.EN)]
    rotate(anywhere)
    practice = again(anywhere)
    try:
        there = Listening(practice.uow, FakeTelegram(), practice.clock)
        assert await there.start_chat(72, tokens[1]) == [(TelegramSentence.LINK_REFUSED, Language.FR)]
        assert await there(Asked(chat=ChatId(71), what=Command.HELP)) == [
            (TelegramSentence.HELP, Language.EN)
        ]
        new = LinkTelegram(practice.uow, address=address, rules=rules)(
            other, IntentKind.TELEGRAM, practice.now
        )
        assert await there.start_chat(72, token_of(new.link)) == [(TelegramSentence.LINKED, Language.EN)]
        with practice.home.uow() as uow:
            found = uow.telegram.by_recipients([who, other])
        assert {recipient: chat.chat for recipient, chat in found.items()} == {who: 71, other: 72}
        await there(Asked(chat=ChatId(71), what=Command.STOP))
        with practice.home.uow() as uow:
            assert uow.telegram.by_recipient(who) is None
    finally:
        practice.close()


def indexes(practice: Practice, table: str) -> list[str]:
    with practice.home.engine.begin() as db:
        found = t.metadata.tables[table]
        names = [c for c in found.columns if c.name.endswith("_idx")]
        return [str(v) for row in db.execute(found.select().with_only_columns(*names)) for v in row]


async def test_wrong_codes_are_still_counted_for_their_sender(practice: Practice) -> None:
    guesser = practice.person("guesser")
    with practice.home.uow() as uow:
        for _ in range(6):
            uow.guesses.wrong(uow.rooms.user_index(guesser.room.user), practice.now)
        uow.commit()
    rotate(practice)
    opened = again(practice)
    with opened.home.uow() as uow:
        assert uow.guesses.wait_seconds(uow.rooms.user_index(guesser.room.user), opened.now) > 60
    opened.close()


def test_rule_3_a_process_with_the_older_key_writes_nothing_any_more(practice: Practice) -> None:
    other = Practice(practice.folder, clock=practice.clock)
    other.patient("P-1")
    rotate(practice)
    before = other.everything()
    with pytest.raises(StorageError, match="another key") as refused:
        other.patient("P-2")
    assert "start this again" in refused.value.mend
    assert other.everything() == before
    other.close()


def test_rule_5_the_older_key_is_overwritten(practice: Practice) -> None:
    old = (practice.home.bot_dir / "data.key").open("rb")
    key = old.read()
    rotate(practice)
    old.seek(0)
    assert old.read() == bytes(32)
    assert not [p for p in practice.folder.rglob("*") if p.is_file() and key in p.read_bytes()]
    old.close()


def test_rule_4_the_older_audit_key_alone_changes_nothing_unseen(practice: Practice) -> None:
    """Who stole the data key before it was changed re-links the older rows as they like: the next row does not fit."""
    for reference in ("P-1", "P-2", "P-3"):
        practice.invite(reference)
    stolen = practice.home.keys
    rotate(practice)
    opened = again(practice)
    opened.invite("P-4")
    chain, changed = AuditChain(stolen.audit()), 2
    with opened.home.engine.begin() as db:
        rows, _ = read_log(db)
    last = opened.home.keys.audit_older[0][0]
    previous = rows[changed - 2].mac
    for row in rows[changed - 1 : last]:
        fields = (row.fields[0], row.fields[1], row.fields[2], "9", *row.fields[4:])
        previous = chain.link(previous, row.number, fields)
        opened.execute(
            "UPDATE audit SET count = 9, mac = :mac WHERE seq = :seq", mac=previous, seq=row.number
        )
    with pytest.raises(BrokenChain) as broken:
        rows_of(opened)
    assert (broken.value.number, broken.value.fault) == (last + 1, Fault.CHANGED)
    opened.close()


def test_rule_4_a_checkpoint_is_sealed_under_the_new_key(practice: Practice) -> None:
    for reference in ("P-1", "P-2"):
        practice.invite(reference)
        practice.clock.forward(days=40)
    with practice.home.uow() as uow:
        assert uow.audit.cut(practice.now) > 0
        uow.commit()
    stolen = practice.home.keys
    rotate(practice)
    opened = again(practice)
    rows_of(opened)
    with opened.home.engine.begin() as db:
        rows, _ = read_log(db)
    seal = AuditChain(stolen.audit()).seal(rows[0].number, rows[0].mac)
    opened.execute("DELETE FROM audit WHERE seq = :seq", seq=rows[0].number)
    opened.execute(
        "UPDATE audit_checkpoint SET number = :n, mac = :mac, seal = :seal",
        n=rows[0].number,
        mac=rows[0].mac,
        seal=seal,
    )
    with pytest.raises(BrokenChain) as broken:
        rows_of(opened)
    assert broken.value.fault is Fault.CHECKPOINT
    opened.close()


def test_many_changes_one_after_the_other(practice: Practice) -> None:
    practice.patient("P-1")
    for number in range(1, 5):
        rotate(practice)
        practice = again(practice)
        practice.invite("P-1")
        assert len(practice.home.keys.audit_older) == number
        log = verified(practice.home.engine, practice.home.audit_chain, practice.home.vault)
        assert log.length == 2 * number
    practice.close()


def test_a_value_that_does_not_open_stops_it_and_all_stays(practice: Practice) -> None:
    practice.patient("P-1", "Léa")
    practice.execute("UPDATE patient SET given_name_enc = x'00'")
    before, key = practice.everything(), (practice.home.bot_dir / "data.key").read_bytes()
    with pytest.raises(StorageError, match="does not open"):
        rotate(practice)
    assert practice.everything() == before
    assert (practice.home.bot_dir / "data.key").read_bytes() == key
    assert not (practice.home.bot_dir / NEXT).exists()
    assert not (practice.home.bot_dir / AUDIT_OLDER).exists()


def test_an_old_database_under_the_new_key_is_refused(practice: Practice, tmp_path: Path) -> None:
    practice.patient("P-1")
    rotate(practice)
    practice = again(practice)
    copy = tmp_path / "copy.db"
    practice.save_database(copy)
    rotate(practice)
    practice = again(practice)
    practice.restore_database(copy)
    with pytest.raises(StorageError, match="another key"):
        practice.patient("P-2")
    practice.close()


def test_rule_2_nothing_is_settled_while_somebody_changes_it(practice: Practice) -> None:
    (practice.home.bot_dir / NEXT).write_bytes(b"n" * 32)
    with locked(practice.home.bot_dir), pytest.raises(Refused, match="just now"):
        Practice(practice.folder, clock=practice.clock)
    assert (practice.home.bot_dir / NEXT).exists()


# -- kill -9 ----------------------------------------------------------------------------------------------------------


STEPS = (*EVERYWHERE, (data_key, "rekey"))


async def test_killed_at_every_step_the_next_who_comes_finds_one_whole_state(practice: Practice) -> None:
    anna = await practice.enrolled("P-1", name="anna")
    practice.take(entry("u-1"))
    recipient = anna.recipient.id
    keys, changed = set[bytes](), 0
    for n in range(100):
        practice.close()
        points = die(rotate, practice, n, *STEPS)
        rows = audit_rows(practice)
        practice = again(practice)  # whoever opens the keys next
        home = practice.home
        assert rows_of(practice) == rows
        with home.uow() as uow:
            assert uow.patients.by_reference("P-1") is not None
            known = uow.recipients.get(recipient)
            assert known is not None
            assert known.pin is not None
            assert uow.rooms.by_user(anna.room.user) is not None
        assert numbers(practice.take(entry("u-1"))) == {"unchanged": 1}
        left = {p.name for p in home.bot_dir.iterdir()} & {NEXT, f"{AUDIT_OLDER}.next"}
        assert not left, (n, left)
        key = (home.bot_dir / "data.key").read_bytes()
        changed += key not in keys
        keys.add(key)
        if points is not None:
            break
    else:
        raise AssertionError("it never ends")
    assert {p.removeprefix("before ").removeprefix("after ") for p in points} == {
        *(name for _, name in STEPS),
        "commit",
    }
    assert changed > 5, "some of them were far enough to be finished"
    assert changed < n, "and some were not"
    anna = back(practice, "anna")
    assert await anna.say("show") == ["reply.ask_pin"]
    assert await anna.say(PIN) == ["release"]
    practice.close()


def test_it_is_refused_while_the_bot_runs(practice: Practice) -> None:
    lock = DeviceLock(practice.home.bot_dir / CRYPTO_STORE).take()
    with pytest.raises(Refused, match="holds the bot's device"):
        DeviceLock(practice.home.bot_dir / CRYPTO_STORE).take()
    lock.release()


def test_keys_of_a_damaged_file_are_refused(practice: Practice) -> None:
    practice.patient("P-1")
    rotate(practice)
    file = practice.home.bot_dir / AUDIT_OLDER
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(StorageError, match="damaged"):
        BotKeys.load(practice.home.bot_dir)


def test_the_columns_of_another_key_open_nothing(practice: Practice) -> None:
    practice.patient("P-1")
    stolen = Columns(practice.home.keys.data)
    rotate(practice)
    sealed = practice.everything()["patient"][0]
    assert stolen.index("patient", "P-1") not in sealed
    assert Columns(SecretBytes(bytes(32))).index("patient", "P-1") not in sealed
