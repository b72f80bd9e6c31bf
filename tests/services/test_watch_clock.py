"""A clock that jumped holds nudges back; the rules by number are those of :mod:`bot.services.watch_clock`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from bot.domain.clock_watch import Clockwork, Tolerance
from bot.domain.records import AuditKind, OutboxKind, OutboxState, ProblemKind
from bot.errors import StorageError
from bot.services.choose_nudges import Delivery
from bot.services.settle_restored import SettleRestored
from bot.services.tell_news import TellNews
from bot.services.watch_clock import Steady, TrustClock, WatchClock, clock_in_doubt
from tests.services.crowd import crowd
from tests.services.kit import DAY, HOUR, PIN, Practice, at, entry

EVE = at("2026-09-09 18:00")
MINUTE = timedelta(minutes=1)


@dataclass
class Machine:
    """One boot of a machine; time passes for both clocks, and somebody may set the one on the wall."""

    practice: Practice
    boot: str = "first"
    seconds: float = 5000.0
    watch: WatchClock = field(init=False)

    def __post_init__(self) -> None:
        self.start()

    def steady(self) -> Steady:
        return Steady(seconds=lambda: self.seconds, boot=self.boot)

    def start(self) -> Clockwork:
        """A new process."""
        practice = self.practice
        self.watch = WatchClock(
            practice.uow, now=practice.clock.now, steady=self.steady(), tolerance=Tolerance()
        )
        practice.delivery = Delivery(trusted=self.watch.agrees)
        practice.start_bot()
        return self.watch.load()

    def reboot(self, *, off: timedelta) -> Clockwork:
        self.practice.clock.moment += off
        self.boot, self.seconds = f"after {self.boot}", 20.0
        return self.start()

    def run(self, passed: timedelta) -> None:
        self.practice.clock.moment += passed
        self.seconds += passed.total_seconds()

    def set_clock(self, by: timedelta) -> None:
        self.practice.clock.moment += by

    def trust(self) -> bool:
        return TrustClock(self.practice.home.uow, steady=self.steady())(self.practice.now)


async def planned(practice: Practice, people: int = 7) -> Machine:
    """Seven people with a visit on the tenth, nudged on the eve; it is the first."""
    crowd(practice, people)
    practice.take(*(entry(f"u-{n}", "2026-09-10 15:00", patient=f"C-{n}") for n in range(people)))
    return Machine(practice)


def waiting(practice: Practice) -> bool:
    return {row.state for row in practice.nudge_rows()} == {OutboxState.QUEUED}


@pytest.mark.parametrize("jump", [20 * DAY, 12 * DAY, 9 * DAY, -3 * DAY])
async def test_failure_12_a_clock_that_jumped_sends_and_drops_nothing(
    anywhere: Practice, jump: timedelta
) -> None:
    """Forwards over the slot and over the visit, and backwards; then it is right again, and all goes as planned."""
    machine = await planned(anywhere)
    machine.run(HOUR)
    machine.set_clock(jump)
    for _ in range(5):
        await anywhere.send_nudges()
        machine.watch.note()
        machine.run(30 * MINUTE)
    assert machine.watch.thinks is (Clockwork.AHEAD if jump > timedelta() else Clockwork.BEHIND)
    assert anywhere.channel.tries("nudge") == []
    assert waiting(anywhere)
    assert anywhere.problems() == [ProblemKind.CLOCK], "one line, however long it lasts"
    machine.set_clock(-jump)
    machine.run(EVE - anywhere.now)
    await anywhere.send_nudges()
    assert machine.watch.note() is Clockwork.GOOD
    assert len(anywhere.channel.of("nudge")) == 7
    assert anywhere.problems() == [ProblemKind.CLOCK], "nothing came too late"


async def test_rule_1_a_jump_right_before_the_claim_is_seen(practice: Practice) -> None:
    """Nobody has noted anything since the jump: the claim itself looks."""
    machine = await planned(practice)
    machine.set_clock(EVE - practice.now)
    assert await practice.send_nudges() == 0
    assert waiting(practice)


@pytest.mark.parametrize(("off", "thinks"), [(-3 * DAY, Clockwork.BEHIND), (31 * DAY, Clockwork.AHEAD)])
async def test_a_start_with_a_clock_that_cannot_be(
    practice: Practice, off: timedelta, thinks: Clockwork
) -> None:
    """A flat battery: days behind the last activity, or years ahead."""
    machine = await planned(practice)
    assert machine.reboot(off=off) is thinks
    assert await practice.send_nudges() == 0
    assert waiting(practice)
    assert practice.problems() == [ProblemKind.CLOCK]


async def test_failure_04_plain_downtime_is_no_doubt(practice: Practice) -> None:
    """Off for two weeks: what is past is reported, in one line of news."""
    machine = await planned(practice)
    assert machine.reboot(off=14 * DAY) is Clockwork.GOOD
    await practice.send_nudges()
    assert practice.channel.of("nudge") == []
    assert practice.problems() == [ProblemKind.TOO_LATE] * 7
    tell = TellNews(practice.home.uow, practice.sealer)
    assert not tell(urgent=True, now=practice.now), "more of it may come in a moment"
    machine.run(MINUTE)
    news = tell(urgent=True, now=practice.now)
    ((kind, count, patients),) = [(p.kind, p.count, p.patients) for p in news.problems]
    assert (kind, count, patients) == (ProblemKind.TOO_LATE, 7, ())
    assert tell.told(news.token)
    assert not tell(urgent=False, now=practice.now)


async def test_rule_2_a_doubt_outlives_the_process_and_the_machine(practice: Practice) -> None:
    machine = await planned(practice)
    machine.set_clock(12 * DAY)
    machine.watch.note()
    assert machine.start() is Clockwork.AHEAD
    assert machine.reboot(off=MINUTE) is Clockwork.AHEAD
    await practice.send_nudges()
    assert waiting(practice)
    assert practice.problems() == [ProblemKind.CLOCK]
    assert machine.reboot(off=-12 * DAY) is Clockwork.GOOD


async def test_rule_2_a_restart_within_one_boot_sees_the_jump_that_nobody_watched(practice: Practice) -> None:
    machine = await planned(practice)
    machine.run(2 * DAY)
    machine.set_clock(HOUR)
    assert machine.start() is Clockwork.AHEAD


async def test_rule_2_the_doubt_is_urgent_news(practice: Practice) -> None:
    machine = await planned(practice)
    machine.set_clock(-2 * DAY)
    machine.watch.note()
    news = TellNews(practice.home.uow, practice.sealer)(urgent=True, now=practice.now)
    assert [(p.kind, p.patients) for p in news.problems] == [(ProblemKind.CLOCK, ())]


async def test_rule_2_a_storage_that_refuses_holds_nudges_all_the_same(practice: Practice) -> None:
    machine = await planned(practice)
    machine.set_clock(EVE - practice.now)

    def refuse() -> None:
        raise StorageError("the database refused")

    practice.wrap_uow = lambda _uow: refuse()  # type: ignore[assignment, return-value]  # always raises
    with pytest.raises(StorageError):
        machine.watch.note()
    practice.wrap_uow = lambda uow: uow
    assert await practice.send_nudges() == 0
    assert practice.problems() == []
    assert machine.watch.note() is Clockwork.AHEAD
    assert practice.problems() == [ProblemKind.CLOCK]


async def test_rule_3_what_is_to_be_taken_back_does_not_wait_for_a_clock_that_was_set_back(
    practice: Practice,
) -> None:
    anna = await practice.enrolled()
    practice.take(entry())
    machine = Machine(practice)
    await anna.say(PIN)
    (row,) = practice.outbox(OutboxKind.REDACT)[-1:]
    assert row.due > practice.now
    machine.set_clock(-2 * DAY)
    machine.watch.note()
    await practice.send_replies()
    assert practice.outbox(OutboxKind.REDACT)[-1].state is OutboxState.SENT


def vouched(machine: Machine) -> None:
    assert machine.trust()


def told_the_hour(machine: Machine) -> None:
    machine.set_clock(-12 * DAY)


@pytest.mark.parametrize("mend", [vouched, told_the_hour])
async def test_rule_4_an_administrator_or_the_clock_itself_ends_it(
    practice: Practice, mend: Callable[[Machine], None]
) -> None:
    machine = await planned(practice)
    machine.set_clock(12 * DAY)
    machine.watch.note()
    mend(machine)
    machine.run(MINUTE)
    assert machine.watch.note() is Clockwork.GOOD
    assert machine.watch.agrees(practice.now)
    with practice.home.uow() as uow:
        assert not clock_in_doubt(uow)
    assert machine.reboot(off=MINUTE) is Clockwork.GOOD


async def test_rule_4_after_it_what_is_past_is_reported_and_the_act_is_logged(practice: Practice) -> None:
    machine = await planned(practice)
    machine.set_clock(12 * DAY)
    machine.watch.note()
    vouched(machine)
    machine.watch.note()
    await practice.send_nudges()
    assert practice.channel.of("nudge") == []
    assert practice.problems() == [ProblemKind.CLOCK] + [ProblemKind.TOO_LATE] * 7
    assert practice.audited()[-1] == AuditKind.RESUMED


async def test_rule_4_without_a_doubt_nothing_is_changed(practice: Practice) -> None:
    machine = await planned(practice)
    before = practice.everything()
    assert not machine.trust()
    assert practice.everything() == before


async def test_a_look_is_written_once_a_minute(practice: Practice) -> None:
    machine = await planned(practice)
    before = practice.everything()["meta"]
    for _ in range(59):
        machine.run(timedelta(seconds=1))
        machine.watch.note()
    assert practice.everything()["meta"] == before
    machine.run(timedelta(seconds=1))
    machine.watch.note()
    assert practice.everything()["meta"] != before


async def test_what_was_noted_on_another_machine_is_forgotten_by_a_restore(practice: Practice) -> None:
    machine = await planned(practice)
    machine.set_clock(60 * DAY)
    SettleRestored(practice.home.uow)(practice.now, lost=())
    assert machine.start() is Clockwork.GOOD
