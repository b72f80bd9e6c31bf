"""The demo itself: the whole journey with the real programs, every place searched (P1), every size compared (P6), and
every notice in Telegram (P2)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bot.demo.__main__ import main
from bot.demo.words_en import ENGLISH
from bot.domain.values import Language
from tests.rig.waiting import until

_SECONDS = 420.0
# ``python -m bot.demo``. A shell that starts the tests in its background has them, and what they start, ignore SIGINT.
_PROGRAM = """
import runpy, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
runpy.run_module("bot.demo", run_name="__main__", alter_sys=True)
"""


def start(*arguments: str, output: Path) -> subprocess.Popen[bytes]:
    with output.open("wb") as out:
        return subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            env=os.environ | {"COLUMNS": "100", "TMPDIR": str(output.parent)},
        )


def processes_of(folder: Path) -> list[int]:
    """Processes of this machine that were started for ``folder`` or something in it."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            told = (process / "environ").read_bytes() + (process / "cmdline").read_bytes()
        except OSError:
            continue
        if str(folder).encode() in told.replace(f"TMPDIR={folder}".encode(), b""):
            found.append(int(process.name))
    return found


def test_p1_p2_p6_the_journey_happens_and_nothing_leaks(tmp_path: Path) -> None:
    kept, transcript = tmp_path / "kept", tmp_path / "transcript.txt"
    demo = start(
        "--lang", "en", "--keep", str(kept), "--transcript", str(transcript), output=tmp_path / "out"
    )
    code = demo.wait(_SECONDS)
    told = (tmp_path / "out").read_text(encoding="utf-8")
    assert code == 0, told[-3000:]
    assert "Traceback" not in told
    assert " ".join(told.split()).endswith(ENGLISH.kept.format(folder=kept))  # wherever the line was broken
    for scene in (
        ENGLISH.telegram,
        ENGLISH.nudge,
        ENGLISH.wrong_place,
        ENGLISH.wrong_pin,
        ENGLISH.cancel,
        ENGLISH.leave,
        ENGLISH.search,
    ):
        assert scene[0] in transcript.read_text(encoding="utf-8")
    assert ENGLISH.no_leak in told
    assert ENGLISH.stopped in told
    english = ENGLISH.languages[Language.EN]
    assert ENGLISH.one_body.format(count=2, language=english, bodies=1) in told
    assert " ".join(ENGLISH.at_home.split()) in " ".join(told.split())
    asked = (kept / "telegram" / "requests").read_text(encoding="utf-8")
    assert asked.count("/sendMessage\n") == told.count("/bot…/sendMessage") == 5, "each stands in the column"
    assert max(map(len, told.splitlines())) <= 100
    assert (kept / "cabinet" / "data" / "pli.db").exists()
    assert processes_of(tmp_path) == []


@pytest.mark.parametrize("sign", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.nightly)])
async def test_interrupted_it_stops_everything_and_leaves_nothing(
    tmp_path: Path, sign: signal.Signals
) -> None:
    out = tmp_path / "out"
    demo = start("--lang", "en", output=out)

    async def homeserver_is_up() -> bool:
        assert demo.poll() is None
        return b"$ pli homeserver run" in out.read_bytes()  # shown when it answers

    await until(homeserver_is_up, "the demo's homeserver", seconds=_SECONDS)
    assert processes_of(tmp_path)
    demo.send_signal(sign)
    assert demo.wait(_SECONDS) == 130
    assert ENGLISH.interrupted in out.read_text(encoding="utf-8")
    assert "Traceback" not in out.read_text(encoding="utf-8")
    assert processes_of(tmp_path) == []
    assert os.listdir(tmp_path) == ["out"]  # noqa: PTH208 - of a folder that nobody else writes to, at the end


def test_a_folder_that_is_not_empty_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine").write_text("precious", encoding="utf-8")
    assert main(["--lang", "en", "--keep", str(tmp_path)]) == 2
    assert "not empty" in capsys.readouterr().out
    assert (tmp_path / "mine").read_text(encoding="utf-8") == "precious"
