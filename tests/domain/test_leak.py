"""What times tell: the count, the exact values, and both against counting every possibility."""

from __future__ import annotations

from itertools import product
from math import log2, prod
from random import Random

import pytest

from bot.domain.leak import Policy, exact_bits, exact_success, measured_bits, policies
from bot.errors import WrongUse


def in_a_row(number: int, length: int) -> list[range]:
    return [range(day, day + length) for day in range(number)]


def every_set(windows: list[range], share: float) -> tuple[float, float]:
    """Bits and success, by going through all sets of slots."""
    slots = sorted({slot for window in windows for slot in window})
    left = right = 0.0
    for drawn in product((0, 1), repeat=len(slots)):
        seen = {slot for slot, bit in zip(slots, drawn, strict=True) if bit}
        chances = [
            sum(
                prod(share if other in seen else 1 - share for other in slots if other != real) / len(window)
                for real in window
                if real in seen
            )
            / len(windows)
            for window in windows
        ]
        whole = sum(chances)
        right += max(chances)
        left -= sum(p * log2(p / whole) for p in chances if p)
    return log2(len(windows)) - left, right


@pytest.mark.parametrize(
    "windows",
    [
        in_a_row(4, 3),
        in_a_row(5, 2),
        in_a_row(6, 1),
        [range(2), range(2), range(1, 3), range(5, 7)],
        [range(3), range(4, 7)],
    ],
    ids=str,
)
@pytest.mark.parametrize("share", [0.0, 0.01, 0.2, 0.5, 0.9, 1.0])
def test_exact_values_are_those_of_counting_every_set(windows: list[range], share: float) -> None:
    bits, success = every_set(windows, share)
    assert exact_bits(windows, share) == pytest.approx(bits, abs=1e-9)
    assert exact_success(windows, share) == pytest.approx(success, abs=1e-9)


def test_the_table_is_the_designs() -> None:
    found = {policy.name: policy for policy in policies()}
    assert {name: round(policy.bits, 2) for name, policy in found.items()} == {
        "exact": 10.91,
        "fixed": 5.91,
        "drawn_3": 4.35,
        "drawn_5": 3.64,
        "weekly": 3.58,
        "decoys_10": 3.21,
        "decoys_20": 2.27,
        "decoys_50": 0.99,
        "drawn_3_decoys_20": 1.07,
        "constant": 0,
    }
    assert {name: round(policy.success, 3) for name, policy in found.items()} == {
        "exact": 1,
        "fixed": 1,
        "drawn_3": 0.344,
        "drawn_5": 0.213,
        "weekly": 0.2,
        "decoys_10": 0.166,
        "decoys_20": 0.083,
        "decoys_50": 0.033,
        "drawn_3_decoys_20": 0.064,
        "constant": 0.017,
    }
    assert list(found) == [policy.name for policy in policies()]
    assert policies() is policies(), "worked out once"


def test_a_policy_is_a_value() -> None:
    policy = policies()[0]
    with pytest.raises(AttributeError):
        policy.bits = 0.0  # type: ignore[misc]  # that it cannot be set is what is tested
    with pytest.raises(TypeError):
        Policy("exact", 1.0, 1.0)  # type: ignore[call-arg]  # as above


@pytest.mark.parametrize("windows", [[], [range(0)], [range(2), range(3)]])
def test_windows_of_several_lengths_are_refused(windows: list[range]) -> None:
    for ask in (exact_bits, exact_success):
        with pytest.raises(WrongUse):
            ask(windows, 0.2)


def test_what_is_counted_without_chance_is_exact_but_for_the_bias() -> None:
    """With as many pairs the bias is known: a bit less or more of it would be seen."""
    same = [(n % 4, n % 4) for n in range(400)]
    assert measured_bits(same) == pytest.approx(2 - (4 - 4 - 4 + 1) / (800 * 0.6931472), abs=1e-6)
    apart = [(n % 4, n // 4 % 4) for n in range(1600)]
    assert measured_bits(apart) == 0.0, "never less than nothing"
    half = [(n % 4, n % 4 // 2) for n in range(4000)]
    assert measured_bits(half) == pytest.approx(1 + (4 + 2 - 4 - 1) / (8000 * 0.6931472), abs=1e-6)
    assert measured_bits([]) == 0.0
    assert measured_bits([("a", "b")]) == 0.0
    uneven = [("a", 1)] * 300 + [("b", 2)] * 100
    assert measured_bits(uneven) == pytest.approx(
        0.25 * 2 + 0.75 * log2(4 / 3) + 1 / (800 * 0.6931472), abs=1e-6
    )


def test_pairs_that_come_unevenly_are_counted_as_they_come() -> None:
    joint = {("a", 1): 30, ("a", 2): 10, ("b", 1): 10, ("b", 2): 40, ("c", 1): 10}
    whole = sum(joint.values())
    of_secret = {"a": 40, "b": 50, "c": 10}
    of_seen = {1: 50, 2: 50}
    bits = sum(n / whole * log2(n * whole / of_secret[a] / of_seen[b]) for (a, b), n in joint.items())
    pairs = [pair for pair, number in joint.items() for _ in range(number)]
    assert measured_bits(pairs) == pytest.approx(bits - (5 - 3 - 2 + 1) / (2 * whole * 0.6931472), abs=1e-6)


def test_the_correction_takes_away_what_chance_adds() -> None:
    chance = Random(7)  # noqa: S311 - it has to come out the same again
    pairs = [(chance.randrange(60), chance.randrange(60)) for _ in range(40_000)]
    assert measured_bits(pairs) < 0.006
