"""The PIN policy. Rules are those numbered in ``bot.domain.pin``."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.pin import _COMMON_PINS, MAX_DIGITS, MIN_DIGITS, PinFault, ascii_digit, judge_pin, parse_pin
from bot.domain.values import Secret
from bot.errors import WrongUse


def read(text: str) -> str | None:
    found = parse_pin(text)
    return None if found is None else found.reveal()


def judge(digits: str, minimum: int = MIN_DIGITS) -> PinFault | None:
    return judge_pin(Secret(digits), minimum)


@pytest.mark.parametrize(
    ("typed", "digits"),
    [
        ("482915", "482915"),
        (" 482 915 ", "482915"),
        ("48.29.15", "482915"),
        ("48-29-15", "482915"),
        ("48–29—15", "482915"),
        ("482\u00a0915", "482915"),
        ("482\u202f915\u200e", "482915"),
        ("« 482915 »", "482915"),
        ("482915.", "482915"),
        ("٤٨٢٩١٥", "482915"),
        ("४८२९१५", "482915"),
        ("４８２９１５", "482915"),
        ("𝟒𝟖𝟐𝟗𝟏𝟓", "482915"),
        ("7", "7"),
    ],
)
def test_rules_1_and_2_digits_of_every_script_and_separators(typed: str, digits: str) -> None:
    assert read(typed) == digits


@pytest.mark.parametrize(
    "typed", ["", " - ", "482915a", "48/29/15", "48,29", "²³⁴⁵⁶⁷", "①②③④⑤⑥", "四八二九一五", "1" * 201]
)
def test_rule_2_anything_else_is_no_pin(typed: str) -> None:
    assert read(typed) is None


def test_every_decimal_digit_of_unicode_is_read() -> None:
    found = [chr(c) for c in range(0x110000) if unicodedata.category(chr(c)) == "Nd"]
    assert len(found) > 600
    for char in found:
        assert ascii_digit(char) == str(int(char))


@pytest.mark.parametrize("digits", ["482915", "739164", "20586", "903871264", "571938264015"])
def test_ordinary_pins_pass_if_long_enough(digits: str) -> None:
    assert judge(digits) is (PinFault.TOO_SHORT if len(digits) < MIN_DIGITS else None)


@pytest.mark.parametrize(
    ("digits", "fault"),
    [
        ("48291", PinFault.TOO_SHORT),
        ("4829157390164", PinFault.TOO_LONG),
        ("000000", PinFault.REPEATED),
        ("777777777777", PinFault.REPEATED),
        ("121212", PinFault.REPEATED),
        ("482482", PinFault.REPEATED),
        ("48294829", PinFault.REPEATED),
        ("222233", PinFault.REPEATED),
        ("123456", PinFault.RUN),
        ("987654", PinFault.RUN),
        ("890123", PinFault.RUN),
        ("210987", PinFault.RUN),
        ("246802", PinFault.RUN),
        ("123456789012", PinFault.RUN),
        ("03121945", PinFault.DATE),
        ("19451203", PinFault.DATE),
        ("12031945", PinFault.DATE),
        ("031245", PinFault.DATE),
        ("451203", PinFault.DATE),
        ("121945", PinFault.DATE),
        ("194512", PinFault.DATE),
        ("351945", PinFault.DATE),
        ("3121945", PinFault.DATE),
        ("29022000", PinFault.DATE),
        ("159753", PinFault.COMMON),
        ("789456", PinFault.COMMON),
        ("112233", PinFault.COMMON),
        ("314159", PinFault.COMMON),
    ],
)
def test_rule_4_refused(digits: str, fault: PinFault) -> None:
    assert judge(digits) is fault


def test_the_ten_most_common_six_digit_pins_are_refused() -> None:
    """Markert et al. 2020."""
    top = "123456 654321 111111 000000 123123 666666 121212 112233 789456 159753"
    assert all(judge(pin) is not None for pin in top.split())


def test_no_common_pin_is_listed_in_vain() -> None:
    assert all(judge(pin) is PinFault.COMMON for pin in _COMMON_PINS)


def test_dates_that_are_none_pass() -> None:
    assert judge("481345") is None
    assert judge("20501399") is None


def test_the_odds_stay_close_to_a_million() -> None:
    """908,850 six-digit PINs remain (all counted once; a spread sample here): ten guesses, 1 in about 91,000."""
    sample = [f"{number * 741_457 % 1_000_000:06d}" for number in range(20_000)]
    assert len(set(sample)) == len(sample)
    refused = sum(judge(digits) is not None for digits in sample) / len(sample)
    assert abs(refused - 0.09115) < 0.008


def test_rule_3_the_practice_may_ask_for_more() -> None:
    assert judge("482915", 8) is PinFault.TOO_SHORT
    assert judge("48291573", 8) is None
    for wrong in (5, 13):
        with pytest.raises(WrongUse):
            judge("482915", wrong)


@given(st.text(st.characters()))
def test_parsing_never_raises_and_gives_ascii_digits(text: str) -> None:
    digits = read(text)
    assert digits is None or (digits.isascii() and digits.isdigit())


@given(st.text("0123456789", min_size=1, max_size=14), st.integers(MIN_DIGITS, MAX_DIGITS))
def test_judging_is_total_and_length_comes_first(digits: str, minimum: int) -> None:
    fault = judge(digits, minimum)
    assert (fault is PinFault.TOO_SHORT) is (len(digits) < minimum)
    assert (fault is PinFault.TOO_LONG) is (len(digits) > MAX_DIGITS)


@given(
    st.text("0123456789", min_size=6, max_size=12),
    st.sampled_from([0x660, 0x6F0, 0x966, 0xFF10]),
    st.sampled_from(" .-\u00a0"),
)
def test_script_and_separators_do_not_matter(digits: str, zero: int, separator: str) -> None:
    assert read(separator.join(chr(zero + int(d)) for d in digits)) == digits


def test_rule_2_nothing_but_separators_between_digits_and_quotes_around_them() -> None:
    for char in map(chr, range(32, 127)):
        assert (read(f"482{char}915") is not None) == (char in " .-0123456789"), char
        assert (read(f"{char}482915{char}") is not None) == (char in " .-0123456789\"'<>()[]`"), char


def test_rule_2_the_longest_text_is_read() -> None:
    assert read("1" * 200) == "1" * 200


@pytest.mark.parametrize(
    ("digits", "is_date"),
    [
        ("311900", True),  # 3 January of the first and the last year
        ("312049", True),
        ("311899", False),
        ("312050", False),
        ("072031", True),  # a month and a year
        ("203107", True),
        ("010845", True),  # the first and the last day and month
        ("310845", True),
        ("320845", False),
        ("000845", False),
        ("150145", True),
        ("151245", True),
        ("151345", False),
        ("150045", False),
        ("50122031", False),  # four digits beside a year are two and two
        ("01322031", False),
    ],
)
def test_rule_4_where_dates_begin_and_end(digits: str, is_date: bool) -> None:
    assert judge(digits) is (PinFault.DATE if is_date else None)
