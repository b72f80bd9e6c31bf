"""A line that the parser does not understand: what, and where to read on, in the practice's language."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from bot.cli.room_run import parser
from tests.cli.shell import pli

pytestmark = pytest.mark.usefixtures("home")
_PARSERS_OWN = (
    "Missing",
    "No such",
    "Invalid value",
    "unexpected",
    "requires",
    "Input should",
    "see:",
    "Value error",
)


def commands(group: Any = None, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command with the words that lead to it."""
    for name, command in (group or parser()).commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


def lines() -> Iterator[list[str]]:
    """What can be wrong about each of them: an option of nobody's, too many words, none."""
    for path, command in commands():
        yield [*path, "--nobody-s"]
        arguments = [p for p in command.params if p.param_type_name == "argument"]
        if any(p.required for p in command.params):
            yield [*path]
        if all(p.nargs == 1 for p in arguments):
            yield [*path, *("1" for _ in arguments), "too", "many"]


def test_every_command_says_in_french_what_is_wrong_with_its_line() -> None:
    seen = set()
    for line in lines():
        done = pli(*line)
        if done.code == 2:
            assert not any(word in done.err for word in _PARSERS_OWN), f"{line}: {done.err}"
            assert done.err.startswith("erreur : "), line
            seen.add(tuple(line))
    assert len(seen) > 100, "hardly any line was wrong"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            "patien list",
            "erreur : Cette commande n’existe pas : patien\n  remède : Peut-être 'patient' ; voir : pli -h\n",
        ),
        ("patient add", "erreur : Il manque ref.\n  remède : Voir : pli patient add -h\n"),
        (
            "stats --weeks x",
            "erreur : --weeks : un nombre entier est attendu\n  remède : Voir : pli stats -h\n",
        ),
        ("stats --weeks 0", "erreur : --weeks : 1 au moins\n  remède : Voir : pli stats -h\n"),
        ("invite to A B", "erreur : Ces mots sont de trop : B\n  remède : Voir : pli invite to -h\n"),
    ],
)
def test_what_is_wrong_is_named_with_the_page_to_read(line: str, said: str) -> None:
    done = pli(*line.split())
    assert (done.code, done.err) == (2, said)


def test_in_english_the_parsers_own_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLI_PRACTICE__LANGUAGE", "en")
    done = pli("staff", "add", "@a:example.org", "--role", "boss")
    assert done.code == 2
    assert done.err == (
        "error: Invalid value for '--role': 'boss' is not one of 'secretary', 'administrator'\n"
        "  mend: see: pli staff add -h\n"
    )


@pytest.mark.parametrize("line", ["", "invite", "vault", "homeserver"])
def test_a_group_alone_shows_its_page(line: str) -> None:
    done = pli(*line.split())
    assert done.code == 2
    assert "--help" in done.out + done.err
    assert "erreur" not in done.err
