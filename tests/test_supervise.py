"""Loops that go on; the rules by number are those of :mod:`bot.supervise`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import pytest

from bot.errors import StorageError
from bot.supervise import FIRST_PAUSE, MAX_PAUSE, Loop, Supervisor


async def until(condition: Callable[[], bool], what: str) -> None:
    """Nothing here waits for the outside: a bounded number of turns of the loop is enough."""
    for _ in range(10_000):
        if condition():
            return
        await asyncio.sleep(0)
    raise AssertionError(f"waited in vain for {what}")


class Pauses:
    """Time that passes at once, and is remembered."""

    def __init__(self) -> None:
        self.taken: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.taken.append(seconds)
        await asyncio.sleep(0)


class Fragile:
    """A loop's work: raises what it is told to, as often as it is told to."""

    def __init__(self, *errors: BaseException) -> None:
        self.errors, self.done = list(errors), 0

    async def __call__(self) -> None:
        await asyncio.sleep(0)
        if self.errors:
            raise self.errors.pop(0)
        self.done += 1


@pytest.mark.parametrize(
    "error", [RuntimeError("a defect"), StorageError("full"), KeyError("x"), asyncio.CancelledError()]
)
async def test_failure_16_whatever_a_loop_raises_it_goes_on(error: BaseException) -> None:
    pauses = Pauses()
    loops, fragile = Supervisor(sleep=pauses), Fragile(error)
    loops.start(Loop.NUDGES, fragile)
    await until(lambda: fragile.done > 3, "the loop to work again")
    assert len(pauses.taken) == 1
    assert loops.failing == []
    await loops.stop()


async def test_rule_2_who_fails_is_named_and_nobody_else() -> None:
    blocked = asyncio.Event()

    async def wait(_seconds: float) -> None:
        await blocked.wait()

    loops, well = Supervisor(sleep=wait), Fragile()
    loops.start(Loop.REPLIES, well)
    loops.start(Loop.PURGE, Fragile(RuntimeError("a defect")))
    loops.start(Loop.NUDGES, Fragile(StorageError("full")))
    await until(lambda: len(loops.failing) == 2, "both to fail")
    assert loops.failing == [Loop.NUDGES, Loop.PURGE]
    assert well.done > 0
    blocked.set()
    await until(lambda: not loops.failing, "both to work again")
    await loops.stop()


async def test_rule_2_a_loop_that_rests_after_its_work_is_no_longer_red() -> None:
    loops = Supervisor(sleep=Pauses())
    errors = [RuntimeError("a defect")]

    async def work_and_rest() -> None:
        if errors:
            raise errors.pop()
        loops.worked(Loop.UPKEEP)
        await asyncio.Event().wait()

    loops.start(Loop.UPKEEP, work_and_rest)
    await until(lambda: not errors and not loops.failing, "the rest after the work")
    await loops.stop()


async def test_rule_1_a_loop_that_was_ended_from_outside_is_red_for_good() -> None:
    loops = Supervisor(sleep=Pauses())
    loops.start(Loop.CLOCK, Fragile())
    loops._tasks[Loop.CLOCK].cancel()  # as a defect elsewhere would
    await until(lambda: loops.failing == [Loop.CLOCK], "the end to be noticed")
    await loops.stop()
    assert loops.failing == [], "a stop that is meant is no failure"


async def test_a_stop_ends_a_loop_that_swallows_its_cancellation() -> None:
    """As ``asyncio.wait_for`` does where the time-out and what it waits for come together."""
    loops, swallowed = Supervisor(sleep=Pauses()), asyncio.Event()

    async def swallow() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            swallowed.set()

    loops.start(Loop.REPLIES, swallow)
    await asyncio.sleep(0)
    await loops.stop()
    assert swallowed.is_set()


async def test_rule_1_pauses_grow_to_a_minute_and_begin_anew_after_success() -> None:
    pauses = Pauses()
    fragile = Fragile(*(RuntimeError("a defect") for _ in range(10)))
    loops = Supervisor(sleep=pauses)
    loops.start(Loop.NUDGES, fragile)
    await until(lambda: fragile.done > 0, "the loop to work again")
    steps = [min(FIRST_PAUSE * 2**n, MAX_PAUSE) for n in range(10)]
    assert all(step <= pause <= step * 1.25 for step, pause in zip(steps, pauses.taken, strict=True))
    assert len(set(pauses.taken)) == 10, "not the same pause twice"
    fragile.errors.append(RuntimeError("a defect"))
    await until(lambda: len(pauses.taken) == 11 and not fragile.errors, "the next failure")
    assert pauses.taken[-1] <= FIRST_PAUSE * 1.25
    await loops.stop()


class Heard(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


async def test_rule_3_nothing_of_an_exception_is_logged_but_its_type() -> None:
    logger, heard = logging.getLogger("pli.run"), Heard()
    logger.addHandler(heard)
    fragile = Fragile(RuntimeError("P-1001 has 493817"), StorageError("P-1001"))
    loops = Supervisor(sleep=Pauses())
    try:
        loops.start(Loop.NUDGES, fragile)
        await until(lambda: fragile.done > 0, "the loop to work again")
    finally:
        logger.removeHandler(heard)
        await loops.stop()
    assert [(r.__dict__["task"], r.__dict__["error"]) for r in heard.records] == [
        ("nudges", "RuntimeError"),
        ("nudges", "StorageError"),
    ]
    assert all("P-1001" not in r.getMessage() and r.exc_info is None for r in heard.records)
