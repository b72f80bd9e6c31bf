"""A practice's folder in a test: its processes, its clock, and the two files that are copied and put back."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from storage.vault import TRIES
from tests.services.kit import NOW, PIN
from tests.stores.bot import Bot
from tests.stores.worker import COMPARED, Worker

ANNA, BORIS = "anna", "boris"
A_DAY = timedelta(days=1)  # longer than every wait


def wrong_pin(number: int) -> str:
    """The ``number``-th of a million PINs, none of which is anybody's."""
    return f"{number:07d}"


@dataclass
class Folder:
    """``now`` is handed to a process with each command."""

    path: Path
    database: str = ""
    now: datetime = NOW
    workers: list[Worker] = field(default_factory=list)
    code: str = ""

    @classmethod
    def new(cls, path: Path, *names: str, database: str = "") -> Folder:
        """An empty practice with patients and rooms of these names."""
        path.mkdir(exist_ok=True)
        bot = Bot(path, database)
        for name in names:
            bot.settle_in(name)
        bot.close()
        return cls(path, database)

    def copied(self, path: Path) -> Folder:
        """All of it in another place, nobody running."""
        shutil.copytree(self.path, path)
        return Folder(path, self.database, self.now, code=self.code)

    # -- processes ----------------------------------------------------------------------------------------------

    def start(self) -> Worker:
        """One more process, after it brought the stores together."""
        worker = Worker(self.path, self.database)
        self.workers.append(worker)
        assert worker.do(self.now, "start") is None
        return worker

    def stop(self) -> None:
        for worker in self.workers:
            worker.kill()
        self.workers.clear()

    def enrolled(self, name: str = ANNA, pin: str = PIN) -> None:
        worker = self.start()
        self.code = worker.do(self.now, "invite", name)
        assert worker.do(self.now, "enrol", name, self.code, pin) == "PIN_SET"
        self.stop()

    def guess_wrong(self, times: int, name: str = ANNA, first: int = 0) -> None:
        """Patiently, and each time something else."""
        worker = self.start()
        for number in range(first, first + times):
            assert worker.do(self.now, "guess", name, wrong_pin(number)).startswith("PIN_WRONG")
            self.now += A_DAY
        self.stop()

    # -- copies -------------------------------------------------------------------------------------------------

    def save_database(self, copy: Path) -> None:
        with closing(sqlite3.connect(self.path / "pli.db")) as source, closing(sqlite3.connect(copy)) as to:
            source.backup(to)

    def put_database(self, copy: Path) -> None:
        for suffix in ("-wal", "-shm"):
            (self.path / f"pli.db{suffix}").unlink(missing_ok=True)
        shutil.copyfile(copy, self.path / "pli.db")

    def save_vault(self, copy: Path) -> None:
        """A journal that a killed process left is played back first, as whoever opens the file does."""
        with closing(sqlite3.connect(self.path / "vault.db")) as vault:
            vault.execute("SELECT count(*) FROM recipient").fetchone()
        shutil.copyfile(self.path / "vault.db", copy)

    def put_vault(self, copy: Path) -> None:
        (self.path / "vault.db-journal").unlink(missing_ok=True)
        shutil.copyfile(copy, self.path / "vault.db")

    # -- a look behind ------------------------------------------------------------------------------------------

    def vault_rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.path / "vault.db")) as vault:
            return vault.execute(sql, values).fetchall()

    def database_rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.path / "pli.db")) as database:
            return database.execute(sql, values).fetchall()

    def most_evaluated(self) -> int:
        """The most wrong guesses that were evaluated for one recipient between two right ones.

        Ever, under every vault that was there. One guess that is compared again counts once: its answer is known.
        """
        file, most = self.path / COMPARED, 0
        since: dict[str, set[str]] = {}
        for line in file.read_text().splitlines() if file.exists() else ():
            recipient, tag, came_out = line.split()
            found = since.setdefault(recipient, set())
            if came_out == "right":
                found.clear()
            else:
                found.add(tag)
                most = max(most, len(found))
        return most

    def never_an_eleventh(self) -> None:
        assert self.most_evaluated() <= TRIES
