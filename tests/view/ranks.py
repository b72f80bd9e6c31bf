"""Do two samples differ? A permutation test on ranks, exact where that is cheap.

The statistic is the sum of the first sample's mid-ranks within blocks. Under "no difference" every way of handing a
block's values to its kinds is as likely; the share of ways that are at least as far from the middle is the p-value.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

ALPHA = 3e-5


def p_value(blocks: Sequence[tuple[Sequence[float], Sequence[float]]]) -> float:
    """Two-sided and exact. Each block has the values of both kinds, measured under the same circumstances."""
    ways: Counter[int] = Counter({0: 1})
    seen = 0
    for first, second in blocks:
        ranks = _doubled_ranks([*first, *second])
        middle = len(first) * (len(first) + len(second) + 1)  # twice the expected sum of ranks
        seen += sum(ranks[: len(first)]) - middle
        sums = _sums(ranks, len(first))
        ways = _together(ways, Counter({total - middle: n for total, n in sums.items()}))
    extreme = sum(n for deviation, n in ways.items() if abs(deviation) >= abs(seen))
    return extreme / ways.total()


def _doubled_ranks(values: Sequence[float]) -> list[int]:
    """Mid-ranks from 1, times two: whole numbers also where values are equal."""
    return [sum(2 * (v < value) + (v == value) for v in values) + 1 for value in values]


def _sums(ranks: Sequence[int], chosen: int) -> Counter[int]:
    """How many ways there are to choose so many of the ranks, by their sum."""
    ways: list[Counter[int]] = [Counter() for _ in range(chosen + 1)]
    ways[0][0] = 1
    for rank in ranks:
        for size in range(chosen, 0, -1):
            for total, n in ways[size - 1].items():
                ways[size][total + rank] += n
    return ways[chosen]


def _together(left: Counter[int], right: Counter[int]) -> Counter[int]:
    both: Counter[int] = Counter()
    for a, n in left.items():
        for b, m in right.items():
            both[a + b] += n * m
    return both
