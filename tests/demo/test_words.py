"""The narrator says the same in both languages."""

from __future__ import annotations

import string
from dataclasses import fields
from typing import Any

import pytest

from bot.demo.verdict import HOMES
from bot.demo.words import Kind, Place, Words
from bot.demo.words_en import ENGLISH
from bot.demo.words_fr import FRENCH
from bot.domain.intents import understand
from bot.domain.values import Language, Secret
from bot.domain.vocabulary import IntentKind

BOTH = pytest.mark.parametrize("words", [FRENCH, ENGLISH], ids=["fr", "en"])


def _named(value: Any) -> Any:
    """The values that a text takes, in the shape of what holds it."""
    if isinstance(value, str):
        return sorted(name for _, name, _, _ in string.Formatter().parse(value) if name is not None)
    if isinstance(value, tuple):
        return [_named(each) for each in value]
    if isinstance(value, dict):
        return {key: _named(each) for key, each in value.items()}
    return None


def test_both_languages_take_the_same_values() -> None:
    for each in fields(Words):
        if each.name not in {"language", "typed", "headings"}:
            assert _named(getattr(FRENCH, each.name)) == _named(getattr(ENGLISH, each.name)), each.name


@BOTH
def test_every_kind_and_place_has_a_name(words: Words) -> None:
    assert set(words.kinds) == set(Kind)
    assert set(words.places) == set(Place)
    assert len(set(words.places.values())) == len(Place)
    assert set(words.languages) == set(Language)
    assert set(HOMES) <= set(words.secrets)


@BOTH
def test_the_bot_understands_what_the_patients_type(words: Words) -> None:
    typed = words.typed
    meant = {
        typed.yes: IntentKind.YES,
        typed.show: IntentKind.SHOW,
        typed.confirm: IntentKind.CONFIRM,
        typed.move: IntentKind.MOVE,
        typed.leave: IntentKind.LEAVE,
        typed.telegram: IntentKind.TELEGRAM,
    }
    assert {text: understand(Secret(text)).kind for text in meant} == meant
    wish = understand(Secret(typed.move)).wish
    assert wish is not None
    assert wish.reveal() == typed.wish
