"""JSON from strangers. Rules: ``safejson``."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.channels.matrix.safejson import MAX_DEPTH, canonical, parse, parse_object

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(PLAIN)
def test_ordinary_json_is_read_as_it_is(value: Any) -> None:
    assert parse(json.dumps(value).encode()) == value


@given(st.binary())
def test_garbage_raises_nothing_but_value_errors(data: bytes) -> None:
    try:
        parse_object(data)
    except ValueError:
        return


@pytest.mark.parametrize("opening", ["[", '{"a":', '[{"]":'])
@pytest.mark.parametrize("depth", [2_000, 200_000])
def test_what_is_too_deep_becomes_null_and_the_rest_is_read(opening: str, depth: int) -> None:
    """Rule 1: one such device event made the whole sync answer unreadable, for ever."""
    closing = "".join({"[": "]", "{": "}"}[c] for c in reversed(opening) if c in "[{")
    deep = opening * depth + "1" + closing * depth
    found = parse_object(f'{{"before":"[[\\"]","deep":{deep},"after":["]",2]}}'.encode())
    assert (found["before"], found["after"]) == ('[["]', ["]", 2])
    levels, part = 0, found["deep"]
    while part is not None:
        part = part[0] if isinstance(part, list) else next(iter(part.values()))
        levels += 1
    assert levels == MAX_DEPTH - 1
    canonical(found)


def test_deep_and_cut_off_is_refused() -> None:
    with pytest.raises(ValueError, match="cut off"):
        parse(b"[" * 100_000)


def test_numbers_that_have_no_canonical_form() -> None:
    """Rule 2."""
    text = '{"long":' + "9" * 5000 + ',"nan":NaN,"inf":[-Infinity,1e999]}'
    found = parse_object(text.encode())
    assert (found["long"], found["nan"], found["inf"][0]) == (0, None, None)
    assert math.isinf(found["inf"][1])
    with pytest.raises(ValueError, match="compliant"):
        canonical(found)


def test_canonical_never_recurses_to_death() -> None:
    deep: dict[str, Any] = {}
    for _ in range(100_000):
        deep = {"a": deep}
    with pytest.raises(ValueError, match="canonical"):
        canonical(deep)
    while deep:  # taken apart by hand: dropping it at once would recurse in the interpreter
        deep = deep["a"]
