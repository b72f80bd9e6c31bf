"""What a patient may type."""

from __future__ import annotations

from collections.abc import Sequence

from bot.domain.codes import ALPHABET, CodeTypo, ParsedCode, new_code, parse_code
from bot.domain.intents import MAX_READ, MAX_WISH, as_wish, understand
from bot.domain.pin import MAX_DIGITS, MIN_DIGITS, judge_pin, parse_pin
from bot.domain.slots import parse_hour
from bot.domain.values import Secret
from bot.domain.vocabulary import PHRASES, IntentKind
from bot.errors import WrongUse
from tests.fuzz.kind import Parser

_SECRETS = {IntentKind.CODE, IntentKind.CODE_TYPO, IntentKind.DIGITS, IntentKind.DIGITS_ODD}


def _text(data: bytes) -> str:
    """Lone surrogates too, which JSON can carry."""
    return data.decode("utf-8", "surrogatepass" if b"\xed" in data else "replace")


def _command(data: bytes) -> None:
    text = _text(data)
    found = understand(Secret(text))
    assert found.text.reveal() == text
    assert found.may_hold_secret or (found.kind not in _SECRETS and len(text) <= MAX_READ)
    assert repr(found) == f"Intent({found.kind.value})"
    if found.kind is IntentKind.DIGITS:
        assert found.digits is not None
        assert found.digits.reveal().isascii()
        assert MIN_DIGITS <= len(found.digits.reveal()) <= MAX_DIGITS
    if found.number is not None:
        assert 0 <= found.number <= 99
    if found.wish is not None:
        assert len(found.wish.reveal()) <= MAX_WISH
    assert len(as_wish(Secret(text)).reveal()) <= MAX_WISH


def _pin(data: bytes) -> None:
    pin = parse_pin(_text(data))
    if pin is None:
        return
    digits = pin.reveal()
    assert digits.isascii()
    assert digits.isdigit()
    judge_pin(pin)


def _code(data: bytes) -> None:
    found = parse_code(_text(data))
    if isinstance(found, ParsedCode):
        assert len(found.public + found.secret.reveal()) == 19
        assert set(found.public + found.secret.reveal()) <= set(ALPHABET)
    else:
        assert found is None or isinstance(found, CodeTypo)


def _hour(data: bytes) -> None:
    parse_hour(_text(data))


def _commands() -> Sequence[bytes]:
    typed = [phrase.strip() for phrases in PHRASES.values() for phrase in phrases.split(",")][::7]
    more = (
        "déplacer le 2 au 3 mars à 14h30",
        "mon code est ABCD-EFGH-JKMN-PQRS-TVWX",
        "482 915",
        "٤٨٢٩١٥",
        "👍🏽",
        "annuler n° 2",
        "in english",
    )
    return [text.encode() for text in (*typed, *more)]


def _codes() -> Sequence[bytes]:
    return [new_code().display.reveal().encode() for _ in range(4)]


def _pins() -> Sequence[bytes]:
    return (
        b"482915",
        b"4 8 2-9.1 5",
        "٤٨٢٩١٥".encode(),
        "« 010190 »".encode(),
        b"123456789012",
    )


PARSERS: dict[str, Parser] = {
    "command": (_command, _commands, (UnicodeDecodeError,), 1.0),
    "pin": (_pin, _pins, (UnicodeDecodeError,), 1.0),
    "code": (_code, _codes, (UnicodeDecodeError,), 1.0),
    "hour": (_hour, lambda: (b"18:00", b"08:30"), (WrongUse, UnicodeDecodeError), 0.3),
}
