"""A test that forks hundreds of times runs in a process of its own, in which little is loaded.

A fork copies the page tables of its process, and pytest has loaded every test: most of such a test's time went there.
"""

from __future__ import annotations

import functools
import importlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

Test = Callable[..., None]


def in_small_process(test: Test) -> Test:
    """For a test that takes ``tmp_path`` and, by name, parameters that are whole numbers."""

    @functools.wraps(test)
    def run(tmp_path: Path, **numbers: int) -> None:
        given = [f"{name}={number}" for name, number in numbers.items()]
        done = subprocess.run(
            [sys.executable, "-m", __name__, test.__module__, test.__name__, str(tmp_path), *given],
            check=False,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr

    return run


def main(module: str, name: str, folder: str, *given: str) -> None:
    test: Any = getattr(importlib.import_module(module), name)
    numbers = {key: int(number) for key, _, number in (one.partition("=") for one in given)}
    cast("Test", test.__wrapped__)(Path(folder), **numbers)


if __name__ == "__main__":
    main(*sys.argv[1:])
