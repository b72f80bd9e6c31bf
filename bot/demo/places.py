"""The folder of one demo, and its files sorted into the places where leaks are searched: all of them, but for one.

The one is the agenda file, which is the practice's own and is meant to be read there.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bot.demo.words import Place


@dataclass(frozen=True, kw_only=True, slots=True)
class Folder:
    """Paths of one demo."""

    root: Path

    @property
    def practice(self) -> Path:
        """What ``pli init`` makes."""
        return self.root / "cabinet"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def agenda(self) -> Path:
        return self.root / "agenda.ics"

    @property
    def stolen(self) -> Path:
        """A thief's copy of the database."""
        return self.root / "stolen.db"

    @property
    def telegram(self) -> Path:
        """Every request that Telegram was sent."""
        return self.root / "telegram" / "requests"

    @property
    def database(self) -> Path:
        return self.practice / "data" / "pli.db"

    @property
    def homeserver_database(self) -> Path:
        return self.practice / "homeserver" / "homeserver.db"

    def places(self) -> dict[str, list[Path]]:
        """Every file by its :class:`Place`, the agenda excepted."""
        found: dict[str, list[Path]] = {place: [] for place in Place}
        for file in sorted(self.root.rglob("*")):
            if file.is_file() and file != self.agenda:
                found[self._place(file)].append(file)
        return found

    def _place(self, file: Path) -> Place:
        part, *rest = file.relative_to(self.root).parts
        if part == self.logs.name:
            return Place.BOT_LOG if file.stem == "bot" else Place.HOMESERVER_LOGS
        if part == self.telegram.parent.name:
            return Place.TELEGRAM
        if part == self.stolen.name:
            return Place.DATABASE
        if part != self.practice.name or not rest:
            return Place.REST
        if rest[0] == "homeserver":
            return Place.HOMESERVER_LOGS if file.suffix == ".log" else Place.HOMESERVER
        return {"data": Place.DATABASE, "vault": Place.VAULT, "bot": Place.BOT, "import": Place.IMPORT}.get(
            rest[0], Place.REST
        )
