"""Rules of ``bot.hardening`` by number: a process that dies leaves nothing of its memory behind."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bot.channels.matrix.session import Seeds
from tests.cli.shell import make_practice
from tests.journey.practice import free_port
from tests.rig.waiting import until


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A practice without a homeserver: the bot starts, and waits for one."""
    home = make_practice(tmp_path / "practice")
    home.engine.dispose()
    Seeds.load_or_make(home.bot_dir)
    (tmp_path / "tmp").mkdir()
    return tmp_path


_, HARD = resource.getrlimit(resource.RLIMIT_CORE)


def _allow_dumps() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (HARD, HARD))


# Only the limit is left out: whether the process may be dumped at all is then all that stands in the way.
WITHOUT_LIMIT = """
import resource, sys
resource.setrlimit = lambda *_: None
from bot.cli.main import run_and_exit
run_and_exit()
"""


@contextmanager
def running_bot(folder: Path, *program: str) -> Iterator[subprocess.Popen[bytes]]:
    """``pli run`` in a folder of its own, begun with the highest limit that there is for dumps."""
    environment = {
        **os.environ,
        "PLI_HEALTH__PORT": str(free_port()),
        "TMPDIR": str(folder / "tmp"),
        "PYTHONPATH": os.pathsep.join([str(Path.cwd()), os.environ.get("PYTHONPATH", "")]),
    }
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, *(program or ("-m", "bot")), "--config", str(folder / "practice"), "run"],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            preexec_fn=_allow_dumps,  # noqa: PLW1509 - nothing but a system call
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def wait_begun(folder: Path) -> None:
    async def told() -> bool:
        return b'"started"' in (folder / "log").read_bytes()

    asyncio.run(until(told, "the bot to have begun", seconds=120))


def dumps(folder: Path) -> list[Path]:
    return [file for file in folder.rglob("*core*") if file.is_file() and file.read_bytes()[:4] == b"\x7fELF"]


def test_rule_1_the_limit_is_zero(folder: Path) -> None:
    with running_bot(folder) as process:
        wait_begun(folder)
        assert resource.prlimit(process.pid, resource.RLIMIT_CORE) == (0, 0)


def test_rule_2_nothing_is_left_of_a_process_that_dies(folder: Path) -> None:
    """Where this machine writes dumps into the current folder, a process without the rule leaves one."""
    beside = folder / "beside"
    beside.mkdir()
    with running_bot(folder, "-c", WITHOUT_LIMIT) as process:
        wait_begun(folder)
        assert resource.prlimit(process.pid, resource.RLIMIT_CORE) == (HARD, HARD)
        process.send_signal(signal.SIGSEGV)
        assert process.wait(60) == -signal.SIGSEGV
    assert dumps(folder) == []
    died = subprocess.run(
        [sys.executable, "-c", "import os; os.abort()"], cwd=beside, preexec_fn=_allow_dumps, check=False
    )
    assert died.returncode == -signal.SIGABRT
    pattern = Path("/proc/sys/kernel/core_pattern").read_text(encoding="utf-8").strip()
    if not pattern.startswith(("|", "/")) and HARD != 0:
        assert len(dumps(folder)) == 1


PROGRAM = """
import ctypes, subprocess, sys
from bot.hardening import harden
before = ctypes.CDLL(None).prctl(3, 0, 0, 0, 0)
harden()
harden()
subprocess.run([sys.executable, "-c", "pass"], check=True)
print(before, ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))
"""


def test_rule_2_the_process_is_not_dumpable_and_can_still_start_others() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.split() == ["1", "0"]


def test_rule_3_every_command_is_protected() -> None:
    """Whoever looks at the process of any command from another one of the same account finds root's files."""
    program = (
        "import ctypes, sys, bot.cli.main as m\n"
        "m.main = lambda: ctypes.CDLL(None).prctl(3, 0, 0, 0, 0)\n"
        "m.run_and_exit()"
    )
    done = subprocess.run([sys.executable, "-c", program], timeout=120, check=False)
    assert done.returncode == 0, "the process is dumpable when the command begins"
