"""Runs a module's tests against one mutant at a time, in a process forked for it. Writes nothing into the tree.

The parent has imported what the tests import of other people's code, and nothing of ours, so that each child imports
our modules anew, the mutated one from the mutant's text. A mutant is killed when a test fails, the import fails, or
the tests use ten times the processor time that they need without it.
"""

from __future__ import annotations

import gc
import importlib
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import CodeType

import pytest

from tests.mutation.mutants import Mutant

OURS = ("bot", "config", "storage", "tests")
# Plugins that only search for what tests left behind cost half of the time of a short run.
_OFF = ("cacheprovider", "xdist", "asyncio", "unraisableexception", "threadexception")
_PYTEST = ("-x", "-q", "--noconftest", "--no-header", "--tb=no", *(f"-pno:{name}" for name in _OFF))
_NO_TESTS = 5
_WALL_SECONDS = 600


class _Text(SourceFileLoader):
    def __init__(self, name: str, path: str, text: str) -> None:
        super().__init__(name, path)
        self._text = text

    def get_code(self, fullname: str) -> CodeType:  # noqa: ARG002  # the loader's interface
        return compile(self._text, self.path, "exec", dont_inherit=True)


class _Finder(MetaPathFinder):
    def __init__(self, mutant: Mutant) -> None:
        self._mutant = mutant
        self._name = mutant.file.removesuffix(".py").replace("/", ".")

    def find_spec(self, fullname: str, path: object, target: object = None) -> ModuleSpec | None:  # noqa: ARG002
        if fullname != self._name:
            return None
        return spec_from_file_location(
            fullname, self._mutant.file, loader=_Text(fullname, self._mutant.file, self._mutant.text)
        )


class Runner:
    """For one list of test files. ``baseline`` is the processor time of a run without a mutant."""

    def __init__(self, tests: Iterable[str]) -> None:
        self._tests = tuple(tests)
        self._folder = Path(tempfile.mkdtemp(prefix="pli-mutation-"))
        self.baseline = 0.0
        sys.dont_write_bytecode, sys.pycache_prefix = False, str(self._folder / "compiled")
        gc.freeze()

    def __enter__(self) -> Runner:
        for _ in range(3):  # other people's modules, then compiled ones of ours, then the measurement
            self._warm_up()
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    def survivors(self, mutants: Iterable[Mutant], jobs: int) -> Iterator[tuple[Mutant, bool]]:
        """Each mutant, and whether the tests let it live, as they come."""
        running: dict[int, tuple[Mutant, float]] = {}
        for mutant in mutants:
            while len(running) >= jobs:
                yield from self._ended(running)
            running[self._start(mutant)] = mutant, time.monotonic() + _WALL_SECONDS
        while running:
            yield from self._ended(running)

    def _ended(self, running: dict[int, tuple[Mutant, float]]) -> Iterator[tuple[Mutant, bool]]:
        for pid, (mutant, deadline) in list(running.items()):
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                del running[pid]
                shutil.rmtree(self._folder / str(pid), ignore_errors=True)
                yield mutant, self._lives(status)
            elif time.monotonic() > deadline:
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)

    def _lives(self, status: int) -> bool:
        code = os.waitstatus_to_exitcode(status)
        if code == _NO_TESTS:
            raise SystemExit(f"no tests in {self._tests}")
        return code == 0

    def _start(self, mutant: Mutant | None) -> int:
        pid = os.fork()
        if pid:
            return pid
        code = 1
        with suppress(BaseException):
            code = self._child(mutant)
        os._exit(code)

    def _child(self, mutant: Mutant | None) -> int:
        quiet = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(quiet, descriptor)
        if mutant is not None:
            limit = int(10 * self.baseline) + 10
            resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 5))
            resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
            sys.meta_path.insert(0, _Finder(mutant))
        here = self._folder / str(os.getpid())
        code = int(
            pytest.main([*_PYTEST, "-p", "tests.mutation.profile", f"--basetemp={here}", *self._tests])
        )
        if mutant is None:
            (self._folder / "modules").write_text("\n".join(sorted(sys.modules)))
        return code

    def _warm_up(self) -> None:
        pid = self._start(None)
        _, status, usage = os.wait4(pid, 0)
        if os.waitstatus_to_exitcode(status):
            raise SystemExit(f"without a mutant the tests fail: {' '.join(self._tests)}")
        self.baseline = usage.ru_utime + usage.ru_stime
        for name in (self._folder / "modules").read_text().split():
            if name.partition(".")[0] not in (*OURS, "__main__"):
                with suppress(Exception):  # what cannot be imported alone is imported by the children
                    importlib.import_module(name)
