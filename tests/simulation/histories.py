"""What the test modules share: each lives a third of the histories, so that processes can share them."""

from __future__ import annotations

from collections.abc import Sequence

from tests.simulation.run import Failed, Outcome, live_all, seeds_for

THIRD = 100  # crashes and recoveries


def third(number: int) -> range:
    """Seeds of the first, second or last third."""
    return seeds_for(THIRD, 1 + (number - 1) * len(seeds_for(THIRD)))


def held(seeds: Sequence[int]) -> list[Outcome]:
    """All of them, where everything held in each; fails with every one that did not."""
    found = list(live_all(seeds))
    failed = [str(outcome) for outcome in found if isinstance(outcome, Failed)]
    assert not failed, "\n\n".join(failed)
    return [outcome for outcome in found if isinstance(outcome, Outcome)]


def proves_something(outcomes: Sequence[Outcome], cycles: int) -> None:
    """Nothing can be violated where nothing happens."""
    assert sum(o.cycles for o in outcomes) >= cycles
    assert sum(o.nudges for o in outcomes) >= cycles
    assert sum(o.problems for o in outcomes) >= cycles / 10
