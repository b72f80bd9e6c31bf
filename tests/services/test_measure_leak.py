"""What a practice's own rules tell: the rules as set, the visits as stored."""

from __future__ import annotations

import pytest

from bot.domain.choices import Level
from bot.errors import WrongUse
from bot.services import measure_leak
from bot.services.measure_leak import Leak, MeasureLeak
from config.nudge_settings import Kind, Nudges
from tests.services.kit import Practice, entry


@pytest.fixture(autouse=True)
def _fewer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Enough to see that the right rules are measured; how exactly is the matter of ``tests/timing``."""
    monkeypatch.setattr(measure_leak, "_MADE", 6_000)
    monkeypatch.setattr(measure_leak, "_WATCHED", 700)
    monkeypatch.setattr(measure_leak, "_TRIED", 500)


def measure(practice: Practice, *levels: Level, kind: str = "", shares: tuple[float, ...] = ()) -> Leak:
    service = MeasureLeak(practice.home.uow, practice.rules)
    return service(now=practice.now, levels=levels or tuple(Level), kind=kind, shares=shares)


def set_rules(practice: Practice, nudges: Nudges) -> None:
    practice.nudges = nudges
    practice.__post_init__()


def test_each_level_tells_less_than_the_one_before(practice: Practice) -> None:
    found = measure(practice)
    assert [p.level for p in found.points] == list(Level)
    assert [p.own for p in found.points] == [True, False, False, False]
    bits = [p.bits for p in found.points]
    assert bits == sorted(bits, reverse=True)
    assert bits[0] == pytest.approx(5.91, abs=0.05)
    assert bits[1] == pytest.approx(4.72, abs=0.15), "weekends tell more than days in a row"
    assert bits[2] == pytest.approx(1.0, abs=0.25)
    assert bits[3] == pytest.approx(0, abs=0.01)
    days = [p.day for p in found.points]
    assert days == sorted(days, reverse=True)
    assert days[0] == 1.0
    assert days[3] == pytest.approx(1 / 60, abs=0.03)
    for point in found.points:
        assert point.half_day == pytest.approx(point.day / 2, abs=0.07)
        assert point.place == pytest.approx(point.day / 32, abs=0.03)
    assert found.known == pytest.approx(10.907, abs=0.001)


def test_what_is_measured_is_what_is_set(practice: Practice) -> None:
    set_rules(practice, Nudges(level=Level.PLAIN, slot_days=("sun",)))
    (weekly,) = measure(practice, Level.PLAIN).points
    assert weekly.bits == pytest.approx(3.6, abs=0.15)
    assert weekly.day == pytest.approx(0.2, abs=0.07)
    kind = Kind(name="far", type="far", slot_days=("sun",))
    set_rules(practice, Nudges(level=Level.PLAIN, kinds=(kind,)))
    assert measure(practice, Level.PLAIN, kind="far").points[0].bits == pytest.approx(3.6, abs=0.15)
    assert measure(practice, Level.PLAIN).points[0].bits == pytest.approx(5.9, abs=0.1)
    with pytest.raises(WrongUse):
        measure(practice, kind="near")


def test_more_decoys_tell_less_and_cost_more(practice: Practice) -> None:
    set_rules(practice, Nudges(level=Level.PRIVATE, decoy_share=0.3))
    points = measure(practice, Level.PRIVATE, shares=(0.1, 0.5)).points
    assert [(p.share, p.own) for p in points] == [(0.1, False), (0.3, True), (0.5, False)]
    assert [p.bits for p in points] == sorted((p.bits for p in points), reverse=True)
    assert [p.nudges for p in points] == sorted(p.nudges for p in points)


async def test_nudges_a_month_follow_the_visits_that_are_stored(practice: Practice) -> None:
    alone = measure(practice, Level.PLAIN, Level.CONSTANT)
    assert (alone.stored, alone.visits) == (False, 1.0)
    await practice.enrolled("P-1", name="anna")
    await practice.enrolled("P-2", name="ben")
    practice.take(
        *(entry(f"u-{n}", f"2026-09-{n:02} 10:00", patient="P-1") for n in range(10, 18)),
        entry("later", "2027-01-05 10:00"),
    )
    set_rules(practice, Nudges(level=Level.PLAIN, days_before=(1, 7)))
    found = measure(practice, Level.PLAIN, Level.PRIVATE, Level.CONSTANT)
    assert (found.stored, found.visits) == (True, 2.0), "eight visits of two people in two months"
    plain, private, constant = found.points
    assert plain.nudges == pytest.approx(4.0, abs=0.1)
    assert private.nudges == pytest.approx(4 + 0.2 * (365 / 12 - 4), abs=0.2)
    assert constant.nudges == pytest.approx(365 / 12, abs=0.01)


def test_nothing_is_written_and_it_comes_out_the_same_again(practice: Practice) -> None:
    before = practice.everything()
    assert measure(practice, Level.PRIVATE) == measure(practice, Level.PRIVATE)
    assert practice.everything() == before
