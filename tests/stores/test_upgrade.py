"""A practice made before the vault had serials: refused with the mend, brought forward, and as safe as a new one."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from bot.doctor import examine
from bot.errors import StorageError, WrongUse
from bot.runtime import BotProcess
from storage.schema import migrate
from storage.vault_file import VaultFile, upgrade_vault
from tests.services.kit import PIN
from tests.storage.test_engine import AS_OF_0001
from tests.stores.bot import installation
from tests.stores.conftest import OpenFolder
from tests.stores.folder import A_DAY, ANNA, Folder, wrong_pin

_VAULT_1 = ("ALTER TABLE recipient DROP COLUMN serial", "PRAGMA user_version = 1")


def _make_old(file: Path, statements: tuple[str, ...]) -> None:
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


@pytest.fixture
def old(practice_in: OpenFolder) -> Folder:
    """Enrolled, with three wrong PINs, in the form of before."""
    folder = practice_in("enrolled")
    folder.guess_wrong(3)
    _make_old(folder.path / "pli.db", AS_OF_0001)
    _make_old(folder.path / "vault.db", _VAULT_1)
    return folder


async def test_what_was_not_upgraded_is_refused_and_says_what_to_do(old: Folder) -> None:
    home = installation(old.path)
    with pytest.raises(WrongUse) as database:
        await BotProcess(home).run()
    assert "pli upgrade" in database.value.mend
    found = {check.name: check for check in await examine(home)}
    assert "pli upgrade" in found["database"].mend
    assert "pli upgrade" in found["vault"].mend
    migrate(home.engine)
    with pytest.raises(StorageError) as vault:
        await BotProcess(home).run()
    assert "pli upgrade" in vault.value.mend
    home.engine.dispose()


def test_upgraded_it_opens_counts_on_and_knows_an_old_vault(old: Folder) -> None:
    home = installation(old.path)
    assert upgrade_vault(home.vault_path)
    assert not upgrade_vault(home.vault_path), "once is enough"
    migrate(home.engine)
    home.engine.dispose()
    assert old.vault_rows("SELECT wrong FROM recipient") == [(3,)]
    old.save_vault(old.path / "old.vault")
    old.guess_wrong(1, first=50)
    assert old.vault_rows("SELECT wrong FROM recipient") == [(4,)]
    old.save_vault(old.path / "newest.vault")
    old.put_vault(old.path / "old.vault")
    worker = old.start()
    assert worker.do(old.now, "guess", ANNA, PIN) == "PIN_STALE"
    assert worker.do(old.now, "guess", ANNA, wrong_pin(9)) == "PIN_STALE"
    old.stop()
    old.put_vault(old.path / "newest.vault")
    worker = old.start()
    old.now += A_DAY
    assert worker.do(old.now, "guess", ANNA, PIN) == "PIN_RIGHT"


def test_a_file_that_is_no_vault_is_not_upgraded(tmp_path: Path) -> None:
    path = tmp_path / "vault.db"
    _make_old(path, ("CREATE TABLE recipient (id TEXT)", "PRAGMA user_version = 1"))
    path.chmod(0o600)
    assert not upgrade_vault(path)
    with pytest.raises(StorageError):
        VaultFile(path)
