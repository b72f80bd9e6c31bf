"""P7: what waits in the outbox has decoys where the draw says, whether a visit is booked or not."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from bot.domain.choices import Level
from bot.domain.planning import Person, is_decoy, slots_between
from bot.domain.records import DECOY
from bot.services.plan_nudges import plan_decoys
from config.nudge_settings import Nudges
from tests.services.kit import Practice, at, entry

DAYS = 24


@pytest.fixture
def practice(tmp_path: Path) -> Iterator[Practice]:
    made = Practice(tmp_path, nudges=Nudges(level=Level.PRIVATE, decoy_share=0.5))
    yield made
    made.close()


async def test_p7_a_visit_moves_no_decoy(practice: Practice) -> None:
    """Every slot that the draw names is filled, and of the others only those of the visits."""
    people = [await practice.enrolled(f"P-{n}", name=f"n{n}") for n in range(4)]
    practice.take(
        entry("u-1", "2026-09-10 10:00", patient="P-1"),
        entry("u-2", "2026-09-20 16:00", patient="P-2"),
        entry("u-3", "2026-09-12 10:00", patient="P-3"),
        entry("u-4", "2026-09-18 10:00", patient="P-3"),
    )
    begin = practice.now
    for _ in range(DAYS):
        with practice.uow() as uow:
            plan_decoys(uow, practice.now, practice.rules)
            uow.commit()
        practice.clock.forward(days=1)
    slots = slots_between(begin, practice.now, practice.rules)
    rows = [row for row in practice.nudge_rows() if row.slot in slots]
    for person, visits in zip(people, (0, 1, 1, 2), strict=True):
        who = Person(id=person.recipient.id)
        drawn = {slot for slot in slots if is_decoy(practice.rules, who, slot)}
        own = [row for row in rows if row.recipient == who.id]
        with_reason = {row.slot for row in own if not row.template}
        assert len(with_reason) == visits
        assert {row.slot for row in own} == drawn | with_reason
        assert len(own) == len({row.slot for row in own})
        assert len(drawn) > len(slots) / 5
    assert practice.now - begin == timedelta(days=DAYS)


@pytest.fixture
def constant(tmp_path: Path) -> Iterator[Practice]:
    made = Practice(tmp_path / "constant", nudges=Nudges(level=Level.CONSTANT, slots=("18:00",), daily_cap=1))
    yield made
    made.close()


async def test_p7_a_reason_that_goes_leaves_no_empty_slot(constant: Practice) -> None:
    """Also right before the slot, when no decoys are written any more that come in time."""
    await constant.enrolled()
    constant.take(entry("u-1", "2026-09-02 10:00"))
    slot = at("2026-09-01 18:00")
    assert [row.template for row in constant.nudge_rows() if row.slot == slot] == [""]
    constant.take(entry("u-1", "2026-10-20 10:00", sequence=1))
    assert [row.template for row in constant.nudge_rows() if row.slot == slot] == [DECOY]
