"""``python -m tests.simulation.shifted FILE …``: ``pli`` with a clock that FILE moves.

FILE holds the seconds by which the machine's clock is wrong, and is read each time that somebody asks for it. The
product knows nothing of it: its one clock is wrapped from outside, before the command starts.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bot.cli.main import main
from bot.clock import SystemClock


def shifted(file: Path) -> datetime:
    """What the clock says now."""
    return datetime.now(UTC) + timedelta(seconds=float(file.read_text(encoding="ascii")))


def run(arguments: Sequence[str]) -> int:
    """The exit code."""
    file, *rest = arguments
    SystemClock.now = lambda _: shifted(Path(file))  # type: ignore[method-assign]  # the only door, and it is outside
    return main(list(rest))


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
