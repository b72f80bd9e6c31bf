"""How much the times of nudges tell: measured from pairs, and exact where the policy is simple enough.

Of the exact values: a visit is on one of ``windows``, each as likely; its nudge is in one of the window's slots, each
as likely; every other slot has a decoy with probability ``share``. All windows have one length.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from math import comb, log, log2
from typing import Final

from bot.errors import WrongUse

_LN2: Final = log(2)
_DAYS, _PLACES, _WORKED = (
    60,
    32,
    5,
)  # of the policies: as many days, of which so many a week, of so many places


@dataclass(frozen=True, kw_only=True, slots=True)
class Policy:
    """What is exact: ``bits`` of one visit on one of 60 days of 32 places; ``success``: a best guess names the day."""

    name: str
    bits: float
    success: float


def measured_bits(pairs: Iterable[tuple[Hashable, Hashable]]) -> float:
    """Mutual information of what is secret and what is seen: plug-in, less Miller and Madow's estimate of its bias.

    The bias is that of few pairs: with fewer than some ten a combination it is still too high. At least 0.
    """
    joint = Counter(pairs)
    number = joint.total()
    if not number:
        return 0.0
    secret: Counter[Hashable] = Counter()
    seen: Counter[Hashable] = Counter()
    for (one, other), count in joint.items():
        secret[one] += count
        seen[other] += count
    bits = _entropy(secret) + _entropy(seen) - _entropy(joint)
    bias = (len(joint) - len(secret) - len(seen) + 1) / (2 * number * _LN2)
    return max(bits - bias, 0.0)


def _entropy(counts: Counter[Hashable] | Counter[tuple[Hashable, Hashable]]) -> float:
    number = counts.total()
    return log2(number) - sum(count * log2(count) for count in counts.values()) / number


def exact_bits(windows: Sequence[range], share: float) -> float:
    """What all nudges of one recipient tell of the window. Raises :class:`WrongUse`.

    Given the slots S that are seen, a window's probability is c / W: c of its slots are in S, W is the sum of c over
    all windows. So the bits are log2 n - E[log2 W - (sum of c log2 c) / W], and S is seen W / (n m share) times as
    often as decoys alone would give it; that leaves two sums over independent draws.
    """
    length = _length(windows)
    number = len(windows)
    weights = Counter(slot for window in windows for slot in window)
    whole = number * length
    if share == 0:
        left = sum(w * log2(w) for w in weights.values()) / whole
        return log2(number) - left
    totals = _totals(weights.values(), share)
    of_all = sum(p * total * log2(total) for total, p in enumerate(totals) if total)
    of_each = number * sum(
        comb(length, c) * share**c * (1 - share) ** (length - c) * c * log2(c) for c in range(1, length + 1)
    )
    return log2(number) - (of_all - of_each) / (whole * share)


def exact_success(windows: Sequence[range], share: float) -> float:
    """How often the best guess names the window; ``windows`` in order. Raises :class:`WrongUse`."""
    length = _length(windows)
    whole = len(windows) * length
    if share == 0:
        return len({slot for window in windows for slot in window}) / whole
    ends = {window.stop - 1 for window in windows}
    states: dict[tuple[int, int], float] = {
        (0, 0): 1.0
    }  # (of the last slots those in S as bits, the highest c)
    for slot in range(min(w.start for w in windows), max(ends) + 1):
        after: dict[tuple[int, int], float] = {}
        for (bits, highest), p in states.items():
            for bit, chance in ((0, 1 - share), (1, share)):
                now = (bits << 1 | bit) & ((1 << length) - 1)
                best = max(highest, now.bit_count()) if slot in ends else highest
                after[now, best] = after.get((now, best), 0.0) + p * chance
        states = after
    return sum(p * highest for (_, highest), p in states.items()) / (whole * share)


def _length(windows: Sequence[range]) -> int:
    lengths = {len(window) for window in windows}
    if len(lengths) != 1 or 0 in lengths:
        raise WrongUse("windows of one length are needed")
    return lengths.pop()


def _totals(weights: Iterable[int], share: float) -> list[float]:
    """The probability of each sum of those weights whose slot is drawn."""
    found = [1.0]
    for weight in weights:
        found = [
            p * (1 - share) + q * share
            for p, q in zip(found + [0.0] * weight, [0.0] * weight + found, strict=True)
        ]
    return found


def _drawn(leads: int) -> list[range]:
    return [range(day, day + leads) for day in range(_DAYS)]


def _policy(name: str, windows: Sequence[range], share: float = 0.0) -> Policy:
    return Policy(name=name, bits=exact_bits(windows, share), success=exact_success(windows, share))


@cache
def policies() -> tuple[Policy, ...]:
    """The table of the design, and the preset ``private`` in its last line but one."""
    return (
        Policy(name="exact", bits=log2(_DAYS * _PLACES), success=1.0),
        _policy("fixed", _drawn(1)),
        _policy("drawn_3", _drawn(3)),
        _policy("drawn_5", _drawn(5)),
        _policy("weekly", [range(day // _WORKED, day // _WORKED + 1) for day in range(_DAYS)]),
        _policy("decoys_10", _drawn(1), 0.1),
        _policy("decoys_20", _drawn(1), 0.2),
        _policy("decoys_50", _drawn(1), 0.5),
        _policy("drawn_3_decoys_20", _drawn(3), 0.2),
        Policy(name="constant", bits=0.0, success=1 / _DAYS),
    )
