"""``pli upgrade``: database and vault in the form that this version needs, or both as they were.

1. Nobody else works meanwhile: the device's lock keeps the bot away, and both stores are locked from before the first
   change until it is decided.
2. Each store changes in one transaction. Both are looked through inside of theirs, before either is committed: as many
   rows in every table, the audit chain whole up to the vault's anchor, every sealed cell open, and as many recipients
   whose key is in the vault as before. What does not hold takes both back.
3. A kill leaves each store in its old form or in its new one, never between, and ``pli upgrade`` goes on from there.
4. Copies of both, private, lie beside them from before the first change until the end: for whoever must look when a
   disk fails in between. Before they go, they are overwritten; those that a kill left go first, the next time.
5. PostgreSQL's database has no copy here: ``pli backup`` makes one. A vault that is a process of its own is brought
   forward by ``pli vault upgrade``, under its own account.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from alembic.util.exc import CommandError
from sqlalchemy import Connection, select
from sqlalchemy.exc import SQLAlchemyError

from bot.app import CRYPTO_STORE, Installation
from bot.channels.matrix.files import DeviceLock
from bot.domain.records import AuditKind
from bot.errors import Refused, StorageError
from bot.services.reconcile_stores import WITHOUT_KEY
from bot.workplace import sync_folder
from storage.checkup import Checkup, look_through
from storage.columns import Columns
from storage.schema import migrate_within
from storage.snapshot import schema_of, table_of
from storage.vault_file import changing_vault, upgrade_within

COPY: Final = ".before-upgrade"
_BLOCK: Final = 1 << 20
_REPORT: Final = "everything is as it was; please report it"


@dataclass(frozen=True, kw_only=True, slots=True)
class Upgraded:
    """``rows`` and ``sealed`` cells were looked through; nothing was where both were as they should be."""

    database: bool
    vault: bool
    schema: str
    rows: int
    audit_rows: int
    sealed: int


def upgrade(home: Installation) -> Upgraded:
    """Raises :class:`PliError`; then both stores are as they were."""
    lock = DeviceLock(home.bot_dir / CRYPTO_STORE).take()
    try:
        remove_copies(home)
        try:
            return _upgrade(home)
        finally:
            remove_copies(home)
    finally:
        lock.release()


def copies(home: Installation) -> list[Path]:
    """Those that lie there, now or left by a kill; a part of one too."""
    stores = filter(None, (_vault_file(home), _sqlite_file(home)))
    return [p for store in stores for p in sorted(store.parent.glob(store.name + COPY + "*"))]


def remove_copies(home: Installation) -> None:
    """Rule 4. Raises :class:`StorageError`: a copy of the vault must not stay."""
    for path in copies(home):
        try:
            with path.open("r+b") as file:
                left = path.stat().st_size
                while left > 0:
                    left -= file.write(bytes(min(left, _BLOCK)))
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            pass  # a full disk must not keep it from being removed
        try:
            path.unlink()
        except OSError as error:
            raise StorageError(
                f"{path}: cannot be removed ({type(error).__name__})", mend="remove it"
            ) from None


def _upgrade(home: Installation) -> Upgraded:
    for store in filter(None, (_sqlite_file(home), _vault_file(home))):
        if not store.exists():
            raise Refused(f"{store}: is not there", mend="put it back, or: pli restore, or: pli init DIR")
        _copy(store)
    with _telling(), home.engine.connect() as db:
        transaction = db.begin()
        file = _vault_file(home)
        with changing_vault(file) if file else nullcontext() as vault:
            before, opening, schema = _look(home, db, vault), _opening(db, vault), schema_of(db)
            vault_changed = vault is not None and upgrade_within(vault)
            migrate_within(db)
            after = _look(home, db, vault)
            _compare(before, after)
            if _opening(db, vault) != opening:
                raise StorageError("database and vault would not fit together as before", mend=_REPORT)
            done = Upgraded(
                database=schema_of(db) != schema,
                vault=vault_changed,
                schema=schema_of(db),
                rows=sum(after.rows.values()),
                audit_rows=after.audit_rows,
                sealed=after.sealed,
            )
            transaction.commit()  # first: it is the one that may find the disk full
    if done.database or done.vault:
        with home.uow() as uow:
            uow.audit.add(AuditKind.UPGRADED, home.clock.now())
            uow.commit()
    return done


def _look(home: Installation, db: Connection, vault: sqlite3.Connection | None) -> Checkup:
    if vault is None:
        length, head = home.vault.anchor()
    else:
        length, head = vault.execute("SELECT length, head FROM anchor").fetchone() or (0, b"")
    return look_through(db, Columns(home.keys.data), home.audit_chain, length=length, head=head)


def _compare(before: Checkup, after: Checkup) -> None:
    """Rule 2. A table that is new may have rows; one that was there keeps as many."""
    changed = [name for name, number in before.rows.items() if after.rows.get(name) != number]
    if changed:
        raise StorageError(f"the table {changed[0]} would not have its rows any more", mend=_REPORT)
    if after.head != before.head or after.sealed < before.sealed:
        raise StorageError("the audit log or a sealed cell would not be there any more", mend=_REPORT)


def _opening(db: Connection, vault: sqlite3.Connection | None) -> frozenset[str]:
    """Recipients whose key, of the generation that the database names, is in the vault, as far as it is here."""
    if vault is None:
        return frozenset()
    c = table_of(db, "recipient").c
    rows = db.execute(select(c.id, c.key_id, c.generation).where(c.state.not_in(WITHOUT_KEY)))
    sql = (
        "SELECT 1 FROM recipient JOIN key ON key.recipient = recipient.id"
        " WHERE recipient.id = ? AND recipient.key_id = ? AND generation = ?"
    )
    return frozenset(row[0] for row in rows if vault.execute(sql, tuple(row)).fetchone() is not None)


def _copy(store: Path) -> None:
    """SQLite's own backup, whole or not at all."""
    part, copy = (store.with_name(store.name + COPY + end) for end in (".part", ""))
    try:
        os.close(os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
        source = f"{store.absolute().as_uri()}?mode=rw"
        with closing(sqlite3.connect(source, uri=True)) as from_, closing(sqlite3.connect(part)) as to:
            from_.backup(to)
            to.execute("PRAGMA journal_mode = DELETE")
        part.rename(copy)
        sync_folder(store.parent)
    except (OSError, sqlite3.Error) as error:
        raise StorageError(
            f"{store}: cannot be copied ({type(error).__name__})", mend="is there room on the disk?"
        ) from None


@contextmanager
def _telling() -> Iterator[None]:
    try:
        yield
    except CommandError:
        raise StorageError("the database was made by a newer version", mend="install that version") from None
    except SQLAlchemyError as error:
        raise StorageError(
            f"the database was not changed ({type(error).__name__})",
            mend="is there room on the disk? then again",
        ) from None


def _vault_file(home: Installation) -> Path | None:
    return home.vault_path if home.vault_socket is None else None


def _sqlite_file(home: Installation) -> Path | None:
    url = home.engine.url
    return Path(url.database) if home.engine.dialect.name == "sqlite" and url.database else None
