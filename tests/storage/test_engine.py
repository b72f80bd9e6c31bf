"""Addresses, migrations, pragmas: :mod:`storage.engine`."""

from __future__ import annotations

import logging
import sqlite3
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import text

from bot.domain.values import AppointmentId
from bot.errors import StorageError, WrongUse
from storage import schema
from storage.engine import connect, truncate_wal
from storage.schema import is_current, migrate
from tests.storage.store import Store, appointment


@pytest.mark.parametrize(
    "url", ["", "nonsense", "foo://bar", "sqlite", "mysql+nodriver://x", "postgresql+none://x/y"]
)
def test_an_address_that_cannot_be_read_is_wrong_use(url: str) -> None:
    with pytest.raises(WrongUse) as wrong:
        connect(url)
    assert wrong.value.mend


def test_an_address_with_a_password_is_not_shown() -> None:
    engine = connect("postgresql+psycopg://bot:canary@127.0.0.1:1/none")
    with pytest.raises(StorageError) as refused:
        is_current(engine)
    assert "canary" not in str(refused.value)


def test_a_new_database_is_not_current_until_it_is_migrated(tmp_path: Path) -> None:
    engine = connect(f"sqlite:///{tmp_path}/pli.db")
    assert not is_current(engine)
    migrate(engine)
    assert is_current(engine)
    migrate(engine)
    assert is_current(engine)
    engine.dispose()


def test_a_schema_of_another_version_is_not_current(store: Store) -> None:
    assert is_current(store.engine)
    store.execute("UPDATE alembic_version SET version_num = '9999'")
    assert not is_current(store.engine)
    with pytest.raises(StorageError, match="newer"):
        migrate(store.engine)
    store.execute("UPDATE alembic_version SET version_num = :head", head=_newest())
    assert is_current(store.engine)


def _newest() -> str | None:
    return ScriptDirectory.from_config(schema._alembic()).get_current_head()


AS_OF_0002 = (
    *(f"DROP TABLE {table}" for table in ("telegram_chat", "telegram_link")),
    "DROP INDEX ix_outbox_copy_of",
    "ALTER TABLE outbox DROP COLUMN copy_of",
    "ALTER TABLE recipient DROP COLUMN wishes_enc",
    "ALTER TABLE recipient DROP COLUMN off_since",
    "ALTER TABLE appointment DROP COLUMN tell_until",
    "ALTER TABLE reminder DROP COLUMN lead",
    *(f"ALTER TABLE recipient DROP COLUMN {name}" for name in ("paused", "nudged_at", "seen_at")),
    "ALTER TABLE answer DROP COLUMN told",
    "ALTER TABLE problem DROP COLUMN told",
    "ALTER TABLE recipient DROP COLUMN left_at",
    "ALTER TABLE audit DROP COLUMN note",
    "DROP TABLE audit_checkpoint",
    "ALTER TABLE audit DROP COLUMN member",
    "ALTER TABLE audit DROP COLUMN act",
    *(f"DROP TABLE {table}" for table in ("staff_member", "staff_room", "heard_order")),
    "UPDATE alembic_version SET version_num = '0002'",
)
AS_OF_0001 = (
    *AS_OF_0002,
    "ALTER TABLE recipient DROP COLUMN vault_serial",
    "UPDATE alembic_version SET version_num = '0001'",
)


def test_a_database_from_before_the_vaults_serials_is_brought_forward(store: Store) -> None:
    store.people()
    for statement in AS_OF_0001:
        store.execute(statement)
    assert not is_current(store.engine)
    migrate(store.engine)
    assert is_current(store.engine)
    assert store.rows("SELECT vault_serial, left_at FROM recipient") == [(0, None), (0, None)]


def test_an_appointment_of_an_older_database_helps_until_its_day_begins(store: Store) -> None:
    store.people()
    with store.uow() as uow:
        uow.appointments.add([appointment("a-1", past_after=datetime(2026, 3, 29, 22, tzinfo=UTC))])
        uow.commit()
    for statement in AS_OF_0001:
        store.execute(statement)
    migrate(store.engine)
    with store.uow() as uow:
        found = uow.appointments.get(AppointmentId("a-1"))
    assert found is not None
    day = found.tell_until.astimezone(ZoneInfo("Europe/Paris"))
    assert (day.date(), day.hour < 3) == (date(2026, 3, 29), True), "the day on which clocks went forward"


def test_a_database_that_cannot_be_made_is_a_storage_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError):
        migrate(connect(f"sqlite:///{tmp_path}/missing/pli.db"))
    with pytest.raises(StorageError):
        migrate(connect(f"sqlite:///{tmp_path}"))


def test_pragmas(sqlite_store: Store) -> None:
    with sqlite_store.engine.begin() as db:
        found = {
            name: db.execute(text(f"PRAGMA {name}")).scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys", "secure_delete")
        }
    assert found == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "secure_delete": 1}


def test_a_transaction_takes_the_write_lock_at_its_start(sqlite_store: Store) -> None:
    with (
        sqlite_store.engine.begin(),
        closing(sqlite3.connect(sqlite_store.folder / "pli.db", timeout=0)) as other,
    ):
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")
        other.execute("SELECT count(*) FROM patient").fetchone()


def test_the_log_is_emptied(sqlite_store: Store) -> None:
    sqlite_store.people()
    log = sqlite_store.folder / "pli.db-wal"
    assert log.stat().st_size > 0
    truncate_wal(sqlite_store.engine)
    assert log.stat().st_size == 0


def test_emptying_the_log_of_a_database_that_is_gone_refuses(tmp_path: Path) -> None:
    engine = connect(f"sqlite:///{tmp_path}/missing/pli.db")
    with pytest.raises(StorageError):
        truncate_wal(engine)


def test_statements_are_not_logged_with_their_values(
    sqlite_store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    logger = logging.getLogger("sqlalchemy.engine.Engine")
    level = logger.level
    logger.addHandler(caplog.handler)
    logger.setLevel(logging.DEBUG)
    try:
        sqlite_store.engine.dispose()
        sqlite_store.engine = connect(sqlite_store.url)
        sqlite_store.execute("INSERT INTO seen VALUES (:key, '2026')", key="canary-value")
    finally:
        logger.removeHandler(caplog.handler)
        logger.setLevel(level)
    assert "INSERT INTO seen" in caplog.text
    assert "canary" not in caplog.text
