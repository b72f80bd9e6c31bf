"""A long text in parts."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from bot.domain.long_texts import in_parts


def size(part: str) -> int:
    return len(json.dumps(part, ensure_ascii=False).encode(errors="replace")) - 2


@given(st.text(), st.integers(min_value=12, max_value=200))
def test_every_part_fits_and_nothing_but_blanks_is_lost(text: str, limit: int) -> None:
    parts = in_parts(text, limit)
    assert all(size(part) <= limit for part in parts)
    assert "".join("".join(parts).split()) == "".join(text.split())


def test_parts_end_where_a_line_does_else_a_word() -> None:
    assert in_parts("one two\nthree four\nfive", 20) == ["one two\nthree four", "five"]
    assert in_parts("one two three", 8) == ["one two", "three"]
    assert in_parts("x" * 25, 10) == ["x" * 10, "x" * 10, "x" * 5]
    assert in_parts("all of\nit fits", 100) == ["all of\nit fits"]
    assert in_parts("a b", 2) == ["a", "b"]
    assert in_parts("\u00e9\u00e9", 1) == ["\u00e9", "\u00e9"], "where not even one sign fits, it goes alone"
    assert in_parts(" \n ", 100) == []
    assert in_parts('"' * 10, 10) == ['"' * 5, '"' * 5], "as it is written in JSON"
