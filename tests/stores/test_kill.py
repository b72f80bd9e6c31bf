"""kill -9 before and after every durable step of enrolling, changing and destroying, in a real process.

The steps are named by hand; a test compares the list with what a process really passes, so that a new one is not
forgotten. After one step is the same as before the next, so the normal run kills before each and after the last, and
`make nightly` on both sides, over PostgreSQL too. P4 and P8; rules 1, 2, 7, 8 and 11 of :mod:`storage.vault`, 1 and 4
of :mod:`bot.services.enrol`, 1 and 2 of :mod:`bot.services.reconcile_stores`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from storage.vault import TRIES
from tests.services.kit import OTHER_PIN, PIN
from tests.stores.conftest import OpenFolder
from tests.stores.folder import A_DAY, ANNA, Folder, wrong_pin
from tests.stores.worker import DEAD, Worker

NOTE, COUNT, CONCLUDE, ANCHOR = "database.note", "vault.count", "vault.conclude", "vault.set_anchor"
LOOK = "vault.look"  # whether a wait is running; writes only where a clock was set back or a crash left something
ATTEMPT = (NOTE, LOOK, NOTE, COUNT, NOTE, CONCLUDE)
SET = ("database.set_pin", ANCHOR, NOTE, "vault.keep")
REDEEM = "database.RedeemCode"
TENTH = wrong_pin(TRIES)
Act = Callable[[Folder, Worker, str | None], str]


@dataclass(frozen=True, kw_only=True)
class Case:
    """``steps`` in their order; ``state`` is the practice's before."""

    state: str
    act: Act
    steps: tuple[str, ...]
    after: Callable[[Folder, str], None]

    def named(self) -> list[str]:
        """The steps, those of one name numbered."""
        times = dict.fromkeys(self.steps, 0)
        found = []
        for name in self.steps:
            times[name] += 1
            found.append(f"{name} {times[name]}")
        return found

    def points(self, *, both_sides: bool) -> list[str]:
        found = [f"{step} {side}" for step in self.named() for side in ("before", "after")]
        # The anchor is moved inside the commit: before it is after that.
        few = [p for p in found if p.endswith("before") and not p.startswith(LOOK)]
        return found if both_sides else [*few, found[-1]]


def _opens(folder: Folder, pin: str) -> None:
    """And the counter is whole."""
    worker = folder.start()
    assert worker.do(folder.now, "guess", ANNA, pin) == "PIN_RIGHT"
    assert folder.vault_rows("SELECT max(wrong) FROM recipient JOIN key ON recipient = id") == [(0,)]
    folder.stop()


def _stays_shut(folder: Folder, *pins: str) -> None:
    """With the PIN known, now and in the copy from before."""
    worker = folder.start()
    for pin in pins:
        assert worker.do(folder.now, "guess", ANNA, pin) in ("LEFT", "PIN_DESTROYED")
    folder.stop()
    if folder.database:
        return
    folder.put_database(folder.path / "before.db")
    worker = folder.start()
    for pin in pins:
        assert worker.do(folder.now, "guess", ANNA, pin) == "PIN_DESTROYED"
    folder.stop()


def _has_keys(folder: Folder) -> bool:
    return folder.vault_rows("SELECT count(*) FROM key") != [(0,)]


# -- what is done, and what must be true afterwards -------------------------------------------------------------------


def enrol(folder: Folder, worker: Worker, die_at: str | None) -> str:
    return str(worker.do(folder.now, "enrol", ANNA, folder.code, PIN, die_at=die_at))


def after_enrolling(folder: Folder, died_at: str) -> None:
    """The PIN opens; where it was not set yet, the code is as good as before."""
    worker = folder.start()
    found = worker.do(folder.now, "guess", ANNA, PIN)
    if found != "PIN_RIGHT":
        points = CASES["enrol"].points(both_sides=True)
        assert points.index(died_at) <= points.index("database.set_pin 1 before")
        assert worker.do(folder.now, "enrol", ANNA, folder.code, PIN) == "PIN_SET"
    folder.stop()
    _opens(folder, PIN)


def change(folder: Folder, worker: Worker, die_at: str | None) -> str:
    return str(worker.do(folder.now, "change", ANNA, PIN, OTHER_PIN, die_at=die_at))


def after_changing(folder: Folder, _died_at: str) -> None:
    """One of the two opens, and one alone."""
    worker = folder.start()
    came = {pin: worker.do(folder.now, "guess", ANNA, pin) for pin in (PIN, OTHER_PIN)}
    assert sorted(came.values()) == ["PIN_RIGHT", "PIN_WRONG"]
    folder.stop()
    assert folder.vault_rows("SELECT count(*) FROM key") == [(1,)], "the other generation is gone"
    _opens(folder, next(pin for pin, found in came.items() if found == "PIN_RIGHT"))


def leave(folder: Folder, worker: Worker, die_at: str | None) -> str:
    if not folder.database:
        folder.save_database(folder.path / "before.db")
    return str(worker.do(folder.now, "leave", ANNA, die_at=die_at))


def after_leaving(folder: Folder, died_at: str) -> None:
    if died_at == "vault.destroy 1 before":
        _opens(folder, PIN)
    else:
        assert not _has_keys(folder)
        _stays_shut(folder, PIN)


def tenth(folder: Folder, worker: Worker, die_at: str | None) -> str:
    if not folder.database:
        folder.save_database(folder.path / "before.db")
    return str(worker.do(folder.now, "guess", ANNA, TENTH, die_at=die_at))


def after_the_tenth(folder: Folder, died_at: str) -> None:
    """Destroyed from the moment on at which it was counted, also where nobody had compared it."""
    folder.now += A_DAY
    points = CASES["tenth"].points(both_sides=True)
    if points.index(died_at) <= points.index(f"{COUNT} 1 before"):
        _opens(folder, PIN)
    else:
        _stays_shut(folder, PIN, TENTH)
        assert not _has_keys(folder)
    assert folder.database or folder.most_evaluated() <= TRIES


def tenth_is_right(folder: Folder, worker: Worker, die_at: str | None) -> str:
    return str(worker.do(folder.now, "guess", ANNA, PIN, die_at=die_at))


def after_a_right_tenth(folder: Folder, _died_at: str) -> None:
    folder.now += A_DAY
    _opens(folder, PIN)


def take_over(folder: Folder, worker: Worker, die_at: str | None) -> str:
    """A second code, typed by the same account: the old key is destroyed first."""
    if not folder.database:
        folder.save_database(folder.path / "before.db")
    folder.code = worker.do(folder.now, "invite", ANNA)
    return str(worker.do(folder.now, "enrol", ANNA, folder.code, OTHER_PIN, die_at=die_at))


def after_taking_over(folder: Folder, _died_at: str) -> None:
    worker = folder.start()
    if worker.do(folder.now, "guess", ANNA, OTHER_PIN) != "PIN_RIGHT":
        assert worker.do(folder.now, "enrol", ANNA, folder.code, OTHER_PIN) == "PIN_SET"
    folder.stop()
    _opens(folder, OTHER_PIN)
    if not folder.database:
        folder.put_database(folder.path / "before.db")
        assert folder.start().do(folder.now, "guess", ANNA, PIN) == "PIN_DESTROYED"
        folder.stop()


CASES = {
    "enrol": Case(
        state="invited",
        act=enrol,
        steps=(REDEEM, *ATTEMPT, REDEEM, ANCHOR, "database.consent", ANCHOR, *ATTEMPT, *SET),
        after=after_enrolling,
    ),
    "change": Case(
        state="enrolled",
        act=change,
        steps=(*ATTEMPT, *ATTEMPT, *SET),
        after=after_changing,
    ),
    "leave": Case(
        state="enrolled",
        act=leave,
        steps=("vault.destroy", NOTE, "database.leave", ANCHOR),
        after=after_leaving,
    ),
    "tenth": Case(
        state="at-the-tenth",
        act=tenth,
        steps=(*ATTEMPT, "database.lock", ANCHOR),
        after=after_the_tenth,
    ),
    "tenth-is-right": Case(
        state="at-the-tenth",
        act=tenth_is_right,
        steps=ATTEMPT,
        after=after_a_right_tenth,
    ),
    "take-over": Case(
        state="enrolled",
        act=take_over,
        steps=(
            REDEEM,
            *ATTEMPT,
            "vault.destroy",
            NOTE,
            REDEEM,
            ANCHOR,
            "database.consent",
            ANCHOR,
            *ATTEMPT,
            *SET,
        ),
        after=after_taking_over,
    ),
}


def _points(*, both_sides: bool) -> list[Any]:
    return [
        pytest.param(name, point, id=f"{name}-{point.replace(' ', '-')}")
        for name, case in CASES.items()
        for point in case.points(both_sides=both_sides)
    ]


@pytest.mark.parametrize("name", CASES)
def test_every_durable_step_is_named(practice_in: OpenFolder, name: str) -> None:
    case = CASES[name]
    folder = practice_in(case.state)
    worker = folder.start()
    assert case.act(folder, worker, None) not in (DEAD, "TROUBLE", "PIN_STALE")
    passed = [p.removesuffix(" before") for p in worker.passed if p.endswith(" before")]
    assert passed == case.named()


@pytest.mark.parametrize(("name", "point"), _points(both_sides=False))
def test_p4_p8_killed_at(practice_in: OpenFolder, name: str, point: str) -> None:
    _killed_at(CASES[name], practice_in, point)


@pytest.mark.nightly
@pytest.mark.parametrize(("name", "point"), _points(both_sides=True))
def test_p4_p8_killed_on_either_side(practice_in: OpenFolder, name: str, point: str) -> None:
    _killed_at(CASES[name], practice_in, point)


@pytest.mark.nightly
@pytest.mark.parametrize(("name", "point"), _points(both_sides=True))
def test_p4_p8_killed_at_over_postgresql(practice_over_postgresql: OpenFolder, name: str, point: str) -> None:
    _killed_at(CASES[name], practice_over_postgresql, point)


def _killed_at(case: Case, practice_in: OpenFolder, point: str) -> None:
    folder = practice_in(case.state)
    assert case.act(folder, folder.start(), point) == DEAD
    folder.stop()
    case.after(folder, point)
