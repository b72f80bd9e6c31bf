"""One of the two stores is an old copy: rule 11 of :mod:`storage.vault`, rules 1 to 3 of
:mod:`bot.services.reconcile_stores`. P4 and P8.
"""

from __future__ import annotations

import pytest

from bot.app import Installation
from bot.doctor import Check, examine
from bot.domain.records import ProblemKind
from storage.vault import TRIES
from tests.services.kit import OTHER_PIN, PIN
from tests.stores.bot import installation
from tests.stores.conftest import OpenFolder
from tests.stores.folder import A_DAY, ANNA, BORIS, Folder, wrong_pin
from tests.stores.worker import COMPARED, DEAD


def _problems(folder: Folder) -> list[str]:
    return [kind for (kind,) in folder.database_rows("SELECT kind FROM problem ORDER BY id")]


def _guess(folder: Folder, pin: str, die_at: str | None = None) -> str:
    """In a process of its own, after the start of one."""
    worker = folder.start()
    came: str = worker.do(folder.now, "guess", ANNA, pin, die_at=die_at)
    folder.stop()
    return came


def test_rule_11_an_old_vault_buys_no_guess_and_costs_none(practice_in: OpenFolder) -> None:
    folder = practice_in("enrolled")
    copy, newest = folder.path / "old.vault", folder.path / "newest.vault"
    folder.save_vault(copy)
    folder.guess_wrong(5)
    folder.save_vault(newest)
    folder.put_vault(copy)
    compared = (folder.path / COMPARED).read_text()
    for pin in (PIN, wrong_pin(77)) * 3:
        assert _guess(folder, pin) == "PIN_STALE"
    assert (folder.path / COMPARED).read_text() == compared, "nothing was compared"
    assert folder.vault_rows("SELECT max(wrong) FROM recipient") == [(0,)], "nothing was counted"
    assert set(_problems(folder)) == {ProblemKind.STORES_DIFFER.value}
    folder.put_vault(newest)
    assert folder.vault_rows("SELECT max(wrong) FROM recipient") == [(5,)]
    assert _guess(folder, PIN) == "PIN_RIGHT"


def test_rule_11_whoever_is_unchanged_since_the_copy_goes_on(practice_in: OpenFolder) -> None:
    """An old vault is refused for those alone of whom it is old."""
    folder = practice_in("enrolled")
    folder.enrolled(BORIS, OTHER_PIN)
    folder.save_vault(folder.path / "old.vault")
    folder.guess_wrong(1)
    folder.put_vault(folder.path / "old.vault")
    worker = folder.start()
    assert worker.do(folder.now, "guess", BORIS, OTHER_PIN) == "PIN_RIGHT"
    assert worker.do(folder.now, "guess", ANNA, PIN) == "PIN_STALE"


def test_rule_11_what_a_crash_left_is_noted_before_it_is_compared(practice_in: OpenFolder) -> None:
    """Counted, and the process killed before the database knew; the next start compares it. The vault from before it
    was counted must not be good for another one.
    """
    folder = practice_in("enrolled")
    folder.guess_wrong(TRIES - 2)
    folder.save_vault(folder.path / "old.vault")
    assert _guess(folder, wrong_pin(100), "vault.count 1 after") == DEAD
    folder.start()
    folder.stop()
    assert folder.most_evaluated() == TRIES - 1
    folder.now += A_DAY
    folder.put_vault(folder.path / "old.vault")
    for number in (101, 102):
        assert _guess(folder, wrong_pin(number)) == "PIN_STALE"
        folder.now += A_DAY
    folder.never_an_eleventh()


def test_rule_11_two_vaults_that_went_on_from_one_copy(practice_in: OpenFolder) -> None:
    """The same count, another attempt each: what one of them was told is not evaluated beside the other's."""
    folder = practice_in("enrolled")
    folder.guess_wrong(TRIES - 2)
    first, second = folder.path / "first.vault", folder.path / "second.vault"
    folder.save_vault(first)
    assert _guess(folder, wrong_pin(100), "vault.count 1 after") == DEAD
    folder.save_vault(second)
    folder.put_vault(first)
    assert _guess(folder, wrong_pin(101)).startswith("PIN_WRONG")
    folder.now += A_DAY
    folder.put_vault(second)
    assert _guess(folder, wrong_pin(102)) == "PIN_STALE"
    folder.never_an_eleventh()


@pytest.mark.parametrize("how", ["left", "locked"])
def test_p8_a_key_that_an_old_vault_brings_back_is_destroyed_again(practice_in: OpenFolder, how: str) -> None:
    folder = practice_in("enrolled" if how == "left" else "at-the-tenth")
    folder.save_vault(folder.path / "old.vault")
    folder.save_database(folder.path / "old.db")
    if how == "left":
        assert folder.start().do(folder.now, "leave", ANNA) == "LEFT"
        folder.stop()
    else:
        assert _guess(folder, wrong_pin(100)) == "PIN_DESTROYED"
    folder.put_vault(folder.path / "old.vault")
    assert folder.vault_rows("SELECT count(*) FROM key") == [(1,)]
    folder.start()
    folder.stop()
    assert folder.vault_rows("SELECT count(*) FROM key") == [(0,)]
    folder.put_database(folder.path / "old.db")
    assert _guess(folder, PIN) == "PIN_DESTROYED"


def test_p8_a_leave_that_was_broken_off_is_not_undone_by_an_old_vault(practice_in: OpenFolder) -> None:
    """The key is destroyed and the database knows so, but not yet that somebody left."""
    folder = practice_in("enrolled")
    folder.save_vault(folder.path / "old.vault")
    assert folder.start().do(folder.now, "leave", ANNA, die_at="database.leave 1 before") == DEAD
    folder.stop()
    folder.put_vault(folder.path / "old.vault")
    assert _guess(folder, PIN) == "PIN_STALE"


def test_rule_8_an_old_database_put_back_by_mistake_takes_no_key_away(practice_in: OpenFolder) -> None:
    """The PIN was changed, and the process killed before the vault was told; then the wrong backup was started once."""
    folder = practice_in("enrolled")
    folder.save_database(folder.path / "old.db")
    assert folder.start().do(folder.now, "change", ANNA, PIN, OTHER_PIN, die_at="vault.keep 1 before") == DEAD
    folder.stop()
    folder.save_database(folder.path / "newest.db")
    folder.put_database(folder.path / "old.db")
    folder.start()
    folder.stop()
    folder.put_database(folder.path / "newest.db")
    assert _guess(folder, OTHER_PIN) == "PIN_RIGHT"
    assert _guess(folder, PIN).startswith("PIN_WRONG")


def test_p4_an_old_database_never_makes_a_right_pin_burn_a_try(practice_in: OpenFolder) -> None:
    """Whichever PIN is typed, the old or the new one, and however often."""
    folder = practice_in("enrolled")
    folder.save_database(folder.path / "old.db")
    worker = folder.start()
    assert worker.do(folder.now, "change", ANNA, PIN, OTHER_PIN) == "PIN_SET"
    folder.stop()
    folder.put_database(folder.path / "old.db")
    worker = folder.start()
    for pin in (PIN, OTHER_PIN) * TRIES:
        assert worker.do(folder.now, "guess", ANNA, pin) == "PIN_STALE"
    assert folder.vault_rows("SELECT wrong FROM recipient") == [(0,)]


def test_an_old_database_of_the_same_generation_opens_and_counts_on(practice_in: OpenFolder) -> None:
    """The counter is the vault's: an old database gives no guess back either."""
    folder = practice_in("enrolled")
    folder.save_database(folder.path / "old.db")
    folder.guess_wrong(TRIES - 1)
    folder.put_database(folder.path / "old.db")
    assert _guess(folder, PIN) == "PIN_RIGHT"
    folder.guess_wrong(TRIES - 1, first=50)
    folder.put_database(folder.path / "old.db")
    assert _guess(folder, wrong_pin(100)) == "PIN_DESTROYED"


async def test_doctor_says_that_the_vault_is_an_old_copy(practice_in: OpenFolder) -> None:
    folder = practice_in("enrolled")
    folder.save_vault(folder.path / "old.vault")
    folder.guess_wrong(1)
    home = installation(folder.path)
    assert (await _vault_check(home)).ok
    folder.put_vault(folder.path / "old.vault")
    found = await _vault_check(home)
    assert not found.ok
    assert "newest" in found.mend
    home.engine.dispose()


async def _vault_check(home: Installation) -> Check:
    return next(check for check in await examine(home) if check.name == "vault")
