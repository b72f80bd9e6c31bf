"""A line typed on a telephone, as words for the command line's parser. Pure.

1. Quotation marks of all kinds hold words together; apostrophes do not, as French is full of them. One that is not
   closed goes to the end of the line. No backslash, no variable, no pattern: a word is what was typed.
2. Non-breaking spaces are spaces, what has no width is not there, a dash that a telephone made out of two is two again,
   and the full stop that it puts at the end is taken away. In quotation marks all of it stays.
3. A plain word that the command knows as an option's is that option, outside of quotation marks and behind the first
   word of its own, if it takes any: the first one is always what is meant, whatever it looks like.
4. Anything that begins with a dash and is not an option that the room's table names is refused, quoted or not: nothing
   reaches the parser as an option but those.
"""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from bot.cli.staffroom import RoomCommand, fold, spelled
from bot.errors import WrongUse

MAX_LINE = 2000
_MARKS, _GUILLEMETS = '"“”„‟', "«»"
_CLOSING = {mark: group for group in (_MARKS, _GUILLEMETS) for mark in group}
_DASHES = "\N{EM DASH}\N{EN DASH}\N{HORIZONTAL BAR}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Word:
    """One word; ``quoted``: it stood in quotation marks, and means nothing but itself."""

    text: str = field(repr=False)
    quoted: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Understood:
    """Which command a line means, and what stands behind it."""

    command: RoomCommand
    rest: tuple[Word, ...] = field(repr=False)


def split(line: str) -> list[Word]:
    """Rules 1 and 2. Raises :class:`WrongUse` for a line that is too long."""
    if len(line) > MAX_LINE:
        raise WrongUse("the line is too long", mend="one order a line")
    found: list[Word] = []
    letters: list[str] = []
    closing = ""

    def end(*, quoted: bool) -> None:
        text = "".join(letters)
        letters.clear()
        if quoted:
            found.append(Word(text=text.strip(), quoted=True))
        elif text:
            found.append(Word(text=_unquoted(text)))

    for letter in line:
        if closing:
            if letter in closing:
                end(quoted=True)
                closing = ""
            elif letter.isspace() or unicodedata.category(letter) not in ("Cc", "Cf"):
                letters.append(" " if letter.isspace() else letter)
        elif letter in _CLOSING:
            end(quoted=False)
            closing = _CLOSING[letter]
        elif letter.isspace() or unicodedata.category(letter) == "Cc":
            end(quoted=False)
        elif unicodedata.category(letter) != "Cf":
            letters.append(letter)
    if letters:
        end(quoted=bool(closing))
    return _without_full_stop(found)


def _unquoted(text: str) -> str:
    return "--" + text[1:] if text[0] in _DASHES and len(text) > 1 else text


def _without_full_stop(found: list[Word]) -> list[Word]:
    if found and not found[-1].quoted and found[-1].text.rstrip(".!…") != found[-1].text:
        kept = found[-1].text.rstrip(".!…")
        found[-1:] = [Word(text=kept)] if kept else []
    return found


def understand(words: Sequence[Word]) -> Understood | None:
    """The command that the first words name, or None."""
    first = [fold(word.text) for word in words[:4] if not word.quoted]
    if first[:1] == ["pli"]:
        return understand(words[1:])
    if first and len(first[0]) > 1:
        first[0] = first[0].lstrip("!/")
    for spelling, command in spelled():
        if tuple(first[: len(spelling)]) == spelling:
            return Understood(command=command, rest=tuple(words[len(spelling) :]))
    return None


def arguments(understood: Understood, flags: Collection[str]) -> list[str]:
    """The parser's words (rules 3 and 4); ``flags`` are the options that take no value. Raises :class:`WrongUse`."""
    command = understood.command
    plain = {fold(word): option for option, also in command.options.items() for word in also}
    dashed = {option: option for option in command.options}
    dashed |= {f"--{word}": option for word, option in plain.items()}
    options: list[str] = []
    values: list[str] = []
    rest = list(understood.rest)
    while rest:
        word = rest.pop(0)
        option = None
        value: str | None = None
        if not word.quoted:
            name, equals, after = word.text.partition("=")
            option = dashed.get(fold(name))
            if option is not None and equals:
                value = after
            if option is None and (values or command.bare):
                option = plain.get(fold(word.text))
        if option is None:
            if word.text.startswith("-"):
                raise WrongUse("there is no such option here", mend="see: help")
            values.append(word.text)
        elif option in flags:
            options.append(option)
        elif value is not None or rest:
            options.append(f"{option}={value if value is not None else rest.pop(0).text}")
        else:
            raise WrongUse("an option lacks its value", mend="see: help")
    return [*command.path, *options, "--", *values]


def as_typed(word: str) -> str:
    """How a value is typed so that it is read as it is."""
    return word if [Word(text=word)] == split(word + " x")[:-1] else f'"{word}"'


def suggestion(words: Sequence[Word], spellings: Iterable[str]) -> str | None:
    """What was meant, perhaps: the spelling that is most like the first words."""
    by_folded = {fold(spelling): spelling for spelling in spellings}
    for length in (2, 1):
        typed = " ".join(fold(word.text) for word in words[:length])
        close = difflib.get_close_matches(typed, list(by_folded), n=1, cutoff=0.7)
        if close:
            return by_folded[close[0]]
    return None
