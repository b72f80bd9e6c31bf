"""A file that a member of the staff dropped, an agenda or a list of absences: looked at first, carried out when they
say so, forgotten otherwise.

1. Size and kind are judged before anything is read: by what the file says of itself (:func:`judge_file`), and again by
   its bytes.
2. It rests in memory alone, one a member, for an hour; it dies with the process.
3. What is carried out is exactly what was looked at. A look that is no longer true (counts that differ by more than
   five) is made again instead: the member decides anew.
4. The limits on what an import may cancel are those of every import (:mod:`import_agenda`); ``accept`` raises them.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import PurePath
from typing import Final, Protocol

from bot.domain.appointment import ImportCounts
from bot.domain.staff import MemberId, StaffFile
from bot.domain.values import DateRange
from bot.errors import Refused
from bot.services.cancel_absence import Cancelled

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
_ALL: Final = 1_000_000_000

Outcome = ImportCounts | Cancelled


class TakeFile(Protocol):
    """Carries out what a file says, or looks only."""

    def __call__(
        self, file: StaffFile, *, dry_run: bool, accept: int, within: DateRange | None
    ) -> Outcome: ...


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
    """A file and what the look at it showed; ``within``: the days for which it is said to be complete."""

    file: StaffFile = field(repr=False)
    outcome: Outcome
    until: datetime
    within: DateRange | None = None


class HoldAgenda:
    """One a process of the import side."""

    def __init__(self) -> None:
        self._held: dict[MemberId, Held] = {}

    def look(self, member: MemberId, file: StaffFile, take: TakeFile, *, most: int, now: datetime) -> Outcome:
        """What it would do; it is kept in place of the one before. ``most`` in bytes. Raises :class:`PliError`."""
        self._held.pop(member, None)
        judge_file(file.name, file.media_type, len(file.data), most=most)
        outcome = take(file, dry_run=True, accept=0, within=None)
        self._forget_old(now)
        self._held[member] = Held(file=file, outcome=outcome, until=now + KEPT)
        return outcome

    def look_within(self, member: MemberId, take: TakeFile, within: DateRange, *, now: datetime) -> Outcome:
        """Look again at the file that waits: it is complete for these days, so what is absent in them is cancelled.

        Raises :class:`Refused` where there is none, or a list of absences.
        """
        held = self.held(member, now=now)
        if not isinstance(held.outcome, ImportCounts):
            raise Refused("a list of absences names its days itself", mend="write no days behind apply")
        outcome = _look(take, held.file, within)
        self._held[member] = replace(held, outcome=outcome, within=within)
        return outcome

    def apply(self, member: MemberId, take: TakeFile, *, accept: int = 0, now: datetime) -> Outcome:
        """Carry it out, and forget it. Raises :class:`Refused` where there is none (any more), or rule 3 says no."""
        held = self.held(member, now=now)
        found = _look(take, held.file, held.within)
        if _differ(found, held.outcome):
            self._held[member] = replace(held, outcome=found)
            raise Refused(
                "what is known has changed since the file was looked at", mend="drop it again, and look again"
            )
        outcome = take(held.file, dry_run=False, accept=accept, within=held.within)
        del self._held[member]
        return outcome

    def drop(self, member: MemberId) -> bool:
        """False where there was none."""
        return self._held.pop(member, None) is not None

    def held(self, member: MemberId, *, now: datetime) -> Held:
        """Raises :class:`Refused`."""
        self._forget_old(now)
        if member not in self._held:
            raise Refused("no file is waiting", mend="drop the agenda's export into the room first")
        return self._held[member]

    def _forget_old(self, now: datetime) -> None:
        """Rule 2."""
        self._held = {member: held for member, held in self._held.items() if held.until > now}


def _look(take: TakeFile, file: StaffFile, within: DateRange | None) -> Outcome:
    """With days, all that would be cancelled is counted; whether that is too much is judged when it is carried out."""
    return take(file, dry_run=True, accept=_ALL if within else 0, within=within)


def _differ(one: Outcome, other: Outcome) -> bool:
    before, after = _sizes(one), _sizes(other)
    return len(before) != len(after) or sum(abs(a - b) for a, b in zip(before, after, strict=True)) > _DIFFER


def _sizes(outcome: Outcome) -> tuple[int, ...]:
    if isinstance(outcome, ImportCounts):
        return outcome.new, outcome.changed, outcome.moved, outcome.cancelled
    return (len(outcome.cancelled),)
