"""A folder in which exports appear: each settled file is taken once and moved away with a report beside it.

1. A file is settled when size and time of change were the same in two rounds; what is being written is left alone, and
   so is what is hidden or has the name of something half loaded.
2. A file is taken first and moved then; taking it twice changes nothing.
3. Whatever is wrong with one file never stops the others. A storage that refuses is not the file's fault: it stays.
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
HALF_LOADED = (".part", ".tmp", ".crdownload", ".partial", "~")

Told = ImportCounts | PliError


class WatchFolder:
    """``take`` imports one file; ``told`` hears its name and the counts, or why it was refused or must wait; the name
    is empty where the folder itself is the matter. ``report`` and ``refusal`` are what is written beside the file.
    """

    def __init__(
        self,
        folder: Path,
        take: Callable[[Path], ImportCounts],
        *,
        report: Callable[[ImportCounts], dict[str, object]],
        told: Callable[[str, Told], None],
        refusal: Callable[[PliError], dict[str, object]] = lambda error: {
            "why": str(error),
            "mend": error.mend,
        },
    ) -> None:
        if not folder.is_dir():
            raise Refused("the folder is not there", mend="make it, or check the path")
        self._folder, self._take, self._report, self._told = folder, take, report, told
        self._refusal = refusal
        self._sizes: dict[Path, tuple[int, int]] = {}
        self._stopping = threading.Event()

    def run(self) -> None:
        """Until SIGTERM or Ctrl-C."""
        for sign in (signal.SIGTERM, signal.SIGINT):
            signal.signal(sign, lambda *_: self._stopping.set())
        while not self._stopping.wait(ROUND_SECONDS):
            try:
                self.round()
            except StorageError as error:
                self._told("", error)  # rule 3

    def round(self, *, settled: bool = False) -> int:
        """Take every settled file; how many. ``settled`` takes all that are there."""
        taken = 0
        sizes: dict[Path, tuple[int, int]] = {}
        for file in sorted(self._here()):
            try:
                status = file.stat()
            except OSError:
                continue  # somebody was quicker
            size = (status.st_size, status.st_mtime_ns)
            if settled or self._sizes.get(file) == size:
                self._one(file)
                taken += 1
            else:
                sizes[file] = size
        self._sizes = sizes
        return taken

    def _here(self) -> list[Path]:
        try:
            return [
                file
                for file in self._folder.iterdir()
                if file.is_file() and not file.name.startswith(".") and not file.name.endswith(HALF_LOADED)
            ]
        except OSError:
            raise StorageError("the folder cannot be read", mend="check its owner and mode") from None

    def _one(self, file: Path) -> None:
        try:
            counts = self._take(file)
        except StorageError:
            raise  # rule 3
        except PliError as error:
            self._refuse(file, error)
        except Exception as error:  # noqa: BLE001 - rule 3
            self._refuse(file, PliError(f"something unexpected went wrong ({type(error).__name__})"))
        else:
            self._move(file, "done", self._report(counts))
            self._told(file.name, counts)

    def _refuse(self, file: Path, error: PliError) -> None:
        self._move(file, "refused", self._refusal(error))
        self._told(file.name, error)

    def _move(self, file: Path, where: str, report: dict[str, object]) -> None:
        target = self._folder / where
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")
        moved = target / f"{stamp}-{file.name}"
        beside = moved.with_name(moved.name + ".report.json")
        try:
            target.mkdir(mode=0o700, exist_ok=True)
            beside.touch(mode=0o600)
            beside.write_text(json.dumps(report, ensure_ascii=False, indent=2), encoding="utf-8")
            file.replace(moved)
        except FileNotFoundError:
            return  # taken away meanwhile; what was in it is in
        except OSError:
            raise StorageError("a file cannot be moved", mend="check owner and mode of the folder") from None
