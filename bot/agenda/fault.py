"""What a reader may hand out besides appointments, and how a bad entry is said without showing it.

Rules, which the other modules of this package cite:

1. One bad entry never stops the rest: its fault becomes a located :class:`~bot.domain.appointment.Refusal`.
2. No text of a refusal holds content of the entry: only names of fields, numbers of lines and constants.
3. A refusal whose field is ``file`` says that the file is not whole, so absence in it means nothing.
4. What a file can make the reader do is bounded: sizes, counts and steps have limits, and passing one is a
   fault.
"""

from __future__ import annotations

from bot.domain.appointment import Refusal

FILE = "file"
MAX_REFUSALS = 10_000


class Fault(Exception):
    """Why one entry cannot be read. ``field`` is a property or column of the format."""

    def __init__(self, *, field: str, why: str, mend: str) -> None:
        super().__init__(f"{field}: {why}")
        self.field = field
        self.why = why
        self.mend = mend

    def at(self, where: str) -> Refusal:
        return Refusal(where=where, field=self.field, why=self.why, mend=self.mend)


def cut_off(where: str) -> Refusal:
    """The refusal of rule 3."""
    return Refusal(
        where=where,
        field=FILE,
        why="the file is cut off: its end is missing",
        mend="export the agenda again; until then nothing counts as cancelled by being absent",
    )
