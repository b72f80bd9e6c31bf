"""Time that passes only when nobody has anything to do, and an event loop that lives in it."""

from __future__ import annotations

import asyncio
import contextlib
import selectors
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any


class Time:
    """``passed``: seconds since the simulation began, which every process sees as its monotonic clock.

    ``skew``: seconds by which the bot's machine is wrong.
    """

    def __init__(self, begin: datetime) -> None:
        self.begin, self.passed, self.skew = begin, 0.0, 0.0

    @property
    def true(self) -> datetime:
        """What the homeserver's clock says."""
        return self.begin + timedelta(seconds=self.passed)

    def now(self) -> datetime:
        """What the bot's machine says; with :meth:`monotonic` the port :class:`bot.ports.Clock`."""
        return self.true + timedelta(seconds=self.skew)

    def monotonic(self) -> float:
        return self.passed


class _Jump(selectors.SelectSelector):
    """Waits for nobody: where a loop would sleep, the time goes on."""

    def __init__(self, time: Time) -> None:
        super().__init__()
        self._time = time

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise RuntimeError("the simulated process waits for something that never happens")
        self._time.passed += max(timeout, 0.0)
        return []


class SimulatedLoop(asyncio.SelectorEventLoop):
    """One a life of a process. What would run in a thread runs at once, as one step that nothing interrupts.

    An exception that nothing catches (see :class:`tests.simulation.fate.Crash`) leaves :meth:`run_until_complete` at
    once, as a kill does; :meth:`bury` then forgets what was still to be done.
    """

    def __init__(self, time: Time) -> None:
        super().__init__(_Jump(time))
        self._simulated = time
        self._clock_resolution = 1e-6  # a year in seconds leaves no finer parts to a float

    def time(self) -> float:
        return self._simulated.passed

    def run_in_executor(  # type: ignore[override]  # the base's own variadic types cannot be named here
        self, executor: object, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        del executor
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - whatever it is belongs to whoever waits for it
            future.set_exception(error)
        return future

    def bury(self) -> None:
        for task in asyncio.all_tasks(self):
            task._log_destroy_pending = False  # type: ignore[attr-defined]  # asyncio's own switch
            with contextlib.suppress(BaseException):  # whatever it does on its way out, it is dead
                task.get_coro().close()
        self.set_exception_handler(lambda *_: None)
        self.close()
