"""The audit log in the database, anchored in the vault: what is cut off stays to be seen (P10)."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import delete, update

from bot.app import Installation
from bot.cli.main import main
from bot.domain.records import AuditEntry, AuditKind
from bot.domain.staff import MemberId
from bot.domain.values import RecipientId
from bot.errors import StorageError
from storage.audit_chain import BrokenChain, Fault
from storage.audit_rows import verify_audit
from storage.schema import migrate
from storage.tables import audit


@pytest.fixture
def home(tmp_path: Path) -> Installation:
    assert main(["init", str(tmp_path / "practice"), "--json"]) == 0
    return Installation.at(tmp_path / "practice" / "pli.toml")


def _add(home: Installation, rows: int) -> None:
    for _ in range(rows):
        with home.uow() as uow:
            uow.audit.add(AuditKind.IMPORTED, home.clock.now(), count=rows)
            uow.commit()


def _verify(home: Installation) -> int:
    return verify_audit(home.engine, home.audit_chain, home.vault)


def test_what_was_written_verifies(home: Installation) -> None:
    _add(home, 5)
    assert _verify(home) == 5


def test_a_log_that_was_cut_and_grew_again_shows_the_gap(home: Installation) -> None:
    """Rows cut off while the bot runs, more written afterwards than were cut: the log never heals over the wound."""
    _add(home, 8)
    with home.engine.begin() as connection:
        connection.execute(delete(audit).where(audit.c.seq > 5))
    _add(home, 6)
    with pytest.raises(BrokenChain) as broken:
        _verify(home)
    assert broken.value.number == 6


def test_an_emptied_log_shows_the_gap(home: Installation) -> None:
    _add(home, 3)
    with home.engine.begin() as connection:
        connection.execute(delete(audit))
    _add(home, 4)
    with pytest.raises(BrokenChain) as broken:
        _verify(home)
    assert broken.value.number == 1


def test_a_changed_row_is_named(home: Installation) -> None:
    _add(home, 4)
    with home.engine.begin() as connection:
        connection.execute(update(audit).where(audit.c.seq == 3).values(count=99))
    with pytest.raises(BrokenChain) as broken:
        _verify(home)
    assert broken.value.number == 3


def test_what_was_not_committed_is_not_anchored(home: Installation) -> None:
    _add(home, 2)
    with home.uow() as uow:
        uow.audit.add(AuditKind.IMPORTED, home.clock.now())
    _add(home, 1)
    assert _verify(home) == 3


# -- every byte -------------------------------------------------------------------------------------------------

COLUMNS = ("seq", "at", "kind", "recipient", "count", "note", "member", "act", "mac")
ROWS = 6


@pytest.fixture
def small(home: Installation) -> Installation:
    """Six rows of different kinds, notes among them."""
    kinds = list(AuditKind)[:ROWS]
    for number, kind in enumerate(kinds, start=1):
        with home.uow() as uow:
            note = f"new={number}" if number % 2 else ""
            member, act = (MemberId(f"m-{number}"), "invite") if number > 3 else (None, "")
            uow.audit.add(
                kind,
                home.clock.now(),
                RecipientId(f"r-{number}"),
                count=number,
                note=note,
                member=member,
                act=act,
            )
            uow.commit()
    home.engine.dispose()
    return home


def _database(home: Installation) -> sqlite3.Connection:
    return sqlite3.connect(str(home.engine.url.database), isolation_level=None)


def _found(home: Installation) -> BrokenChain | None:
    try:
        _verify(home)
    except BrokenChain as broken:
        return broken
    return None


def _variants(name: str, value: object) -> Iterator[str]:
    """SQL of every value that differs by one bit of one byte, longer and shorter ones, and other types."""
    if isinstance(value, int):
        yield from (str(value ^ 1 << bit) for bit in range(20))
        yield from () if name == "seq" else (f"{value}.5", f"'{value}x'")
        return
    data = value if isinstance(value, bytes) else str(value).encode()
    changed = [
        data[:at] + bytes((byte ^ 1 << bit,)) + data[at + 1 :]
        for at, byte in enumerate(data)
        for bit in range(8)
    ]
    changed += [data[:-1], data + b"0", data + b"\0"]
    for each in changed:
        if each != data:
            yield f"x'{each.hex()}'" if name == "mac" else f"CAST(x'{each.hex()}' AS TEXT)"
    yield f"CAST(x'{data.hex()}' AS {'TEXT' if name == 'mac' else 'BLOB'})"


def test_rule_1_every_byte_of_every_column_of_every_row_is_found_and_located(small: Installation) -> None:
    tried = 0
    with closing(_database(small)) as db:
        rows = db.execute(f"SELECT {', '.join(COLUMNS)} FROM audit ORDER BY seq").fetchall()  # noqa: S608 - names and values of this test
        for row in rows:
            number = int(row[0])
            for name, value in zip(COLUMNS, row, strict=True):
                for variant in _variants(name, value):
                    try:
                        db.execute(f"UPDATE audit SET {name} = {variant} WHERE seq = {number}")  # noqa: S608 - names and values of this test
                    except sqlite3.IntegrityError:
                        continue  # the number of another row
                    broken = _found(small)
                    moved = variant if name == "seq" else number
                    db.execute(f"UPDATE audit SET {name} = ? WHERE seq = {moved}", (value,))  # noqa: S608 - names and values of this test
                    assert broken is not None, (number, name, variant)
                    assert broken.number == (1 if moved == "0" else number), (number, name, variant)
                    tried += 1
    assert _found(small) is None
    assert tried > 3000


def test_rule_1_every_byte_of_the_logs_page_on_the_disk_changes_nothing_or_is_found(
    small: Installation,
) -> None:
    """Below SQL: one bit of each byte of the page that holds the rows. What SQLite cannot read refuses."""
    path = Path(str(small.engine.url.database))
    with closing(_database(small)) as db:
        page = db.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'audit'").fetchone()[0]
        size = db.execute("PRAGMA page_size").fetchone()[0]
        kept = _all(db)
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    clean = path.read_bytes()
    outcomes: Counter[str] = Counter()
    used = 6 * 200  # rows grow from the end of the page, what says where they are from its beginning
    for place in (*range((page - 1) * size, (page - 1) * size + 64), *range(page * size - used, page * size)):
        data = bytearray(clean)
        data[place] ^= 1 << place % 8
        path.write_bytes(data)
        small.engine.dispose()
        try:
            broken = _found(small)
        except StorageError:
            outcomes["unreadable"] += 1
            continue
        if broken is not None:
            assert 1 <= broken.number <= ROWS + 1  # a seventh, where the number of rows was hit
            outcomes["located"] += 1
            continue
        small.engine.dispose()
        with closing(_database(small)) as db:
            assert _all(db) == kept, place  # a byte that holds nothing
        outcomes["empty"] += 1
    path.write_bytes(clean)
    small.engine.dispose()
    assert _found(small) is None
    assert outcomes["located"] > 6 * 60
    assert sum(outcomes.values()) == used + 64


def _all(db: sqlite3.Connection) -> list[tuple[object, ...]]:
    return db.execute(f"SELECT {', '.join(COLUMNS)} FROM audit ORDER BY seq").fetchall()  # noqa: S608 - names and values of this test


@pytest.mark.parametrize("number", range(1, ROWS + 1))
def test_a_removed_row_is_located_and_the_times_around_it_are_named(small: Installation, number: int) -> None:
    times = [entry.at.isoformat() for entry in _listed(small)]
    with small.engine.begin() as db:
        db.execute(delete(audit).where(audit.c.seq == number))
    broken = _found(small)
    assert broken is not None
    assert broken.number == number
    assert broken.fault is (Fault.CUT if number == ROWS else Fault.OUT_OF_PLACE)
    assert broken.after == (times[number - 2] if number > 1 else "")
    assert broken.before == (times[number] if number < ROWS else "")


def _listed(home: Installation) -> Sequence[AuditEntry]:
    with home.uow() as uow:
        return uow.audit.listing()


def test_rows_exchanged_repeated_or_put_in_are_located(small: Installation) -> None:
    def swapped(db: sqlite3.Connection, one: int, other: int) -> None:
        db.execute("UPDATE audit SET seq = -1 WHERE seq = ?", (one,))
        db.execute("UPDATE audit SET seq = ? WHERE seq = ?", (one, other))
        db.execute("UPDATE audit SET seq = ? WHERE seq = -1", (other,))

    with closing(_database(small)) as db:
        for one in range(1, ROWS):
            for other in range(one + 1, ROWS + 1):
                swapped(db, one, other)
                broken = _found(small)
                assert broken is not None
                assert broken.number == one
                swapped(db, one, other)
        for one in range(1, ROWS + 1):  # again, behind the last
            columns = ", ".join(COLUMNS[1:])
            db.execute(
                f"INSERT INTO audit (seq, {columns}) SELECT {ROWS + 1}, {columns} FROM audit WHERE seq = {one}"  # noqa: S608 - names and values of this test
            )
            broken = _found(small)
            assert broken is not None
            assert (broken.number, broken.fault) == (ROWS + 1, Fault.CHANGED)
            db.execute(f"DELETE FROM audit WHERE seq = {ROWS + 1}")  # noqa: S608 - names and values of this test
    assert _found(small) is None


def test_an_old_database_under_todays_vault_is_found(small: Installation, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    with closing(_database(small)) as db, closing(sqlite3.connect(copy)) as to:
        db.backup(to)
    _add(small, 2)
    small.engine.dispose()
    path = Path(str(small.engine.url.database))
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    path.write_bytes(copy.read_bytes())
    broken = _found(small)
    assert broken is not None
    assert (broken.number, broken.fault) == (ROWS + 1, Fault.CUT)
    _add(small, 3)  # it goes on: the gap stays to be seen
    broken = _found(small)
    assert broken is not None
    assert (broken.number, broken.fault) == (ROWS + 1, Fault.OUT_OF_PLACE)


# -- purged by the setting ----------------------------------------------------------------------------------------


def _cut(home: Installation, keep: int) -> int:
    """Everything older than the last ``keep`` rows."""
    edge = _listed(home)[-keep].at
    with home.uow() as uow:
        gone = uow.audit.cut(edge)
        uow.commit()
    return gone


def test_rule_7_a_purged_log_verifies_and_goes_on(small: Installation) -> None:
    assert _cut(small, 2) == ROWS - 2
    assert _verify(small) == 2
    _add(small, 3)
    assert _verify(small) == 5
    assert _cut(small, 1) == 4
    assert _verify(small) == 1


def test_rule_7_the_last_row_is_never_purged(small: Installation) -> None:
    with small.uow() as uow:
        assert uow.audit.cut(small.clock.now() + timedelta(days=1)) == ROWS - 1
        uow.commit()
    assert _verify(small) == 1


def test_rule_7_a_checkpoint_cannot_be_forged_moved_or_taken_away(small: Installation) -> None:
    _cut(small, 3)
    with closing(_database(small)) as db:
        number, mac, seal = db.execute("SELECT number, mac, seal FROM audit_checkpoint").fetchone()
        for column, value in (
            ("number", number + 1),
            ("number", number - 1),
            ("mac", mac[:-1] + bytes((mac[-1] ^ 1,))),
            ("seal", seal[:-1] + bytes((seal[-1] ^ 1,))),
            ("seal", b""),
        ):
            db.execute(f"UPDATE audit_checkpoint SET {column} = ?", (value,))  # noqa: S608 - names and values of this test
            assert _found(small) is not None, (column, value)
            db.execute("UPDATE audit_checkpoint SET number = ?, mac = ?, seal = ?", (number, mac, seal))
        # one more row gone, and the checkpoint that an attacker can make of it
        next_mac = db.execute("SELECT mac FROM audit WHERE seq = ?", (number + 1,)).fetchone()[0]
        db.execute("DELETE FROM audit WHERE seq = ?", (number + 1,))
        db.execute("UPDATE audit_checkpoint SET number = ?, mac = ?", (number + 1, next_mac))
        broken = _found(small)
        assert broken is not None
        assert broken.fault is Fault.CHECKPOINT
        db.execute("DELETE FROM audit_checkpoint")
        broken = _found(small)
        assert broken is not None
        assert (broken.number, broken.fault) == (1, Fault.OUT_OF_PLACE)


def test_rule_1_of_the_repository_a_broken_log_is_never_shortened(small: Installation) -> None:
    with small.engine.begin() as db:
        db.execute(update(audit).where(audit.c.seq == 2).values(count=99))
    edge = _listed(small)[-1].at
    with small.uow() as uow, pytest.raises(BrokenChain):
        uow.audit.cut(edge)
    assert len(_listed(small)) == ROWS


# -- acts of the staff ----------------------------------------------------------------------------------------------


def _act(home: Installation, act: str = "invite", member: str = "m-1") -> None:
    with home.uow() as uow:
        uow.audit.add(AuditKind.STAFF_ACT, home.clock.now(), member=MemberId(member), act=act)
        uow.commit()


@pytest.mark.parametrize(
    "values",
    [
        {"member": "m-2"},
        {"member": ""},
        {"act": "patients"},
        {"act": ""},
        {"member": "", "act": ""},
        {"member": "m-1i", "act": "nvite"},
        {"member": "invite", "act": "m-1"},
        {"kind": "staff_refused"},
    ],
)
def test_who_acted_and_what_was_done_are_chained(home: Installation, values: dict[str, str]) -> None:
    _add(home, 1)
    _act(home)
    _add(home, 1)
    assert _verify(home) == 3
    with home.engine.begin() as connection:
        connection.execute(update(audit).where(audit.c.seq == 2).values(**values))
    with pytest.raises(BrokenChain) as broken:
        _verify(home)
    assert broken.value.number == 2


def test_a_member_is_not_given_to_a_row_that_had_none(home: Installation) -> None:
    _add(home, 2)
    with home.engine.begin() as connection:
        connection.execute(update(audit).where(audit.c.seq == 1).values(member="m-1", act="invite"))
    with pytest.raises(BrokenChain):
        _verify(home)


def test_a_log_from_before_the_staff_verifies_after_the_upgrade(home: Installation) -> None:
    """Rows of an older version are chained as they were written, and new ones behind them."""
    _add(home, 3)
    with home.engine.begin() as connection:
        for table in ("audit_checkpoint", "telegram_chat", "telegram_link"):
            connection.exec_driver_sql(f"DROP TABLE {table}")
        connection.exec_driver_sql("DROP INDEX ix_outbox_copy_of")
        connection.exec_driver_sql("ALTER TABLE outbox DROP COLUMN copy_of")
        for table, column in (
            *(("recipient", name) for name in ("left_at", "wishes_enc", "off_since")),
            ("appointment", "tell_until"),
            ("reminder", "lead"),
        ):
            connection.exec_driver_sql(f"ALTER TABLE {table} DROP COLUMN {column}")
        for column in ("member", "act", "note"):
            connection.exec_driver_sql(f"ALTER TABLE audit DROP COLUMN {column}")
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0004'")
    migrate(home.engine)
    assert _verify(home) == 3
    _act(home)
    assert _verify(home) == 4
