"""The shapes in which a text may lie in a file, and the byte strings by which each is recognised.

1. A text of less than five characters is not searched: its needles (down to 32 bits) would turn up by chance in
   megabytes of ciphertext. From five on every needle has at least 36 bits.
2. Base64 is recognised wherever the text begins within a group of three bytes: three needles, the outer characters
   that depend on neighbours left out.
"""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Iterator
from enum import StrEnum
from typing import Final
from urllib.parse import quote, quote_plus

SHORTEST: Final = 5
"""Characters of a text that is searched (rule 1)."""


class Form(StrEnum):
    """A shape of a text, in the order in which tables show them."""

    UTF8 = "UTF-8"
    LATIN1 = "Latin-1"
    UTF16 = "UTF-16"
    JSON = "JSON"
    URL = "URL"
    BASE64 = "base64"
    HEX = "hex"


def shapes(text: str) -> frozenset[tuple[Form, bytes]]:
    """Every needle for ``text``; none for one that is too short (rule 1)."""
    return frozenset(_all(text)) if len(text) >= SHORTEST else frozenset()


def _all(text: str) -> Iterator[tuple[Form, bytes]]:
    raw = text.encode()
    yield Form.UTF8, raw
    for encoding in ("latin-1", "cp1252"):
        try:
            yield Form.LATIN1, text.encode(encoding)
        except UnicodeEncodeError:
            continue
    yield Form.UTF16, text.encode("utf-16-le")
    yield Form.UTF16, text.encode("utf-16-be")
    for ascii_only in (True, False):
        inner = json.dumps(text, ensure_ascii=ascii_only)[1:-1]
        yield Form.JSON, inner.encode()
        yield Form.JSON, re.sub(r"\\u([0-9a-f]{4})", lambda m: "\\u" + m[1].upper(), inner).encode()
    for quoted in (quote(text, safe=""), quote(text), quote_plus(text)):
        yield Form.URL, quoted.encode()
        yield Form.URL, re.sub(r"%[0-9A-F]{2}", lambda m: m[0].lower(), quoted).encode()
    for shift in range(3):
        for needle in _base64(raw, shift):
            yield Form.BASE64, needle
    yield Form.HEX, raw.hex().encode()
    yield Form.HEX, raw.hex().upper().encode()


def _base64(raw: bytes, shift: int) -> Iterator[bytes]:
    """Rule 2: the characters that hold nothing but bits of ``raw`` when it begins at ``shift`` modulo 3."""
    first = math.ceil(shift * 8 / 6)
    last = (shift + len(raw)) * 8 // 6
    padded = bytes(shift) + raw
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        yield encode(padded)[first:last]
