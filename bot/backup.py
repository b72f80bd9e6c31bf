"""``pli backup``: everything that a practice needs to begin again elsewhere, in one sealed file.

1. Database and vault are looked at together (:mod:`storage.vault_copy` 1), while ``pli run`` goes on.
2. Never in it: the device's keys (``crypto/``, ``session.json``) and the key that they are stored under. Two processes
   on one device corrupt its keys; a restored bot is a new device of the same identity.
3. The vault is in it only where it was asked for.
4. What is not sealed stays in the practice's own folders: the file's folder never sees it.
5. The file has its name only after a rehearsal opened it, filled an empty database from it, and found the rows, the
   audit chain and every sealed cell whole.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Final

from bot.app import Installation
from bot.channels.matrix.session import SEEDS_FILE
from bot.domain.records import AuditKind
from bot.errors import Refused, StorageError
from bot.restore import rehearse
from bot.workplace import publish, work_file, work_folder
from config.settings import FILE_NAME
from storage.agebox import Passphrase, PublicKey, seal
from storage.keys import AUDIT_OLDER, BOT_FILES, DIGEST_OLDER, IMPORT_FILES
from storage.pack import Manifest, end_line, file_line, table_lines
from storage.snapshot import Snapshot, differing, pack_tables, schema_of
from storage.vault_copy import Held, held

PICKLE: Final = "pickle.key"
BOT_IN_BACKUP: Final = (*(name for name in BOT_FILES if name != PICKLE), AUDIT_OLDER, SEEDS_FILE)
_MAYBE: Final = (AUDIT_OLDER, DIGEST_OLDER, SEEDS_FILE)  # not every practice has them


@dataclass(frozen=True, kw_only=True, slots=True)
class Made:
    """``rows`` by table; ``sealed`` cells were opened; ``import_keys`` and ``identity`` say whether they are in it."""

    file: Path
    size: int
    rows: Mapping[str, int]
    audit_rows: int
    sealed: int
    with_vault: bool
    import_keys: bool
    identity: bool


def make_backup(home: Installation, folder: Path, lock: PublicKey | Passphrase, *, with_vault: bool) -> Made:
    """One new file in ``folder``. Raises :class:`PliError`; then there is none."""
    now = home.clock.now().astimezone(UTC)
    files = list(_files(home))
    with work_folder(home.bot_dir, "backup") as work, work_file(folder) as (part, out):
        snapshot, rows = Snapshot(home.engine, work), dict[str, int]()
        try:
            with _held(home, copy=with_vault) as vault:
                snapshot.fix()
            snapshot.copy()
            opener = seal(_parts(snapshot, vault, files, rows, now, with_vault=with_vault), out, lock)
        finally:
            snapshot.close()
        _sync(out)
        out.seek(0)
        rehearsed = rehearse(out, opener, work)
        if differing(rehearsed.rows, rows):
            raise StorageError("the rehearsal found other rows than were written", mend="try again")
        size = part.stat().st_size
        file = publish(part, _names(now))
    if home.schema_is_current():  # otherwise nothing can be noted: an upgrade comes next
        with home.uow() as uow:
            uow.audit.add(AuditKind.BACKED_UP, now, count=int(with_vault))
            uow.commit()
    places = {place for place, _, _ in files}
    return Made(
        file=file,
        size=size,
        rows=rows,
        audit_rows=rehearsed.audit_rows,
        sealed=rehearsed.sealed,
        with_vault=with_vault,
        import_keys="import" in places,
        identity=any(name == SEEDS_FILE for _, name, _ in files),
    )


def _held(home: Installation, *, copy: bool) -> AbstractContextManager[Held]:
    """Rule 1. A vault that is a process of its own tells how long the audit log is, and nothing else."""
    if home.vault_socket is None:
        return held(home.vault_path, copy=copy)
    if copy:
        raise Refused(
            "the vault is a process of its own: its file is not here", mend="leave --with-vault out"
        )
    length, head = home.vault.anchor()
    return nullcontext(Held(audit_length=length, audit_head=head, tables={}))


def _parts(
    snapshot: Snapshot,
    vault: Held,
    files: list[tuple[str, str, bytes]],
    rows: dict[str, int],
    now: datetime,
    *,
    with_vault: bool,
) -> Iterator[bytes]:
    yield Manifest(
        made=now.isoformat(timespec="seconds"),
        schema=schema_of(snapshot.connection),
        audit_length=vault.audit_length,
        audit_head=vault.audit_head,
        with_vault=with_vault,
    ).line()
    for place, name, data in files:
        yield file_line(place, name, data)
    for name, (columns, cells) in vault.tables.items():
        yield from table_lines("vault", name, columns, cells)
    yield from pack_tables(snapshot.connection, rows)
    yield end_line(rows)


def _files(home: Installation) -> Iterator[tuple[str, str, bytes]]:
    """Rule 2, by a list of what is in it: place, name, bytes. The authority comes before the settings that name it."""
    _ = home.keys  # as above
    if home.ca_file is not None:
        yield "ca", "ca.pem", _read(home.ca_file)
    yield "settings", FILE_NAME, _read(home.settings.folder / FILE_NAME)
    for name in BOT_IN_BACKUP:
        path = home.bot_dir / name
        if name not in _MAYBE or path.exists():
            yield "bot", name, _read(path)
    if os.access(home.import_dir, os.R_OK | os.X_OK):  # the import side may live under another account
        home.import_side()  # a change of keys that was broken off is finished first
        for name in (*IMPORT_FILES, DIGEST_OLDER):
            path = home.import_dir / name
            if name not in _MAYBE or path.exists():
                yield "import", name, _read(path)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Refused(f"{path}: cannot be read ({type(error).__name__})", mend="see: pli doctor") from None


def _sync(out: BinaryIO) -> None:
    try:
        out.flush()
        os.fsync(out.fileno())
    except OSError as error:
        raise StorageError(
            f"the backup cannot be written ({type(error).__name__})", mend="is there room on the disk?"
        ) from None


def _names(now: datetime) -> Iterator[str]:
    stem = now.strftime("pli-%Y%m%dT%H%M%SZ")
    yield f"{stem}.backup"
    yield from (f"{stem}-{number}.backup" for number in range(2, 1000))
