"""P7: what leaves late after an outage has no more of a reason than what leaves in its slot.

First through the real outbox: who gets a late nudge is who would have got one in a slot that was missed, with a reason
or as a decoy, where it is of use still. Then that rule is measured on many people.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from bot.domain.choices import Level
from bot.domain.decoys import decoy_until
from bot.domain.leak import measured_bits
from bot.domain.leak_trial import Visit
from bot.domain.planning import Person, is_decoy, slots_between
from bot.domain.slots import NudgeRules
from bot.domain.values import RecipientId
from bot.errors import ChannelError
from bot.services.keep_plans import KeepPlans
from bot.services.pause_nudges import PAUSED
from config.nudge_settings import Nudges
from tests.services.crowd import crowd
from tests.services.kit import Practice, at, entry
from tests.timing.world import Case, trial

PEOPLE, VISITS = 90, 30
FRIDAY, MONDAY = at("2026-09-04 12:00"), at("2026-09-07 10:00")


@pytest.fixture
def practice(tmp_path: Path) -> Iterator[Practice]:
    made = Practice(tmp_path, nudges=Nudges(level=Level.PRIVATE, decoy_share=0.3, spread_days=3))
    made.clock.moment = FRIDAY
    yield made
    made.close()


def booked(practice: Practice) -> None:
    """The first ones have a visit on the Monday of the outage's end or on a day after it."""
    crowd(practice, PEOPLE)
    days = ("07 16:00", "08 09:00", "08 15:00", "09 11:00", "10 10:00")
    practice.take(
        *(entry(f"u-{n}", f"2026-09-{days[n % len(days)]}", patient=f"C-{n}") for n in range(VISITS))
    )


def expected(
    practice: Practice, missed: Sequence[datetime]
) -> tuple[set[RecipientId | None], set[RecipientId | None]]:
    """Who has a reason that is late and of use; who has a decoy that is."""
    now, rules = practice.now, practice.rules
    with practice.uow() as uow:
        everybody = [recipient.id for recipient in uow.recipients.all()]
    reasons = {
        row.recipient
        for row in practice.nudge_rows()
        if not row.template and row.slot in missed and row.useful_until and row.useful_until > now
    }
    decoys: set[RecipientId | None] = {
        who
        for who in everybody
        for slot in missed
        if is_decoy(rules, Person(id=who), slot) and decoy_until(slot, rules, Person(id=who)) > now
    }
    return reasons, decoys


def drawn(practice: Practice, people: set[RecipientId | None], slot: datetime) -> set[RecipientId | None]:
    """Those of them who have a decoy in that slot."""
    return {who for who in people if who and is_decoy(practice.rules, Person(id=who), slot)}


def told(practice: Practice) -> Counter[RecipientId | None]:
    rooms: dict[str, RecipientId | None] = {}
    with practice.uow() as uow:
        for recipient in uow.recipients.all():
            room = uow.rooms.by_recipients([recipient.id])[recipient.id]
            rooms[room.user] = recipient.id
    return Counter(rooms[sent.to.user] for sent in practice.channel.of("nudge"))


async def test_p7_after_a_weekend_without_the_bot_decoys_are_as_late_as_reminders(practice: Practice) -> None:
    booked(practice)
    KeepPlans(practice.uow, practice.rules).decoys(practice.now)
    missed = slots_between(FRIDAY, MONDAY, practice.rules)
    assert len(missed) == 3
    practice.clock.moment = MONDAY
    practice.start_bot()
    KeepPlans(practice.uow, practice.rules).decoys(practice.now)
    reasons, decoys = expected(practice, missed)
    await practice.send_nudges()
    assert told(practice) == Counter(reasons | decoys), "each of them once"
    assert len(decoys - reasons) > len(reasons) > VISITS / 3
    by_slot = [drawn(practice, decoys, slot) for slot in missed]
    assert by_slot[2] - by_slot[1] - by_slot[0] - reasons, "nobody was there to write decoys for Sunday"
    assert by_slot[0] - by_slot[1] - by_slot[2] - reasons, "Friday's are late by three days"
    practice.clock.forward(hours=3)
    KeepPlans(practice.uow, practice.rules).decoys(practice.now)
    assert await practice.send_nudges() == 0, "once"


async def test_p7_after_a_weekend_without_the_homeserver_too(practice: Practice) -> None:
    booked(practice)
    keep = KeepPlans(practice.uow, practice.rules)
    missed = slots_between(FRIDAY, MONDAY, practice.rules)
    practice.channel.fault = lambda *_: ChannelError("gone", permanent=False)
    while practice.now < at("2026-09-06 19:00"):
        keep.decoys(practice.now)
        await practice.deliver.nudges_due()
        practice.clock.forward(hours=1)
    practice.channel.fault = lambda *_: None
    assert told(practice) == Counter()
    practice.clock.moment = at("2026-09-06 19:30")
    # What was tried a day ago may have left then: it is not sent again, whatever it was.
    late = [slot for slot in missed if practice.now - slot < timedelta(hours=23)]
    assert len(late) == 1
    reasons, decoys = expected(practice, late)
    await practice.send_nudges()
    assert told(practice) == Counter(reasons | decoys)


async def test_p7_after_a_pause_too(practice: Practice) -> None:
    """Two slots late by two days and one."""
    booked(practice)
    keep = KeepPlans(practice.uow, practice.rules)
    with practice.uow() as uow:
        uow.meta.set(PAUSED, practice.now.isoformat())
        uow.commit()
    while practice.now < at("2026-09-06 12:00"):
        keep.decoys(practice.now)
        assert await practice.send_nudges() == 0
        practice.clock.forward(hours=1)
    with practice.uow() as uow:
        uow.meta.remove(PAUSED)
        uow.commit()
    missed = slots_between(FRIDAY, practice.now, practice.rules)
    assert len(missed) == 2
    reasons, decoys = expected(practice, missed)
    await practice.send_nudges()
    assert told(practice) == Counter(reasons | decoys)
    assert drawn(practice, decoys, missed[0]) - drawn(practice, decoys, missed[1]) - reasons


async def test_p7_a_visit_that_is_over_takes_no_decoy_along(practice: Practice) -> None:
    """A reminder that is too late leaves as the decoy of its slot where one was drawn, and is reported."""
    practice.nudges = Nudges(level=Level.PRIVATE, decoy_share=0.5, spread_days=5)
    practice.__post_init__()
    crowd(practice, 32)
    practice.take(*(entry(f"u-{n}", "2026-09-05 09:00", patient=f"C-{n}") for n in range(32)))
    KeepPlans(practice.uow, practice.rules).decoys(practice.now)
    practice.clock.moment = at("2026-09-06 12:00")
    KeepPlans(practice.uow, practice.rules).decoys(practice.now)
    missed = slots_between(FRIDAY, practice.now, practice.rules)
    reasons, decoys = expected(practice, missed)
    with_visit = {r.recipient for r in practice.nudge_rows() if not r.template}
    assert (reasons, len(with_visit)) == (set(), 32)
    assert drawn(practice, decoys, missed[0]) - drawn(practice, decoys, missed[1]), "else nothing is shown"
    await practice.send_nudges()
    assert told(practice) == Counter(decoys)
    assert len(practice.problems()) == 32, "each of them has to be telephoned"


# -- measured -------------------------------------------------------------------------------------------------------

MANY = 60_000
SHARE = 0.2
MISSED_FROM, BACK = 29, 32  # days of the sixty; the slots of three evenings are missed


def late(visit: Visit, missed: Sequence[datetime], now: datetime, rules: NudgeRules, *, drops: bool) -> bool:
    """Whether somebody gets a late nudge; ``drops``: were decoys of no use after the next slot."""
    who = Person(id=visit.recipient)
    if any(slot in missed and visit.until > now for _, slot in visit.nudges):
        return True
    of_use = missed[-1:] if drops else [s for s in missed if decoy_until(s, rules, who) > now]
    return any(is_decoy(rules, who, slot) for slot in of_use)


def test_p7_a_late_nudge_tells_no_more_than_the_slots_that_were_missed() -> None:
    """Of whether there is a reason. Were decoys dropped once their slot is over it would tell far more."""
    case = Case(level=Level.PRIVATE, spread=3, share=SHARE)
    made = trial(case, 0, MANY)
    rules, days = case.rules, made.agenda.days
    first, end = days[MISSED_FROM], days[BACK]
    missed = [s for s in made.slots if first <= s.astimezone(rules.zone).date() < end]
    assert len(missed) == 3
    now = missed[-1] + timedelta(hours=16)
    in_time, told_late, dropping = [], [], []
    for visit in made.visits:
        own = {slot for _, slot in visit.nudges if visit.until > now}
        has_reason = not own.isdisjoint(missed)
        who = Person(id=visit.recipient)
        seen = tuple(slot in own or is_decoy(rules, who, slot) for slot in missed)
        in_time.append((has_reason, seen))
        told_late.append((has_reason, late(visit, missed, now, rules, drops=False)))
        dropping.append((has_reason, late(visit, missed, now, rules, drops=True)))
    assert by_chance(told_late) == pytest.approx(1 - (1 - SHARE) ** 3, abs=0.01)
    assert by_chance(dropping) == pytest.approx(SHARE, abs=0.01)
    assert measured_bits(told_late) <= measured_bits(in_time)
    assert measured_bits(told_late) < 0.5 * measured_bits(dropping)


def by_chance(pairs: Sequence[tuple[bool, bool]]) -> float:
    """How many get a late nudge of those who have no reason; whoever has one gets it."""
    seen = Counter(pairs)
    assert seen[True, False] == 0
    return seen[False, True] / (seen[False, True] + seen[False, False])
