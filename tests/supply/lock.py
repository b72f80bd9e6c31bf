"""The locks, read as they are written by `make lock`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

_ROOT = Path(__file__).parents[2]
LOCKS = tuple(_ROOT / "requirements" / f"{name}.lock" for name in ("run", "dev", "tools"))
RUN_LOCK = LOCKS[0]
_PIN = re.compile(r"^([a-zA-Z0-9][a-zA-Z0-9._-]*)==([^\s;\\]+)")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")

Locked = Mapping[tuple[str, str], frozenset[str]]


def plain_name(name: str) -> str:
    """The one spelling of a package's name."""
    return re.sub(r"[-_.]+", "-", name).lower()


def locked(text: str) -> Locked:
    """(name, version) → SHA-256 sums of what may be installed as it."""
    found: dict[tuple[str, str], frozenset[str]] = {}
    for entry in re.split(r"\n(?=\S)", text.strip()):
        pin = _PIN.match(entry)
        if pin is None:
            raise ValueError("a lock holds pins and their sums, and nothing else")
        found[plain_name(pin[1]), pin[2]] = frozenset(_HASH.findall(entry))
    return found
