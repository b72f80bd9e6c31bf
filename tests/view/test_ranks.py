"""The comparison of delays is worth something only if it finds a difference and does not invent one."""

from __future__ import annotations

import random
from itertools import combinations
from math import comb

import pytest

from tests.view.ranks import ALPHA, p_value


def test_samples_that_do_not_overlap_are_as_unlikely_as_can_be() -> None:
    first, second = [float(n) for n in range(12)], [float(n) for n in range(12, 24)]
    assert p_value([(first, second)]) == pytest.approx(2 / comb(24, 12))
    assert p_value([(first, second)]) < ALPHA
    assert p_value([(first, first)]) == 1.0


@pytest.mark.parametrize("seed", range(5))
def test_it_counts_every_way_of_mixing_them_up(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - noise for a test
    values = [float(chance.randrange(6)) for _ in range(9)]
    first, second = values[:4], values[4:]

    def statistic(chosen: tuple[int, ...]) -> float:
        order = sorted(values)
        ranks = {v: (2 * order.index(v) + order.count(v) + 1) / 2 for v in values}
        return abs(sum(ranks[values[n]] for n in chosen) - 4 * 10 / 2)

    ways = [statistic(chosen) for chosen in combinations(range(9), 4)]
    expected = sum(way >= ways[0] for way in ways) / len(ways)
    assert p_value([(first, second)]) == pytest.approx(expected)


def test_blocks_keep_what_differs_between_them_out() -> None:
    """Ten patients with times of their own: the same small difference in each is found."""
    chance = random.Random(1)  # noqa: S311 - noise for a test
    blocks = []
    for patient in range(10):
        first = [patient + chance.random() / 100 for _ in range(3)]
        blocks.append((first, [value + 0.02 for value in first]))
    assert p_value(blocks) < ALPHA
    together = ([v for a, _ in blocks for v in a], [v for _, b in blocks for v in b])
    assert p_value([together]) > 0.05


def test_noise_alone_is_no_difference() -> None:
    chance = random.Random(7)  # noqa: S311 - noise for a test
    found = [
        p_value([([chance.gauss(0, 1) for _ in range(8)], [chance.gauss(0, 1) for _ in range(8)])])
        for _ in range(200)
    ]
    assert min(found) > ALPHA
    assert sum(p < 0.05 for p in found) < 30
