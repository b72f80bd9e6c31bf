"""The rules of storage/vault.py, one process, one at a time."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from bot.domain.values import KeyId, RecipientId
from bot.errors import KeyDestroyed, MustWait, Refused, StaleGeneration, StorageError, WrongSecret, WrongUse
from storage.vault import TRIES, WAIT_MINUTES, Reconciled, Vault
from storage.vault_file import create_vault
from tests.storage.vault_rig import (
    CODE,
    KEY,
    PIN,
    WHO,
    HandClock,
    InMemory,
    enrolled_vault,
    h,
    new_vault,
    raw,
)


def _wrong(vault: Vault, number: int = 1) -> WrongSecret:
    with pytest.raises(WrongSecret) as caught:
        vault.unlock(WHO, KEY, 1, h(number))
    return caught.value


def test_a_right_secret_always_gives_the_same_answer(tmp_path: Path) -> None:
    vault, _, answer = enrolled_vault(tmp_path)
    assert {vault.unlock(WHO, KEY, 1, PIN).reveal() for _ in range(3)} == {answer.reveal()}
    assert len(answer) == 32


def test_every_recipient_and_generation_has_its_own_answer(tmp_path: Path) -> None:
    vault, _ = new_vault(tmp_path)
    answers = {vault.create(RecipientId(f"r-{n}"), KEY, CODE).reveal() for n in range(3)}
    staged = vault.unlock_and_stage(RecipientId("r-0"), KEY, 0, CODE, CODE)
    assert len(answers | {staged.old.reveal(), staged.new.reveal()}) == 4


def test_rule_3_ten_wrong_ones_destroy_and_the_waits_are_as_published(tmp_path: Path) -> None:
    vault, clock, _ = enrolled_vault(tmp_path)
    seen = []
    for guess in range(1, TRIES):
        error = _wrong(vault, guess)
        seen.append((error.tries_left, error.wait_seconds / 60))
        clock.forward(seconds=error.wait_seconds)
    assert seen == [(TRIES - n, WAIT_MINUTES[n - 1]) for n in range(1, TRIES)]
    assert WAIT_MINUTES == (0, 0, 0, 1, 5, 15, 60, 240, 720)
    with pytest.raises(KeyDestroyed):
        vault.unlock(WHO, KEY, 1, h(10))
    with pytest.raises(KeyDestroyed):
        vault.unlock(WHO, KEY, 1, PIN)
    assert vault.tries_left(WHO) == 0
    assert raw(tmp_path, "SELECT count(*) FROM key") == [(0,)]


def test_rule_3_a_counter_found_at_ten_destroys_before_a_comparison(tmp_path: Path) -> None:
    vault, _, _ = enrolled_vault(tmp_path)
    connection = sqlite3.connect(tmp_path / "vault.db")
    connection.execute("UPDATE recipient SET wrong = 10, counted_at = 0")
    connection.commit()
    connection.close()
    with pytest.raises(KeyDestroyed):
        vault.unlock(WHO, KEY, 1, PIN)


def test_rule_2_the_tenth_guess_may_be_the_right_one_and_resets(tmp_path: Path) -> None:
    vault, clock, answer = enrolled_vault(tmp_path)
    for guess in range(1, TRIES):
        clock.forward(seconds=_wrong(vault, guess).wait_seconds)
    assert vault.tries_left(WHO) == 1
    assert vault.unlock(WHO, KEY, 1, PIN).reveal() == answer.reveal()
    assert vault.tries_left(WHO) == TRIES
    assert vault.wait_seconds(WHO) == 0


def test_rule_2_waiting_does_not_lower_the_counter(tmp_path: Path) -> None:
    vault, clock, _ = enrolled_vault(tmp_path)
    for guess in range(5):
        clock.forward(seconds=_wrong(vault, guess).wait_seconds)
    clock.forward(days=3650)
    assert vault.tries_left(WHO) == TRIES - 5


def test_rule_1_the_count_is_on_the_disk_before_the_comparison(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault, _, _ = enrolled_vault(tmp_path)

    def out_of_order(*_: bytes) -> bool:
        raise SystemExit

    monkeypatch.setattr("storage.vault.hmac.compare_digest", out_of_order)
    with pytest.raises(SystemExit):
        vault.unlock(WHO, KEY, 1, h(1))
    assert raw(tmp_path, "SELECT wrong FROM recipient") == [(1,)]


def test_rule_4_a_guess_during_the_wait_is_neither_counted_nor_compared(tmp_path: Path) -> None:
    vault, clock, _ = enrolled_vault(tmp_path)
    for guess in range(4):
        _wrong(vault, guess)
    clock.forward(seconds=59)
    for secret in (PIN, h(1)):
        with pytest.raises(MustWait) as caught:
            vault.unlock(WHO, KEY, 1, secret)
        assert caught.value.wait_seconds == pytest.approx(1)
    assert vault.tries_left(WHO) == TRIES - 4
    clock.forward(seconds=1)
    vault.unlock(WHO, KEY, 1, PIN)


def test_rule_4_a_clock_set_back_starts_the_wait_again_once(tmp_path: Path) -> None:
    vault, clock, _ = enrolled_vault(tmp_path)
    for guess in range(4):
        _wrong(vault, guess)
    clock.forward(days=-400)
    assert vault.wait_seconds(WHO) == 60
    clock.forward(seconds=30)
    assert vault.wait_seconds(WHO) == 30
    with pytest.raises(MustWait):
        vault.unlock(WHO, KEY, 1, PIN)
    clock.forward(seconds=30)
    vault.unlock(WHO, KEY, 1, PIN)


def test_rule_4_a_guess_right_after_the_clock_was_set_back_waits_once(tmp_path: Path) -> None:
    vault, clock, answer = enrolled_vault(tmp_path)
    for guess in range(4):
        _wrong(vault, guess)
    clock.forward(days=-400)
    with pytest.raises(MustWait) as caught:
        vault.unlock(WHO, KEY, 1, PIN)
    assert caught.value.wait_seconds == 60
    clock.forward(seconds=60)
    assert vault.unlock(WHO, KEY, 1, PIN).reveal() == answer.reveal()


def test_a_clock_without_a_zone_is_refused(tmp_path: Path) -> None:
    vault, clock, _ = enrolled_vault(tmp_path)
    clock.moment = clock.moment.replace(tzinfo=None)
    with pytest.raises(WrongUse, match=r"^the vault's clock must"):
        vault.unlock(WHO, KEY, 1, PIN)


def test_rule_5_unknown_generations_keys_and_recipients_cost_nothing(tmp_path: Path) -> None:
    vault, _, _ = enrolled_vault(tmp_path)
    for recipient, key_id, generation in (
        (WHO, KEY, 0),
        (WHO, KEY, 2),
        (WHO, KeyId("k-9"), 1),
        (RecipientId("r-9"), KEY, 1),
    ):
        for _ in range(12):
            with pytest.raises(StaleGeneration):
                vault.unlock(recipient, key_id, generation, PIN)
    assert vault.tries_left(WHO) == TRIES


def test_rule_6_wrong_codes_never_spend_the_invitation(tmp_path: Path) -> None:
    vault, _ = new_vault(tmp_path)
    answer = vault.create(WHO, KEY, CODE)
    for guess in range(30):
        with pytest.raises(WrongSecret) as caught:
            vault.unlock(WHO, KEY, 0, h(guess))
        assert (caught.value.tries_left, caught.value.wait_seconds) == (None, 0)
    assert vault.tries_left(WHO) is None
    assert vault.unlock(WHO, KEY, 0, CODE).reveal() == answer.reveal()


def test_rule_7_a_wrong_secret_stages_nothing(tmp_path: Path) -> None:
    vault, _, _ = enrolled_vault(tmp_path)
    with pytest.raises(WrongSecret):
        vault.unlock_and_stage(WHO, KEY, 1, h(1), h(2))
    assert raw(tmp_path, "SELECT generation FROM key") == [(1,)]


def test_rule_7_two_that_stage_at_once_do_not_take_each_others_key(tmp_path: Path) -> None:
    vault, _, _ = enrolled_vault(tmp_path)
    first = vault.unlock_and_stage(WHO, KEY, 1, PIN, h(1))
    second = vault.unlock_and_stage(WHO, KEY, 1, PIN, h(2))
    assert first.generation == 2
    assert second.generation == 3
    vault.commit(WHO, KEY, first.generation)  # whose database transaction came first
    assert vault.unlock(WHO, KEY, first.generation, h(1)).reveal() == first.new.reveal()
    with pytest.raises(StaleGeneration):
        vault.unlock(WHO, KEY, second.generation, h(2))


def test_rule_7_generations_share_one_counter(tmp_path: Path) -> None:
    vault, clock, _ = enrolled_vault(tmp_path)
    vault.unlock_and_stage(WHO, KEY, 1, PIN, h(500))
    for guess in range(TRIES - 1):
        with pytest.raises(WrongSecret) as caught:
            vault.unlock(WHO, KEY, 1 + guess % 2, h(guess))
        clock.forward(seconds=caught.value.wait_seconds)
    for generation in (1, 2):
        with pytest.raises(KeyDestroyed):
            vault.unlock(WHO, KEY, generation, h(77))


def test_rule_8_commit_destroys_the_others_and_may_be_repeated(tmp_path: Path) -> None:
    vault, _, _ = enrolled_vault(tmp_path)
    staged = vault.unlock_and_stage(WHO, KEY, 1, PIN, h(7))
    for _ in range(2):
        vault.commit(WHO, KEY, staged.generation)
    with pytest.raises(StaleGeneration):
        vault.unlock(WHO, KEY, 1, PIN)
    with pytest.raises(StaleGeneration):
        vault.commit(WHO, KEY, 1)
    assert vault.unlock(WHO, KEY, 2, h(7)).reveal() == staged.new.reveal()


def test_rule_8_the_database_decides_at_start(tmp_path: Path) -> None:
    vault, _, answer = enrolled_vault(tmp_path)
    assert vault.reconcile(WHO, KEY, 1) is Reconciled.AGREED
    vault.unlock_and_stage(WHO, KEY, 1, PIN, h(7))
    assert vault.reconcile(WHO, KEY, 1) is Reconciled.DROPPED
    assert vault.unlock(WHO, KEY, 1, PIN).reveal() == answer.reveal()
    staged = vault.unlock_and_stage(WHO, KEY, 1, PIN, h(8))
    assert staged.generation == 3  # 2 is never used again
    assert vault.reconcile(WHO, KEY, 3) is Reconciled.COMMITTED
    assert vault.unlock(WHO, KEY, 3, h(8)).reveal() == staged.new.reveal()
    assert vault.reconcile(WHO, KEY, 1) is Reconciled.STALE
    assert vault.reconcile(WHO, KeyId("k-9"), 3) is Reconciled.STALE
    assert vault.unlock(WHO, KEY, 3, h(8)).reveal() == staged.new.reveal()
    vault.destroy(WHO)
    assert vault.reconcile(WHO, KEY, 3) is Reconciled.DESTROYED


def test_rule_8_a_database_that_noted_less_drops_nothing_and_is_told(tmp_path: Path) -> None:
    vault, clock, _ = enrolled_vault(tmp_path)
    staged = vault.unlock_and_stage(WHO, KEY, 1, PIN, h(7))
    noted = InMemory()
    under_an_old_one = Vault(tmp_path / "vault.db", clock, noted)
    assert under_an_old_one.reconcile(WHO, KEY, 1) is Reconciled.KEPT
    assert [(noted.serials[WHO],)] == raw(tmp_path, "SELECT serial FROM recipient")
    assert raw(tmp_path, "SELECT count(*) FROM key") == [(2,)]
    noted.serials.clear()
    assert under_an_old_one.reconcile(WHO, KEY, staged.generation) is Reconciled.COMMITTED
    assert vault.unlock(WHO, KEY, staged.generation, h(7)).reveal() == staged.new.reveal()


def test_rule_9_a_known_recipient_is_not_created_again(tmp_path: Path) -> None:
    vault, _, answer = enrolled_vault(tmp_path)
    with pytest.raises(Refused):
        vault.create(WHO, KeyId("k-2"), h(9))
    assert vault.unlock(WHO, KEY, 1, PIN).reveal() == answer.reveal()
    vault.destroy(WHO)
    assert vault.known(WHO)
    with pytest.raises(Refused):
        vault.create(WHO, KeyId("k-2"), h(9))


def test_rule_9_leaving_destroys_and_stays_destroyed(tmp_path: Path) -> None:
    vault, _, _ = enrolled_vault(tmp_path)
    for _ in range(2):
        vault.destroy(WHO)
    vault.destroy(RecipientId("r-never"))
    assert not vault.known(RecipientId("r-never"))
    with pytest.raises(KeyDestroyed):
        vault.unlock(WHO, KEY, 1, PIN)
    with pytest.raises(KeyDestroyed):
        vault.commit(WHO, KEY, 1)


def test_rule_9_beginning_anew_needs_a_key_id_never_used(tmp_path: Path) -> None:
    vault, clock, _ = enrolled_vault(tmp_path)
    for guess in range(5):
        clock.forward(seconds=_wrong(vault, guess).wait_seconds)
    second = KeyId("k-2")
    answer = vault.recreate(WHO, second, h(9))
    assert vault.unlock(WHO, second, 0, h(9)).reveal() == answer.reveal()
    with pytest.raises(KeyDestroyed):
        vault.unlock(WHO, KEY, 1, PIN)
    vault.destroy(WHO)
    for used in (KEY, second):
        with pytest.raises(Refused):
            vault.recreate(WHO, used, h(9))
    with pytest.raises(Refused):
        vault.recreate(RecipientId("r-9"), KEY, h(9))
    third = KeyId("k-3")
    vault.recreate(WHO, third, CODE)
    vault.commit(WHO, third, vault.unlock_and_stage(WHO, third, 0, CODE, PIN).generation)
    assert vault.tries_left(WHO) == TRIES


def test_rule_11_the_database_knows_before_anything_is_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, clock, _ = enrolled_vault(tmp_path)
    noted = InMemory()
    vault = Vault(tmp_path / "vault.db", clock, noted)

    def compare(left: bytes, right: bytes) -> bool:
        assert noted.serials[WHO] == raw(tmp_path, "SELECT serial FROM recipient")[0][0]
        return left == right

    monkeypatch.setattr("storage.vault.hmac.compare_digest", compare)
    assert _wrong(vault).tries_left == TRIES - 1
    vault.unlock(WHO, KEY, 1, PIN)
    assert noted.serials[WHO] >> 32 == 2


def test_rule_11_a_database_that_cannot_be_told_refuses_and_the_attempt_is_not_lost(tmp_path: Path) -> None:
    vault, clock, answer = enrolled_vault(tmp_path)
    for guess in range(TRIES - 1):
        clock.forward(seconds=_wrong(vault, guess).wait_seconds)
    noted = InMemory()

    def out_of_order(recipient: RecipientId, serial: int) -> int:
        if serial >> 32 == TRIES:
            raise StorageError
        return noted(recipient, serial)

    with pytest.raises(StorageError):
        Vault(tmp_path / "vault.db", clock, out_of_order).unlock(WHO, KEY, 1, PIN)
    assert raw(tmp_path, "SELECT wrong FROM recipient") == [(TRIES,)]
    assert vault.unlock(WHO, KEY, 1, PIN).reveal() == answer.reveal()
    assert vault.tries_left(WHO) == TRIES


def test_rule_11_an_old_copy_is_stale_for_everything(tmp_path: Path) -> None:
    vault, _, _ = enrolled_vault(tmp_path)
    old = (tmp_path / "vault.db").read_bytes()
    assert not vault.is_old(WHO)
    _wrong(vault)
    (tmp_path / "vault.db").write_bytes(old)
    for ask in (
        lambda: vault.unlock(WHO, KEY, 1, PIN),
        lambda: vault.unlock_and_stage(WHO, KEY, 1, PIN, h(7)),
        lambda: vault.commit(WHO, KEY, 1),
        lambda: vault.tries_left(WHO),
        lambda: vault.wait_seconds(WHO),
    ):
        with pytest.raises(StaleGeneration):
            ask()
    assert vault.reconcile(WHO, KEY, 1) is Reconciled.STALE
    assert vault.is_old(WHO)
    assert raw(tmp_path, "SELECT wrong, serial FROM recipient") == [(0, 0)]
    vault.destroy(WHO)
    assert raw(tmp_path, "SELECT count(*) FROM key") == [(0,)]


def test_rule_11_the_database_notes_each_destruction_that_destroyed_something(tmp_path: Path) -> None:
    _, clock, _ = enrolled_vault(tmp_path)
    old, noted = (tmp_path / "vault.db").read_bytes(), InMemory()
    vault = Vault(tmp_path / "vault.db", clock, noted)
    for _ in range(2):
        vault.destroy(WHO)
        assert [(noted.serials[WHO],)] == raw(tmp_path, "SELECT serial FROM recipient")
        assert noted.serials[WHO] >> 32 == 1
    (tmp_path / "vault.db").write_bytes(old)
    assert vault.is_old(WHO)


def test_rule_11_a_recipient_that_the_database_does_not_know_is_stale_and_can_be_destroyed(
    tmp_path: Path,
) -> None:
    _, clock, _ = enrolled_vault(tmp_path)

    def unknown(recipient: RecipientId, serial: int) -> int:  # noqa: ARG001 - the protocol's names
        raise StaleGeneration

    vault = Vault(tmp_path / "vault.db", clock, unknown)
    with pytest.raises(StaleGeneration):
        vault.unlock(WHO, KEY, 1, PIN)
    assert raw(tmp_path, "SELECT wrong FROM recipient") == [(0,)]
    vault.destroy(WHO)
    assert raw(tmp_path, "SELECT count(*) FROM key") == [(0,)]


def test_rule_11_what_somebody_else_counted_in_between_is_noted_first(tmp_path: Path) -> None:
    vault, clock, answer = enrolled_vault(tmp_path)
    noted = InMemory()
    rounds: list[int] = []

    def overtaken(recipient: RecipientId, serial: int) -> int:
        """Another process counts, and is killed, right after this one's first note."""
        rounds.append(serial >> 32)
        before = noted(recipient, serial)
        if len(rounds) == 1:
            vault._count(WHO, KEY, 1, h(1))
        return before

    mine = Vault(tmp_path / "vault.db", clock, overtaken)
    assert mine.unlock(WHO, KEY, 1, PIN).reveal() == answer.reveal()
    assert rounds == [0, 1, 2]


def test_rule_4_a_destroyed_key_makes_nobody_wait(tmp_path: Path) -> None:
    vault, _, _ = enrolled_vault(tmp_path)
    for guess in range(4):
        _wrong(vault, guess)
    assert vault.wait_seconds(WHO) == 60
    vault.destroy(WHO)
    assert vault.wait_seconds(WHO) == 0


def test_failure_20_a_vault_that_is_locked_missing_or_damaged_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault, clock, _ = enrolled_vault(tmp_path)
    monkeypatch.setattr("storage.vault_file._LOCK_SECONDS", 0.05)
    holder = sqlite3.connect(tmp_path / "vault.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(StorageError):
        vault.unlock(WHO, KEY, 1, PIN)
    holder.execute("ROLLBACK")
    holder.close()
    vault.unlock(WHO, KEY, 1, PIN)
    (tmp_path / "vault.db").write_bytes(b"not a database at all, " * 200)
    with pytest.raises(StorageError):
        vault.unlock(WHO, KEY, 1, PIN)
    (tmp_path / "vault.db").unlink()
    with pytest.raises(StorageError):
        vault.unlock(WHO, KEY, 1, PIN)
    with pytest.raises(StorageError):
        Vault(tmp_path / "vault.db", clock, InMemory())
    assert not (tmp_path / "vault.db").exists()


def test_the_file_is_private_and_never_made_twice(tmp_path: Path) -> None:
    previous = os.umask(0)
    try:
        new_vault(tmp_path)
    finally:
        os.umask(previous)
    path = tmp_path / "vault.db"
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(Refused):
        create_vault(path)
    path.chmod(0o640)
    with pytest.raises(StorageError, match=r"vault\.db") as caught:
        Vault(path, HandClock(), InMemory())
    assert "chmod 600" in caught.value.mend


def test_another_sqlite_file_is_not_taken_for_a_vault(tmp_path: Path) -> None:
    path = tmp_path / "vault.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE t (a)")
    connection.close()
    path.chmod(0o600)
    with pytest.raises(StorageError):
        Vault(path, HandClock(), InMemory())


def test_destroyed_keys_are_overwritten_in_the_file(tmp_path: Path) -> None:
    vault, _, _ = enrolled_vault(tmp_path)
    [(k, verifier)] = raw(tmp_path, "SELECT k, verifier FROM key")
    before = (tmp_path / "vault.db").read_bytes()
    assert k in before
    assert verifier in before
    vault.destroy(WHO)
    after = (tmp_path / "vault.db").read_bytes()
    assert k not in after
    assert verifier not in after


def test_destroying_forgets_what_a_killed_process_had_typed(tmp_path: Path) -> None:
    vault, _, _ = enrolled_vault(tmp_path)
    vault._count(WHO, KEY, 1, h(1))  # and killed before the comparison
    [(tag,)] = raw(tmp_path, "SELECT pending_tag FROM recipient")
    vault.destroy(WHO)
    assert raw(tmp_path, "SELECT pending_tag, pending_generation FROM recipient") == [(None, None)]
    assert tag not in (tmp_path / "vault.db").read_bytes()


def test_the_anchor_only_grows(tmp_path: Path) -> None:
    vault, _ = new_vault(tmp_path)
    assert vault.anchor() == (0, b"")
    for length, head in ((1, b"a" * 32), (3, b"c" * 32), (2, b"b" * 32), (3, b"d" * 32)):
        vault.set_anchor(length, head)
    assert vault.anchor() == (3, b"c" * 32)


def test_misuse_leaves_no_trace(tmp_path: Path) -> None:
    vault, _ = new_vault(tmp_path)
    with pytest.raises(WrongUse):
        vault.create(WHO, KEY, type(CODE)(b"short"))
    assert not vault.known(WHO)


def test_rule_2_what_a_crash_left_is_concluded_once_and_forgotten(tmp_path: Path) -> None:
    """Kept, it would set the count back again and again."""
    vault, _, _ = enrolled_vault(tmp_path)
    with closing(sqlite3.connect(tmp_path / "vault.db")) as db:
        tag = "(SELECT verifier FROM key WHERE generation = 1)"
        db.execute(f"UPDATE recipient SET wrong = 3, pending_generation = 1, pending_tag = {tag}")  # noqa: S608 - a constant
        db.commit()
    assert vault.tries_left(WHO) == TRIES
    assert raw(tmp_path, "SELECT wrong, pending_generation, pending_tag FROM recipient") == [(0, None, None)]


def test_rule_9_beginning_anew_leaves_nothing_of_the_old_key(tmp_path: Path) -> None:
    vault, _, _ = enrolled_vault(tmp_path)
    vault.recreate(WHO, KeyId("k-2"), h(3_000))
    assert raw(tmp_path, "SELECT generation FROM key") == [(0,)]
