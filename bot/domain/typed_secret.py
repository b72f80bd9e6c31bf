"""Whether what somebody typed in the wrong place looks like a PIN or a sign-up code. Pure; never raises.

1. Generous: whoever typed a telephone number is told to change a PIN that nobody saw. That is the better mistake.
2. Nothing is compared with anything: a thief who types there learns nothing and burns no try.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from bot.domain.codes import parse_code
from bot.domain.pin import MIN_DIGITS, ascii_digit, parse_pin

_LONGEST: Final = 8192
_FEWEST: Final = 4  # of a text of nothing but digits: a PIN that was cut short is still most of a PIN
_RUN: Final = re.compile(rf"\d(?:[^\w\n]{{0,2}}\d){{{MIN_DIGITS - 1},}}", re.ASCII)
_GROUPS: Final = re.compile(r"(?<![0-9A-Z])[0-9A-Z]{4}(?:[^0-9A-Z\n]{0,3}[0-9A-Z]{4}){4}(?![0-9A-Z])")


def looks_like_secret(text: str) -> bool:
    """A text, or a part of it. Digits of any script, with whatever single signs between them."""
    text = text[:_LONGEST]
    pin = parse_pin(text)
    if pin is not None and len(pin.reveal()) >= _FEWEST:
        return True
    if parse_code(text) is not None:
        return True
    plain = _plain(text)
    return _RUN.search(plain) is not None or any(
        parse_code(found.group()) is not None for found in _GROUPS.finditer(plain.upper())
    )


def _plain(text: str) -> str:
    """Composed forms taken apart, every digit an ASCII one, invisible signs gone."""
    folded = unicodedata.normalize("NFKC", text)
    return "".join(ascii_digit(c) or c for c in folded if unicodedata.category(c) != "Cf")
