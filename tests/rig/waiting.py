"""Waiting for what another process does: poll with a deadline, never a bare sleep."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def until(
    probe: Callable[[], Awaitable[T | None]], what: str, *, seconds: float = 30.0, every: float = 0.05
) -> T:
    """The first answer of ``probe`` that is neither None nor False; fails the test after the deadline."""
    end = time.monotonic() + seconds
    while True:
        found = await probe()
        if found is not None and found is not False:
            return found
        if time.monotonic() > end:
            raise AssertionError(f"waited {seconds:.0f} s in vain for {what}")
        await asyncio.sleep(every)
