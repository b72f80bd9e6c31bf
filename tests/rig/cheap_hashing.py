"""Argon2id at the price of a test. ``tests/storage/test_wrap.py`` shows what it costs elsewhere.

Secrets made under one price do not open under the other: all who open a practice's keys share one.
``python -m tests.rig.cheap_hashing PROGRAM …`` is ``python -m PROGRAM …`` at that price.
"""

from __future__ import annotations

import runpy
import sys
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager

from bot.app import Installation
from storage.wrap import Profile


def defaults() -> MutableMapping[str, object]:
    """What an :class:`Installation` takes where it is told nothing, to be changed by who knows how to put it back."""
    found: MutableMapping[str, object] = vars(Installation)["__init__"].__kwdefaults__
    return found


@contextmanager
def hashing(*, cheap: bool) -> Iterator[None]:
    """Installations that are opened meanwhile, in the whole process: one at a time."""
    before = defaults()["profile"]
    if cheap:
        defaults()["profile"] = Profile.testing()
    try:
        yield
    finally:
        defaults()["profile"] = before


if __name__ == "__main__":
    del sys.argv[0]
    with hashing(cheap=True):
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
