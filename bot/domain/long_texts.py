"""A long text in parts that each fit into one message. Pure.

A part ends at the end of a line where there is one, else at a space, else anywhere: no sign is lost but the break
itself.
"""

from __future__ import annotations

import json
from collections.abc import Sequence


def in_parts(text: str, limit: int) -> Sequence[str]:
    """``text`` in parts of at most ``limit`` bytes as JSON writes them (UTF-8, with escapes); blank ones left out."""
    parts: list[str] = []
    rest = text
    while rest.strip():
        end = _fits(rest, limit)
        if end < len(rest):
            for sign in ("\n", " "):
                head = rest[: end + 1].rpartition(sign)[0]
                if head.strip():
                    end = len(head)
                    break
        parts.append(rest[:end])
        rest = rest[end:]
        rest = rest[1:] if rest[:1] in {"\n", " "} else rest
    return [part for part in parts if part.strip()]


def _fits(text: str, limit: int) -> int:
    """How many signs from the start fit."""
    used = 0
    for number, sign in enumerate(text):
        used += len(json.dumps(sign, ensure_ascii=False).encode(errors="replace")) - 2
        if used > limit:
            return max(number, 1)
    return len(text)
