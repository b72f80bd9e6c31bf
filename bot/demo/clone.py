"""The tests' own parts, which the demo uses: it runs from a clone of the repository, as ``make demo`` does."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Final

import bot
from bot.errors import Refused

_PARTS: Final = ("tests.rig.py_patient", "tests.rig.bot_api", "tests.rig.waiting")


def require_tests() -> None:
    """Load them. Raises :class:`Refused` where they are not there, before anything is begun."""
    clone = str(Path(bot.__path__[0]).parent)
    if clone not in sys.path:
        sys.path.append(clone)
    try:
        for part in _PARTS:
            import_module(part)
    except ImportError:
        raise Refused(
            "the patient's client is not here", mend="run the demo from a clone of the repository: make demo"
        ) from None
