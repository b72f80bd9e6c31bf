"""Waits survive restarts, and a clock that is changed: rule 4 of :mod:`storage.vault`, and the waits after wrong codes
(:class:`storage.small_repositories.GuessRows`).

A clock set back does not shorten a wait; one set forward does not lengthen it for ever.
"""

from __future__ import annotations

from datetime import timedelta

from bot.domain.codes import new_code
from tests.services.kit import PIN
from tests.stores.conftest import OpenFolder
from tests.stores.folder import ANNA, Folder

TEN_YEARS, AN_HOUR, A_MINUTE = timedelta(days=3650), timedelta(hours=1), timedelta(minutes=1)
WAIT = timedelta(minutes=720)  # after the ninth


def _guess(folder: Folder) -> str:
    """A right PIN, typed to a process that was just started."""
    worker = folder.start()
    came: str = worker.do(folder.now, "guess", ANNA, PIN)
    folder.stop()
    return came


def _at_the_tenth(practice_in: OpenFolder) -> Folder:
    folder = practice_in("at-the-tenth")
    folder.now -= timedelta(days=1)  # the moment of the ninth
    return folder


def test_a_wait_survives_restarts(practice_in: OpenFolder) -> None:
    folder = _at_the_tenth(practice_in)
    for _ in range(3):
        folder.now += timedelta(hours=3, minutes=59)
        assert _guess(folder) == "PIN_WAIT"
    folder.now += 3 * A_MINUTE
    assert _guess(folder) == "PIN_RIGHT"


def test_a_clock_set_back_does_not_shorten_a_wait(practice_in: OpenFolder) -> None:
    folder = _at_the_tenth(practice_in)
    folder.now -= TEN_YEARS
    assert _guess(folder) == "PIN_WAIT"
    folder.now += WAIT - A_MINUTE
    assert _guess(folder) == "PIN_WAIT"
    folder.now += A_MINUTE
    assert _guess(folder) == "PIN_RIGHT"


def test_a_clock_that_was_ten_years_ahead_does_not_lengthen_a_wait_for_ever(practice_in: OpenFolder) -> None:
    """The ninth wrong PIN was typed under it; then the clock was set right."""
    folder = practice_in("enrolled")
    folder.now += TEN_YEARS
    folder.guess_wrong(9)
    folder.now -= TEN_YEARS
    assert _guess(folder) == "PIN_WAIT"
    folder.now += WAIT
    assert _guess(folder) == "PIN_RIGHT"


def _wrong_code(folder: Folder) -> str:
    worker = folder.start()
    came: str = worker.do(folder.now, "redeem", ANNA, new_code().display.reveal())
    folder.stop()
    return came


def test_a_wait_after_wrong_codes_survives_restarts_and_a_changed_clock(practice_in: OpenFolder) -> None:
    folder = practice_in("invited")
    folder.now += TEN_YEARS
    for _ in range(8):
        assert _wrong_code(folder) == "CODE_WRONG"
        folder.now += AN_HOUR
    folder.now -= AN_HOUR
    assert _wrong_code(folder) == "CODE_WAIT"
    folder.now -= TEN_YEARS  # set right
    for _ in range(2):
        assert _wrong_code(folder) == "CODE_WAIT"
        folder.now += AN_HOUR - A_MINUTE
        assert _wrong_code(folder) == "CODE_WAIT", "set back, it is not shorter"
        folder.now += A_MINUTE
        assert _wrong_code(folder) == "CODE_WRONG", "and not longer than it was"
    folder.now += AN_HOUR
    worker = folder.start()
    assert worker.do(folder.now, "redeem", ANNA, folder.code).startswith("CODE_RIGHT")
