"""One-time codes, as printed by the practice and typed by a patient. Form only: no cryptography.

Twenty characters of Crockford's base32 in five groups of four: 6 public ones by which the invitation is found
(30 bits), 13 secret ones (65 bits, less 0.2 for rule 3), 1 check character.

1. The check character makes a weighted sum over GF(32) vanish. The weights of the twenty places differ and
   none is zero, so every wrong character and every exchange of two different ones, adjacent or not, is a
   typo. It stays within the alphabet, which Crockford's own modulo-37 check does not.
2. Reading is forgiving: case, spaces, hyphens of any sort, full-width letters, O for 0, I or L for 1.
3. A text with the check wrong counts as a mistyped code, not as a sentence, if it has 19 to 21 letters and
   digits of which two are digits; every code is drawn with four digits at least, so that one slip never hides
   it.
"""

from __future__ import annotations

import secrets
import unicodedata
from dataclasses import dataclass
from typing import Final, NamedTuple

from bot.domain.values import Secret

ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
LENGTH: Final = 20
PUBLIC: Final = 6
_DIGITS_DRAWN: Final = 4
_DIGITS_TYPED: Final = 2
_MISREAD: Final = str.maketrans("OIL", "011")
_SEPARATORS: Final = ("Zs", "Pd", "Cc", "Cf", "Zl", "Zp")
_REDUCE: Final = 0b100101  # x^5 + x^2 + 1, of which x is a primitive element


def _multiply_by_x(value: int) -> int:
    value <<= 1
    return value ^ _REDUCE if value & 32 else value


def _check(values: list[int]) -> int:
    """The weighted sum, by Horner's rule: the last place weighs 1, each place before it x times as much."""
    total = 0
    for value in values:
        total = _multiply_by_x(total) ^ value
    return total


class NewCode(NamedTuple):
    """A fresh code: ``public`` may be stored, ``display`` is shown once and forgotten."""

    public: str
    secret: Secret
    display: Secret

    def __repr__(self) -> str:
        return "NewCode(…)"


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class ParsedCode:
    """A typed code whose check is right; whether it is known is for the storage to say."""

    public: str
    secret: Secret

    def __repr__(self) -> str:
        return "ParsedCode(…)"


@dataclass(frozen=True, slots=True)
class CodeTypo:
    """It looks like a code, and its check is wrong: tell the sender, count nothing."""


def new_code() -> NewCode:
    """Draw a code. Should two share their public part (once in 2^30), the storage's unique key says so."""
    while True:
        values = [secrets.randbelow(32) for _ in range(LENGTH - 1)]
        values.append(_multiply_by_x(_check(values)))
        text = "".join(ALPHABET[value] for value in values)
        if sum(character.isdigit() for character in text) >= _DIGITS_DRAWN:
            break
    display = "-".join(text[start : start + 4] for start in range(0, LENGTH, 4))
    return NewCode(text[:PUBLIC], Secret(text[PUBLIC:-1]), Secret(display))


def parse_code(text: str) -> ParsedCode | CodeTypo | None:
    """None where ``text`` has not the form of a code at all."""
    typed = "".join(
        character
        for character in unicodedata.normalize("NFKC", text).upper()
        if unicodedata.category(character) not in _SEPARATORS and character != "\N{MINUS SIGN}"
    )
    code = typed.translate(_MISREAD)
    if len(code) == LENGTH and all(character in ALPHABET for character in code):
        if _check([ALPHABET.index(character) for character in code]) == 0:
            return ParsedCode(public=code[:PUBLIC], secret=Secret(code[PUBLIC:-1]))
    elif not (LENGTH - 1 <= len(code) <= LENGTH + 1 and code.isascii() and code.isalnum()):
        return None
    digits = sum(character in "0123456789" for character in typed)
    return CodeTypo() if digits >= _DIGITS_TYPED else None
