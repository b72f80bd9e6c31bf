"""A short run of every target, without a guide. The long one, guided by coverage: `make fuzz`."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from tests.fuzz.plain import run
from tests.fuzz.targets import TARGETS

_RUNS = 400
_LEAST = 60


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """What is dropped is logged, thousands of times here."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("name", TARGETS)
def test_nothing_but_what_is_agreed_is_raised(name: str) -> None:
    target = TARGETS[name]
    run(target, max(_LEAST, int(_RUNS * target.share)), seed=1)


@pytest.mark.parametrize("name", TARGETS)
def test_what_the_campaigns_begin_with_is_read(name: str) -> None:
    """A seed that is refused at once would search nothing."""
    target = TARGETS[name]
    target.parse(target.seeds()[0])
