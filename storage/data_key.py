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
3. Each transaction looks whether the database is its key's, and whether keys were changed since this process looked
   first (:func:`require_own`): one that began under older keys writes nothing any more.
4. The audit log goes on: its older rows are judged by the older key, which is kept for that and opens nothing else.
   The row that tells of the change is the last one under it.
5. The older data key is overwritten once the files were exchanged.
"""

from __future__ import annotations

import secrets
from datetime import datetime
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from bot.domain.records import AuditKind
from bot.domain.values import SecretBytes
from bot.errors import InvalidSeal, StorageError
from storage.audit_chain import AuditChain
from storage.audit_repository import AuditRows
from storage.columns import Columns
from storage.keys import AUDIT_OLDER, BotKeys, pack_older
from storage.next_keys import are_there, drop, exchange, locked, read_next, write_next
from storage.rekey import rekey
from storage.small_repositories import MetaRows
from storage.vault_port import AnyVault

DATA: Final = "data.key"
_FILES: Final = (
    AUDIT_OLDER,
    DATA,
)  # in the order in which they are exchanged: the one that tells is the last
KEY_NAME: Final = "data-key"  # the sealed name that only the database's own key opens
_SIZE: Final = 32


class Epoch:
    """The name that the database's keys had when this process first looked."""

    def __init__(self) -> None:
        self._seen: tuple[str | None] | None = None

    def check(self, name: str | None) -> None:
        """Raises :class:`StorageError` where it has another one by now."""
        if self._seen is None:
            self._seen = (name,)
        elif self._seen != (name,):
            raise _changed()


def _changed() -> StorageError:
    return StorageError(
        "the database belongs to another key",
        mend="keys were changed while this ran: start this again; or put back the key that belongs to the database",
    )


def require_own(db: Connection, columns: Columns, epoch: Epoch | None = None) -> None:
    """Rule 3. A database whose keys were never changed is taken as it is; raises :class:`StorageError`."""
    try:
        name = MetaRows(db, columns).get(KEY_NAME)
    except InvalidSeal:
        raise _changed() from None
    if epoch is not None:
        epoch.check(name)


def new_epoch(db: Connection, columns: Columns) -> None:
    """From now on whoever began under the keys of before is refused."""
    MetaRows(db, columns).set(KEY_NAME, secrets.token_hex(8))


def settle(folder: Path, engine: Engine) -> None:
    """Rule 2. Raises :class:`Refused` while somebody else is at it, :class:`StorageError` without the database."""
    if are_there(folder, _FILES):
        with locked(folder):
            _settle(folder, engine)


def _settle(folder: Path, engine: Engine) -> None:
    key = read_next(folder, DATA, size=_SIZE)
    if key is not None and _is_of(engine, Columns(SecretBytes(key))):
        exchange(folder, _FILES)
    else:
        drop(folder, _FILES)


def _is_of(engine: Engine, columns: Columns) -> bool:
    try:
        with engine.begin() as db:
            return MetaRows(db, columns).get(KEY_NAME) is not None
    except InvalidSeal:
        return False
    except SQLAlchemyError as error:
        raise StorageError(f"the database does not answer ({type(error).__name__})") from None


def rotate_data_key(folder: Path, engine: Engine, vault: AnyVault, now: datetime) -> int:
    """How many values were sealed again. The caller holds the bot's device, so that the bot does not run.

    Raises :class:`Refused` and :class:`StorageError`; all is then as it was.
    """
    with locked(folder):
        _settle(folder, engine)
        old = BotKeys.load(folder)
        key = SecretBytes(secrets.token_bytes(_SIZE))
        write_next(folder, DATA, key.reveal())
        try:
            count, head = _change_database(folder, engine, vault, old, key, now)
        except BaseException:
            _settle(folder, engine)  # refused, or committed and not told so: the database says which
            raise
        vault.set_anchor(*head)
        exchange(folder, _FILES)
    return count


def _change_database(
    folder: Path, engine: Engine, vault: AnyVault, old: BotKeys, key: SecretBytes, now: datetime
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
            write_next(folder, AUDIT_OLDER, pack_older(older))
            count = rekey(db, before, after)
            new_epoch(db, after)
            new_chain = AuditChain(BotKeys.audit_of(key), older)
            AuditRows(db, new_chain, vault.anchor).seal_checkpoint_again(
                AuditChain(old.audit(), old.audit_older)
            )
    except SQLAlchemyError as error:
        raise StorageError(f"the database did not change its key ({type(error).__name__})") from None
    return count, head
