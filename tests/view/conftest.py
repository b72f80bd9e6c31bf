"""People of a practice; each module says which practice, or starts one in its test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from tests.journey.practice import Practice
from tests.journey.talk import People


@pytest.fixture
async def people(practice: Practice) -> AsyncIterator[People]:
    """Makes patients of the module's practice; their clients end with the test."""
    async with AsyncExitStack() as stack:
        yield People(practice=practice, stack=stack)
