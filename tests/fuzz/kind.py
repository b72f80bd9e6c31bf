"""What a table of parsers holds: the parser, what it is given to begin with, what it may raise, its share of runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

Parser = tuple[Callable[[bytes], object], Callable[[], Sequence[bytes]], tuple[type[Exception], ...], float]
