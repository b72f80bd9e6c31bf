"""One transaction, one commit: rules of :mod:`storage.unit_of_work` by number, over every database."""

from __future__ import annotations

import logging
import sqlite3
import stat
import threading
import traceback
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.domain.records import AuditKind, Patient, ProblemKind
from bot.domain.values import PatientId
from bot.errors import StorageError, WrongUse
from storage import engine as engines
from storage.audit_chain import BrokenChain, Fault
from storage.audit_rows import verify_audit
from tests.storage.store import NOW, P1, WHO, Store

SECRET = "Canari-1001"


def add(store: Store, name: str = "p-1", *, commit: bool = True) -> None:
    with store.uow() as uow:
        uow.patients.add(Patient(id=PatientId(name), reference=SECRET + name))
        if commit:
            uow.commit()


def count(store: Store, table: str = "patient") -> int:
    return int(store.rows(f"SELECT count(*) FROM {table}")[0][0])  # noqa: S608 - a table of ours


# -- rule 1 ---------------------------------------------------------------------------------------------------------


def test_rule_1_without_a_commit_nothing_is_written(store: Store) -> None:
    add(store, commit=False)
    assert count(store) == 0
    add(store)
    assert count(store) == 1


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, StorageError])
def test_rule_1_an_exception_rolls_back_and_goes_on(store: Store, error: type[BaseException]) -> None:
    def fail() -> None:
        with store.uow() as uow:
            uow.patients.add(Patient(id=P1, reference="x"))
            raise error

    with pytest.raises(error):
        fail()
    assert count(store) == 0
    add(store)


def test_what_is_done_after_a_commit_is_not_written(store: Store) -> None:
    with store.uow() as uow:
        uow.problems.add(ProblemKind.TROUBLE, NOW)
        uow.commit()
    assert count(store, "problem") == 1


def test_a_unit_of_work_is_used_once(store: Store) -> None:
    uow = store.uow()
    with uow:
        uow.commit()
    with pytest.raises(WrongUse), uow:
        pass


# -- rule 2 ---------------------------------------------------------------------------------------------------------


def told(error: BaseException) -> str:
    """Everything that a traceback would show of it."""
    return "".join(traceback.format_exception(error))


def test_rule_2_no_statement_and_no_value_in_an_error(store: Store) -> None:
    add(store)
    with pytest.raises(StorageError) as refused:
        add(store)
    text = told(refused.value)
    for word in (SECRET, "INSERT", "reference_idx", "p-1"):
        assert word not in text.replace(f'add(store, "{word}")', ""), word
    assert str(refused.value) == "the database refused (IntegrityError)"


@pytest.fixture
def impatient(sqlite_store: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    """Waits for a lock for a moment only."""
    monkeypatch.setattr(engines, "BUSY_SECONDS", 0.05)
    sqlite_store.engine.dispose()
    sqlite_store.engine = engines.connect(sqlite_store.url)
    return sqlite_store


def test_rule_2_a_locked_database_refuses_and_recovers(impatient: Store) -> None:
    """Far more often than there are connections: none is lost on the way."""
    with closing(sqlite3.connect(impatient.folder / "pli.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        for _ in range(30):
            with pytest.raises(StorageError, match="does not answer"):
                add(impatient)
        other.execute("ROLLBACK")
    add(impatient)


def test_rule_2_a_postgresql_that_is_busy_refuses_instead_of_waiting_for_ever(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "BUSY_SECONDS", 1)
    store = Store(tmp_path, postgres_url)
    with store.uow() as uow:
        with pytest.raises(StorageError), store.uow():
            pass
        uow.commit()
    add(store)
    store.engine.dispose()


@pytest.mark.parametrize("content", [b"", b"SQLite format 3\x00" + b"\x00" * 200, b"garbage" * 1000])
def test_rule_2_a_file_that_is_no_database_of_ours_refuses(tmp_path: Path, content: bytes) -> None:
    store = Store(tmp_path)
    store.engine.dispose()
    for suffix in ("", "-wal", "-shm"):
        (tmp_path / f"pli.db{suffix}").unlink(missing_ok=True)
    (tmp_path / "pli.db").write_bytes(content)
    with pytest.raises(StorageError):
        add(store)
    store.engine.dispose()


def test_rule_2_a_folder_that_is_gone_refuses(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.engine.dispose()
    store.engine = engines.connect(f"sqlite:///{tmp_path}/gone/pli.db")
    with pytest.raises(StorageError):
        add(store)


def test_rule_2_a_read_only_file_refuses_to_be_written(sqlite_store: Store) -> None:
    sqlite_store.engine.dispose()
    engine = engines.connect(f"sqlite:///file:{sqlite_store.folder / 'pli.db'}?mode=ro&uri=true")
    sqlite_store.engine = engine
    with pytest.raises(StorageError):
        add(sqlite_store)
    engine.dispose()


def test_rule_2_a_server_that_is_gone_refuses(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.engine.dispose()
    store.engine = engines.connect("postgresql+psycopg://nobody@127.0.0.1:1/none")
    with pytest.raises(StorageError) as refused:
        add(store)
    assert "127.0.0.1" not in told(refused.value).split("StorageError")[-1]


# -- one writer -----------------------------------------------------------------------------------------------------


def test_units_of_work_do_not_overlap(store: Store) -> None:
    """What is read stays true until it is written: nobody comes between."""
    store.execute("DROP TABLE IF EXISTS tally")
    store.execute("CREATE TABLE tally (n INTEGER)")
    store.execute("INSERT INTO tally VALUES (0)")
    wrong: list[BaseException] = []

    def work() -> None:
        try:
            for _ in range(15):
                with store.uow() as uow:
                    db = uow.problems._db
                    (found,) = db.exec_driver_sql("SELECT n FROM tally").one()
                    db.exec_driver_sql(f"UPDATE tally SET n = {found + 1}")  # noqa: S608 - a number
                    uow.audit.add(AuditKind.STARTED, NOW)
                    uow.commit()
        except BaseException as error:  # noqa: BLE001 - shown by the test
            wrong.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert store.rows("SELECT n FROM tally") == [(60,)]
    store.execute("DROP TABLE tally")
    assert verify_audit(store.engine, store.chain, store.vault) == 60


# -- rule 3 and the audit chain -------------------------------------------------------------------------------------


def audited(store: Store, number: int = 5) -> None:
    for n in range(number):
        with store.uow() as uow:
            uow.audit.add(AuditKind.RELEASED, NOW, WHO, count=n)
            uow.audit.add(AuditKind.STARTED, NOW.replace(microsecond=0))
            uow.commit()


def test_rule_3_the_chain_verifies_against_the_vault(store: Store) -> None:
    audited(store)
    assert verify_audit(store.engine, store.chain, store.vault) == 10
    assert store.vault.anchor()[0] == 10


def test_rule_3_what_is_rolled_back_is_not_anchored(store: Store) -> None:
    audited(store, 1)
    with store.uow() as uow:
        uow.audit.add(AuditKind.STARTED, NOW)
    assert store.vault.anchor()[0] == 2
    assert verify_audit(store.engine, store.chain, store.vault) == 2


def test_rule_3_a_vault_that_is_busy_undoes_nothing(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    """What is committed is done; the next one moves the anchor on."""
    audited(store, 1)

    def busy(*_: object) -> None:
        raise StorageError("the vault is unavailable")

    real, store.vault.set_anchor = store.vault.set_anchor, busy  # type: ignore[method-assign, assignment]  # the vault is busy
    with caplog.at_level(logging.WARNING):
        audited(store, 1)
    store.vault.set_anchor = real  # type: ignore[method-assign]  # and free again
    assert [r.getMessage() for r in caplog.records] == ["the audit log's anchor was not moved"]
    assert count(store, "audit") == 4
    assert store.vault.anchor()[0] == 2
    assert verify_audit(store.engine, store.chain, store.vault) == 4
    audited(store, 1)
    assert store.vault.anchor()[0] == 6


@pytest.mark.parametrize(
    ("sql", "number", "fault"),
    [
        ("UPDATE audit SET count = 99 WHERE seq = 4", 4, Fault.CHANGED),
        ("UPDATE audit SET kind = 'left' WHERE seq = 1", 1, Fault.CHANGED),
        ("UPDATE audit SET recipient = 'r-else' WHERE seq = 3", 3, Fault.CHANGED),
        ("UPDATE audit SET at = '2026-09-01T08:00:00.123457Z' WHERE seq = 3", 3, Fault.CHANGED),
        ("DELETE FROM audit WHERE seq = 5", 5, Fault.OUT_OF_PLACE),
        ("DELETE FROM audit WHERE seq > 7", 8, Fault.CUT),
        ("DELETE FROM audit", 1, Fault.CUT),
    ],
)
def test_p10_what_was_changed_is_named(store: Store, sql: str, number: int, fault: Fault) -> None:
    audited(store)
    store.execute(sql)
    with pytest.raises(BrokenChain) as broken:
        verify_audit(store.engine, store.chain, store.vault)
    assert (broken.value.number, broken.value.fault) == (number, fault)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seq=st.integers(1, 10), byte=st.integers(0, 31), bit=st.integers(0, 7))
def test_p10_any_bit_of_any_code(sqlite_store: Store, seq: int, byte: int, bit: int) -> None:
    if count(sqlite_store, "audit") == 0:
        audited(sqlite_store)
    ((mac,),) = sqlite_store.rows("SELECT mac FROM audit WHERE seq = :seq", seq=seq)
    flipped = mac[:byte] + bytes([mac[byte] ^ 1 << bit]) + mac[byte + 1 :]
    sqlite_store.execute("UPDATE audit SET mac = :mac WHERE seq = :seq", mac=flipped, seq=seq)
    with pytest.raises(BrokenChain) as broken:
        verify_audit(sqlite_store.engine, sqlite_store.chain, sqlite_store.vault)
    assert broken.value.number == seq
    sqlite_store.execute("UPDATE audit SET mac = :mac WHERE seq = :seq", mac=mac, seq=seq)


def test_p10_a_cut_log_is_not_continued_unnoticed(store: Store) -> None:
    """Whoever cuts the log and lets the bot go on hides nothing."""
    audited(store)
    store.execute("DELETE FROM audit WHERE seq > 6")
    audited(store)
    with pytest.raises(BrokenChain):
        verify_audit(store.engine, store.chain, store.vault)


# -- the file -------------------------------------------------------------------------------------------------------


def test_the_file_is_private(sqlite_store: Store) -> None:
    add(sqlite_store)
    for file in sqlite_store.folder.glob("pli.db*"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file.name


def test_what_is_deleted_leaves_the_file(sqlite_store: Store) -> None:
    """secure_delete and an emptied log: a canary in an unsealed column is gone from the disk."""
    with sqlite_store.uow() as uow:
        uow.seen.add(["canary-of-the-seen-table"], NOW)
        uow.commit()

    def on_disk() -> bool:
        return any(b"canary-of-the-seen" in f.read_bytes() for f in sqlite_store.folder.glob("pli.db*"))

    assert on_disk()
    with sqlite_store.uow() as uow:
        uow.seen.purge(NOW.replace(year=2030))
        uow.commit()
    engines.truncate_wal(sqlite_store.engine)
    assert not on_disk()
