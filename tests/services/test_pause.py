"""bot/services/pause_nudges.py: while it holds, no nudge is claimed; what became too late is reported afterwards."""

from __future__ import annotations

from datetime import timedelta

from bot.domain.records import OutboxState, ProblemKind
from bot.services.pause_nudges import PauseNudges, is_paused
from tests.services.kit import Practice
from tests.services.test_deliver_nudges import planned, states


def paused(practice: Practice) -> bool:
    with practice.uow() as uow:
        return is_paused(uow)


async def test_nothing_is_claimed_while_nudges_are_paused(anywhere: Practice) -> None:
    await planned(anywhere)
    pause = PauseNudges(anywhere.uow, anywhere.rules)
    assert pause.pause(anywhere.now)
    assert paused(anywhere)
    assert await anywhere.send_nudges() == 0
    assert states(anywhere) == [OutboxState.QUEUED]
    assert pause.resume(anywhere.now)
    assert not paused(anywhere)
    assert await anywhere.send_nudges() == 1
    assert states(anywhere) == [OutboxState.SENT]
    assert [kind for kind in anywhere.audited() if kind in ("paused", "resumed")] == ["paused", "resumed"]


async def test_failure_04_what_became_too_late_meanwhile_is_reported(practice: Practice) -> None:
    await planned(practice)
    pause = PauseNudges(practice.uow, practice.rules)
    pause.pause(practice.now)
    practice.clock.moment += timedelta(days=2)
    assert await practice.send_nudges() == 0
    pause.resume(practice.now)
    await practice.send_nudges()
    assert practice.channel.of("nudge") == []
    assert practice.problems() == [ProblemKind.TOO_LATE]


async def test_what_is_as_asked_is_left_alone(practice: Practice) -> None:
    pause = PauseNudges(practice.uow, practice.rules)
    assert not pause.resume(practice.now)
    assert pause.pause(practice.now)
    since = practice.now
    practice.clock.forward(hours=1)
    assert not pause.pause(practice.now)
    with practice.uow() as uow:
        assert uow.meta.get("paused") == since.isoformat(timespec="seconds")
