"""The order of the test files."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.longest import LONGEST, place

ROOT = Path(__file__).resolve().parent.parent


def test_every_file_named_is_there() -> None:
    assert [name for name in LONGEST if not (ROOT / name).is_file()] == []


def test_the_longest_come_first_and_the_others_stay_in_order(request: pytest.FixtureRequest) -> None:
    files = list(dict.fromkeys(item.location[0] for item in request.session.items))
    assert files == sorted(files, key=place)
    named = [name for name in files if name in LONGEST]
    assert files[: len(named)] == named == [name for name in LONGEST if name in files]
