"""The same targets without a guide: seeds, and seeds with faults. For the tests, and where Atheris is not there."""

from __future__ import annotations

import random

from tests.fuzz.mutate import mutated
from tests.fuzz.targets import Target


def run(target: Target, runs: int, seed: int) -> int:
    """``runs`` executions, the seeds first; raises what the parser should not have raised, with the bytes."""
    chance = random.Random(seed)  # noqa: S311 - reproducible noise
    seeds = list(target.seeds())
    for done in range(runs):
        data = seeds[done] if done < len(seeds) else mutated(chance.choice(seeds), chance)
        try:
            target.run(data)
        except Exception as error:
            error.add_note(f"given: {data[:2000]!r}")
            raise
    return runs
