"""``pli stats``: counts by week, as a table and as a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from bot.cli.drawing import Plot, drawing, drawn
from bot.cli.reply import Column, Line, Part, Reply, Rows
from bot.cli.seat import seat, told, words
from bot.domain.staff import StaffFile
from bot.domain.values import Language
from bot.picture.words import StatisticsWords
from bot.services.count_statistics import MOST_WEEKS, SMALLEST, CountStatistics, Hidden, Shown, Statistics
from bot.services.tallies import Counted

if TYPE_CHECKING:
    from bot.picture.scene import Scene


def register(app: typer.Typer) -> None:
    app.command("stats")(stats)


@told
def stats(
    weeks: Annotated[
        int, typer.Option(min=1, max=MOST_WEEKS, help="How many weeks, the one that runs left out.")
    ] = 12,
    plot: Plot = None,
) -> Reply:
    """Count by week what was sent, opened and answered. Under five no number is told.

    Example: pli stats --weeks 26 --plot weeks.png
    """
    here = seat()
    language = here.home.settings.practice.language
    files: tuple[StaffFile, ...] = ()
    with drawing(plot) as draw:
        found = CountStatistics(here.home.uow)(weeks=weeks, now=here.home.clock.now())
        draw(lambda: _scene(found, language))
    if here.in_room:
        name = words(here.home)("stats.file")
        files = (StaffFile(name=name, media_type="image/png", data=drawn(_scene(found, language))),)
    parts = _table(found, StatisticsWords(language))
    data = _data(found) | {"plot": str(plot) if plot is not None else None}
    return Reply(parts=parts, data=data, files=files)


def _scene(found: Statistics, language: Language) -> Scene:
    from bot.picture.weeks import draw_weeks  # noqa: PLC0415 - the table alone needs nothing to draw with

    return draw_weeks(found, language)


def _table(found: Statistics, say: StatisticsWords) -> tuple[Part, ...]:
    """Weeks of which nothing is known are left out."""
    columns = [
        Column(heading=say("column.week")),
        *(Column(heading=say(f"column.{c}"), named=True) for c in Counted),
    ]
    rows = [
        (say.day(week.begins), *(_cell(week.counts[c]) for c in Counted))
        for week in found.weeks
        if any(count is not Hidden.UNKNOWN for count in week.counts.values())
    ]
    if rows:
        rows.append((say("column.sum"), *(str(found.at_least(c) or "-") for c in Counted)))
    return (
        Rows(columns=tuple(columns), rows=tuple(rows), empty=say("stats.none")),
        Line(text=say("picture.note")),
        Line(text=say("stats.running")),
        Line(text=say("stats.missed")),
    )


def _cell(count: Shown) -> str:
    if count is Hidden.UNKNOWN:
        return "-"
    return f"<{SMALLEST}" if isinstance(count, Hidden) else str(count)


def _data(found: Statistics) -> dict[str, object]:
    """``missed``: Pli is not told who came. None is what is not known, ``"<5"`` what is hidden."""

    def shown(count: Shown) -> int | str | None:
        return None if count is Hidden.UNKNOWN else count if isinstance(count, int) else f"<{SMALLEST}"

    return {
        "weeks": [
            {"from": w.begins.isoformat()} | {c.value: shown(w.counts[c]) for c in Counted} | {"missed": None}
            for w in found.weeks
        ],
        "at_least": {c.value: found.at_least(c) for c in Counted},
    }
