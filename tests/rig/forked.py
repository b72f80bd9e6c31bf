"""Programs of the tests' that begin as a fork of a process in which what they import is there already.

An import of everything that ``pli run`` needs takes a second of the processor; the tests start it hundreds of times.
The process that is forked has done nothing but import: it knows no practice, and has no thread and no random numbers.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any
from unittest import mock

from tests.rig.cheap_hashing import hashing

SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(["tests.rig.forked", "bot.cli.run", "sqlalchemy.dialects.sqlite"])


def start(target: Callable[..., None], *given: Any) -> ForkServerProcess:
    """``target`` is named, not carried over: a function of a module, as what it is ``given`` is pickled."""
    process = SERVER.Process(target=target, args=given, daemon=True)
    # Nothing of this process's program, pytest, is to be imported there.
    with mock.patch.multiple(sys.modules["__main__"], create=True, __spec__=None, __file__=None):
        process.start()
    return process


class Forked:
    """``python -m PROGRAM …``; the rest is as with :class:`subprocess.Popen`. ``log`` takes both outputs, ``cheap`` is
    about Argon2id."""

    def __init__(
        self,
        program: Sequence[str],
        *,
        log: Path = Path(os.devnull),
        environment: Mapping[str, str] = os.environ,
        cheap: bool = False,
    ) -> None:
        self._process = start(_run, list(program), str(log), dict(environment), cheap)

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def send_signal(self, sign: signal.Signals) -> None:
        if self._process.exitcode is None:
            os.kill(self.pid, sign)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def wait(self, timeout: float | None = None) -> int:
        """Raises :class:`subprocess.TimeoutExpired`."""
        self._process.join(timeout)
        code = self._process.exitcode
        if code is None:
            raise subprocess.TimeoutExpired("pli", timeout or 0.0)
        return code


def _run(program: list[str], log: str, environment: dict[str, str], cheap: bool) -> None:
    with open(os.devnull, "rb") as nothing, open(log, "ab") as out:  # noqa: PTH123  # two of a kind
        os.dup2(nothing.fileno(), 0)
        os.dup2(out.fileno(), 1)
        os.dup2(out.fileno(), 2)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = program
    gc.freeze()  # what was imported is never looked through again: its pages stay shared
    with hashing(cheap=cheap):
        runpy.run_module(program[0], run_name="__main__", alter_sys=True)
