"""``python -m tests.bench [--json FILE] [--only NAME] [--runs N]``."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from tests.bench import (
    agenda_import,
    claims,
    nudge_delivery,
    pin_to_details,
    planning,
    slot,
    start,
    telegram_delivery,
)
from tests.bench.figures import Result, show, write

BENCHES: dict[str, Callable[[Path, int], Result]] = {
    "import": agenda_import.bench,
    "pin": pin_to_details.bench,
    "nudges": nudge_delivery.bench,
    "claims": claims.bench,
    "slot": slot.bench,
    "telegram": telegram_delivery.bench,
    "start": start.bench,
    "planning": planning.bench,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every run of every figure there")
    parser.add_argument("--only", choices=sorted(BENCHES), help="one bench alone")
    parser.add_argument("--runs", type=int, default=3, help="measurements of each figure (default: 3)")
    options = parser.parse_args()
    console = Console()
    results = []
    for name, bench in BENCHES.items():
        if options.only not in (None, name):
            continue
        with (
            tempfile.TemporaryDirectory(prefix="pli-bench-") as folder,
            console.status(f"measuring {name} …"),
        ):
            results.append(bench(Path(folder), max(1, options.runs)))
        show(results[-1], console)
    if options.json is not None:
        write(results, options.json)


if __name__ == "__main__":
    main()
