"""What the test modules share: each lives a third of the histories, so that processes can share them."""

from __future__ import annotations

from collections.abc import Sequence

from tests.simulation.run import Outcome, live_all, seeds_for

THIRD = 100  # crashes and recoveries


def third(number: int) -> range:
    """Seeds of the first, second or last third."""
    return seeds_for(THIRD, 1 + (number - 1) * len(seeds_for(THIRD)))


def held(seeds: Sequence[int]) -> list[Outcome]:
    """All of them, where everything held in each; fails with the first that did not."""
    found = []
    for outcome in live_all(seeds):
        assert isinstance(outcome, Outcome), str(outcome)
        found.append(outcome)
    return found


def proves_something(outcomes: Sequence[Outcome], cycles: int) -> None:
    """Nothing can be violated where nothing happens."""
    assert sum(o.cycles for o in outcomes) >= cycles
    assert sum(o.nudges for o in outcomes) >= cycles
    assert sum(o.problems for o in outcomes) >= cycles / 10
