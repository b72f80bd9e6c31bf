"""Every place in which a secret may have been left, copied or not, for one moment of a running practice."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from bot.demo.leaks import Report, Scanner
from tests.journey.practice import Practice


def files(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob("*")) if path.is_file()]


@dataclass
class Places:
    """``aside`` takes copies: backups, what ``/proc`` shows. ``more`` are folders beside the practice's own."""

    practice: Practice
    aside: Path
    more: dict[str, Path] = field(default_factory=dict)
    report: Report = field(default_factory=Report)
    _moment: int = 0

    def search(self, everywhere: Scanner, own: Scanner) -> None:
        """``everywhere`` is looked for in the homeserver's files as well, ``own`` in all that is the practice's."""
        self._moment += 1
        practice, copies = self.practice, self.aside / str(self._moment)
        copies.mkdir(parents=True)
        process = []
        if practice.running:
            for name in ("environ", "cmdline", "status", "maps"):
                copy = copies / name
                copy.write_bytes(Path(f"/proc/{practice.pid}/{name}").read_bytes())
                process.append(copy)
        backup = copies / "backup.db"
        if practice.database.exists():
            with (
                closing(sqlite3.connect(practice.database, timeout=30)) as source,
                closing(sqlite3.connect(backup)) as to,
            ):
                source.backup(to)
        folder = copies / "copied"
        shutil.copytree(practice.folder, folder, ignore=shutil.ignore_patterns("vault"))
        places = {
            "practice": files(practice.folder),
            "printed": [practice.log],
            "process": process,
            "backup": [backup, *files(folder)],
            **{name: files(where) for name, where in self.more.items()},
        }
        self.report.add(own.scan(places))
        self.report.add(everywhere.scan({"homeserver": files(practice.homeserver.folder)}))
        shutil.rmtree(copies)

    def told(self) -> str:
        return "\n".join(sorted({*map(str, self.report.findings), *self.report.unreadable}))
