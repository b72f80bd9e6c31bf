"""What may be chosen: nothing is chosen unless it was."""

from __future__ import annotations

import pytest

from bot.domain.choices import Confirmed, KindRule, Late, Level, Wishes, kind_of
from bot.errors import WrongUse


def test_what_is_not_set_is_as_the_rules_say() -> None:
    kind = KindRule(name="blood", type="x")
    for name in ("days_before", "slots", "slot_days", "late", "confirmed"):
        assert getattr(kind, name) is None, name
    assert (kind.practitioner, kind.place) == ("", "")
    wishes = Wishes()
    for name in ("level", "days_before", "confirmed"):
        assert getattr(wishes, name) is None, name


def test_wishes_are_there_once_one_is() -> None:
    assert not Wishes()
    assert Wishes(level=Level.PLAIN)
    assert Wishes(days_before=())
    assert Wishes(confirmed=Confirmed.ALL)


def test_levels_are_in_order() -> None:
    assert [level.strictness for level in (Level.PLAIN, Level.DISCREET, Level.PRIVATE, Level.CONSTANT)] == [
        0,
        1,
        2,
        3,
    ]


def test_a_kind_is_known_by_all_that_is_set() -> None:
    by_all = KindRule(name="both", type="bilan", practitioner="No[eë]l", place="^2e", late=Late.NONE)
    words = {"type_": "Bilan annuel", "practitioner": "Dr Noël", "place": "2e étage"}
    assert by_all.fits(**words)
    for name in words:
        assert not by_all.fits(**{**words, name: "other"}), name
    assert KindRule(name="one", place="étage").fits(**words), "what is not set is not asked"
    second = KindRule(name="second", practitioner="noël")
    assert kind_of((by_all, second), **words) == "both"
    assert kind_of((second, by_all), **words) == "second"
    assert kind_of((by_all, second), **{**words, "type_": ""}) == "second"
    assert kind_of((by_all,), **{**words, "type_": ""}) == ""
    assert kind_of((), **words) == ""


def test_a_kind_that_cannot_be_known_is_refused() -> None:
    for values in ({}, {"type": "("}, {"practitioner": "["}, {"place": "*"}):
        with pytest.raises(WrongUse):
            KindRule(name="none", **values)  # type: ignore[arg-type]  # texts by name
    for name in ("type", "practitioner", "place"):
        assert KindRule(name="one", **{name: "x"}).name == "one"  # type: ignore[arg-type]  # as above
