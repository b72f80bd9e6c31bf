"""``pli nudges wish``: what somebody asked for, at the desk, of the times of their nudges."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from bot.cli.common import Json, installation, print_json, say_count
from bot.domain.choices import Confirmed, Level, Wishes
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
    forget: Annotated[bool, typer.Option("--forget", help="As the practice's rules say again.")] = False,
    json: Json = False,
) -> None:
    """Note what somebody asked for of the times of their nudges. Those that wait are planned anew.

    Example: pli nudges wish P-1001 --days 7,1 --level private
    """
    leads = _days(days)
    if not forget and leads is None and level is None and after_confirmation is None:
        raise WrongUse("nothing is asked for", mend="add --days, --level, --after-confirmation or --forget")

    def change(before: Wishes) -> Wishes:
        base = Wishes() if forget else before
        return replace(
            base,
            level=level or base.level,
            days_before=base.days_before if leads is None else leads,
            confirmed=after_confirmation or base.confirmed,
        )

    home = installation()
    people = ChooseTimes(home.uow, home.settings.nudge_rules())(who.strip(), change, home.clock.now())
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
