"""The vault's file. Rules of :mod:`storage.vault_file`."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from bot.errors import StorageError
from storage.vault_file import VaultFile, create_vault, upgrade_vault


def raw(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as db:
        for statement in statements:
            db.execute(statement)
        db.commit()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "vault.db"
    create_vault(path)
    return path


@pytest.fixture
def old(path: Path) -> Path:
    """A vault of the first form, with one recipient."""
    raw(
        path,
        "ALTER TABLE recipient DROP COLUMN serial",
        "INSERT INTO recipient (id, key_id, next_generation, wrong) VALUES ('r-1', 'k-1', 2, 3)",
        "PRAGMA user_version = 1",
    )
    return path


@pytest.mark.parametrize(
    ("pragma", "value"),
    [
        ("journal_mode", "delete"),
        ("synchronous", 3),
        ("secure_delete", 1),
        ("foreign_keys", 1),
        ("trusted_schema", 0),
        ("application_id", 0x506C6956),
        ("user_version", 2),
        ("busy_timeout", 10_000),
    ],
)
def test_rules_4_and_5_how_every_transaction_is_set(path: Path, pragma: str, value: object) -> None:
    """Also where a file came from a program that set it otherwise."""
    raw(path, "PRAGMA journal_mode = WAL")
    with VaultFile(path).transaction() as db:
        assert db.execute(f"PRAGMA {pragma}").fetchone()[0] == value
        assert db.in_transaction


def test_rule_6_an_older_vault_is_refused_until_it_was_upgraded(old: Path) -> None:
    with pytest.raises(StorageError, match="older"):
        VaultFile(old)
    assert upgrade_vault(old) is True
    with VaultFile(old).transaction() as db:
        rows = db.execute("SELECT id, key_id, next_generation, wrong, serial FROM recipient").fetchall()
    assert [tuple(row) for row in rows] == [("r-1", "k-1", 2, 3, 0)]
    assert upgrade_vault(old) is False


def test_rule_6_nothing_else_is_upgraded(path: Path) -> None:
    assert upgrade_vault(path) is False
    raw(path, "PRAGMA user_version = 3")
    assert upgrade_vault(path) is False
    with pytest.raises(StorageError, match="not a vault"):
        VaultFile(path)
    raw(path, "PRAGMA user_version = 1", "PRAGMA application_id = 7")
    assert upgrade_vault(path) is False
    with pytest.raises(StorageError, match="not a vault"):
        VaultFile(path)


def test_rule_2_an_open_file_is_not_upgraded_either(old: Path) -> None:
    old.chmod(0o640)
    with pytest.raises(StorageError, match="open to other"):
        upgrade_vault(old)
    with pytest.raises(StorageError, match="open to other"):
        VaultFile(old)


def test_rule_1_no_vault_is_made_where_a_link_points(tmp_path: Path) -> None:
    (tmp_path / "vault.db").symlink_to(tmp_path / "elsewhere.db")
    with pytest.raises(Exception, match=r"vault\.db"):
        create_vault(tmp_path / "vault.db")
    assert not (tmp_path / "elsewhere.db").exists()


def test_rule_1_opening_makes_no_file(path: Path) -> None:
    vault = VaultFile(path)
    path.unlink()
    with pytest.raises(StorageError), vault.transaction():
        pass
    assert not path.exists()
