"""A folder in which exports appear: each settled file is taken once and moved away with a report beside it.

1. A file is settled when size and time of change were the same in two rounds; what is being written is left alone.
2. A file is moved before nothing: it is taken, then moved; taking it twice changes nothing.
3. One file that cannot be read never stops the others.
4. Reports hold counts and located faults, no content of the agenda.
"""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from bot.domain.appointment import ImportCounts
from bot.errors import PliError, Refused, StorageError

ROUND_SECONDS = 2.0
SUFFIXES = (".ics", ".csv")


class WatchFolder:
    """``take`` imports one file; ``told`` hears the counts, or None for a refused file."""

    def __init__(
        self,
        folder: Path,
        take: Callable[[Path], ImportCounts],
        *,
        report: Callable[[ImportCounts], dict[str, object]],
        told: Callable[[ImportCounts | None], None],
    ) -> None:
        if not folder.is_dir():
            raise Refused("the folder is not there", mend="make it, or check the path")
        self._folder, self._take, self._report, self._told = folder, take, report, told
        self._sizes: dict[Path, tuple[int, int]] = {}
        self._stopping = threading.Event()

    def run(self) -> None:
        """Until SIGTERM or Ctrl-C."""
        for sign in (signal.SIGTERM, signal.SIGINT):
            signal.signal(sign, lambda *_: self._stopping.set())
        while not self._stopping.wait(ROUND_SECONDS):
            try:
                self.round()
            except StorageError:
                self._told(None)  # not the file's fault: it is still there in the next round

    def round(self, *, settled: bool = False) -> int:
        """Take every settled file; how many. ``settled`` takes all that are there."""
        taken = 0
        sizes: dict[Path, tuple[int, int]] = {}
        for file in sorted(self._folder.iterdir()):
            if not file.is_file() or file.suffix.casefold() not in SUFFIXES:
                continue
            status = file.stat()
            size = (status.st_size, status.st_mtime_ns)
            if settled or self._sizes.get(file) == size:
                self._one(file)
                taken += 1
            else:
                sizes[file] = size
        self._sizes = sizes
        return taken

    def _one(self, file: Path) -> None:
        try:
            counts = self._take(file)
        except StorageError:
            raise  # not the file's fault: it stays where it is
        except PliError as error:
            self._move(file, "refused", {"why": str(error), "mend": error.mend})
            self._told(None)
            return
        self._move(file, "done", self._report(counts))
        self._told(counts)

    def _move(self, file: Path, where: str, report: dict[str, object]) -> None:
        target = self._folder / where
        target.mkdir(mode=0o700, exist_ok=True)
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")
        moved = target / f"{stamp}-{file.name}"
        beside = moved.with_name(moved.name + ".report.json")
        beside.touch(mode=0o600)
        beside.write_text(json.dumps(report, ensure_ascii=False, indent=2), encoding="utf-8")
        file.replace(moved)
