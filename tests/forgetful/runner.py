"""``python -m tests.forgetful.runner``: ``pli`` where five minutes pass at each SIGUSR1.

The sync loop, what it forgets and the keys that it looks after run on the shifted clock; it looks at the clock more
often than otherwise. All else is the product's own.
"""

from __future__ import annotations

import signal
import time

from bot.channels.matrix import client
from bot.cli.main import main

STEP_SECONDS = 300.0
_shifted = 0.0


def _monotonic() -> float:
    return time.monotonic() + _shifted


def _pass_time(*_: object) -> None:
    global _shifted  # noqa: PLW0603 - a signal handler has nothing else to keep it in
    _shifted += STEP_SECONDS


if __name__ == "__main__":
    signal.signal(signal.SIGUSR1, _pass_time)
    defaults = client.Client.__init__.__kwdefaults__
    assert defaults is not None
    defaults["monotonic"] = _monotonic
    client._FORGET_EVERY_SECONDS = 0.1  # type: ignore[misc]  # the one constant that is shortened
    raise SystemExit(main())
