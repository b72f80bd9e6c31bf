"""``pli nudges leak``: what the times of the practice's nudges tell, at each level, beside what policies tell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from bot.cli.drawing import Plot, drawing
from bot.cli.reply import Column, Line, Part, Reply, Rows
from bot.cli.seat import seat, told, words
from bot.domain.choices import Level
from bot.domain.leak import policies
from bot.services.measure_leak import SHARES, Leak, MeasureLeak, Point
from config.staff_words import StaffWords

if TYPE_CHECKING:
    from bot.domain.values import Language
    from bot.picture.scene import Scene


@told
def leak(
    level: Annotated[list[Level] | None, typer.Option(help="This level alone; may be repeated.")] = None,
    kind: Annotated[str, typer.Option(help="The times of this kind of appointment, by its name.")] = "",
    plot: Plot = None,
) -> Reply:
    """Measure what the times of nudges tell of a visit, with your own rules, and how often a guess is right.

    Takes some seconds. With --plot more shares of decoys are tried. Example: pli nudges leak --plot leak.svg
    """
    here = seat()
    home, say = here.home, words(here.home)
    with drawing(plot) as draw:
        found = MeasureLeak(home.uow, home.settings.nudge_rules())(
            now=home.clock.now(),
            levels=tuple(dict.fromkeys(level)) if level else tuple(Level),
            shares=SHARES if plot else (),
            kind=kind,
        )
        draw(lambda: _scene(found, home.settings.practice.language))
    return Reply(parts=_parts(found, say), data=_data(found) | {"plot": str(plot) if plot else None})


def _parts(found: Leak, say: StaffWords) -> tuple[Part, ...]:
    names = ("level", "bits", "day", "half_day", "place", "nudges_a_month")
    return (
        Line(text=say("leak.title"), bold=True),
        Rows(
            columns=tuple(Column(heading=say(f"leak.column.{n}"), named=n != "level") for n in names),
            rows=tuple(_row(point, say) for point in found.points),
            empty="",
        ),
        Line(text=say("leak.density" if found.stored else "leak.assumed", visits=say.decimal(found.visits))),
        Line(text=say("leak.policies"), bold=True),
        Rows(
            columns=tuple(
                Column(heading=say(f"leak.column.{n}"), named=n != "policy")
                for n in ("policy", "bits", "day")
            ),
            rows=tuple(
                (say(f"leak.policy.{p.name}"), say.decimal(p.bits, 2), say.share(p.success))
                for p in policies()
            ),
            empty="",
        ),
        *(Line(text=say(f"leak.note.{name}")) for name in ("bits", "decoys", "model", "dialogue")),
    )


def _row(point: Point, say: StaffWords) -> tuple[str, ...]:
    name = say(f"leak.level.{point.level.value}")
    if point.share is not None:
        name = say("leak.with_decoys", level=name, share=say.share(point.share))
    return (
        say("leak.own", level=name) if point.own else name,
        say.decimal(point.bits, 2),
        say.share(point.day),
        say.share(point.half_day),
        say.share(point.place),
        say.decimal(point.nudges),
    )


def _data(found: Leak) -> dict[str, object]:
    return {
        "known_bits": round(found.known, 3),
        "visits_a_month": found.visits,
        "counted": found.stored,
        "levels": [
            {
                "level": p.level,
                "decoy_share": p.share,
                "own": p.own,
                "bits": round(p.bits, 3),
                "guess_day": round(p.day, 4),
                "guess_half_day": round(p.half_day, 4),
                "guess_place": round(p.place, 5),
                "nudges_a_month": round(p.nudges, 2),
            }
            for p in found.points
        ],
        "policies": [
            {"policy": p.name, "bits": round(p.bits, 3), "guess_day": round(p.success, 4)} for p in policies()
        ],
    }


def _scene(found: Leak, language: Language) -> Scene:
    from bot.picture.leak import draw_leak  # noqa: PLC0415 - the table alone needs nothing to draw with

    return draw_leak(found, language)
