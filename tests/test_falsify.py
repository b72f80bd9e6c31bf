"""The changes that the tests must notice still fit the code, and name tests that exist."""

from __future__ import annotations

import pytest

from tests.falsify.changes import ROOT, Change, all_changes, names_a_test


@pytest.mark.parametrize("change", all_changes(), ids=lambda c: f"{c.section}: {c.why}")
def test_a_listed_change_fits(change: Change) -> None:
    before = (ROOT / change.file).read_text(encoding="utf-8")
    assert change.applied(before) != before
    assert [node for node in change.tests if not names_a_test(node)] == []


def test_a_change_that_does_not_fit_is_refused() -> None:
    change = Change(
        section="s", why="w", file="f", find="a", replace="b", tests=("tests/test_falsify.py::no",)
    )
    assert change.applied("xay") == "xby"
    for text in ("xyz", "aa"):
        with pytest.raises(ValueError, match="times in f"):
            change.applied(text)
    assert not names_a_test("tests/test_falsify.py::test_that_is_not_there")
    assert not names_a_test("tests/nowhere.py::test_x")
    assert names_a_test("tests/test_falsify.py::test_a_listed_change_fits[x]")
