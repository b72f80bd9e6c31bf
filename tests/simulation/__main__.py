"""``python -m tests.simulation --seed N [--steps K] [--trace]``: one history, in words if wanted.

``--year``: of a whole year. ``--cycles N [--from SEED]``: as many histories as have N crashes and recoveries, the kept
seeds first (``--without-kept``: not those). Exit code 0 if everything held, 1 if not.
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
from collections.abc import Sequence

from rich.console import Console

from tests.simulation.run import Failed, kept, live, live_all, seeds_for


def main(arguments: Sequence[str] | None = None) -> int:
    """See the module."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--seed", type=int, metavar="N")
    what.add_argument("--cycles", type=int, metavar="N", help="crashes and recoveries in all")
    parser.add_argument("--from", type=int, default=1, dest="first", metavar="SEED", help="the first seed")
    parser.add_argument("--without-kept", action="store_true", help="not the kept seeds")
    parser.add_argument("--steps", type=int, metavar="K", help="end after so many steps")
    parser.add_argument("--year", action="store_true", help="a year instead of ten lives of the bot")
    parser.add_argument("--trace", action="store_true", help="tell every step; opaque ids only")
    options = parser.parse_args(arguments)
    console = Console(soft_wrap=True, markup=False, highlight=False)
    if options.seed is None:
        first = [] if options.without_kept else [k.seed for k in kept()]
        return _many(console, [*first, *seeds_for(options.cycles, options.first)])
    try:
        tell = console.print if options.trace else lambda _: None
        console.print(str(live(options.seed, tell, year=options.year, steps=options.steps)))
    except Failed as failed:
        console.print(str(failed))
        return 1
    return 0


def _many(console: Console, seeds: Sequence[int]) -> int:
    failed = done = nudges = 0
    days, began = 0.0, time.monotonic()
    for outcome in live_all(seeds):
        if isinstance(outcome, Failed):
            failed += 1
            console.print(str(outcome))
        else:
            done, nudges, days = done + outcome.cycles, nudges + outcome.nudges, days + outcome.days
    console.print(
        f"{done} crashes and recoveries in {days:.0f} days, {nudges} nudges, {failed} histories failed, "
        f"{time.monotonic() - began:.0f} s"
    )
    return 1 if failed or not done else 0


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    sys.exit(main())
