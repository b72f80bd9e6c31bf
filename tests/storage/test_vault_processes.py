"""The vault under several processes, and under kill -9 at every line of its own code."""

from __future__ import annotations

import hmac
import multiprocessing
import os
import time
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from bot.errors import KeyDestroyed, PliError, StaleGeneration, WrongSecret
from storage.vault import TRIES, Reconciled, Staged, Vault
from tests.rig.small_process import in_small_process
from tests.storage.vault_rig import (
    CODE,
    KEY,
    PIN,
    WHO,
    HandClock,
    InMemory,
    copied_vault,
    enrolled_vault,
    h,
    killed_at,
    new_vault,
    raw,
)

PROCESSES = 4
GUESSES = 10
FORK = multiprocessing.get_context("fork")


class RacingClock(HandClock):
    """One for all processes, ten days a millisecond: no wait ever holds."""

    def __init__(self) -> None:
        super().__init__()
        self._start = time.monotonic_ns()

    def now(self) -> datetime:
        return self.moment + timedelta(days=10) * ((time.monotonic_ns() - self._start) / 1e6)


def _guess(vault: Vault, secret: int) -> str:
    try:
        vault.unlock(WHO, KEY, 1, h(secret))
    except PliError as error:
        return type(error).__name__
    return "right"


def _in_parallel(folder: Path, clock: HandClock) -> Counter[str]:
    """Four processes guess ten different wrong PINs each, all at once."""
    start, results = FORK.Barrier(PROCESSES), FORK.SimpleQueue()

    def work(number: int) -> None:
        vault = Vault(folder / "vault.db", clock, InMemory())
        start.wait(timeout=30)
        for guess in range(GUESSES):
            results.put(_guess(vault, number * GUESSES + guess))

    workers = [FORK.Process(target=work, args=(number,)) for number in range(PROCESSES)]
    for worker in workers:
        worker.start()
    outcomes = Counter(results.get() for _ in range(PROCESSES * GUESSES))
    for worker in workers:
        worker.join(timeout=30)
        assert worker.exitcode == 0
    return outcomes


@in_small_process
def test_rule_10_parallel_guesses_run_into_the_wait_exactly(tmp_path: Path) -> None:
    vault, clock, _ = enrolled_vault(tmp_path)
    outcomes = _in_parallel(tmp_path, clock)
    assert outcomes == {"WrongSecret": 4, "MustWait": PROCESSES * GUESSES - 4}
    assert vault.tries_left(WHO) == TRIES - 4


@in_small_process
def test_rule_10_parallel_guesses_without_waits_are_ten_in_all(tmp_path: Path) -> None:
    enrolled_vault(tmp_path)
    outcomes = _in_parallel(tmp_path, RacingClock())
    assert set(outcomes) <= {"WrongSecret", "KeyDestroyed"}
    assert outcomes["WrongSecret"] < TRIES
    assert raw(tmp_path, "SELECT wrong FROM recipient") == [(TRIES,)]
    assert raw(tmp_path, "SELECT * FROM key") == []


@in_small_process
def test_rule_10_right_ones_in_parallel_all_succeed(tmp_path: Path) -> None:
    vault, clock, _ = enrolled_vault(tmp_path)

    def work() -> None:
        other = Vault(tmp_path / "vault.db", clock, InMemory())
        os._exit(sum(other.unlock(WHO, KEY, 1, PIN) is None for _ in range(GUESSES)))

    workers = [FORK.Process(target=work) for _ in range(PROCESSES)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(timeout=30)
        assert worker.exitcode == 0
    assert vault.tries_left(WHO) == TRIES


def _guess_and_die(folder: Path, guess: int, vault: Vault, step: int) -> bool:
    """Guess in a child that dies at ``step``; each tag that it compares leaves a file behind."""

    def action() -> None:
        compare = hmac.compare_digest

        def note(left: bytes, right: bytes) -> bool:
            (folder / "compared" / left.hex()).touch()
            return compare(left, right)

        hmac.compare_digest = note  # type: ignore[assignment]  # in the child alone
        vault.unlock(WHO, KEY, 1, h(guess))

    return killed_at(step, action)


@pytest.mark.parametrize("stride", [9, pytest.param(1, marks=pytest.mark.nightly)])
@in_small_process
def test_rules_1_and_3_kill_9_at_any_line_buys_no_eleventh_guess(tmp_path: Path, stride: int) -> None:
    """Twelve guesses that all die at one line, for each ``stride``-th line; the next tests take every line."""
    made = tmp_path / "made"
    (made / "compared").mkdir(parents=True)
    _, begun, _ = enrolled_vault(made)
    step, died = 1, True
    while died:
        folder = tmp_path / str(step)
        vault, clock = copied_vault(made, folder, begun)
        died = False
        for guess in range(TRIES + 2):
            died = _guess_and_die(folder, guess, vault, step) or died
            [(counted,)] = raw(folder, "SELECT wrong FROM recipient")
            compared = len(list((folder / "compared").iterdir()))
            assert compared <= counted <= min(guess + 1, TRIES), f"step {step}"
            clock.forward(days=1)
        step += stride
    assert compared == TRIES


@in_small_process
def test_rule_2_kill_9_at_any_line_never_costs_a_right_pin(tmp_path: Path) -> None:
    made = tmp_path / "made"
    made.mkdir()
    vault, clock, answer = enrolled_vault(made)
    for guess in range(TRIES - 1):
        with pytest.raises(WrongSecret) as caught:
            vault.unlock(WHO, KEY, 1, h(guess))
        clock.forward(seconds=caught.value.wait_seconds)
    step = 0
    while True:
        step += 1
        vault, _ = copied_vault(made, tmp_path / str(step), clock)
        assert vault.tries_left(WHO) == 1
        died = killed_at(step, lambda vault=vault: vault.unlock(WHO, KEY, 1, PIN))  # type: ignore[misc]  # bound now
        assert vault.unlock(WHO, KEY, 1, PIN).reveal() == answer.reveal(), f"step {step}"
        assert vault.tries_left(WHO) == TRIES
        if not died:
            break
    assert step > 40


@in_small_process
def test_rule_8_kill_9_while_changing_the_pin_leaves_one_that_opens(tmp_path: Path) -> None:
    """The database takes the new generation or not; either way its PIN opens after reconciling."""
    made = tmp_path / "made"
    made.mkdir()
    _, clock, answer = enrolled_vault(made)
    step = 0
    while True:
        step += 1
        folder = tmp_path / str(step)
        vault, _ = copied_vault(made, folder, clock)
        database = folder / "database"  # stands for the transaction between the two calls: there or not

        def change(vault: Vault = vault, database: Path = database) -> None:
            staged = vault.unlock_and_stage(WHO, KEY, 1, PIN, h(7))
            database.write_bytes(staged.new.reveal())
            vault.commit(WHO, KEY, staged.generation)

        died = killed_at(step, change)
        if database.exists():
            assert vault.reconcile(WHO, KEY, 2) in (Reconciled.COMMITTED, Reconciled.AGREED)
            assert vault.unlock(WHO, KEY, 2, h(7)).reveal() == database.read_bytes()
            with pytest.raises(StaleGeneration):
                vault.unlock(WHO, KEY, 1, PIN)
        else:
            assert vault.reconcile(WHO, KEY, 1) in (Reconciled.DROPPED, Reconciled.KEPT, Reconciled.AGREED)
            assert vault.unlock(WHO, KEY, 1, PIN).reveal() == answer.reveal()
        assert vault.tries_left(WHO) == TRIES
        if not died:
            break
    assert database.exists()


@in_small_process
def test_rule_9_kill_9_while_destroying_or_beginning_is_all_or_nothing(tmp_path: Path) -> None:
    step, died = 0, True
    while died:
        step += 1
        folder = tmp_path / str(step)
        folder.mkdir()
        vault, _ = new_vault(folder)
        died = killed_at(step, lambda vault=vault: vault.create(WHO, KEY, CODE))  # type: ignore[misc]  # bound now
        if vault.known(WHO):
            assert isinstance(vault.unlock_and_stage(WHO, KEY, 0, CODE, PIN), Staged)
        else:
            vault.create(WHO, KEY, CODE)
        died_too = killed_at(step, lambda vault=vault: vault.destroy(WHO))  # type: ignore[misc]  # bound now
        keys = raw(folder, "SELECT count(*) FROM key")[0][0]
        assert keys == 0 or died_too
        vault.destroy(WHO)
        with pytest.raises(KeyDestroyed):
            vault.unlock(WHO, KEY, 0, CODE)
        died = died or died_too
