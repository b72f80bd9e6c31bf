"""The one seam for randomness: while it is open, ``secrets`` and ``random`` draw from the seed.

What the cryptographic library draws for itself (ephemeral keys, nonces) decides nothing and is left alone.
"""

from __future__ import annotations

import random
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any


@contextmanager
def seeded(seed: str) -> Iterator[random.Random]:
    """Yield the source of the simulation's own draws; the product draws from another one with the same seed."""
    mine, theirs = random.Random(f"world {seed}"), random.Random(f"product {seed}")  # noqa: S311 - a simulation

    def choice(options: Sequence[Any]) -> Any:
        return theirs.choice(options)

    def system_random() -> random.Random:
        return theirs

    replaced: dict[str, Any] = {
        "token_bytes": lambda size=32: theirs.randbytes(size),
        "token_hex": lambda size=32: theirs.randbytes(size).hex(),
        "randbelow": theirs.randrange,
        "randbits": theirs.getrandbits,
        "choice": choice,
        "SystemRandom": system_random,
    }
    before = {name: getattr(secrets, name) for name in replaced}
    system, state = random.SystemRandom, random.getstate()
    try:
        for name, function in replaced.items():
            setattr(secrets, name, function)
        random.SystemRandom = system_random  # type: ignore[misc, assignment]  # for as long as the seam is open
        random.seed(f"jitter {seed}")
        yield mine
    finally:
        for name, function in before.items():
            setattr(secrets, name, function)
        random.SystemRandom = system  # type: ignore[misc]  # as above
        random.setstate(state)
