"""New keys of the import side: rules of storage/import_keys.py."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from bot.domain.records import AnswerState
from bot.domain.values import RecipientId
from bot.errors import InvalidSeal, Refused, StorageError
from storage import import_keys
from storage import tables as t
from storage.answer_box import open_answer
from storage.audit_rows import verify_audit
from storage.import_keys import Changed, rotate_import_keys
from storage.keys import BotKeys, ImportKeys
from storage.sealing import ImportSealer
from storage.signatures import verify_public_key
from tests.rotation import test_data_key
from tests.rotation.dying import EVERYWHERE, again, audit_rows, back, die
from tests.services.kit import PIN, Practice, entry, numbers

VISITS = (entry("u-1"), entry("u-2", "2026-09-11 10:00"))


def rotate(practice: Practice) -> Changed:
    home = practice.home
    home.import_side()
    return rotate_import_keys(home.bot_dir, home.import_dir, home.engine, home.vault, practice.now)


async def with_everything(practice: Practice) -> None:
    """Somebody with two visits, one answered; and an entry of an agenda without ids."""
    anna = await practice.enrolled("P-1", name="anna")
    practice.take(*VISITS)
    practice.take(entry("", "2026-09-15 09:00", stable=False), within=("2026-09-15", "2026-09-15"))
    await anna.say("show")
    await anna.say(PIN)
    await anna.say("confirm 1")


async def test_everything_goes_on_under_the_new_keys(anywhere: Practice) -> None:
    await with_everything(anywhere)
    before = anywhere.everything()
    changed = rotate(anywhere)
    assert changed == Changed(recipients=1, envelopes=3, answers=1, appointments=3, doubtful=0)
    practice = again(anywhere)
    try:
        after = practice.everything()
        for table in ("envelope", "answer", "appointment", "recipient"):
            assert not set(map(str, before[table])) & set(map(str, after[table])), table
        assert numbers(practice.take(*VISITS)) == {"unchanged": 2}
        moved = entry("", "2026-09-15 16:00", stable=False)
        told = practice.take(moved, within=("2026-09-15", "2026-09-15"))
        assert numbers(told) == {"moved": 1}, "absence and moves are judged by day tags and pairs"
        assert numbers(practice.take(entry("u-1", note="another"))) == {"changed": 1}
        (answer,) = practice.answers()
        assert answer.readable
        assert answer.state is AnswerState.OPEN
        practice.clock.forward(hours=1)
        anna = back(practice, "anna")
        assert await anna.say("show") == ["reply.ask_pin"]
        told_list = await anna.read(PIN)
        assert "Dr No" in told_list
        assert told_list.count("2e") == 3
        ben = await practice.enrolled("P-2", name="ben")
        practice.take(entry("u-9", patient="P-2"))
        await ben.say("show")
        assert await ben.say(PIN) == ["release"]
        home = practice.home
        assert verify_audit(home.engine, home.audit_chain, home.vault) > 0
    finally:
        practice.close()


async def test_three_times_and_the_data_key_in_between(practice: Practice) -> None:
    await with_everything(practice)
    for change in (rotate, test_data_key.rotate, rotate, rotate):
        change(practice)
        practice = again(practice)
        assert numbers(practice.take(*VISITS)) == {"unchanged": 2}
        assert all(a.readable for a in practice.answers())
    anna = back(practice, "anna")
    practice.clock.forward(hours=1)
    await anna.say("show")
    assert await anna.say(PIN) == ["release"]
    practice.close()


async def test_rules_2_and_3_the_older_keys_sign_open_and_recognise_nothing(practice: Practice) -> None:
    await with_everything(practice)
    stolen = ImportKeys.load(practice.home.import_dir)
    known = stolen.source_index("u-1")
    rotate(practice)
    practice = again(practice)
    assert known not in str(practice.everything())
    assert stolen.source_index("u-1") != practice.sealer.source_index("u-1")
    (answer,) = stored_answers(practice)
    with pytest.raises(InvalidSeal):
        open_answer(answer[2], answer=answer[0], recipient=answer[1], practice_private=stolen.answer_private)
    recipient = back(practice, "anna").recipient
    with pytest.raises(InvalidSeal):
        verify_public_key(
            stolen.signer.public_key(),
            recipient=recipient.id,
            key_id=recipient.key_id,
            public=recipient.public_key,
            signature=recipient.signature,
        )
    # an envelope that the thief of the older key puts into the database is not opened
    row = practice.stored("u-1")
    forger = ImportSealer(stolen)
    with pytest.raises(InvalidSeal):
        forger.seal(entry("u-1").detail, appointment=row.id, recipient=recipient, revision=row.revision)
    practice.close()


def stored_answers(practice: Practice) -> list[tuple[str, RecipientId, bytes]]:
    c = t.answer.c
    with practice.home.engine.begin() as db:
        rows = db.execute(select(c.id, c.recipient, c.blob))
        return [(row.id, RecipientId(row.recipient), row.blob) for row in rows]


async def test_rule_2_what_did_not_verify_is_counted_and_stays_shut(practice: Practice) -> None:
    await with_everything(practice)
    practice.execute("UPDATE envelope SET blob = x'00' WHERE appointment = :a", a=practice.stored("u-1").id)
    assert rotate(practice).doubtful == 1
    practice = again(practice)
    practice.clock.forward(hours=1)
    anna = back(practice, "anna")
    await anna.say("show")
    assert "10 September" not in await anna.read(PIN)
    practice.close()


async def test_rule_5_who_began_under_the_older_keys_writes_nothing(practice: Practice) -> None:
    await with_everything(practice)
    other = Practice(practice.folder, clock=practice.clock)  # has the older keys in memory
    rotate(practice)
    before = other.everything()
    with pytest.raises(StorageError, match="another key"):
        other.take(entry("u-3", "2026-09-20 10:00"))
    assert other.everything() == before
    other.close()


def test_two_folders_that_do_not_belong_together_are_refused(practice: Practice) -> None:
    key = practice.home.import_dir / "signer.key"
    key.write_bytes(bytes(31) + b"1")
    with pytest.raises(Refused, match="not those that the bot knows"):
        rotate(practice)


STEPS = (*EVERYWHERE, (import_keys, "_digests"))


async def test_killed_at_every_step_the_next_who_comes_finds_one_whole_state(practice: Practice) -> None:
    await with_everything(practice)
    keys, changed = set[bytes](), 0
    for n in range(150):
        practice.close()
        points = die(rotate, practice, n, *STEPS)
        rows = audit_rows(practice)
        practice = again(practice)
        home = practice.home
        bot, side = BotKeys.load(home.bot_dir), ImportKeys.load(home.import_dir)
        assert side.signer.public_key().public_bytes_raw() == bot.importer.public_bytes_raw()
        assert verify_audit(home.engine, home.audit_chain, home.vault) == rows
        assert numbers(practice.take(*VISITS)) == {"unchanged": 2}, n
        assert all(a.readable for a in practice.answers()), n
        left = {p.name for f in (home.bot_dir, home.import_dir) for p in f.iterdir() if p.suffix == ".next"}
        assert not left, (n, left)
        key = (home.import_dir / "digest.key").read_bytes()
        changed += key not in keys
        keys.add(key)
        if points is not None:
            break
    else:
        raise AssertionError("it never ends")
    passed = {p.removeprefix("before ").removeprefix("after ") for p in points}
    assert passed == {*(name for _, name in STEPS), "commit"}
    assert 5 < changed < n, "some were finished, and some were left as they were"
    practice.clock.forward(hours=1)
    anna = back(practice, "anna")
    await anna.say("show")
    assert await anna.say(PIN) == ["release"]
    practice.close()
