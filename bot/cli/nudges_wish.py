"""``pli nudges wish``: what somebody asked for, at the desk, of the times of their nudges."""

from __future__ import annotations

from dataclasses import replace
from datetime import time
from typing import Annotated, Any

import typer

from bot.cli.common import Json, installation, print_json, say_count
from bot.domain.choices import Confirmed, Level, Quiet, Wishes, leaves_time
from bot.domain.slots import NudgeRules, parse_hour
from bot.errors import WrongUse
from bot.services.choose_times import ChooseTimes

MOST_DAYS = 60


def wish(
    who: Annotated[str, typer.Argument(metavar="REF", help="A patient's reference, or a recipient.")],
    days: Annotated[str, typer.Option(help="Days before, in place of the practice's: 7,1.")] = "",
    level: Annotated[
        Level | None, typer.Option(help="A level of discretion; it counts where it is stricter.")
    ] = None,
    after_confirmation: Annotated[
        Confirmed | None, typer.Option(help="What is left once they have confirmed.")
    ] = None,
    slots: Annotated[str, typer.Option(help="Of the practice's slots, only these: 12:00,18:00.")] = "",
    quiet: Annotated[
        str, typer.Option(help="Hours without nudges, added to the practice's: 21:00-10:00.")
    ] = "",
    cap: Annotated[
        int | None,
        typer.Option(min=1, max=50, help="Nudges in 24 hours at most; it counts where it is lower."),
    ] = None,
    forget: Annotated[bool, typer.Option("--forget", help="As the practice's rules say again.")] = False,
    json: Json = False,
) -> None:
    """Note what somebody asked for of the times of their nudges. Those that wait are planned anew.

    Example: pli nudges wish P-1001 --days 7,1 --level private --quiet 20:00-10:00
    """
    home = installation()
    rules = home.settings.nudge_rules()
    asked = {
        "level": level,
        "days_before": _days(days),
        "confirmed": after_confirmation,
        "slots": _slots(slots, rules),
        "quiet": _quiet(quiet, rules),
        "daily_cap": cap,
    }
    changes: dict[str, Any] = {name: value for name, value in asked.items() if value is not None}
    if not forget and not changes:
        raise WrongUse("nothing is asked for", mend="add one of the options, see: pli nudges wish --help")

    def change(before: Wishes) -> Wishes:
        return replace(Wishes() if forget else before, **changes)

    people = ChooseTimes(home.uow, rules)(who.strip(), change, home.clock.now())
    if json:
        print_json({"recipients": people})
    else:
        say_count("noted for {number} person", "noted for {number} people", people)


def _days(text: str) -> tuple[int, ...] | None:
    if not text.strip():
        return None
    pieces = [piece.strip() for piece in text.split(",")]
    if not all(p.isascii() and p.isdigit() and len(p) <= 2 and int(p) <= MOST_DAYS for p in pieces):
        raise WrongUse("days are numbers up to 60, with commas between", mend="write them like 7,1")
    return tuple(sorted({int(piece) for piece in pieces}, reverse=True))


def _slots(text: str, rules: NudgeRules) -> tuple[time, ...] | None:
    if not text.strip():
        return None
    hours = tuple(sorted({parse_hour(piece.strip()) for piece in text.split(",")}))
    known = {*rules.slots, *(slot for kind in rules.kinds for slot in kind.slots or ())}
    if not known.issuperset(hours):
        theirs = ", ".join(f"{slot:%H:%M}" for slot in sorted(known))
        raise WrongUse("that is no slot of the practice", mend=f"choose of these: {theirs}")
    return hours


def _quiet(text: str, rules: NudgeRules) -> Quiet | None:
    if not text.strip():
        return None
    begins, to, ends = text.partition("-")
    if not to:
        raise WrongUse("quiet hours are written like 21:00-10:00")
    wanted = Quiet(parse_hour(begins.strip()), parse_hour(ends.strip()))
    of_rules = [rules.quiet, *(rules.quiet_of(kind) for kind in rules.kinds)]
    if not all(leaves_time((quiet, wanted)) for quiet in of_rules):
        raise WrongUse(
            "these quiet hours and the practice's leave no hour of the day", mend="make them shorter"
        )
    return wanted
