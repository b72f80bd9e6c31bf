"""``python -m tests.simulation.shifted FILE POINT NTH ARMED …``: ``pli`` with a clock that FILE moves.

FILE holds the seconds by which the machine's clock is wrong, and is read each time that somebody asks for it. The
product knows nothing of it: its one clock is wrapped from outside, before the command starts. POINT, NTH and ARMED are
those of :mod:`tests.rig.mortal`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bot import app
from bot.clock import SystemClock, since_boot
from tests.rig import mortal


def shifted(file: Path) -> datetime:
    """What the clock says now."""
    return datetime.now(UTC) + timedelta(seconds=float(file.read_text(encoding="ascii")))


def run(arguments: Sequence[str]) -> int:
    """The exit code."""
    file, *rest = arguments
    SystemClock.now = lambda _: shifted(Path(file))  # type: ignore[method-assign, assignment]  # from outside
    # The machine was on all the while: its clock that is never set moves along, so that nothing is in doubt.
    app.__dict__["since_boot"] = lambda: since_boot() + float(Path(file).read_text(encoding="ascii"))
    return mortal.run(rest)


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
