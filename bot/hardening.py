"""What the operating system may do with a process that holds secrets.

1. No core dump: the limit is zero, and only an administrator raises it again.
2. Nor one behind the limit's back, where the system hands dumps to a program: the process is not dumpable. No other
   process of the same account reads its memory or its environment then, or attaches to it.
3. Both before anything secret is read, in every command; where the system refuses, nothing is begun.
"""

from __future__ import annotations

import ctypes
import resource
import sys

from bot.errors import Refused

_PR_SET_DUMPABLE = 4


def harden() -> None:
    """For the whole process, and rule 1 for its children; cannot be taken back. Raises :class:`Refused`."""
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except (OSError, ValueError):
        raise Refused("the system does not let core dumps be switched off") from None
    if sys.platform == "linux" and ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        raise Refused("the system does not let this process be hidden from others")
