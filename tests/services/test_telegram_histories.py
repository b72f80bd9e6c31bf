"""Whatever happens in whatever order: invariants of copies, of the cap, and of what is unknown after a death.

A process dies in one of these: while Telegram is asked, before or after it has taken the message. What it knew is gone
then; what it had marked is not.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.domain.choices import Level
from bot.domain.records import DECOY, OutboxState, ProblemKind
from bot.domain.telegram import ChatId, NudgeOn
from bot.domain.values import RecipientId
from bot.errors import ChannelError
from bot.services.plan_nudges import plan_decoys
from config.nudge_settings import Nudges
from tests.services.crowd import crowd
from tests.services.kit import Practice, at, entry
from tests.services.telegram_kit import Telegram

PEOPLE = 3
CAP = 2
ERRORS = {
    "away": ChannelError("away", permanent=False),
    "flood": ChannelError("flood", permanent=False, retry_after=5.0),
    "closed": ChannelError("closed", permanent=True),
    "unsure": ChannelError("no answer", permanent=False, unsure=True),
}

STEPS = st.one_of(
    st.tuples(st.just("wait"), st.sampled_from([1, 10, 60, 300])),
    st.tuples(st.just("nudges"), st.just(0)),
    st.tuples(st.just("copies"), st.just(0)),
    st.tuples(st.just("fault"), st.sampled_from(["", *ERRORS])),
    st.tuples(st.just("lost"), st.sampled_from(["", "unsure"])),
    st.tuples(st.just("choose"), st.tuples(st.integers(0, PEOPLE - 1), st.sampled_from(NudgeOn))),
    st.tuples(st.just("unbind"), st.integers(0, PEOPLE - 1)),
    st.tuples(st.just("cancel"), st.integers(0, PEOPLE - 1)),
    st.tuples(st.just("die"), st.booleans()),
    st.tuples(st.just("tidy"), st.just(0)),
)


class _Dead(BaseException):
    """The process is killed here."""


@dataclass
class _History:
    """One practice whose people have a visit each in two days, and slots at noon, three and six."""

    practice: Practice
    people: list[RecipientId] = field(default_factory=list)
    deaths: int = 0
    unsure: int = 0

    def __post_init__(self) -> None:
        crowd(self.practice, PEOPLE)
        self.practice.take(*(entry(f"u-{n}", f"2026-09-03 1{n}:00", patient=f"C-{n}") for n in range(PEOPLE)))
        self.telegram = Telegram(self.practice)
        with self.practice.home.uow() as uow:
            self.people = sorted(recipient.id for recipient in uow.recipients.all())
            plan_decoys(uow, self.practice.now, self.practice.rules)
            uow.commit()
        self.chats: dict[ChatId, RecipientId] = {}
        for who in self.people:
            self.chats[self.telegram.link(who)] = who

    async def step(self, what: str, value: object) -> None:
        practice, telegram = self.practice, self.telegram
        match what, value:
            case "wait", int(minutes):
                practice.clock.forward(minutes=minutes)
            case "nudges", _:
                await practice.send_nudges()
            case "copies", _:
                await telegram.copies()
            case "fault", str(name):
                telegram.channel.fault = lambda _: self._fail(name)
            case "lost", str(name):
                telegram.channel.lost = lambda _: self._fail(name)
            case "choose", (int(who), NudgeOn() as on):
                self.chats[telegram.link(self.people[who], on)] = self.people[who]
            case "unbind", int(who):
                with practice.home.uow() as uow:
                    uow.telegram.unbind(self.people[who])
                    uow.commit()
            case "cancel", int(who):
                practice.execute(
                    "UPDATE appointment SET status = 'cancelled' WHERE patient IN"
                    " (SELECT patient FROM patient_recipient WHERE recipient = :who)",
                    who=self.people[who],
                )
            case "die", bool(after):
                await self._die(after=after)
            case "tidy", _:
                telegram.deliver.tidy()
                practice.deliver.tidy()

    def _fail(self, name: str) -> ChannelError | None:
        self.unsure += name == "unsure"
        return ERRORS.get(name)

    async def _die(self, *, after: bool) -> None:
        """In the next call to Telegram, if there is one, and begin anew."""
        telegram = self.telegram
        fault, lost = telegram.channel.fault, telegram.channel.lost
        telegram.channel.fault = lambda _: None if after else _Dead()
        telegram.channel.lost = lambda _: _Dead()
        await self.practice.send_nudges()
        try:
            await telegram.copies()
        except _Dead:
            self.deaths += 1
        telegram.channel.fault, telegram.channel.lost = fault, lost
        telegram.start()
        self.practice.deliver.recover()
        telegram.deliver.recover()

    def check(self) -> None:
        copies, nudges = self.telegram.rows(), self.practice.nudge_rows()
        assert len({copy.copy_of for copy in copies}) == len(copies)
        assert {copy.copy_of for copy in copies} <= {row.id for row in nudges}
        assert not [c for c in copies if c.state is OutboxState.CLAIMED]
        arrived = Counter(self.chats[chat] for chat, _, _ in self.telegram.channel.sent)
        may = (OutboxState.SENT, OutboxState.UNKNOWN)
        for who in self.people:
            known = [c.state for c in copies if c.recipient == who]
            assert known.count(OutboxState.SENT) <= arrived[who] <= sum(known.count(state) for state in may)
            slots = [row.slot for row in nudges if row.recipient == who and row.template != DECOY]
            assert len(slots) == len(set(slots))
        unknown = [c for c in copies if c.state is OutboxState.UNKNOWN]
        assert len(unknown) == self.deaths + self.unsure
        kinds = (ProblemKind.UNKNOWN_SEND, ProblemKind.UNKNOWN_COPY)
        told = sum(kind in kinds for kind in self.practice.problems())
        assert told == sum(c.template != DECOY for c in unknown)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=st.lists(STEPS, max_size=14))
def test_no_copy_is_sent_twice_and_every_unknown_one_is_told(steps: list[tuple[str, object]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        nudges = Nudges(
            level=Level.PRIVATE,
            slots=("12:00", "15:00", "18:00"),
            daily_cap=CAP,
            decoy_share=0.5,
            days_before=(1,),
        )
        practice = Practice(Path(folder), nudges=nudges)
        practice.clock.moment = at("2026-09-01 08:00")
        try:
            asyncio.run(_play(practice, steps))
        finally:
            practice.close()


async def _play(practice: Practice, steps: list[tuple[str, object]]) -> None:
    history = _History(practice)
    practice.clock.moment = at("2026-09-01 12:00")
    for what, value in steps:
        await history.step(what, value)
        history.check()
    await history.step("fault", "")
    await history.step("lost", "")
    for _ in range(60):
        practice.clock.forward(minutes=30)
        await practice.send_nudges()
        await history.telegram.copies()
        history.check()
    assert not history.telegram.rows(OutboxState.QUEUED)
    late = practice.now - timedelta(hours=12)
    assert not [row for row in practice.nudge_rows(OutboxState.QUEUED) if row.due < late]
