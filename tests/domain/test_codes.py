"""Rules of bot/domain/codes.py."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.codes import ALPHABET, LENGTH, CodeTypo, ParsedCode, new_code, parse_code

HYPHENS = "-‐‑‒–—−﹣-­"
SPACES = " \u00a0\u202f\u3000\t\n\u200b\u2028\u2029"


def _plain() -> str:
    return new_code().display.reveal().replace("-", "")


def test_a_new_code_parses_to_its_parts() -> None:
    for _ in range(200):
        code = new_code()
        parsed = parse_code(code.display.reveal())
        assert isinstance(parsed, ParsedCode)
        assert (parsed.public, parsed.secret.reveal()) == (code.public, code.secret.reveal())
        assert [len(group) for group in code.display.reveal().split("-")] == [4, 4, 4, 4, 4]


def test_the_secret_part_has_sixty_bits_or_more() -> None:
    code = new_code()
    assert len(code.secret.reveal()) * 5 >= 60
    assert len(code.public) + len(code.secret.reveal()) + 1 == LENGTH
    assert not set(code.public + code.secret.reveal()) - set(ALPHABET)


def test_codes_do_not_repeat_and_use_the_whole_alphabet() -> None:
    codes = [new_code() for _ in range(500)]
    assert len({code.secret.reveal() for code in codes}) == 500
    for place in range(LENGTH):
        assert len({code.display.reveal().replace("-", "")[place] for code in codes}) == 32


def test_rule_3_every_code_has_four_digits() -> None:
    for _ in range(1000):
        assert sum(character.isdigit() for character in _plain()) >= 4


def test_rule_1_every_wrong_character_is_a_typo() -> None:
    for _ in range(5):
        code = _plain()
        for place in range(LENGTH):
            for character in set(ALPHABET + "U") - {code[place]}:
                assert isinstance(parse_code(code[:place] + character + code[place + 1 :]), CodeTypo)


def test_rule_1_every_exchange_of_two_characters_is_a_typo() -> None:
    for _ in range(20):
        code = _plain()
        for left in range(LENGTH):
            for right in range(left + 1, LENGTH):
                swapped = list(code)
                swapped[left], swapped[right] = swapped[right], swapped[left]
                parsed = parse_code("".join(swapped))
                assert isinstance(parsed, ParsedCode if code[left] == code[right] else CodeTypo)


def test_rule_3_a_character_lost_or_doubled_is_a_typo() -> None:
    code = _plain()
    for place in range(LENGTH):
        assert isinstance(parse_code(code[:place] + code[place + 1 :]), CodeTypo)
        assert isinstance(parse_code(code[:place] + code[place] + code[place:]), CodeTypo)


@given(st.data())
def test_rule_2_case_separators_and_misread_letters_do_not_matter(data: st.DataObject) -> None:
    code = new_code()
    typed = ""
    for character in code.display.reveal().replace("-", ""):
        looks = {"0": "0oO", "1": "1iIlL"}.get(character, character + character.lower())
        looks += chr(ord(character) + 0xFEE0)  # its full-width form
        typed += looks[data.draw(st.integers(0, 11)) % len(looks)] + data.draw(
            st.text(HYPHENS + SPACES, max_size=2)
        )
    parsed = parse_code(typed)
    assert isinstance(parsed, ParsedCode)
    assert (parsed.public, parsed.secret.reveal()) == (code.public, code.secret.reveal())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "voir",
        "123456",
        "123456789012",
        "bonjour je suis malade",
        "je ne viendrai pas le 12 mars",
        "annuler le rendez-vous 2",
        "06 12 34 56 78",
        "0033612345678",
        "-" * 20,
        "é" * 20,
        "٣" * 20,
        "😀" * 20,
        "1" * 40,
    ],
)
def test_what_has_not_the_form_of_a_code_is_none(text: str) -> None:
    assert parse_code(text) is None


def test_words_around_a_code_make_it_no_code() -> None:
    assert parse_code("mon code est " + new_code().display.reveal()) is None


@given(st.text(max_size=60))
def test_no_text_raises(text: str) -> None:
    assert parse_code(text) is None or isinstance(parse_code(text), ParsedCode | CodeTypo)


def test_pinned_code() -> None:
    """Codes that were handed out must stay valid: neither layout nor check may change."""
    parsed = parse_code("GP1X-F3A7-QYFR-6F0D-THB1")
    assert isinstance(parsed, ParsedCode)
    assert (parsed.public, parsed.secret.reveal()) == ("GP1XF3", "A7QYFR6F0DTHB")


def test_no_part_shows_in_a_repr() -> None:
    code = new_code()
    parsed = parse_code(code.display.reveal())
    shown = f"{code!r} {code} {parsed!r} {parsed} {code.secret} {code.display}"
    assert code.public not in shown
    assert code.secret.reveal() not in shown
    assert code.display.reveal() not in shown
    assert (repr(new_code()), repr(parse_code(new_code().display.reveal()))) == (
        "NewCode(…)",
        "ParsedCode(…)",
    )


def test_rule_3_no_more_than_four_digits_are_asked_for() -> None:
    assert 4 in {sum(character.isdigit() for character in _plain()) for _ in range(400)}


@pytest.mark.parametrize(
    ("text", "looks_like_a_code"),
    [
        ("ABCDEFGHJKMNPQRSTV12", True),
        ("ABCDEFGHJKMNPQRSTVW1", False),
        ("XXXXXXXXXXXXXXXXXXX1", False),
        ("ABCDEFGHJKMNPQRST123", True),
        ("ABCDEFGHJKMNPQR12", False),
        ("ABCDEFGHJKMNPQRS12", False),
        ("ABCDEFGHJKMNPQRST12", True),
        ("ABCDEFGHJKMNPQRSTVW12", True),
        ("ABCDEFGHJKMNPQRSTVWX12", False),
    ],
)
def test_rule_3_length_and_digits_of_a_mistyped_code(text: str, looks_like_a_code: bool) -> None:
    assert isinstance(parse_code(text), CodeTypo) == looks_like_a_code
