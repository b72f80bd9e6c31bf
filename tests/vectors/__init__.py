"""Known answers: ``published.json`` from standards, ``pli_v1.json`` our own formats, pinned."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any


@cache
def vectors(name: str) -> dict[str, Any]:
    """The file ``name``.json of this folder."""
    loaded: dict[str, Any] = json.loads((Path(__file__).parent / f"{name}.json").read_text())
    return loaded


def unhex(table: dict[str, str], *names: str) -> tuple[bytes, ...]:
    return tuple(bytes.fromhex(table[name]) for name in names)
