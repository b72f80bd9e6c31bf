"""Argon2id at the price of a test. ``tests/storage/test_wrap.py`` shows what it costs elsewhere.

Secrets made under one price do not open under the other: all who open a practice's keys share one.
"""

from __future__ import annotations

from collections.abc import MutableMapping

from bot.app import Installation


def defaults() -> MutableMapping[str, object]:
    """What an :class:`Installation` takes where it is told nothing, to be changed by who knows how to put it back."""
    found: MutableMapping[str, object] = vars(Installation)["__init__"].__kwdefaults__
    return found
