"""Which digits may be a patient's secret number, and how they are read from what was typed. Pure.

1. Decimal digits of every script count as the ASCII digit of the same value; nothing else is translated.
2. Spaces, dots and hyphens between digits are skipped; any other character makes the text no PIN.
3. A PIN has 6 to 12 digits, and at least as many as the practice asks for. Length is judged before anything
   is counted, so that a PIN of the wrong length costs no try.
4. Refused when chosen: few different digits and repeated blocks, runs, dates, values that are common.
5. The policy never judges a PIN that was set already: it is asked when one is chosen, nowhere else.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from enum import StrEnum
from itertools import pairwise

from bot.domain.values import Secret
from bot.errors import WrongUse

MIN_DIGITS = 6
MAX_DIGITS = 12
_LONGEST_TEXT = 200
_SEPARATORS = frozenset(".·-‐‑‒–—−")
_QUOTES = "\"'«»“”„‘’<>()[]`"
_YEARS = range(1900, 2050)
_YEAR_WIDTH = 4

# The ten most frequent six-digit PINs of Markert, Bailey, Golla, Dürmuth and Aviv, "This PIN Can Be Easily
# Guessed" (IEEE S&P 2020), as far as no rule refuses them already; then walks over the keys of a telephone
# or a number pad, and digits that people know by heart (pi, e, the golden ratio, square roots, agents).
_COMMON = """
    112233 123321 123654 123789 124578 141421 141592 142536 147258 147369 147852 147963 159357 159753
    161803 173205 223344 235689 258025 258369 258456 271828 314159 321456 321654 332211 357159 369147
    415263 456123 456321 456654 654987 748596 753951 789123 789456 789654 852456 852741 951753 963852
    987456 1236987 1478963 2718281 3141592 3698741 5201314 11223344 12344321 12369874 14789632 19283746
    27182818 31415926 36987412 44332211 123456987 147258369 147896325 789456123 963852741 0123654789
    1122334455 1234554321 1472583690 1597534682 112233445566
"""
_COMMON_PINS = frozenset(_COMMON.split())


class PinFault(StrEnum):
    """Why a chosen PIN is refused."""

    TOO_SHORT = "too_short"
    TOO_LONG = "too_long"
    REPEATED = "repeated"
    RUN = "run"
    DATE = "date"
    COMMON = "common"


def ascii_digit(char: str) -> str | None:
    """``char`` as an ASCII digit if it is a decimal digit of any script (rule 1), else None."""
    value = unicodedata.decimal(char, None)
    return None if value is None else str(value)


def parse_pin(text: str) -> Secret | None:
    """The ASCII digits of a text of nothing but digits and separators (rules 1 and 2), else None.

    Whether the length fits is for the caller (:data:`MIN_DIGITS`, :data:`MAX_DIGITS`). Never raises.
    """
    text = text.strip().strip(_QUOTES)
    if len(text) > _LONGEST_TEXT:
        return None
    digits = []
    for char in text:
        digit = ascii_digit(char)
        if digit is not None:
            digits.append(digit)
        elif not (char in _SEPARATORS or char.isspace() or unicodedata.category(char) == "Cf"):
            return None
    return Secret("".join(digits)) if digits else None


def judge_pin(pin: Secret, minimum: int = MIN_DIGITS) -> PinFault | None:
    """The first fault of a chosen PIN of ASCII digits (rules 3 and 4), or None.

    Raises :class:`bot.errors.WrongUse` where ``minimum`` is not within 6 to 12.
    """
    if not MIN_DIGITS <= minimum <= MAX_DIGITS:
        raise WrongUse(f"a PIN's minimum is {MIN_DIGITS} to {MAX_DIGITS} digits")
    digits = pin.reveal()
    if len(digits) < minimum:
        return PinFault.TOO_SHORT
    if len(digits) > MAX_DIGITS:
        return PinFault.TOO_LONG
    weak = (
        (PinFault.REPEATED, _is_repeated),
        (PinFault.RUN, _is_run),
        (PinFault.DATE, _is_date),
        (PinFault.COMMON, _COMMON_PINS.__contains__),
    )
    return next((fault for fault, has_it in weak if has_it(digits)), None)


def _is_repeated(digits: str) -> bool:
    """Fewer than three different digits, or one block over and over (then a turned copy is the same)."""
    return len(set(digits)) < 3 or digits in (digits + digits)[1:-1]


def _is_run(digits: str) -> bool:
    """One step from each digit to the next, modulo ten (123456, 987654, 246802, 890123)."""
    steps = {(int(b) - int(a)) % 10 for a, b in pairwise(digits)}
    return len(steps) == 1


def _is_date(digits: str) -> bool:
    return any(_plausible(day, month) for day, month in _readings(digits))


def _readings(digits: str) -> Iterator[tuple[str, str]]:
    """(day, month) of every way to read a date: dmy and ymd; mdy where the year has four digits.

    Days and months without their zero are read beside a year of four digits only; month and year alone count
    as the first of the month.
    """
    if len(digits) == 6:
        yield digits[:2], digits[2:4]
        yield digits[4:], digits[2:4]
    rest = [digits[_YEAR_WIDTH:]] if _is_year(digits[:_YEAR_WIDTH]) else []
    if _is_year(digits[-_YEAR_WIDTH:]):
        rest.append(digits[:-_YEAR_WIDTH])
    for part in rest:
        if len(part) == 2:
            yield "1", part
        if 2 <= len(part) <= 4:
            for cut in range(max(1, len(part) - 2), min(2, len(part) - 1) + 1):
                yield part[:cut], part[cut:]
                yield part[cut:], part[:cut]


def _is_year(digits: str) -> bool:
    return len(digits) == _YEAR_WIDTH and int(digits) in _YEARS


def _plausible(day: str, month: str) -> bool:
    """Every month is given 31 days, which refuses a few more."""
    return 1 <= int(day) <= 31 and 1 <= int(month) <= 12
