"""Node and the second client's packages, from a lock without addresses."""

from __future__ import annotations

import fcntl
import functools
import os
import shutil
import subprocess
from pathlib import Path

import pytest

JS_FOLDER = Path(__file__).resolve().parent.parent / "js"
_MISSING = "Node is absent: the journeys with a strict client that is not ours DO NOT RUN"


@functools.cache
def ensure_node_modules() -> Path:
    """Install what ``tests/js/package-lock.json`` names, once a lock; returns the folder.

    Skips the test where Node is absent, but fails it where the environment sets ``CI``.
    """
    if shutil.which("node") is None or shutil.which("npm") is None:
        if os.environ.get("CI", "").lower() in {"", "0", "false"}:
            pytest.skip(_MISSING)
        pytest.fail(_MISSING)
    lock = JS_FOLDER / "package-lock.json"
    done = JS_FOLDER / "node_modules" / ".pli-installed"
    with lock.open("rb") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        if not done.exists() or done.read_bytes() != lock.read_bytes():
            subprocess.run(
                ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"],
                cwd=JS_FOLDER,
                check=True,
                timeout=300,
            )
            done.write_bytes(lock.read_bytes())
    return JS_FOLDER
