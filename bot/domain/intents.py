"""What a message asks for, in any language that Pli has, typed by anyone. Pure; never raises on any text.

1. Every intent carries the typed text as :class:`Secret`; its repr is redacted.
2. ``may_hold_secret`` is set for everything in which a sign-up code or a PIN may be hidden, at any place of the
   text: a code, four digits in a row, six with any punctuation between them; and for what is too long to be read.
3. A negated command is never that command: what is left over beside a command makes the message not
   understood. Only cancelling and moving, which repeat the appointment before anything happens, allow words
   for a date beside.
4. Digits alone are a PIN's, whatever their length; digits beside a command never are.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

from bot.domain import vocabulary as words
from bot.domain.codes import CodeTypo, ParsedCode, parse_code
from bot.domain.pin import MAX_DIGITS, MIN_DIGITS, ascii_digit, parse_pin
from bot.domain.values import Language, Secret
from bot.domain.vocabulary import IntentKind

MAX_READ = 4000
MAX_WISH = 1000
_LIST_NUMBER_DIGITS = 2
_TOKEN = re.compile(r"\d+(?:er|[eè]re|re|[eè]me|e|nde?|st|rd|th)?(?![^\W\d_])|\d+|[^\W\d_]+")
_WORD = re.compile(r"[^\s:]+")
_DIGIT_GROUP = re.compile(r"\d(?:[\s.·\-‐‑‒–—]?\d){3,}")
_PUNCTUATED_GROUP = re.compile(r"\d(?:[^\w]{0,3}\d){5,}")
_INVISIBLE = re.compile("[\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]")
_EMOJI_DRESS = re.compile("[\ufe0e\ufe0f\U0001f3fb-\U0001f3ff\\s!.]")
_DEGREES = str.maketrans("°º", "  ")
_BEFORE_A_NUMBER = frozenset({"n", "no", "nr", "num", "numero", "number"})
_NUMBERED = frozenset({IntentKind.SHOW, IntentKind.CONFIRM, IntentKind.CANCEL, IntentKind.KEEP})
_CODE_WORDS_BEFORE = 6


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Intent:
    """One message understood.

    ``number`` is the number in a list (CONFIRM, CANCEL, KEEP, MOVE, NUMBER); ``days`` the numbers of DAYS, the largest
    first; ``digits`` the ASCII digits of DIGITS and DIGITS_ODD; ``wish`` the free text of MOVE; ``language`` that of
    LANGUAGE; ``code`` that of CODE.
    """

    kind: IntentKind
    number: int | None = None
    days: tuple[int, ...] = ()
    language: Language | None = None
    digits: Secret | None = None
    wish: Secret | None = None
    code: ParsedCode | None = None
    may_hold_secret: bool = False
    text: Secret = field(default_factory=lambda: Secret(""))

    def __repr__(self) -> str:
        return f"Intent({self.kind.value})"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Token:
    """``plain`` is folded (see :func:`_fold`); ``start`` and ``end`` are places in the cleaned text."""

    plain: str
    start: int
    end: int


def not_text() -> Intent:
    """A picture, a voice message, a file: something that has no words."""
    return Intent(kind=IntentKind.NOT_TEXT)


def as_wish(text: Secret) -> Secret:
    """Free text for the practice: cleaned, at most MAX_WISH characters."""
    return Secret(_clean(text.reveal())[:MAX_WISH])


def understand(text: Secret) -> Intent:
    """The intent of one typed message."""
    clean = _clean(text.reveal())
    tokens = _tokens(clean)
    code = parse_code(clean)
    if not isinstance(code, ParsedCode):
        code = _code_inside(clean) or code
    found = _read(clean, tokens, code)
    secret = found.may_hold_secret or code is not None or _has_many_digits(text.reveal(), clean)
    return replace(found, text=text, may_hold_secret=secret)


def _has_many_digits(text: str, clean: str) -> bool:
    """Rule 2. What is too long to be read may hold anything."""
    groups = (_DIGIT_GROUP, _PUNCTUATED_GROUP)
    return len(text) > MAX_READ or any(group.search(clean) for group in groups)


def _read(clean: str, tokens: Sequence[_Token], code: ParsedCode | CodeTypo | None) -> Intent:
    """A command wins over a code: one sentence in a few hundred has the form of a code by chance."""
    if (command := _command(clean, tokens)) is not None:
        return command
    if isinstance(code, ParsedCode):
        return Intent(kind=IntentKind.CODE, code=code)
    if (pin := parse_pin(clean)) is not None:
        return _from_digits(pin, code)
    return (
        _thumb(clean)
        or _pin_in_a_sentence(clean, tokens)
        or Intent(kind=IntentKind.OTHER if code is None or not _in_groups(clean) else IntentKind.CODE_TYPO)
    )


def _in_groups(clean: str) -> bool:
    """Whether a text that has the length of a code is written like one, and not like a short sentence."""
    groups = re.split(r"[\s\-‐‑‒–—−]+", clean)
    return len(groups) <= 2 or sum(not 3 <= len(group) <= 5 for group in groups) <= 1


def _clean(text: str) -> str:
    """Composed, without invisible characters, decimal digits as ASCII, at most MAX_READ long."""
    text = _INVISIBLE.sub("", unicodedata.normalize("NFC", text[:MAX_READ])).translate(_DEGREES)
    return "".join(ascii_digit(char) or char for char in text).strip()


def _fold(token: str) -> str:
    """Lower case, without accents, compatibility forms resolved."""
    decomposed = unicodedata.normalize("NFKD", token.casefold())
    return "".join(c for c in decomposed if not unicodedata.combining(c))


def _tokens(clean: str) -> list[_Token]:
    every = (_Token(plain=_fold(m.group()), start=m.start(), end=m.end()) for m in _TOKEN.finditer(clean))
    found = [t for t in every if t.plain]
    return [
        t
        for i, t in enumerate(found)
        if not (t.plain in _BEFORE_A_NUMBER and i + 1 < len(found) and found[i + 1].plain[0].isdigit())
    ]


def _core(plain: Sequence[str]) -> tuple[str, ...]:
    """Without fillers and without a word said twice in a row; of fillers alone, all of them."""
    kept = [w for w in plain if w not in words.FILLERS] or list(plain)
    return tuple(w for i, w in enumerate(kept) if i == 0 or w != kept[i - 1])


def _phrase_table() -> dict[tuple[str, ...], IntentKind]:
    table: dict[tuple[str, ...], IntentKind] = {}
    for kind, phrases in words.PHRASES.items():
        for phrase in phrases.split(","):
            table[_core(phrase.split())] = kind
    for verb in words.CANCEL_VERBS:
        table[(verb,)] = IntentKind.CANCEL
    return table


_PHRASES = _phrase_table()
_DAYS = frozenset(_core(phrase.split()) for phrase in words.DAYS_BEFORE.split(","))


def _from_digits(pin: Secret, code: CodeTypo | None) -> Intent:
    """Rule 4. A very long row of digits may be a mistyped code, if the parser of codes says so."""
    length = len(pin.reveal())
    if length <= _LIST_NUMBER_DIGITS:
        return Intent(kind=IntentKind.NUMBER, number=int(pin.reveal()))
    if MIN_DIGITS <= length <= MAX_DIGITS:
        return Intent(kind=IntentKind.DIGITS, digits=pin, may_hold_secret=True)
    if length > MAX_DIGITS and code is not None:
        return Intent(kind=IntentKind.CODE_TYPO, may_hold_secret=True)
    return Intent(kind=IntentKind.DIGITS_ODD, digits=pin, may_hold_secret=True)


def _list_number(plain: str) -> int | None:
    if plain.isascii() and plain.isdigit():
        return int(plain) if len(plain) <= _LIST_NUMBER_DIGITS else None
    return words.ORDINALS.get(plain)


def _command(clean: str, tokens: Sequence[_Token]) -> Intent | None:
    plain = [t.plain for t in tokens]
    if not plain:
        return None
    if (kind := _PHRASES.get(_core(plain))) is not None:
        return Intent(kind=kind)
    if (days := _days(plain)) is not None:
        return days
    numbers = [n for t in plain if (n := _list_number(t)) is not None]
    without = _core([t for t in plain if _list_number(t) is None])
    if len(numbers) == 1:
        if (kind := _PHRASES.get(without)) in _NUMBERED and kind is not None:
            return Intent(kind=kind, number=numbers[0])
        if all(t in words.FILLERS for t in without):
            return Intent(kind=IntentKind.NUMBER, number=numbers[0])
    return _language(without) or _move(clean, tokens) or _vague_cancel(plain) or _courtesy(plain)


def _days(plain: Sequence[str]) -> Intent | None:
    """ "discrétion 7 1", "reminders 7 and 1 days before": plain numbers, and nothing that could be meant otherwise."""
    numbers = [int(t) for t in plain if t.isascii() and t.isdigit() and len(t) <= _LIST_NUMBER_DIGITS]
    rest = _core([t for t in plain if not t.isdigit() and t not in words.BETWEEN_NUMBERS])
    digits = sum(t.isdigit() for t in plain)
    if not 0 < len(numbers) == digits <= words.MOST_NUMBERS or max(numbers) > words.MOST_DAYS:
        return None
    return (
        Intent(kind=IntentKind.DAYS, days=tuple(sorted(set(numbers), reverse=True)))
        if rest in _DAYS
        else None
    )


def _language(core: tuple[str, ...]) -> Intent | None:
    """ "français", "langue anglais", "in english"."""
    named = {words.LANGUAGE_NAMES[w] for w in core if w in words.LANGUAGE_NAMES}
    rest = tuple(
        w for w in core if w not in words.LANGUAGE_NAMES and w not in {"in", "en", "speak", "parler"}
    )
    if len(named - {Language.EN}) == 1 and "en" in core:
        named.discard(Language.EN)  # "en français": here "en" is a preposition
    if len(named) != 1 or (rest and _PHRASES.get(rest) is not IntentKind.LANGUAGE_ASK):
        return None
    return Intent(kind=IntentKind.LANGUAGE, language=named.pop())


def _move(clean: str, tokens: Sequence[_Token]) -> Intent | None:
    """A verb of moving, first of all but fillers; then perhaps a number; the rest is the wish, as typed."""
    index = next((i for i, t in enumerate(tokens) if t.plain not in words.FILLERS), len(tokens))
    if index == len(tokens) or tokens[index].plain not in words.MOVE_VERBS:
        return None
    index += 1
    first_of_wish = index
    while index < len(tokens) and tokens[index].plain in words.FILLERS:
        index += 1
    number = _list_number(tokens[index].plain) if index < len(tokens) else None
    if number is not None and not _is_date_or_hour(clean, tokens, index):
        first_of_wish = index + 1
    else:
        number = None
        first_of_wish = index if index == len(tokens) else first_of_wish
    if first_of_wish >= len(tokens):
        return Intent(kind=IntentKind.MOVE, number=number)
    wish = as_wish(Secret(clean[tokens[first_of_wish].start :]))
    return Intent(kind=IntentKind.MOVE, number=number, wish=wish)


def _is_date_or_hour(clean: str, tokens: Sequence[_Token], index: int) -> bool:
    """Whether the number at ``index`` begins a date or an hour ("le 3 mars", "14:30", "3/4")."""
    if index + 1 >= len(tokens):
        return False
    gap = clean[tokens[index].end : tokens[index + 1].start]
    return tokens[index + 1].plain in words.MONTHS_AND_HOURS or gap in {":", "/", ".", "-"}


def _vague_cancel(plain: Sequence[str]) -> Intent | None:
    """A verb of cancelling, then only words of a date: which one is asked (rule 3)."""
    core = [w for w in plain if w not in words.FILLERS]
    if not core or core[0] not in words.CANCEL_VERBS or words.NEGATIONS & set(plain):
        return None
    known = all(w in words.DATE_WORDS or w[0].isdigit() or _list_number(w) is not None for w in core[1:])
    return Intent(kind=IntentKind.CANCEL) if known else None


def _courtesy(plain: Sequence[str]) -> Intent | None:
    if all(w in words.FILLERS or w in words.HELLO_WORDS for w in plain):
        if words.HELLO_WORDS & set(plain):
            return Intent(kind=IntentKind.HELLO)
        if words.THANKS_WORDS & set(plain):
            return Intent(kind=IntentKind.THANKS)
    return None


def _thumb(clean: str) -> Intent | None:
    signs = set(_EMOJI_DRESS.sub("", clean))
    if signs and signs <= words.THUMBS_UP:
        return Intent(kind=IntentKind.YES)
    if signs and signs <= words.THUMBS_DOWN:
        return Intent(kind=IntentKind.NO)
    return None


def _pin_in_a_sentence(clean: str, tokens: Sequence[_Token]) -> Intent | None:
    """ "mon code est 482 915": one group of digits of a PIN's length, beside words that say nothing else."""
    rest = [t.plain for t in tokens if not t.plain.isdigit()]
    if any(w not in words.FILLERS and w not in words.PIN_WORDS for w in rest):
        return None
    groups = [m.group() for m in _DIGIT_GROUP.finditer(clean)]
    pin = parse_pin(groups[0]) if len(groups) == 1 else None
    if pin is None or sum(c.isdigit() for c in clean) != len(pin.reveal()):
        return None
    return _from_digits(pin, None)


def _code_inside(clean: str) -> ParsedCode | None:
    """A whole code after a few words ("mon code est …")."""
    for word in islice(_WORD.finditer(clean), 1, _CODE_WORDS_BEFORE + 1):
        if isinstance(found := parse_code(clean[word.start() :]), ParsedCode):
            return found
    return None
