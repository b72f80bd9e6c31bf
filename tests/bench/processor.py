"""Processor time beside wall time: the first does not grow when somebody else works on the same machine."""

from __future__ import annotations

import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, kw_only=True, slots=True)
class Cost:
    """Seconds: on the wall, of this process' processor, of the homeserver's."""

    wall: float
    own: float
    server: float


async def cost(work: Callable[[], Awaitable[object]], *, server: int) -> Cost:
    """What ``work`` takes; ``server`` is the homeserver's process id."""
    wall, own, theirs = time.perf_counter(), time.process_time(), used(server)
    await work()
    return Cost(wall=time.perf_counter() - wall, own=time.process_time() - own, server=used(server) - theirs)


def used(pid: int) -> float:
    """Seconds of processor time of all threads of ``pid`` so far, in steps of a hundredth; from Linux' ``/proc``."""
    fields = (
        Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    )
    return (int(fields[11]) + int(fields[12])) / _TICKS
