"""JSON from strangers: parsed without ever raising anything but ``ValueError``; canonical JSON for
signatures.

1. Nothing is nested deeper than :data:`MAX_DEPTH`; what is deeper becomes ``null``. Otherwise a single to-
   device event, legal for the homeserver, exhausts Python's recursion when the whole sync answer is parsed.
2. Integers beyond 64 bits become 0, ``NaN`` and infinities ``null``: canonical JSON has none of them, and
   Python refuses to convert very long digit strings.
3. Bytes that are no UTF-8 become U+FFFD: they cost the string that holds them, not the answer.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

from canonicaljson import encode_canonical_json

MAX_DEPTH: Final = 64
_LONGEST_INTEGER: Final = 19
# A string as a whole, or a bracket. Possessive: no text makes it go back. One bad event in an answer of many megabytes
# must not stop the bot for as long as a loop over each character would.
_MARK: Final = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[\[\]{}]', re.DOTALL)

JsonObject = dict[str, Any]


def parse(data: bytes) -> object:
    """The JSON value in ``data`` (UTF-8). Raises ``ValueError`` if there is none."""
    text = data.decode("utf-8", errors="replace")
    try:
        return _loads(text)
    except RecursionError:
        return _loads(_flatten(text))


def parse_object(data: bytes) -> JsonObject:
    """The object in ``data`` (UTF-8). Raises ``ValueError`` if there is none."""
    parsed = parse(data)
    if not isinstance(parsed, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004 - one error for every unfit input
    return parsed


def canonical(value: JsonObject) -> bytes:
    """Canonical JSON as Matrix signs it. Raises ``ValueError`` for what has no canonical form."""
    try:
        return encode_canonical_json(value)
    except (RecursionError, TypeError) as error:
        raise ValueError("no canonical form") from error


def as_object(value: object) -> JsonObject:
    """``value`` if it is a JSON object, an empty one otherwise."""
    return value if isinstance(value, dict) else {}


def as_list(value: object) -> list[Any]:
    """``value`` if it is a JSON array, an empty one otherwise."""
    return value if isinstance(value, list) else []


def as_text(value: object) -> str:
    """``value`` if it is a string that UTF-8 can carry, an empty one otherwise."""
    if not isinstance(value, str):
        return ""
    try:
        value.encode()
    except UnicodeEncodeError:
        return ""
    return value


def _loads(text: str) -> object:
    return json.loads(text, parse_int=_integer, parse_constant=_nothing)


def _integer(digits: str) -> int:
    return int(digits) if len(digits) <= _LONGEST_INTEGER else 0


def _nothing(_: str) -> None:
    return None


def _flatten(text: str) -> str:
    """``text`` with everything below :data:`MAX_DEPTH` levels replaced by ``null`` (rule 1)."""
    kept: list[str] = []
    depth = start = 0
    for found in _MARK.finditer(text):
        mark = found[0]
        if mark in "[{":
            depth += 1
            if depth == MAX_DEPTH + 1:
                kept.append(text[start : found.start()] + "null")
        elif mark in "]}":
            depth -= 1
            if depth == MAX_DEPTH:
                start = found.end()
    if depth > MAX_DEPTH:
        raise ValueError("cut off in the middle")
    return "".join(kept) + text[start:]
