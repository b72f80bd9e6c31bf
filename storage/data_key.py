"""Change the practice's data key: everything that it seals, its indexes, and the audit chain's key.

::

    bot/  data.key.next      the new key, from when it was made until it has taken the other's place
          audit.older.next   the audit chain's older keys as they will be
          audit.older        number of the last row (8 bytes) and key (32 bytes) of each, oldest first
          rotation.lock      held by whoever changes or settles

1. The new key lies durably beside the old one before the database changes; one transaction changes all of the
   database, the name of its key with it; the files are exchanged after. So the database alone says which key is right.
2. What was broken off is settled by whoever opens the keys next: where the database opens under the next key the files
   are exchanged, else what was prepared is dropped. Nothing is settled while somebody holds the lock.
3. Each transaction looks whether the database is its key's (:func:`require_own`): a process that began under the older
   key writes nothing any more.
4. The audit log goes on: its older rows are judged by the older key, which is kept for that and opens nothing else.
   The row that tells of the change is the last one under it.
5. The older data key is overwritten once the files were exchanged.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, Engine, select
from sqlalchemy.exc import SQLAlchemyError

from bot.domain.records import AuditKind
from bot.domain.values import SecretBytes
from bot.errors import InvalidSeal, Refused, StorageError
from storage.audit_chain import AuditChain
from storage.audit_repository import AuditRows
from storage.columns import Columns
from storage.keys import AUDIT_OLDER, BotKeys, pack_older, sync_folder, write_key
from storage.rekey import rekey
from storage.small_repositories import MetaRows
from storage.tables import meta
from storage.vault import Vault

NEXT: Final = "data.key.next"
OLDER_NEXT: Final = AUDIT_OLDER + ".next"
KEY_NAME: Final = "data-key"  # the sealed value that only the database's own key opens
_SIZE: Final = 32


def require_own(db: Connection, columns: Columns) -> None:
    """Rule 3. A database whose key was never changed is taken as it is; raises :class:`StorageError`."""
    if _opens(db, columns) is False:
        raise StorageError(
            "the database belongs to another data key",
            mend="it was changed while this ran: start this again; or put back the key that belongs to the database",
        )


def _opens(db: Connection, columns: Columns) -> bool | None:
    """None where the database names no key."""
    sealed = db.execute(select(meta.c.value_enc).where(meta.c.name == KEY_NAME)).scalar_one_or_none()
    if sealed is None:
        return None
    try:
        columns.open(sealed, table="meta", column="value", row=KEY_NAME)
    except InvalidSeal:
        return False
    return True


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    try:
        handle = os.open(folder / "rotation.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StorageError(
            f"{folder}: cannot be written", mend="check the folder's owner and mode"
        ) from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Refused("keys are being changed just now", mend="try again in a moment") from None
        yield
    finally:
        os.close(handle)


def settle(folder: Path, engine: Engine) -> None:
    """Rule 2. Raises :class:`Refused` while somebody else is at it, :class:`StorageError` without the database."""
    if not any(os.path.lexists(folder / name) for name in (NEXT, OLDER_NEXT)):
        return
    with _locked(folder):
        _settle(folder, engine)


def _settle(folder: Path, engine: Engine) -> None:
    key = _next(folder)
    if key is None or not _is_of(engine, Columns(key)):
        for name in (OLDER_NEXT, NEXT):
            (folder / name).unlink(missing_ok=True)
        sync_folder(folder)
        return
    _exchange(folder)


def _next(folder: Path) -> SecretBytes | None:
    """None for one that was not written whole: no database was ever brought to it (rule 1)."""
    try:
        data = (folder / NEXT).read_bytes()
    except FileNotFoundError:
        return None
    return SecretBytes(data) if len(data) == _SIZE else None


def _is_of(engine: Engine, columns: Columns) -> bool:
    try:
        with engine.begin() as db:
            return _opens(db, columns) is True
    except SQLAlchemyError as error:
        raise StorageError(f"the database does not answer ({type(error).__name__})") from None


def _exchange(folder: Path) -> None:
    """Each step may have been made before: the one that names the new key is the last."""
    with suppress(FileNotFoundError):
        (folder / OLDER_NEXT).replace(folder / AUDIT_OLDER)
    sync_folder(folder)
    handle = os.open(folder / "data.key", os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        (folder / NEXT).replace(folder / "data.key")
        sync_folder(folder)
        os.pwrite(handle, bytes(_SIZE), 0)  # rule 5
        os.fsync(handle)
    finally:
        os.close(handle)


def rotate_data_key(folder: Path, engine: Engine, vault: Vault, now: datetime) -> int:
    """How many values were sealed again. The caller holds the bot's device, so that the bot does not run.

    Raises :class:`Refused` and :class:`StorageError`; all is then as it was.
    """
    with _locked(folder):
        _settle(folder, engine)
        old = BotKeys.load(folder)
        key = SecretBytes(secrets.token_bytes(_SIZE))
        write_key(folder / NEXT, key.reveal())
        sync_folder(folder)
        try:
            count, head = _change_database(folder, engine, vault, old, key, now)
        except BaseException:
            _settle(folder, engine)  # refused, or committed and not told so: the database says which
            raise
        vault.set_anchor(*head)
        _exchange(folder)
    return count


def _change_database(
    folder: Path, engine: Engine, vault: Vault, old: BotKeys, key: SecretBytes, now: datetime
) -> tuple[int, tuple[int, bytes]]:
    """Rule 1: one transaction. The number of values, and the audit log's head."""
    before, after = Columns(old.data), Columns(key)
    try:
        with engine.begin() as db:
            require_own(db, before)
            audit = AuditRows(db, AuditChain(old.audit(), old.audit_older), vault.anchor)
            audit.add(AuditKind.KEYS_ROTATED, now, note="key=data")
            head = audit.head
            assert head is not None  # noqa: S101 - for the type checker: a row was added
            older = (*old.audit_older, (head[0], old.audit()))
            write_key(folder / OLDER_NEXT, pack_older(older))
            sync_folder(folder)
            count = rekey(db, before, after)
            MetaRows(db, after).set(KEY_NAME, "1")
            new_chain = AuditChain(BotKeys.audit_of(key), older)
            AuditRows(db, new_chain, vault.anchor).seal_checkpoint_again(
                AuditChain(old.audit(), old.audit_older)
            )
    except SQLAlchemyError as error:
        raise StorageError(f"the database did not change its key ({type(error).__name__})") from None
    return count, head
