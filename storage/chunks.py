"""Long lists of ids, cut so that one statement never binds too many of them."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import TypeVar

CHUNK = 400  # below SQLite's limit of bound parameters, whatever its build
T = TypeVar("T", bound=Hashable)


def chunks(items: Iterable[T]) -> Iterator[Sequence[T]]:
    """Each item once, in an order that does not depend on chance."""
    unique = list(dict.fromkeys(items))
    return (unique[i : i + CHUNK] for i in range(0, len(unique), CHUNK))
