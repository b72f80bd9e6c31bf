"""A practice with people in every state, that is backed up and comes back elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine

from bot.app import Installation
from bot.backup import Made, make_backup
from bot.domain.values import Secret
from bot.restore import Restored, restore
from config.settings import FILE_NAME, load
from storage.agebox import Opener, Passphrase, PublicKey
from storage.snapshot import tables_of
from storage.wrap import Profile
from tests.services.kit import NOW, PIN, HandClock
from tests.stores.bot import Bot

SECRET_FILES = ("session.json", "olm.db", "pickle.key")
PASSPHRASE = Passphrase(secret=Secret("sixteen or more characters"), profile=Profile.testing())
SETTINGS = """\
# kept by hand
[practice]
phone = "01 23 45 67 89"  # the desk

[storage]
database = "{database}"
vault = "vault.db"
"""


class Restarted(Bot):
    """The services on a folder that ``restore`` made."""

    def __init__(self, folder: Path, now: datetime) -> None:
        clock = HandClock(now)
        made = Installation(load(folder / FILE_NAME), clock=clock, profile=Profile.testing())
        super().__init__(folder, "", made, clock)


@dataclass
class Scene:
    """``bot`` runs; ``later`` is when the restore happens."""

    folder: Path
    database: str = ""
    later: timedelta = timedelta(hours=1)
    bot: Bot = field(init=False)

    def __post_init__(self) -> None:
        self.folder.mkdir(mode=0o700)
        self.bot = Bot(self.folder, self.database)
        text = SETTINGS.format(database=self.database or "sqlite:///pli.db")
        (self.folder / FILE_NAME).write_text(text, encoding="utf-8")
        (self.folder / FILE_NAME).chmod(0o600)
        for name, content in (("session.json", b"{}"), ("cross_signing.json", b'{"a": "canary"}')):
            (self.bot.home.bot_dir / name).touch(mode=0o600)
            (self.bot.home.bot_dir / name).write_bytes(content)
        (self.bot.home.bot_dir / "crypto").mkdir(mode=0o700)
        (self.bot.home.bot_dir / "crypto" / "olm.db").write_bytes(b"the device's keys")

    def enrolled(self, *names: str) -> None:
        for name in names:
            self.bot.settle_in(name)
            assert self.bot.enrol(name, self.bot.invite(name), PIN) == "PIN_SET"

    def backup(
        self, to: Path, lock: PublicKey | Passphrase = PASSPHRASE, *, with_vault: bool = False
    ) -> Made:
        return make_backup(self.bot.home, to, lock, with_vault=with_vault)

    def restore(
        self, file: Path, folder: Path, opener: Opener = PASSPHRASE, *, database: str = ""
    ) -> Restored:
        with file.open("rb") as source:
            return restore(source, opener, folder, database=database, clock=HandClock(NOW + self.later))


def contents(url: str) -> dict[str, list[dict[str, Any]]]:
    """Every row as stored."""
    engine = create_engine(url)
    with engine.connect() as db:
        found = {
            table.name: sorted((dict(row) for row in db.execute(table.select()).mappings()), key=str)
            for table in tables_of(db)
        }
    engine.dispose()
    return found


def without(rows: Sequence[dict[str, Any]], *columns: str) -> list[dict[str, Any]]:
    return sorted(({k: v for k, v in row.items() if k not in columns} for row in rows), key=str)


def everything_below(folder: Path) -> dict[str, bytes]:
    """Name and bytes of every file; what SQLite keeps beside an open one is left out."""
    files = [p for p in sorted(folder.rglob("*")) if p.is_file() and not p.name.endswith(("-wal", "-shm"))]
    return {str(p.relative_to(folder)): p.read_bytes() for p in files}
