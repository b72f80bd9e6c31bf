"""What would go when, and why not. Rules of :mod:`bot.services.preview_nudges`."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from bot.domain.choices import Level, Wishes
from bot.domain.planning import Because, Person, WhyNot, is_decoy, slots_between
from bot.domain.records import RecipientState
from bot.errors import Refused
from bot.services.pause_nudges import PauseNudges
from bot.services.plan_nudges import plan_decoys
from bot.services.preview_nudges import Channel, Preview, PreviewNudges, Rule, Unreached
from config.nudge_settings import Kind, Nudges
from tests.services.kit import Person as Somebody
from tests.services.kit import Practice, at, entry


def preview(practice: Practice, days: int = 14, who: str = "") -> Preview:
    return PreviewNudges(practice.home.uow, practice.rules)(days=days, now=practice.now, who=who)


def reasons(found: Preview) -> list[tuple[datetime, Rule, Because | None]]:
    return [(nudge.slot, reason.rule, reason.because) for nudge in found.nudges for reason in nudge.reasons]


def set_rules(practice: Practice, **changes: object) -> None:
    practice.nudges = Nudges.model_validate({"level": Level.PLAIN, **changes})
    practice.__post_init__()


def change(person: Somebody, **changes: object) -> None:
    changed = replace(person.recipient, **changes)  # type: ignore[arg-type]  # fields by name
    with person.practice.uow() as uow:
        uow.recipients.save(changed)
        uow.commit()


async def test_rule_1_it_shows_what_waits(anywhere: Practice) -> None:
    """Slot by slot what is in the outbox, news with it; and it writes nothing."""
    anna = await anywhere.enrolled("P-1", name="anna")
    await anywhere.enrolled("P-2", name="ben")
    anywhere.take(
        entry("u-1", "2026-09-03 10:00"),
        entry("u-2", "2026-09-09 10:00", patient="P-2"),
        entry("u-3", "2026-09-12 10:00"),
        entry("u-4", "2026-11-02 10:00"),
    )
    anywhere.take(
        entry("u-3", "2026-09-11 10:00", sequence=1), entry("u-2", "2026-09-09 10:00", patient="P-2")
    )
    before = anywhere.everything()
    found = preview(anywhere)
    assert anywhere.everything() == before
    waiting = {(r.recipient, r.slot) for r in anywhere.nudge_rows() if r.slot and r.slot <= found.ends}
    assert {(n.recipient, n.slot) for n in found.nudges} == waiting
    assert len(waiting) == 4
    assert [(n.slot, n.reasons[0].rule) for n in found.nudges if n.recipient == anna.recipient.id] == [
        (at("2026-09-01 18:00"), Rule.NEWS),
        (at("2026-09-02 18:00"), Rule.NEWS),  # told again, and one nudge with what is due that evening
        (at("2026-09-10 18:00"), Rule.LEAD),
    ]
    assert found.missing == ()
    assert not found.paused


async def test_rule_2_one_nudge_is_counted_once_under_its_first_reason(practice: Practice) -> None:
    set_rules(practice, kinds=[Kind(name="blood", type="bilan", days_before=(1, 3))])
    await practice.enrolled("P-1", name="anna")
    await practice.enrolled("P-2", name="ben")
    practice.take(
        replace(entry("u-1", "2026-09-05 10:00"), type="Bilan"),
        entry("u-2", "2026-09-05 11:00"),
        entry("u-3", "2026-09-05 11:00", patient="P-2"),
    )
    slots = {slot.slot: slot for slot in preview(practice).slots}
    assert list(slots) == [at("2026-09-02 18:00"), at("2026-09-04 18:00")]
    assert slots[at("2026-09-02 18:00")].by_rule == {(Rule.KIND, "blood"): 1}
    eve = slots[at("2026-09-04 18:00")]
    assert eve.by_rule == {(Rule.KIND, "blood"): 1, (Rule.LEAD, "1"): 1}
    assert eve.by_channel == {Channel.MATRIX: 2}
    assert eve.nudges == 2
    (both,) = [n for n in preview(practice, who="P-1").nudges if n.slot == eve.slot]
    assert [(r.rule, r.name, r.lead, r.ahead) for r in both.reasons] == [
        (Rule.KIND, "blood", 1, 1),
        (Rule.LEAD, "", 1, 1),
    ]


async def test_why_each_nudge_is_where_it_is(practice: Practice) -> None:
    set_rules(practice, slot_days=("mon", "tue", "wed", "thu", "fri"), daily_cap=1, slots=("12:00", "18:00"))
    await practice.enrolled()
    practice.take(
        entry("late", "2026-09-01 17:00"),  # booked this morning
        entry("monday", "2026-09-07 10:00"),  # its eve is a Sunday
        entry("third", "2026-09-10 10:00"),
    )
    found = reasons(preview(practice))
    assert found[0] == (at("2026-09-01 12:00"), Rule.LATE, Because.LATE)
    assert (found[1][0].date(), *found[1][1:]) == (at("2026-09-04 12:00").date(), Rule.LEAD, Because.DAY_OFF)
    assert (found[2][0].date(), *found[2][1:]) == (at("2026-09-09 12:00").date(), Rule.LEAD, Because.LEAD)


async def test_the_cap_is_named(practice: Practice) -> None:
    set_rules(practice, daily_cap=1, slots=("12:00", "18:00"), kinds=[
        Kind(name="noon", type="midi", slots=("12:00",)), Kind(name="evening", type="soir", slots=("18:00",))
    ])  # fmt: skip
    await practice.enrolled()
    practice.take(
        replace(entry("u-1", "2026-09-05 10:00"), type="midi"),
        replace(entry("u-2", "2026-09-05 11:00"), type="soir"),
    )
    assert reasons(preview(practice)) == [
        (at("2026-09-04 12:00"), Rule.KIND, Because.CAP),
        (at("2026-09-04 12:00"), Rule.KIND, Because.LEAD),
    ]


async def test_decoys_are_shown_as_they_are_written(practice: Practice) -> None:
    set_rules(practice, level=Level.PRIVATE, decoy_share=0.5)
    for number in range(6):
        await practice.enrolled(f"P-{number}", name=f"n{number}")
    practice.take(entry("u-1", "2026-09-05 10:00", patient="P-0"))
    found = preview(practice)
    decoys = {(n.recipient, n.slot) for n in found.nudges if n.reasons[0].rule is Rule.DECOY}
    with practice.uow() as uow:
        people = [Person(id=recipient.id) for recipient in uow.recipients.all()]
    slots = slots_between(found.begins, found.ends, practice.rules)
    drawn = {(one.id, slot) for one in people for slot in slots if is_decoy(practice.rules, one, slot)}
    assert decoys == drawn - {(n.recipient, n.slot) for n in found.nudges if n.reasons[0].rule is Rule.LEAD}
    assert len(slots) == 14
    assert sum(slot.by_rule.get((Rule.DECOY, ""), 0) for slot in found.slots) == len(decoys)
    with practice.uow() as uow:
        plan_decoys(uow, practice.now, practice.rules)
        uow.commit()
    written = {(r.recipient, r.slot) for r in practice.nudge_rows() if r.template}
    tomorrow = practice.now + timedelta(hours=26)
    assert written == {(who, slot) for who, slot in decoys if slot <= tomorrow}
    assert written


async def test_why_there_is_none(practice: Practice) -> None:
    anna = await practice.enrolled("P-1", name="anna")
    ben = await practice.enrolled("P-2", name="ben")
    practice.take(entry("u-1", "2026-09-03 10:00"), entry("u-2", "2026-09-04 10:00", patient="P-2"))
    assert preview(practice).why_not == {}

    await anna.say("493817")
    await anna.say("confirm 1")
    assert preview(practice).why_not == {}, "the last one stays"
    set_rules(practice, days_before=(1, 2), after_confirmation="none")
    found = preview(practice, who="P-1")
    assert [(m.lead, m.why) for m in found.missing] == [(2, WhyNot.CONFIRMED), (1, WhyNot.CONFIRMED)]
    set_rules(practice)

    change(ben, reminders_on=False)
    assert preview(practice).why_not == {WhyNot.STOPPED: 1}
    change(ben, reminders_on=True)
    PauseNudges(practice.home.uow, practice.rules).pause_one("P-2", practice.now)
    assert preview(practice).why_not == {WhyNot.PAUSED: 1}
    PauseNudges(practice.home.uow, practice.rules).resume_one("P-2", practice.now)
    PauseNudges(practice.home.uow, practice.rules).pause(practice.now)
    assert preview(practice).paused
    assert len(preview(practice).nudges) == 2, "what would go, were it not for the pause"


async def test_who_is_not_reached_at_all(practice: Practice) -> None:
    practice.patient("P-0")
    practice.invite("P-1")
    anna = await practice.enrolled("P-2", name="anna")
    ben = await practice.enrolled("P-3", name="ben")
    practice.take(*(entry(f"u-{n}", "2026-09-03 10:00", patient=f"P-{n}") for n in range(4)))
    assert preview(practice).why_not == {Unreached.NOBODY: 1, Unreached.NOT_ENROLLED: 1}
    change(anna, state=RecipientState.LOCKED)
    practice.execute("DELETE FROM envelope WHERE recipient = :r", r=ben.recipient.id)
    found = preview(practice)
    assert found.why_not == {
        Unreached.NOBODY: 1,
        Unreached.NOT_ENROLLED: 1,
        Unreached.LOCKED: 1,
        Unreached.NO_KEY: 1,
    }
    assert found.nudges == ()
    change(anna, state=RecipientState.ENROLLED)
    left = replace(anna.room, recipient=anna.recipient.id, left=True)
    with practice.uow() as uow:
        uow.rooms.save(left)
        uow.commit()
    assert preview(practice, who="P-2").why_not == {Unreached.NO_ROOM: 1}
    assert preview(practice, who="P-2").nudges == ()


async def test_whoever_wants_no_news_gets_none(practice: Practice) -> None:
    anna = await practice.enrolled()
    practice.take(entry("u-1", "2026-09-10 10:00"))
    practice.take(entry("u-1", "2026-09-11 10:00", sequence=1))
    change(anna, changes_on=False)
    found = preview(practice)
    assert Rule.NEWS not in {n.reasons[0].rule for n in found.nudges}
    assert found.why_not[Unreached.NO_NEWS] >= 1


async def test_of_one_alone_and_of_the_days_that_were_asked_for(practice: Practice) -> None:
    anna = await practice.enrolled("P-1", name="anna")
    ben = await practice.enrolled("P-2", name="ben")
    practice.take(
        entry("u-1", "2026-09-03 10:00"),
        entry("u-2", "2026-09-03 10:00", patient="P-2"),
        entry("u-3", "2026-09-20 10:00", patient="P-2"),
    )
    for who in ("P-2", ben.recipient.id):
        assert {n.recipient for n in preview(practice, who=who).nudges} == {ben.recipient.id}
    assert [len(preview(practice, days=days).nudges) for days in (1, 2, 14, 30)] == [0, 2, 2, 3]
    with pytest.raises(Refused):
        preview(practice, who="P-9")
    change(anna, wishes=Wishes(level=Level.CONSTANT))
    assert len(preview(practice, days=7, who="P-1").nudges) == 7
    assert len(preview(practice, days=7).nudges) == 8


async def test_rule_3_it_holds_nothing_that_tells_who(practice: Practice) -> None:
    anna = await practice.enrolled("P-1", name="anna")
    practice.take(entry("u-1", "2026-09-03 10:00"))
    told = repr(preview(practice, who="P-1"))
    assert anna.recipient.id in told
    for secret in ("P-1", "anna", "Noël", "2e étage", "u-1"):
        assert secret not in told
