"""The only place that asks what time it is; everything else is handed a :class:`bot.ports.Clock`."""

from __future__ import annotations

import time
from datetime import UTC, datetime


class SystemClock:
    """Wall clock in UTC and a monotonic one, in seconds."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()
