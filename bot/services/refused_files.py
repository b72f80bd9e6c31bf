"""Which agenda files of the watched folder were refused, by the names that the administrator gave them.

The names are kept sealed, beside the lines that ``pli problems`` shows, and are in no log.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from bot.domain.records import ProblemKind
from bot.ports_storage import UnitOfWork, UnitOfWorkFactory

NAME: Final = "refused_files"
MOST: Final = 50  # the newest
LETTERS: Final = 200


class NoteRefusedFile:
    """A line for the staff: whoever put the file there may not look into the folder again."""

    def __init__(self, uow: UnitOfWorkFactory) -> None:
        self._uow = uow

    def __call__(self, name: str, now: datetime) -> None:
        with self._uow() as uow:
            listed = {p.at for p in uow.problems.all() if p.kind is ProblemKind.IMPORT_FAILED}
            kept = [(at, each) for at, each in refused_files(uow).items() if at in listed]
            uow.problems.add(ProblemKind.IMPORT_FAILED, now)
            names = [*kept, (now, name[:LETTERS])][-MOST:]
            uow.meta.set(NAME, json.dumps([[at.isoformat(), each] for at, each in names]))
            uow.commit()


def refused_files(uow: UnitOfWork) -> Mapping[datetime, str]:
    """Names by the moments of their problems; those of older problems may be missing."""
    return {datetime.fromisoformat(at): name for at, name in json.loads(uow.meta.get(NAME) or "[]")}
