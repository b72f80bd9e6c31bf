"""What an import did or would do, in the practice's words: the same on the command line and in the staff room."""

from __future__ import annotations

from dataclasses import asdict

from bot.cli.reply import Column, Line, Part, Reply, Rows
from bot.domain.appointment import ImportCounts
from config.staff_words import StaffWords

COUNTS = ("new", "changed", "moved", "cancelled", "unchanged", "past", "unmatched")
FIRST = 10


def counts_as_json(counts: ImportCounts) -> dict[str, object]:
    return {name: getattr(counts, name) for name in COUNTS} | {"refused": [asdict(r) for r in counts.refused]}


def import_reply(counts: ImportCounts, say: StaffWords, *, looked: bool, first: int | None = FIRST) -> Reply:
    """The counts, and the first problems with their place; ``first`` None: of all."""
    parts: list[Part] = [Line(text=say("import.looked" if looked else "import.done"), bold=True)]
    rows = [(say(f"import.{name}"), str(getattr(counts, name))) for name in COUNTS]
    rows.append((say("import.refused"), str(len(counts.refused))))
    headings = (Column(heading=""), Column(heading=say("import.entries")))
    parts.append(Rows(columns=headings, rows=tuple(rows), empty=""))
    if counts.refused:
        shown = counts.refused if first is None else counts.refused[:first]
        columns = (
            Column(heading=say("import.where")),
            Column(heading=say("import.field")),
            Column(heading=say("import.why")),
            Column(heading=say("import.mend"), named=True),
        )
        cells = tuple(tuple(map(say.finished, (r.where, r.field, r.why, r.mend))) for r in shown)
        parts.append(Rows(columns=columns, rows=cells, empty=""))
        if (more := len(counts.refused) - len(shown)) > 0:
            parts.append(Line(text=say.count("import.more", more)))
    data = counts_as_json(counts)
    return Reply(parts=tuple(parts), data=data, private=True, partly=bool(counts.refused))
