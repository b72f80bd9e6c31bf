"""An agenda file that a member of the staff dropped: looked at first, imported when they say so, forgotten otherwise.

1. Size and kind are judged before anything is read: by what the file says of itself (:func:`judge_file`), and again by
   its bytes.
2. It rests in memory alone, one a member, for an hour; it dies with the process.
3. What is imported is exactly what was looked at. A look that is no longer true (counts that differ by more than five)
   is made again instead: the member sees the new counts and decides anew.
4. The limits on what absence may cancel are those of every import (:mod:`import_agenda`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import PurePath
from typing import Final

from bot.domain.appointment import ImportCounts
from bot.domain.staff import MemberId, StaffFile
from bot.errors import Refused

KEPT: Final = timedelta(hours=1)
ENDINGS: Final = (".ics", ".ical", ".csv", ".tsv", ".txt")
KINDS: Final = (
    "text/calendar",
    "text/csv",
    "text/tab-separated-values",
    "text/plain",
    "application/csv",
    "application/ics",
    "application/vnd.ms-excel",  # what browsers make of .csv where a spreadsheet is installed
    "application/octet-stream",
    "",
)
_DIFFER: Final = 5
_COUNTS: Final = ("new", "changed", "moved", "cancelled")

TakeFile = Callable[[StaffFile, bool], ImportCounts]


def judge_file(name: str, media_type: str, size: int, *, most: int) -> None:
    """Rule 1, before the bytes are there. Raises :class:`Refused`."""
    if size > most:
        raise Refused(f"the file has {size} bytes, {most} are the most", mend="export a shorter time")
    if size <= 0:
        raise Refused("the file is empty", mend="export the agenda again")
    kind = media_type.partition(";")[0].strip().casefold()
    if PurePath(name).suffix.casefold() not in ENDINGS or kind not in KINDS:
        raise Refused("the file is no agenda", mend="export the agenda as .ics or as .csv")


@dataclass(frozen=True, kw_only=True, slots=True)
class Held:
    """A file and what the look at it showed."""

    file: StaffFile = field(repr=False)
    counts: ImportCounts
    until: datetime


class HoldAgenda:
    """One a process of the import side. ``take`` imports a file, or looks only (True: dry run)."""

    def __init__(self, take: TakeFile, *, most: int) -> None:
        self._take, self._most = take, most
        self._held: dict[MemberId, Held] = {}

    def look(self, member: MemberId, file: StaffFile, *, now: datetime) -> ImportCounts:
        """The dry run's counts; the file is kept in place of the one before. Raises :class:`PliError`."""
        self._held.pop(member, None)
        judge_file(file.name, file.media_type, len(file.data), most=self._most)
        counts = self._take(file, True)  # noqa: FBT003 - the one flag of a callback
        self.forget_old(now)
        self._held[member] = Held(file=file, counts=counts, until=now + KEPT)
        return counts

    def apply(self, member: MemberId, *, now: datetime) -> ImportCounts:
        """Import it, and forget it. Raises :class:`Refused` where there is none (any more), or rule 3 says no."""
        held = self.held(member, now=now)
        found = self._take(held.file, True)  # noqa: FBT003 - as above
        if _differ(found, held.counts):
            self._held[member] = Held(file=held.file, counts=found, until=held.until)
            raise Refused("what is known has changed since the file was looked at", mend="look again: held")
        counts = self._take(held.file, False)  # noqa: FBT003 - as above
        del self._held[member]
        return counts

    def drop(self, member: MemberId) -> bool:
        """False where there was none."""
        return self._held.pop(member, None) is not None

    def held(self, member: MemberId, *, now: datetime) -> Held:
        """Raises :class:`Refused`."""
        self.forget_old(now)
        if member not in self._held:
            raise Refused("no file is waiting", mend="drop the agenda's export into the room first")
        return self._held[member]

    def forget_old(self, now: datetime) -> None:
        """Rule 2."""
        self._held = {member: held for member, held in self._held.items() if held.until > now}


def _differ(one: ImportCounts, other: ImportCounts) -> bool:
    apart: int = sum(abs(getattr(one, name) - getattr(other, name)) for name in _COUNTS)
    return apart > _DIFFER
