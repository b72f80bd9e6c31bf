"""bot/upgrade.py: every released schema to the present one on both databases, or all as it was."""

from __future__ import annotations

import sqlite3
import stat
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from bot import upgrade as upgrades
from bot.app import Installation
from bot.backup import make_backup
from bot.channels.matrix.files import DeviceLock
from bot.domain.values import RecipientId
from bot.errors import InvalidSeal, PliError, Refused, StorageError
from bot.restore import restore
from bot.upgrade import COPY, copies, remove_copies, upgrade
from storage.schema import migrate_within
from storage.vault_file import VaultFile, upgrade_vault
from tests.rig.forked import Forked
from tests.safekeeping import released
from tests.safekeeping.scene import PASSPHRASE, Restarted, contents, without
from tests.services.kit import NOW, PIN, HandClock

OLD = [schema for schema in released.schemas() if schema != released.schemas()[-1]]
LATER = NOW.replace(year=NOW.year + 1)
KILLS = [
    "bot.upgrade:_copy before",
    "pathlib:Path.rename before",
    "bot.upgrade:_copy after",
    "bot.upgrade:changing_vault before",
    "bot.upgrade:upgrade_within before",
    "bot.upgrade:upgrade_within after",
    "bot.upgrade:migrate_within after",
    "bot.upgrade:_compare after",
    "sqlalchemy.engine.base:RootTransaction.commit before",
    "sqlalchemy.engine.base:RootTransaction.commit after",
    "bot.upgrade:_upgrade after",
]


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue("postgres_url")) if request.param == "postgresql" else ""


def opens(folder: Path) -> None:
    """Anna's PIN does, and her wrong ones are not forgotten; boris may still come; carl is gone."""
    bot = Restarted(folder, LATER)
    bot.start()
    with bot.home.uow() as uow:
        by_state = {r.state.value: r.id for r in uow.recipients.all()}
    assert bot.home.vault.tries_left(RecipientId(by_state["enrolled"])) == 7
    assert bot.home.vault.tries_left(RecipientId(by_state["left"])) == 0
    assert bot.home.vault.tries_left(RecipientId(by_state["invited"])) is None
    assert bot.guess("anna", PIN) == "PIN_RIGHT"
    bot.close()


def vault_rows(folder: Path) -> Sequence[str]:
    with closing(sqlite3.connect(folder / "vault.db")) as vault:
        return list(vault.iterdump())


@pytest.mark.parametrize("schema", released.schemas())
def test_every_released_schema_is_brought_forward_with_all_that_was_in_it(
    schema: str, url: str, tmp_path: Path
) -> None:
    home = released.unpack(schema, tmp_path / "practice", url)
    before = contents(home.settings.database_url())
    done = upgrade(home)
    assert done.database is True, "every released form is older than this one"
    assert done.vault is (schema == "0001")
    assert done.sealed > 0
    assert done.audit_rows == len(before["audit"])
    after = contents(home.settings.database_url())
    for name, rows in before.items():
        known = set(rows[0]) if rows else set[str]()
        new = tuple(set(after[name][0]) - known) if after[name] else ()
        if name == "audit":
            was = without(rows)
            assert [r for r in without(after[name], *new) if r in was] == was
            assert [r["kind"] for r in without(after[name], *new) if r not in was] == ["upgraded"]
        else:
            assert without(after[name], *new) == without(rows), name
    again = upgrade(home)
    assert (again.database, again.vault) == (False, False)
    assert copies(home) == []
    home.engine.dispose()
    opens(tmp_path / "practice")


@pytest.mark.parametrize("point", KILLS)
def test_rule_3_killed_at_any_step_it_goes_on_the_next_time(point: str, tmp_path: Path) -> None:
    home = released.unpack("0001", tmp_path / "practice")
    place, when = point.split()
    command = ["tests.safekeeping.mortal", place, when, "upgrade", str(tmp_path / "practice")]
    assert Forked(command).wait() == -9
    for copy in copies(home):
        assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    upgrade(home)
    assert copies(home) == []
    home.engine.dispose()
    opens(tmp_path / "practice")


def _loses_a_row(db: Connection) -> None:
    migrate_within(db)
    db.execute(text("DELETE FROM seen WHERE key = (SELECT min(key) FROM seen)"))
    db.execute(text("DELETE FROM reminder WHERE id = (SELECT min(id) FROM reminder)"))


def _empties_a_cell(db: Connection) -> None:
    migrate_within(db)
    db.execute(text("UPDATE recipient SET pin_enc = NULL"))


def _changes_a_cell(db: Connection) -> None:
    migrate_within(db)
    db.execute(text("UPDATE room SET user_enc = room_enc"))


def _loses_an_audit_row(db: Connection) -> None:
    migrate_within(db)
    db.execute(text("UPDATE audit SET count = 7 WHERE seq = 1"))


def _breaks_off(db: Connection) -> None:
    migrate_within(db)
    db.execute(text("SELECT * FROM nothing"))


def _forgets_a_generation(db: Connection) -> None:
    migrate_within(db)
    db.execute(text("UPDATE recipient SET generation = 99"))


@pytest.mark.parametrize(
    "wrong",
    [_loses_a_row, _empties_a_cell, _changes_a_cell, _loses_an_audit_row, _breaks_off, _forgets_a_generation],
)
def test_rule_2_a_change_that_loses_something_leaves_all_as_it_was(
    wrong: object, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = released.unpack("0001", tmp_path / "practice", url)
    address = home.settings.database_url()
    before, vault = contents(address), vault_rows(tmp_path / "practice")
    monkeypatch.setattr(upgrades, "migrate_within", wrong)
    with pytest.raises(PliError):
        upgrade(home)
    assert contents(address) == before
    assert vault_rows(tmp_path / "practice") == vault
    assert copies(home) == []
    monkeypatch.undo()
    upgrade(home)
    home.engine.dispose()
    opens(tmp_path / "practice")


def test_what_was_tampered_with_before_is_not_brought_forward(url: str, tmp_path: Path) -> None:
    home = released.unpack("0001", tmp_path / "practice", url)
    with home.engine.begin() as db:
        db.execute(text("UPDATE audit SET kind = 'left' WHERE seq = 2"))
    vault = vault_rows(tmp_path / "practice")
    with pytest.raises(InvalidSeal, match="audit row 2"):
        upgrade(home)
    assert vault_rows(tmp_path / "practice") == vault
    with pytest.raises(StorageError, match="older version"):
        VaultFile(tmp_path / "practice" / "vault.db")
    home.engine.dispose()


def test_rule_1_while_the_bot_runs_nothing_is_touched(tmp_path: Path) -> None:
    home = released.unpack("0001", tmp_path / "practice")
    lock = DeviceLock(home.bot_dir / "crypto").take()
    with pytest.raises(Refused, match="another process"):
        upgrade(home)
    lock.release()
    home.engine.dispose()


def test_a_newer_schema_and_a_store_that_is_gone_are_refused(tmp_path: Path) -> None:
    home = released.unpack("0002", tmp_path / "practice")
    with home.engine.begin() as db:
        db.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StorageError, match="newer version"):
        upgrade(home)
    (tmp_path / "practice" / "vault.db").rename(tmp_path / "away")
    with pytest.raises(Refused, match="is not there"):
        upgrade(home)
    assert copies(home) == []
    home.engine.dispose()


def test_rule_4_a_copy_of_the_vault_is_overwritten_before_it_goes(tmp_path: Path) -> None:
    home: Installation = released.unpack("0002", tmp_path / "practice")
    copy = tmp_path / "practice" / f"vault.db{COPY}"
    copy.write_bytes((tmp_path / "practice" / "vault.db").read_bytes())
    (tmp_path / "practice" / f"vault.db{COPY}.part").write_bytes(b"half of one")
    assert len(copies(home)) == 2
    with copy.open("rb") as still_open:
        remove_copies(home)
        left = still_open.read()
    assert left == bytes(len(left))
    assert left
    assert copies(home) == []
    home.engine.dispose()


def test_a_backup_of_an_older_schema_comes_back_in_the_present_one(url: str, tmp_path: Path) -> None:
    home = released.unpack("0001", tmp_path / "practice", url)
    upgrade_vault(home.vault_path)
    made = make_backup(home, tmp_path / "to", PASSPHRASE, with_vault=True)
    home.engine.dispose()
    with made.file.open("rb") as source:
        restore(source, PASSPHRASE, tmp_path / "new", database="", clock=HandClock(LATER))
    bot = Restarted(tmp_path / "new", LATER.replace(month=12))
    assert bot.home.schema_is_current()
    bot.start()
    assert bot.guess("anna", PIN) == "PIN_RIGHT"
    bot.close()
