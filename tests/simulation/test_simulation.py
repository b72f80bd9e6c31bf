"""The simulation itself: the same twice, seeds that failed, a year, ten thousand cycles, and how a failure is told."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from bot.domain.slots import NudgeRules
from bot.services.recheck_nudge import RecheckNudges
from tests.simulation.__main__ import main
from tests.simulation.histories import held, proves_something
from tests.simulation.run import Failed, kept, live, seeds_for

STEPS = 12  # of a history that is lived several times


# The others are lived among the first three hundred cycles.
@pytest.mark.parametrize("seed", [k.seed for k in kept() if k.seed not in seeds_for(300)])
def test_seeds_that_failed_once(seed: int) -> None:
    live(seed)


def test_every_kept_seed_has_a_reason() -> None:
    assert all(len(k.why) > 20 for k in kept())
    assert len({k.seed for k in kept()}) == len(kept())


def test_a_seed_decides_everything() -> None:
    """Twice in this process, and in others in which sets have another order."""
    once = live(7, steps=STEPS)
    assert live(7, steps=STEPS) == once
    assert live(8, steps=STEPS).digest != once.digest
    program = f"from tests.simulation.run import live; print(live(7, steps={STEPS}).digest)"
    for hashing in ("1", "2"):
        told = subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": hashing},
            check=True,
            capture_output=True,
            text=True,
        )
        assert told.stdout.split()[-1] == once.digest


@pytest.mark.nightly
def test_a_year() -> None:
    """What is kept stays bounded, whatever happened in twelve months."""
    outcome = live(2, year=True)
    print(outcome)  # noqa: T201 - the figures are the point
    assert outcome.days >= 365
    assert outcome.nudges > 300
    assert outcome.cycles > 20


def test_a_failure_prints_the_command_that_shows_it_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The trace of that command ends where the failure was, in words, without a name or a code."""
    monkeypatch.setattr(NudgeRules, "is_quiet_for_all", lambda *_: False)
    monkeypatch.setattr(RecheckNudges, "quiet_until", lambda *_: None)
    found = next(failed for seed in range(8, 30, 3) if (failed := _fails(seed)) is not None)
    command = str(found).splitlines()[-1].split()
    assert command[:3] == ["python", "-m", "tests.simulation"]
    assert main(command[3:]) == 1
    told = capsys.readouterr().out
    assert "nudged in quiet hours" in told
    assert "is enrolled for p" in told
    assert "Dr Noël" not in told


def _fails(seed: int) -> Failed | None:
    try:
        live(seed)
    except Failed as failed:
        return failed
    return None


def test_the_command_counts(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--cycles", "10", "--from", "3", "--without-kept"]) == 0
    assert "0 histories failed" in capsys.readouterr().out


@pytest.mark.nightly
def test_ten_thousand_crashes_and_recoveries() -> None:
    proves_something(held([*(k.seed for k in kept()), *seeds_for(10_000, 10_000)]), 10_000)
