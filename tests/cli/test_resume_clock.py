"""``pli nudges resume-clock``: somebody looked at the clock, and it is right."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from bot.app import Installation
from bot.clock import boot_id, since_boot
from bot.domain.clock_watch import Clockwork, Tolerance
from bot.domain.records import ProblemKind
from bot.services.watch_clock import Steady, WatchClock, clock_in_doubt
from tests.cli.shell import pli


def doubting(home: Installation, ahead: timedelta) -> WatchClock:
    """The watch of a bot on this machine that has seen the clock jump by ``ahead``."""
    off = timedelta()
    watch = WatchClock(
        home.uow,
        now=lambda: home.clock.now() + off,
        steady=Steady(seconds=since_boot, boot=boot_id()),
        tolerance=Tolerance(),
    )
    assert watch.load() is Clockwork.GOOD
    off = ahead
    watch.note()
    return watch


def test_a_doubt_is_ended_and_the_running_bot_learns_of_it(home: Installation) -> None:
    watch = doubting(home, timedelta(days=2))
    assert watch.thinks is Clockwork.AHEAD
    listed = pli("problems", "--json").json()
    assert [row["kind"] for row in listed] == [ProblemKind.CLOCK.value]
    assert "pli nudges resume-clock" in listed[0]["meaning"]

    done = pli("nudges", "resume-clock")
    assert done.code == 0, done.err
    assert re.search(r"reprennent à l’heure de l’horloge\s: \d{4}-\d\d-\d\dT\d\d:\d\d[+-]\d\d:\d\d", done.out)
    with home.uow() as uow:
        assert not clock_in_doubt(uow)
    last = pli("audit", "show", "--json").json()[-1]
    assert (last["kind"], last["note"]) == ("resumed", "clock=1")


@pytest.mark.usefixtures("home")
def test_without_a_doubt_it_says_so() -> None:
    done = pli("nudges", "resume-clock", "--json")
    assert done.code == 0, done.err
    assert done.json()["resumed"] is False
    assert "pas en doute" in pli("nudges", "resume-clock").out


def test_the_group_shows_its_help() -> None:
    assert "resume-clock" in pli("nudges", "--help").out
