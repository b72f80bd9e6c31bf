"""P9: a hundred crashes and recoveries, seeded; the last third."""

from __future__ import annotations

from tests.simulation.histories import THIRD, held, proves_something, third


def test_the_last_hundred_crashes_and_recoveries() -> None:
    proves_something(held(third(3)), THIRD)
