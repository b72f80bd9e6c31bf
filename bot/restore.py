"""``pli restore``: a practice's folder out of a backup, or nothing.

1. Everything is built in a private folder beside the one that was asked for, which takes its name when all of it was
   verified: every byte authenticated and the end told, every table as long as it was, the audit chain whole up to the
   vault's anchor, every sealed cell open. Before that, nothing is there.
2. The device is not in a backup: a new key for its store is drawn, and the bot logs in anew.
3. What a restored bot may not do is settled here: see :mod:`bot.services.settle_restored` and
   :mod:`storage.vault_copy`.
4. A rehearsal does the same up to the verification, and no vault is ever written for it.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, Final

from alembic.util.exc import CommandError
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from bot.channels.matrix.session import SEEDS_FILE
from bot.domain.records import RecipientState
from bot.domain.values import RecipientId
from bot.errors import Refused, StorageError
from bot.ports import Clock
from bot.ports_storage import UnitOfWork, UnitOfWorkFactory
from bot.services.settle_restored import Settled, SettleRestored
from bot.workplace import sync_folder, work_folder
from config.rewrite import put_values
from config.settings import FILE_NAME
from storage.agebox import Opener, unseal
from storage.audit_chain import AuditChain
from storage.checkup import Checkup, look_through
from storage.columns import Columns
from storage.engine import connect, truncate_wal
from storage.keys import AUDIT_OLDER, BOT_FILES, DIGEST_OLDER, IMPORT_FILES, BotKeys, new_key, write_new
from storage.pack import Cell, Manifest, Unpacker
from storage.schema import is_known, migrate_within
from storage.snapshot import Filling, count_rows, differing, tables_of
from storage.unit_of_work import SqlUnitOfWork, noted_in
from storage.vault import Vault
from storage.vault_copy import VaultFilling

DATABASE: Final = "data/pli.db"
VAULT: Final = "vault/vault.db"
BOT: Final = "bot"
IMPORT: Final = "import"
_ALLOWED: Final = {
    "settings": {FILE_NAME},
    "bot": {*BOT_FILES, AUDIT_OLDER, SEEDS_FILE},
    "import": {*IMPORT_FILES, DIGEST_OLDER},
    "ca": {"ca.pem"},
}
_RECIPIENTS: Final = "SELECT id, key_id, generation, state, vault_serial FROM recipient ORDER BY id"
_WITH_KEY: Final = (RecipientState.ENROLLED.value, RecipientState.INVITED.value)


@dataclass(frozen=True, kw_only=True, slots=True)
class Restored:
    """What came back. ``made`` is when the backup was made, ISO 8601 in UTC."""

    folder: Path
    made: str
    rows: Mapping[str, int]
    audit_rows: int
    sealed: int
    with_vault: bool
    import_keys: bool
    settled: Settled


def restore(source: BinaryIO, opener: Opener, folder: Path, *, database: str, clock: Clock) -> Restored:
    """Make ``folder``; ``database`` is the SQLAlchemy address of an empty one, or empty for SQLite in the folder.

    Raises :class:`PliError`; then the folder is as it was.
    """
    _require_empty(folder)
    with work_folder(folder.parent, "restore") as work, _telling(), ExitStack() as stack:
        build = _Build(work / "practice", database, stack)
        _unpack(source, opener, build)
        made = build.finish(clock)
        stack.close()
        try:
            (work / "practice").rename(folder)
            sync_folder(folder.parent)
        except OSError as error:
            raise StorageError(
                f"{folder}: cannot take its place ({type(error).__name__})",
                mend="name a folder that does not exist yet, in one that you may write to",
            ) from None
    return replace(made, folder=folder)


def rehearse(source: BinaryIO, opener: Opener, work: Path) -> Checkup:
    """Rule 4, in a folder in ``work`` that is removed afterwards."""
    folder = work / "rehearsal"
    try:
        with _telling(), ExitStack() as stack:
            build = _Build(folder, "", stack)
            _unpack(source, opener, build)
            return build.verify()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _require_empty(folder: Path) -> None:
    if folder.is_symlink() or (folder.exists() and (not folder.is_dir() or any(folder.iterdir()))):
        raise Refused(f"{folder}: is not empty", mend="choose a new folder: pli restore writes over nothing")


def _unpack(source: BinaryIO, opener: Opener, build: _Build) -> None:
    unpacker = Unpacker(build)
    unseal(source, opener, unpacker.take)
    unpacker.finish()


@contextmanager
def _telling() -> Iterator[None]:
    """What the database or the disk refuses, without a statement or a value in it."""
    try:
        yield
    except (SQLAlchemyError, CommandError) as error:
        raise StorageError(
            f"the database cannot be filled ({type(error).__name__})", mend="is there room on the disk?"
        ) from None
    except OSError as error:
        raise StorageError(
            f"the folder cannot be written ({type(error).__name__})", mend="is there room on the disk?"
        ) from None


class _Build:
    """A practice in the making: :class:`storage.pack.Receiver`."""

    def __init__(self, folder: Path, database: str, stack: ExitStack) -> None:
        self._folder, self._stack = folder, stack
        for part in ("", "data", "vault", BOT):
            (folder / part).mkdir(mode=0o700)
        self._setting = database or f"sqlite:///{DATABASE}"
        self._url = database or f"sqlite:///{folder / DATABASE}"
        self._manifest: Manifest | None = None
        self._engine: Engine | None = None
        self._connection: Connection | None = None
        self._filling: Filling | None = None
        self._vault = VaultFilling()
        stack.callback(self._vault.close)
        self._files: set[tuple[str, str]] = set()
        self._rows: dict[str, int] = {}
        self._into_vault = False
        self._table = ""

    # -- what comes out of the backup ---------------------------------------------------------------------------

    def begin(self, manifest: Manifest) -> None:
        if not is_known(manifest.schema):
            raise Refused("this backup was made by a newer version of pli", mend="install that version")
        self._manifest = manifest
        if self._setting == f"sqlite:///{DATABASE}":
            write_new(self._folder / DATABASE, b"")  # private before it holds anything
        engine = self._engine = connect(self._url)
        self._stack.callback(engine.dispose)
        self._connection = self._stack.enter_context(engine.connect())
        self._connection.begin()
        if tables_of(self._connection):
            raise Refused("the database is not empty", mend="name a new one: --database")
        migrate_within(self._connection, manifest.schema)
        self._filling = Filling(self._connection)

    def file(self, place: str, name: str, data: bytes) -> None:
        if name not in _ALLOWED.get(place, set()):
            raise Refused(
                "the backup holds a file that this version does not know", mend="install its version"
            )
        if place == "settings":
            data = self._settings(data)
        folder = self._folder / place if place in (BOT, IMPORT) else self._folder
        folder.mkdir(mode=0o700, exist_ok=True)
        write_new(folder / name, data)
        self._files.add((place, name))

    def _settings(self, data: bytes) -> bytes:
        try:
            settings = data.decode()
        except ValueError:
            raise Refused("the settings in the backup are no text", mend="take another copy of it") from None
        if ("ca", "ca.pem") in self._files:
            settings = put_values(settings, "homeserver", {"ca_file": "ca.pem"})
        values = {
            "database": self._setting,
            "vault": VAULT,
            "vault_socket": "",
            "bot_keys": BOT,
            "import_keys": IMPORT,
        }
        return put_values(settings, "storage", values).encode()

    def table(self, kind: str, name: str, columns: Sequence[str]) -> None:
        self._into_vault, self._table = kind == "vault", name
        if self._into_vault:
            self._vault.table(name, columns)
        elif self._filling is not None:
            self._filling.table(name, columns)
            self._rows[name] = 0

    def row(self, cells: Sequence[Cell]) -> None:
        if self._into_vault:
            self._vault.row(cells)
        elif self._filling is not None:
            self._filling.row(cells)
            self._rows[self._table] += 1

    def end(self, rows: Mapping[str, int]) -> None:
        if self._filling is None or self._connection is None:
            raise Refused("the backup has no beginning", mend="take another copy of it")
        self._filling.end()
        if differing(count_rows(self._connection, self._filling.tables), rows):
            raise Refused("the backup has other rows than it had when it was made", mend="take another copy")
        migrate_within(self._connection)

    # -- afterwards ---------------------------------------------------------------------------------------------

    def verify(self) -> Checkup:
        """Rule 1. Raises :class:`PliError`."""
        db, manifest = self._opened()
        if ("settings", FILE_NAME) not in self._files:
            raise Refused("the backup has no settings", mend="take another copy of it")
        if ("bot", "pickle.key") not in self._files:
            write_new(self._folder / BOT / "pickle.key", new_key())  # rule 2
            self._files.add(("bot", "pickle.key"))
        keys = BotKeys.load(self._folder / BOT)
        return look_through(
            db,
            Columns(keys.data),
            AuditChain(keys.audit(), keys.audit_older),
            length=manifest.audit_length,
            head=manifest.audit_head,
        )

    def finish(self, clock: Clock) -> Restored:
        """Rule 3. Raises :class:`PliError`. The folder's name is still to come."""
        checkup = self.verify()
        db, manifest = self._opened()
        now = clock.now()
        known = [tuple(row) for row in db.execute(text(_RECIPIENTS))]
        self._vault.tombstones((r[0], r[1], r[4]) for r in known if not self._vault.knows(r[0]))
        opening = self._vault.opening((r[0], r[1], r[2]) for r in known)
        serials = self._vault.grow_old(now.timestamp(), {r[0]: r[4] for r in known})
        for recipient, serial in serials.items():
            db.execute(
                text("UPDATE recipient SET vault_serial = :serial WHERE id = :id"),
                {"serial": serial, "id": recipient},
            )
        db.commit()
        db.close()
        path = self._folder / VAULT
        self._vault.write(path, audit_length=checkup.audit_rows, audit_head=checkup.head)
        lost = [RecipientId(r[0]) for r in known if r[3] in _WITH_KEY and r[0] not in opening]
        settled = SettleRestored(self._units(path, clock))(now, lost=lost)
        if self._engine is not None:
            truncate_wal(self._engine)
            self._engine.dispose()
        return Restored(
            folder=self._folder,
            made=manifest.made,
            rows=checkup.rows,
            audit_rows=checkup.audit_rows,
            sealed=checkup.sealed,
            with_vault=manifest.with_vault,
            import_keys=any(place == IMPORT for place, _ in self._files),
            settled=settled,
        )

    def _units(self, path: Path, clock: Clock) -> UnitOfWorkFactory:
        """Units of work by the restored folder's own keys: settings of this process are not asked."""
        keys, engine = BotKeys.load(self._folder / BOT), self._engine
        assert engine is not None  # noqa: S101 - :meth:`_opened` has said so
        chain, columns = AuditChain(keys.audit(), keys.audit_older), Columns(keys.data)

        def unit() -> UnitOfWork:
            return SqlUnitOfWork(engine, columns, chain=chain, anchor=vault.set_anchor, anchored=vault.anchor)

        vault = Vault(path, clock, noted_in(unit))
        return unit

    def _opened(self) -> tuple[Connection, Manifest]:
        if self._connection is None or self._manifest is None:
            raise Refused("the backup has no beginning", mend="take another copy of it")
        return self._connection, self._manifest
