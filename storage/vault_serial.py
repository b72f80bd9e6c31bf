"""The number by which database and vault see that one of the two is an old copy.

The upper part counts, the lower 32 bits are drawn at random: two copies of a vault that went on from the same point,
each with an attempt of its own, have the same count and are still told apart.
"""

from __future__ import annotations

import secrets
from typing import Final

_DRAWN_BITS: Final = 32


def following(serial: int) -> int:
    """The next serial."""
    return ((serial >> _DRAWN_BITS) + 1) << _DRAWN_BITS | secrets.randbits(_DRAWN_BITS)


def is_later(serial: int, than: int) -> bool:
    """Whether more was counted. Neither of two that differ in the draw alone is later."""
    return serial >> _DRAWN_BITS > than >> _DRAWN_BITS
