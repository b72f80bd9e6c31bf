"""Which nudges one recipient gets: rules of :mod:`bot.domain.planning` by number, over zones and clock changes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.choices import (
    Confirmed,
    KindRule,
    Late,
    Level,
    Quiet,
    Shift,
    Wishes,
    is_in,
    kind_of,
    leaves_time,
)
from bot.domain.planning import (
    LATE_LEAD,
    Because,
    Booked,
    Person,
    Planned,
    WhyNot,
    is_decoy,
    plan,
    slots_between,
)
from bot.domain.slots import NudgeRules, helps_until, parse_hour, slots_of
from bot.domain.timing import level_of, timing
from bot.domain.values import AppointmentId, RecipientId
from bot.errors import WrongUse

PARIS = ZoneInfo("Europe/Paris")
ZONES = [
    ZoneInfo(name)
    for name in (
        *("Europe/Paris", "America/Guadeloupe", "America/Cayenne", "Indian/Reunion", "Indian/Mayotte"),
        *("Pacific/Noumea", "Pacific/Tahiti", "Pacific/Marquesas", "America/Miquelon", "Pacific/Wallis"),
        *("Australia/Lord_Howe", "Africa/Cairo", "America/Havana", "Pacific/Auckland", "UTC"),
    )
]
RULES = NudgeRules(zone=PARIS)
ANNA = Person(id=RecipientId("r-anna"))


def local(text: str, zone: ZoneInfo = PARIS) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(UTC)


def hours(*texts: str) -> tuple[time, ...]:
    return tuple(parse_hour(t) for t in texts)


def booked(start: str, rules: NudgeRules = RULES, name: str = "a-1", **values: Any) -> Booked:
    return Booked(id=AppointmentId(name), until=helps_until(local(start), rules), **values)


def rules(**values: Any) -> NudgeRules:
    return NudgeRules(zone=PARIS, **values)


def planned(
    start: str, now: str, rules: NudgeRules = RULES, person: Person = ANNA, **values: Any
) -> list[tuple[str, Because]]:
    found = plan(rules, person, [booked(start, rules, **values)], local(now)).nudges
    return [(n.slot.astimezone(rules.zone).strftime("%m-%d %H:%M"), n.because) for n in found]


def slots(*args: Any, **values: Any) -> list[str]:
    return [slot for slot, _ in planned(*args, **values)]


def why_not(
    start: str, now: str, rules: NudgeRules = RULES, person: Person = ANNA, **values: Any
) -> list[WhyNot]:
    return [s.why for s in plan(rules, person, [booked(start, rules, **values)], local(now)).skipped]


# -- leads ----------------------------------------------------------------------------------------------------------


def test_the_day_before_at_the_hour() -> None:
    (only,) = plan(RULES, ANNA, [booked("2026-09-10 10:00")], local("2026-09-01 10:00")).nudges
    assert only == Planned(
        appointment=AppointmentId("a-1"),
        lead=1,
        slot=local("2026-09-09 18:00"),
        until=local("2026-09-10 00:00"),
        because=Because.LEAD,
    )


def test_several_days_give_several_nudges() -> None:
    assert slots("2026-09-20 15:00", "2026-09-01 10:00", rules(days_before=(1, 7, 1))) == [
        "09-13 18:00",
        "09-19 18:00",
    ]


def test_all_slots_of_a_day_are_drawn() -> None:
    three = rules(slots=hours("09:00", "13:00", "18:00"))
    drawn = {slots("2026-09-10 10:00", "2026-09-01 10:00", three, name=f"a-{n}")[0] for n in range(60)}
    assert drawn == {f"09-09 {h}" for h in ("09:00", "13:00", "18:00")}


@pytest.mark.parametrize("start", ["2026-09-01 10:00", "2026-09-01 09:59", "2020-01-01 10:00"])
def test_failure_08_what_began_plans_nothing(start: str) -> None:
    assert planned(start, "2026-09-01 10:00") == []
    assert why_not(start, "2026-09-01 10:00") == [WhyNot.PAST]


def test_the_same_day_before_the_first_slot_is_told_the_day_before() -> None:
    same = rules(days_before=(0,))
    assert planned("2026-12-10 10:00", "2026-09-01 10:00", same) == [("12-09 18:00", Because.HOUR_TOO_LATE)]


def test_a_reminder_that_could_outlast_the_start_gives_way_to_an_earlier_one() -> None:
    two = rules(days_before=(0,), slots=hours("09:00", "18:00"))
    for n in range(20):
        assert slots("2026-09-10 18:30", "2026-09-01 10:00", two, name=f"a-{n}") == ["09-10 09:00"]
    assert slots("2026-09-10 09:30", "2026-09-01 10:00", two) == ["09-09 18:00"]


@pytest.mark.parametrize(
    "day", ["2026-03-29", "2026-03-30", "2026-10-25", "2026-10-26", "2028-03-01", "2027-01-01"]
)
def test_failure_07_the_eve_of_a_visit_around_a_clock_change(day: str) -> None:
    (only,) = plan(RULES, ANNA, [booked(f"{day} 09:00")], local("2026-01-05 10:00")).nudges
    eve = date.fromisoformat(day) - timedelta(days=1)
    assert only.slot == local(f"{eve} 18:00")


# -- rule 4: late bookings ------------------------------------------------------------------------------------------


def test_rule_4_a_late_booking_is_announced_in_the_next_slot() -> None:
    assert planned("2026-09-02 20:30", "2026-09-01 19:00") == [("09-02 18:00", Because.LATE)]
    assert why_not("2026-09-02 20:30", "2026-09-01 19:00") == [WhyNot.PAST]


def test_rule_4_a_booking_too_late_for_any_slot_plans_nothing() -> None:
    assert planned("2026-09-02 10:00", "2026-09-01 19:00") == []


def test_rule_4_the_practice_may_say_none() -> None:
    assert planned("2026-09-02 20:30", "2026-09-01 19:00", rules(late=Late.NONE)) == []


def test_rule_4_is_for_those_without_any_nudge() -> None:
    assert slots("2026-09-05 10:00", "2026-09-02 19:00", rules(days_before=(3, 1))) == ["09-04 18:00"]
    assert planned("2026-09-02 20:30", "2026-09-01 19:00", done=frozenset({1})) == []
    assert planned("2026-09-02 20:30", "2026-09-01 19:00", confirmed=True) == []
    assert planned("2026-09-02 20:30", "2026-09-01 19:00", rules(days_before=())) == []


def test_rule_4_a_slot_that_is_now_is_over() -> None:
    same = rules(days_before=(0,))
    assert planned("2026-09-10 22:00", "2026-09-10 18:00", same) == []
    assert planned("2026-09-11 09:00", "2026-09-10 18:00", same) == []
    assert slots("2026-09-11 20:00", "2026-09-10 18:00") == ["09-11 18:00"]


# -- rule 2: draws --------------------------------------------------------------------------------------------------

DISCREET = rules(level=Level.DISCREET)


def test_rule_2_a_discreet_nudge_comes_on_one_of_three_days() -> None:
    drawn = [slots("2026-09-20 15:00", "2026-09-01 10:00", DISCREET, name=f"a-{n}")[0] for n in range(300)]
    counts = {day: drawn.count(day) for day in set(drawn)}
    assert set(counts) == {"09-17 18:00", "09-18 18:00", "09-19 18:00"}
    assert min(counts.values()) > 60


def test_rule_2_a_move_draws_again_and_so_does_another_recipient() -> None:
    ben = Person(id=RecipientId("r-ben"))
    same = [
        slots("2026-09-20 15:00", "2026-09-01 10:00", DISCREET, person, name=f"a-{n}", revision=revision)
        for person, revision in ((ANNA, 1), (ANNA, 2), (ben, 1))
        for n in range(40)
    ]
    assert same[:40] != same[40:80]
    assert same[:40] != same[80:]


def test_rule_2_leads_draw_apart() -> None:
    two = rules(level=Level.DISCREET, days_before=(10, 1))
    offsets = set()
    for n in range(40):
        first, second = plan(
            two, ANNA, [booked("2026-09-20 15:00", name=f"a-{n}")], local("2026-09-01 10:00")
        ).nudges
        offsets.add((second.slot - first.slot).days)
    assert len(offsets) > 1


def test_rule_2_what_is_drawn_stays_while_time_goes_on() -> None:
    for n in range(30):
        (drawn,) = plan(
            DISCREET, ANNA, [booked("2026-09-20 15:00", name=f"a-{n}")], local("2026-09-01 10:00")
        ).nudges
        for hour in range(0, 24 * 20, 7):
            now = local("2026-09-01 10:00") + timedelta(hours=hour)
            if now < drawn.slot:
                again = plan(DISCREET, ANNA, [booked("2026-09-20 15:00", name=f"a-{n}")], now).nudges
                assert again == (drawn,)


# -- rule 3 ---------------------------------------------------------------------------------------------------------


def test_rule_3_what_was_due_is_not_asked_for_again() -> None:
    two = rules(days_before=(7, 1))
    assert slots("2026-09-20 15:00", "2026-09-14 10:00", two, done=frozenset({7})) == ["09-19 18:00"]
    assert why_not("2026-09-20 15:00", "2026-09-14 10:00", two, done=frozenset({7})) == [WhyNot.DONE]


# -- rule 5 ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "left"),
    [
        (Confirmed.LAST, ["09-19 18:00"]),
        (Confirmed.NONE, []),
        (Confirmed.ALL, ["09-13 18:00", "09-19 18:00"]),
    ],
)
def test_rule_5_what_is_left_after_confirming(said: Confirmed, left: list[str]) -> None:
    by_practice = rules(days_before=(7, 1), confirmed=said)
    assert slots("2026-09-20 15:00", "2026-09-01 10:00", by_practice, confirmed=True) == left
    wish = replace(ANNA, wishes=Wishes(confirmed=said))
    assert (
        slots("2026-09-20 15:00", "2026-09-01 10:00", rules(days_before=(7, 1)), wish, confirmed=True) == left
    )
    skipped = why_not("2026-09-20 15:00", "2026-09-01 10:00", by_practice, confirmed=True)
    assert skipped == [WhyNot.CONFIRMED] * (2 - len(left))


def test_rule_5_what_the_patient_cancelled_is_not_nudged() -> None:
    assert why_not("2026-09-20 15:00", "2026-09-01 10:00", declined=True) == [WhyNot.DECLINED]
    assert planned("2026-09-02 20:30", "2026-09-01 19:00", declined=True) == []


@pytest.mark.parametrize(
    ("change", "why"), [({"reminders_on": False}, WhyNot.STOPPED), ({"paused": True}, WhyNot.PAUSED)]
)
def test_whoever_stopped_or_is_paused_gets_none(change: dict[str, Any], why: WhyNot) -> None:
    person = replace(ANNA, **change)
    assert planned("2026-09-20 15:00", "2026-09-01 10:00", RULES, person) == []
    assert why_not("2026-09-20 15:00", "2026-09-01 10:00", RULES, person) == [why]


# -- days on which none leaves --------------------------------------------------------------------------------------

NO_WEEKEND = frozenset(range(5))


def test_a_day_off_gives_way_as_the_rules_say() -> None:
    monday = "2026-09-21 15:00"
    off = {"slot_days": NO_WEEKEND}
    assert planned(monday, "2026-09-01 10:00", rules(**off)) == [("09-18 18:00", Because.DAY_OFF)]
    later = rules(**off, shift=Shift.LATER)
    assert planned(monday, "2026-09-01 10:00", later) == [("09-18 18:00", Because.DAY_OFF)]
    assert planned(
        monday, "2026-09-01 10:00", rules(**off, shift=Shift.LATER, days_before=(2,), slots=hours("09:00"))
    ) == [("09-21 09:00", Because.DAY_OFF)]
    holiday = rules(days_off=frozenset({date(2026, 9, 20), date(2026, 9, 19)}))
    assert planned(monday, "2026-09-01 10:00", holiday) == [("09-18 18:00", Because.DAY_OFF)]


def test_one_day_a_week_is_a_weekly_slot() -> None:
    weekly = rules(slot_days=frozenset({0}))
    found = {slots(f"2026-09-{day} 15:00", "2026-09-01 10:00", weekly)[0] for day in range(15, 22)}
    assert found == {"09-14 18:00"}


def test_no_day_at_all_plans_nothing() -> None:
    off = frozenset(date(2026, 8, 1) + timedelta(days=n) for n in range(90))
    assert planned("2026-09-20 15:00", "2026-09-01 10:00", rules(days_off=off)) == []
    assert planned("2026-09-20 15:00", "2026-09-01 10:00", rules(days_off=off, days_before=(0,))) == []


# -- kinds and wishes -----------------------------------------------------------------------------------------------

LONG = KindRule(
    name="long",
    type="bilan",
    days_before=(7,),
    slots=hours("12:00"),
    slot_days=frozenset({0}),
    late=Late.NONE,
    confirmed=Confirmed.NONE,
)


def test_a_kind_has_rules_of_its_own() -> None:
    both = rules(kinds=(LONG,))
    assert slots("2026-09-20 15:00", "2026-09-01 10:00", both, kind="long") == ["09-07 12:00"]
    assert slots("2026-09-20 15:00", "2026-09-01 10:00", both) == ["09-19 18:00"]
    assert slots("2026-09-20 15:00", "2026-09-01 10:00", both, kind="gone") == ["09-19 18:00"]
    assert planned("2026-09-02 20:30", "2026-09-01 19:00", both, kind="long") == []
    assert planned("2026-09-20 15:00", "2026-09-01 10:00", both, kind="long", confirmed=True) == []
    assert slots(
        "2026-09-20 15:00", "2026-09-01 10:00", rules(kinds=(KindRule(name="k", type="x"),)), kind="k"
    ) == ["09-19 18:00"]


def test_the_first_kind_that_fits_counts() -> None:
    kinds = (
        LONG,
        KindRule(name="both", practitioner="durand", place="annexe"),
        KindRule(name="d", practitioner="Durand"),
    )
    for words, name in (
        (("Bilan annuel", "Dr Durand", "annexe"), "long"),
        (("", "Dr Durand", "Annexe 2"), "both"),
        (("", "Dr DURAND", ""), "d"),
        (("contrôle", "Dr Petit", ""), ""),
    ):
        type_, practitioner, place = words
        assert kind_of(kinds, type_=type_, practitioner=practitioner, place=place) == name


@pytest.mark.parametrize("bad", [{}, {"type": "("}, {"practitioner": "["}, {"place": "*"}])
def test_a_kind_that_cannot_be_known_is_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(WrongUse):
        KindRule(name="k", **bad)


def test_a_recipients_own_days_win_over_the_kinds() -> None:
    person = replace(ANNA, wishes=Wishes(days_before=(2,)))
    assert slots("2026-09-20 15:00", "2026-09-01 10:00", rules(kinds=(LONG,)), person) == ["09-18 18:00"]
    assert (
        slots("2026-09-20 15:00", "2026-09-01 10:00", rules(), replace(ANNA, wishes=Wishes(days_before=())))
        == []
    )


def test_only_a_stricter_level_counts() -> None:
    for practice, wish, counts in (
        (Level.PLAIN, None, Level.PLAIN),
        (Level.DISCREET, Level.PLAIN, Level.DISCREET),
        (Level.DISCREET, Level.PRIVATE, Level.PRIVATE),
        (Level.CONSTANT, Level.PRIVATE, Level.CONSTANT),
    ):
        assert level_of(rules(level=practice), Wishes(level=wish)) is counts
    assert [level.strictness for level in Level] == [0, 1, 2, 3]
    stricter = replace(ANNA, wishes=Wishes(level=Level.DISCREET))
    assert (
        len(
            {
                slots("2026-09-20 15:00", "2026-09-01 10:00", RULES, stricter, name=f"a-{n}")[0]
                for n in range(60)
            }
        )
        == 3
    )


# -- rule 6: the cap ------------------------------------------------------------------------------------------------


def test_rule_6_what_is_over_the_cap_goes_into_the_last_slot_before() -> None:
    capped = rules(slots=hours("09:00", "12:00", "18:00"), days_before=(1,), daily_cap=2)
    visits = [booked("2026-09-10 15:00", capped, f"a-{n}") for n in range(40)]
    found = plan(capped, ANNA, visits, local("2026-09-01 10:00")).nudges
    assert {n.slot for n in found} == {local("2026-09-09 09:00"), local("2026-09-09 12:00")}
    assert {n.slot for n in found if n.because is Because.CAP} == {local("2026-09-09 12:00")}
    assert len(found) == 40


def test_rule_6_counts_24_hours_and_not_days() -> None:
    one = rules(slots=hours("18:00"), daily_cap=1)
    visits = [booked(f"2026-09-{day} 15:00", name=f"a-{day}") for day in (10, 11, 12)]
    found = plan(one, ANNA, visits, local("2026-09-01 10:00")).nudges
    assert [n.slot for n in found] == [local(f"2026-09-{d} 18:00") for d in ("09", 10, 11)]
    two = rules(slots=hours("09:00", "18:00"), daily_cap=1, days_before=(2, 1))
    found = plan(
        two, ANNA, [booked("2026-09-10 15:00", two, f"a-{n}") for n in range(20)], local("2026-09-01 10:00")
    ).nudges
    moments = sorted({n.slot for n in found})
    assert all(b - a >= timedelta(hours=24) for a, b in pairwise(moments))


# -- rule 7: decoys -------------------------------------------------------------------------------------------------

SLOTS = slots_between(local("2026-09-01 10:00"), local("2028-09-01 10:00"), RULES)


def test_rule_7_nobody_gets_decoys_but_who_asked() -> None:
    for level in (Level.PLAIN, Level.DISCREET):
        assert not any(is_decoy(rules(level=level), ANNA, slot) for slot in SLOTS)


def test_rule_7_constant_is_always() -> None:
    assert all(is_decoy(rules(level=Level.CONSTANT), ANNA, slot) for slot in SLOTS)
    wish = replace(ANNA, wishes=Wishes(level=Level.CONSTANT))
    assert all(is_decoy(RULES, wish, slot) for slot in SLOTS)


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 1.0])
def test_rule_7_private_is_a_share_drawn_by_recipient_and_slot(share: float) -> None:
    private = rules(level=Level.PRIVATE, decoy_share=share)
    drawn = [is_decoy(private, ANNA, slot) for slot in SLOTS]
    assert abs(sum(drawn) / len(drawn) - share) < 0.06
    assert drawn == [is_decoy(private, ANNA, slot) for slot in SLOTS]
    if 0 < share < 1:
        assert drawn != [is_decoy(private, Person(id=RecipientId("r-ben")), slot) for slot in SLOTS]


def test_rule_7_none_for_whoever_stopped_or_is_paused() -> None:
    constant = rules(level=Level.CONSTANT)
    assert not is_decoy(constant, replace(ANNA, reminders_on=False), SLOTS[0])
    assert not is_decoy(constant, replace(ANNA, paused=True), SLOTS[0])


def test_slots_between_are_all_of_them() -> None:
    found = slots_between(local("2026-09-01 18:00"), local("2026-09-03 18:00"), RULES)
    assert found == (local("2026-09-02 18:00"), local("2026-09-03 18:00"))


# -- properties -----------------------------------------------------------------------------------------------------

MOMENTS = st.datetimes(datetime(2026, 1, 1), datetime(2028, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001 - Hypothesis adds the zone
HOURS = st.sampled_from(hours("08:00", "10:15", "12:00", "13:30", "18:00", "19:59"))
INNER = st.sampled_from(hours("10:15", "12:00", "13:30"))  # in nobody's quiet hours but a recipient's
LEADS = st.lists(st.integers(0, 14), min_size=1, max_size=3).map(tuple)
DAYS = st.frozensets(st.integers(0, 6), min_size=1)
RULE_SETS = st.builds(
    NudgeRules,
    zone=st.sampled_from(ZONES),
    days_before=LEADS,
    slots=st.lists(HOURS, min_size=1, max_size=3).map(tuple),
    slot_days=DAYS,
    days_off=st.frozensets(st.dates(date(2026, 1, 1), date(2028, 12, 31)), max_size=5),
    shift=st.sampled_from(Shift),
    daily_cap=st.integers(1, 3),
    late=st.sampled_from(Late),
    level=st.sampled_from(Level),
    spread_days=st.integers(1, 5),
    kinds=st.tuples(
        st.builds(
            KindRule,
            name=st.just("long"),
            type=st.just("bilan"),
            days_before=st.none() | LEADS,
            slots=st.none() | st.lists(INNER, min_size=1, max_size=3).map(tuple),
            slot_days=st.none() | DAYS,
            shift=st.none() | st.sampled_from(Shift),
            quiet_from=st.none() | st.sampled_from(hours("18:00", "19:30", "21:00")),
            quiet_to=st.none() | st.sampled_from(hours("07:00", "09:00", "10:15")),
            daily_cap=st.none() | st.integers(1, 4),
        )
    ),
)
PEOPLE = st.builds(
    Person,
    id=st.integers(0, 10**6).map(lambda n: RecipientId(f"r-{n}")),
    wishes=st.builds(
        Wishes,
        level=st.none() | st.sampled_from(Level),
        days_before=st.none() | LEADS,
        slots=st.none() | st.lists(HOURS, max_size=2).map(tuple),
        quiet=st.none() | st.builds(Quiet, HOURS, HOURS),
        daily_cap=st.none() | st.integers(1, 4),
    ),
)
KINDS = st.sampled_from(("", "long", "gone"))


@st.composite
def visits(draw: st.DrawFn, rules: NudgeRules, now: datetime) -> list[Booked]:
    ahead = st.timedeltas(timedelta(hours=-30), timedelta(days=40))
    starts = draw(st.lists(ahead, min_size=1, max_size=6))
    return [
        Booked(
            id=AppointmentId(f"a-{n}"),
            until=helps_until(now + start, rules),
            revision=draw(st.integers(1, 3)),
            kind=draw(KINDS),
            confirmed=draw(st.booleans()),
            done=draw(st.frozensets(st.integers(0, 14), max_size=2)),
        )
        for n, start in enumerate(starts)
    ]


@given(data=st.data(), rules=RULE_SETS, person=PEOPLE, now=MOMENTS)
def test_nudges_leave_in_slots_in_time_under_the_cap(
    data: st.DataObject, rules: NudgeRules, person: Person, now: datetime
) -> None:
    everything = data.draw(visits(rules, now))
    kinds = {visit.id: visit.kind for visit in everything}
    found = plan(rules, person, everything, now).nudges
    caps: dict[datetime, int] = {}
    for nudge in found:
        own = timing(rules, kinds[nudge.appointment], person.wishes)
        where = nudge.slot.astimezone(rules.zone)
        assert now < nudge.slot < nudge.until
        assert where.date() not in rules.days_off
        if nudge.because is Because.CAP:
            continue  # it is told in the slot of another one
        caps[nudge.slot] = min(caps.get(nudge.slot, own.daily_cap), own.daily_cap)
        assert where.time() in own.slots or where.time() in {t.replace(fold=1) for t in own.slots}
        assert where.weekday() in own.slot_days
        assert not is_in(where.time(), own.quiet)
    assert caps.keys() == {n.slot for n in found}
    for moment, cap in caps.items():
        within = [m for m in caps if moment - timedelta(days=1) < m <= moment]
        assert len(within) <= cap


@given(rules=RULE_SETS, person=PEOPLE, kind=KINDS)
def test_a_wish_only_makes_the_rules_stricter(rules: NudgeRules, person: Person, kind: str) -> None:
    plain, own = timing(rules, kind, Wishes()), timing(rules, kind, person.wishes)
    assert own.daily_cap <= plain.daily_cap
    assert set(plain.quiet) <= set(own.quiet)
    assert len(own.slots) <= len(plain.slots)
    assert leaves_time(own.quiet)
    hour = {time(h, m) for h in range(24) for m in (0, 15, 30, 59)}
    assert {h for h in hour if is_in(h, plain.quiet)} <= {h for h in hour if is_in(h, own.quiet)}


@given(rules=RULE_SETS, person=PEOPLE, now=MOMENTS)
def test_a_decoy_is_in_the_slots_that_a_reminder_of_the_practice_has(
    rules: NudgeRules, person: Person, now: datetime
) -> None:
    """Its hour and its day tell nothing: they are those of a nudge with a reason."""
    own = timing(rules, "", person.wishes)
    for slot in slots_between(now, now + timedelta(days=9), rules, person.wishes):
        where = slot.astimezone(rules.zone)
        assert slot in slots_of(where.date(), own.slots, rules.zone)
        assert where.weekday() in own.slot_days
        assert not is_in(where.time(), own.quiet)


def without_cap(rules: NudgeRules, person: Person) -> tuple[NudgeRules, Person]:
    kinds = tuple(replace(kind, daily_cap=None) for kind in rules.kinds)
    wishes = replace(person.wishes, daily_cap=None)
    return replace(rules, daily_cap=50, kinds=kinds), replace(person, wishes=wishes)


@given(data=st.data(), rules=RULE_SETS, person=PEOPLE, now=MOMENTS)
def test_rule_1_one_by_one_is_the_same_as_all_at_once_but_for_the_cap(
    data: st.DataObject, rules: NudgeRules, person: Person, now: datetime
) -> None:
    rules, person = without_cap(rules, person)
    everything = data.draw(visits(rules, now))
    whole = plan(rules, person, everything, now)
    apart = [plan(rules, person, [one], now) for one in everything]
    assert set(whole.nudges) == {n for one in apart for n in one.nudges}
    assert set(whole.skipped) == {s for one in apart for s in one.skipped}
    assert plan(rules, person, reversed(everything), now).nudges == whole.nudges


@given(
    data=st.data(),
    rules=RULE_SETS,
    person=PEOPLE,
    now=MOMENTS,
    steps=st.lists(st.integers(1, 200), max_size=8),
)
def test_rules_2_and_3_planning_again_as_time_goes_on_changes_nothing_to_come(
    data: st.DataObject, rules: NudgeRules, person: Person, now: datetime, steps: list[int]
) -> None:
    """From scratch at any moment, with what was due marked done: what the first plan said, and each nudge once."""
    rules, person = without_cap(rules, person)
    everything = data.draw(visits(rules, now))
    first = plan(rules, person, everything, now).nudges
    for hour in steps:
        now += timedelta(hours=hour)
        due = {(n.appointment, n.lead) for n in first if n.slot <= now}
        state = [replace(b, done=b.done | {lead for i, lead in due if i == b.id}) for b in everything]
        assert plan(rules, person, state, now).nudges == tuple(n for n in first if n.slot > now)


@given(
    rules=RULE_SETS, person=PEOPLE, now=MOMENTS, ahead=st.timedeltas(timedelta(days=50), timedelta(days=80))
)
def test_each_lead_of_an_appointment_far_ahead_is_planned_or_no_day_is_left(
    rules: NudgeRules, person: Person, now: datetime, ahead: timedelta
) -> None:
    rules, person = without_cap(rules, person)
    visit = Booked(id=AppointmentId("a-1"), until=helps_until(now + ahead, rules))
    leads = person.wishes.days_before if person.wishes.days_before is not None else rules.days_before
    found = plan(rules, person, [visit], now).nudges
    assert {n.lead for n in found} == set(leads)
    assert LATE_LEAD not in {n.lead for n in found}


@given(
    rules=RULE_SETS,
    now=MOMENTS,
    day=st.integers(2, 40),
    first=st.integers(0, 7),
    second=st.integers(0, 7),
)
def test_the_hour_of_a_morning_leaves_no_trace(
    rules: NudgeRules, now: datetime, day: int, first: int, second: int
) -> None:
    base = datetime.combine(now.astimezone(rules.zone).date() + timedelta(days=day), time(0), rules.zone)
    one, two = (helps_until(base.replace(hour=h, minute=59), rules) for h in (first, second))
    assert one == two
