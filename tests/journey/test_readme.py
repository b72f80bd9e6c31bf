"""README's first real set-up, line by line as it is written there, in a folder of its own."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.journey.practice import free_port

README = Path(__file__).parents[2] / "README.md"
KEEPS_RUNNING = "# keeps running"
_SECONDS = 120


def _block(heading: str, first_word: str) -> list[str]:
    """The lines of the first code block under ``heading`` that begins with ``first_word``."""
    part = README.read_text(encoding="utf-8").split(f"\n{heading}\n", 1)[1].split("\n## ", 1)[0]
    for block in re.findall(r"```\w*\n(.*?)```", part, re.DOTALL):
        if block.startswith(first_word):
            return [line for line in block.splitlines() if line.strip()]
    raise AssertionError(f"no such block under {heading}")


class Shell:
    """A person's terminal: what is set in it holds for the lines that follow."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._folder, self._environment = folder, environment
        self._set: list[str] = []

    def _command(self, line: str) -> list[str]:
        return ["bash", "-ec", "\n".join([*self._set, line])]

    def run(self, line: str) -> str:
        done = subprocess.run(
            self._command(line),
            cwd=self._folder,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        if line.startswith((". ", "export ")):
            self._set.append(line)
        return done.stdout

    @contextmanager
    def running(self, line: str) -> Iterator[None]:
        """Begun when it says that it is, as a person sees; ended with Ctrl-C."""
        process = subprocess.Popen(
            self._command(f"exec {line}"),
            cwd=self._folder,
            env=self._environment | {"PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert process.stdout is not None
        try:
            for said in process.stdout:
                if "ready" in said or '"started"' in said:
                    break
            yield
        finally:
            process.send_signal(signal.SIGINT)
            rest, _ = process.communicate(timeout=_SECONDS)
        assert process.returncode == 0, rest


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """On free ports, for a machine may have something on the usual ones: settings that a variable may set."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("PLI_")}
    (tmp_path / ".venv").symlink_to(sys.prefix)
    port = free_port()
    return Shell(
        tmp_path,
        ours
        | {
            "PLI_HOMESERVER__PORT": str(port),
            "PLI_MATRIX__HOMESERVER": f"http://127.0.0.1:{port}",
            "PLI_HEALTH__PORT": str(free_port()),
        },
    )


def test_the_first_real_set_up_as_it_is_written(shell: Shell) -> None:
    heading = "## A first real set-up"
    (sample,) = _block(heading, "python -c")
    said: dict[str, str] = {}
    with ExitStack() as stack:
        for line in _block(heading, ". .venv"):
            words = line.split("#")[0].strip()
            if KEEPS_RUNNING in line:
                stack.enter_context(shell.running(words))
                continue
            if words.startswith("pli agenda import"):
                shell.run(sample)
            said[words] = shell.run(line)
    checks = said["pli doctor"].splitlines()
    assert len(checks) == 12, "as README says"
    assert all(check.startswith("bien ") for check in checks), checks
    (invited,) = [text for words, text in said.items() if words.startswith("pli invite")]
    assert re.search(r"code\s+\S{4}-\S{4}", invited)
    assert re.search(r"nouveaux +2\s", said["pli agenda import agenda.ics --dry-run"])


def test_what_is_told_of_a_taken_port_is_a_mend(shell: Shell) -> None:
    """A port that is in use is said, and nothing hangs."""
    shell.run(". .venv/bin/activate")
    shell.run("pli init cabinet")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(AssertionError, match="remède : "):
            shell.run(f"PLI_HOMESERVER__PORT={port} pli --config cabinet homeserver run")
