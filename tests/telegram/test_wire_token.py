"""The token is in every address: it is in no log, no error and no representation, and off means off.

Each runs in a process of its own: what was imported and which loggers were touched is not the other tests' business.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.rig.bot_api import TOKEN
from tests.view.lines import why_not

ROOT = Path(__file__).parents[2]
LOUD = """
import asyncio, logging, sys, traceback, warnings
from bot.logs import set_up_logs

warnings.simplefilter("always")
set_up_logs()
if sys.argv[1] == "loud":  # whatever is not silenced reaches standard error, at every level
    root = logging.getLogger()
    root.handlers = [logging.StreamHandler(sys.stderr)]
    root.setLevel(logging.DEBUG)
    logging.getLogger("pli").setLevel(logging.DEBUG)

from bot.channels.telegram.faults import Fault
from bot.channels.telegram.line import Line
from bot.domain.values import Secret
from tests.rig.bot_api import TOKEN, BotApi, Trouble, refusal
from tests.telegram.kit import ANN, Ears, FRENCH_NUDGE, wired

async def main():
    async with BotApi(chats={ANN.chat}) as api, wired(api, seconds=0.5) as wire:
        print(repr(wire.line.api), str(wire.line.api), repr(wire.line), repr(wire.channel))
        polling, ears = wire.polling(), Ears(errors=[RuntimeError(TOKEN)])
        api.types(ANN.chat, "hello")
        await polling.once(ears)
        await wire.channel.nudge(ANN, *FRENCH_NUDGE)
        troubles = [
            refusal(429, "Too Many Requests: retry after 1", retry_after=1), refusal(403, "Forbidden: blocked"),
            refusal(400, "Bad Request: chat not found"), refusal(500, "x"), Trouble(status=502, answer=b"<h1>"),
            Trouble(answer=b"not JSON"), Trouble(cut=True), Trouble(silent=True), Trouble(after=True, silent=True),
            refusal(409, "Conflict: x"), Trouble(status=403, answer=TOKEN.encode()),
            Trouble(status=500, answer=TOKEN.encode()), refusal(400, TOKEN), refusal(401, "Unauthorized"),
        ]
        for method, act in (
            ("sendMessage", lambda: wire.channel.nudge(ANN, *FRENCH_NUDGE)),
            ("getMe", wire.line.greet),
        ):
            for trouble in troubles:
                api.trouble(method, trouble)
                try:
                    await act()
                except Fault as fault:
                    assert fault.__cause__ is None and fault.__context__ is None
                    traceback.print_exception(fault)
                    kept = fault
                    print(repr(fault), str(fault), fault.args)
                await wire.line.greet()
        for trouble in (trouble for trouble in troubles if not trouble.silent):
            api.trouble("getUpdates", trouble)
            await polling.once(ears)
        logging.getLogger("pli.telegram").error("an update was not handled", exc_info=kept)
    async with wired(api, url="http://127.0.0.1:9", seconds=0.5) as wire:
        await wire.polling().once(ears)
    print("asked", len(api.requests))

asyncio.run(main())
"""
OFF = """
import sys
import bot.cli.main, bot.cli.run, bot.doctor, bot.runtime, bot.status, bot.telegram_duty
print([m for m in sys.modules if m.split(".")[0] in {"telegram", "httpx", "httpcore", "aiolimiter"}])
"""


def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:].replace(TOKEN, "TOKEN")
    return done


@pytest.mark.parametrize("how", ["loud", "as in pli run"])
def test_api_rule_1_and_line_rule_1_the_token_is_nowhere(how: str) -> None:
    done = run(LOUD, how)
    said = done.stdout + done.stderr
    assert "asked" in said
    assert "Telegram: revoked" in said, "the errors were shown"
    assert "Traceback" in said
    for part in (TOKEN, TOKEN.partition(":")[2], TOKEN[:20], TOKEN[-20:]):
        assert part not in said


def test_the_canary_would_be_seen() -> None:
    """Without the silence the library's own lines show it: the test above can fail."""
    done = run(LOUD.replace("set_up_logs()\n", "", 1).replace("import set_up_logs", "import silence"), "loud")
    assert TOKEN in done.stderr


def test_the_lines_of_the_log_are_constants() -> None:
    lines = [line for line in run(LOUD, "as in pli run").stderr.splitlines() if line.startswith("{")]
    assert lines
    assert [why for line in lines if (why := why_not(json.loads(line)))] == []


def test_without_a_token_nothing_of_the_library_is_loaded() -> None:
    """What ``pli run`` and the commands load; what a running bot loads is seen in a journey."""
    assert run(OFF).stdout == "[]\n"
