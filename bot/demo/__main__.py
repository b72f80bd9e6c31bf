"""``python -m bot.demo [--keep DIR] [--lang fr|en]``: the journey told, searched and judged.

Exit codes: 0 everything as promised, 1 a step did not happen, something leaked or a size differs, 2 wrong use,
130 interrupted.
"""

from __future__ import annotations

import argparse
import asyncio
import locale
import os
import signal
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from rich.text import Text

from bot.demo.clone import require_tests
from bot.demo.places import Folder
from bot.demo.programs import Programs
from bot.demo.stage import Stage, new_console
from bot.demo.story import Story
from bot.demo.telegram import Telegram
from bot.demo.telegram_saw import judge
from bot.demo.teller import StepMissing
from bot.demo.verdict import Verdict, search
from bot.demo.words import Words
from bot.demo.words_en import ENGLISH
from bot.demo.words_fr import FRENCH
from bot.domain.values import Language
from bot.errors import PliError, Refused, WrongUse
from bot.logs import set_up_logs

_INTERRUPTED = 130
_WORDS = {words.language: words for words in (FRENCH, ENGLISH)}


def main(arguments: list[str] | None = None) -> int:
    """Run the demo; the exit code."""
    given = _parser().parse_args(arguments)
    words = _WORDS[Language(given.lang)]
    stage = Stage(new_console(), words.headings)
    set_up_logs()  # nio's log quotes what it cannot understand
    try:
        with ExitStack() as stack:
            scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pli-demo-")))
            root = _empty(given.keep) if given.keep else scratch / "demo"
            folder = Folder(root=root)
            programs = Programs(folder.practice, folder.logs)
            stack.callback(programs.stop)
            good = asyncio.run(_run(stage, words, folder, programs, scratch))
            stage.show(Text(words.kept.format(folder=root) if given.keep else words.not_kept, style="dim"))
    except (KeyboardInterrupt, asyncio.CancelledError):
        stage.show(Text(words.interrupted, style="bold red"))
        return _INTERRUPTED
    except WrongUse as error:
        stage.show(Text(f"{error}; {error.mend}", style="bold red"))
        return 2
    except Refused as error:
        stage.show(Text(f"{error}; {error.mend}", style="bold red"))
        return 1
    if given.transcript:
        shown = stage.console.export_text().splitlines()
        given.transcript.write_text("\n".join(map(str.rstrip, shown)) + "\n", encoding="utf-8")
    return 0 if good else 1


async def _run(stage: Stage, words: Words, folder: Folder, programs: Programs, scratch: Path) -> bool:
    loop, here = asyncio.get_running_loop(), asyncio.current_task()
    for sign in (signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(sign, lambda: here.cancel() if here else None)
    began = time.monotonic()
    verdict = Verdict(stage, words)
    require_tests()
    stage.opening(words.title, *words.opening)
    try:
        with stage.pulse():
            async with Telegram() as telegram:
                story = Story(stage, words, folder, programs, telegram)
                await story.play()
                stopped = await asyncio.to_thread(programs.stop)
                story.rest_of_telegram()
            stage.chapter(*words.search)
            telegram.keep(folder.telegram)
            searched = await search(story.scanner, story.while_running, folder, scratch)
        verdict.leaks(story.scanner, searched)
        verdict.sizes(story.ledger, story.homeserver, story.bot_user)
        verdict.telegram(judge(telegram.requests, story.constants, telegram.token))
        verdict.note(words.stopped if stopped else words.not_stopped, good=stopped)
        verdict.note(words.all_happened.format(seconds=round(time.monotonic() - began)), good=True)
    except StepMissing as missing:
        verdict.note(words.missing_step.format(step=missing), good=False)
    except PliError as error:
        verdict.note(f"{error} {error.mend}".strip(), good=False)
    verdict.show()
    return verdict.good


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bot.demo",
        description="The whole journey of an appointment on this machine, told as it happens.",
        epilog='Example: make demo ARGS="--lang en --keep /tmp/pli-demo"',
    )
    parser.add_argument("--keep", type=Path, metavar="DIR", help="leave everything in DIR, new or empty")
    parser.add_argument(
        "--lang", choices=[language.value for language in Language], default=_own_language(), help="fr or en"
    )
    parser.add_argument("--transcript", type=Path, metavar="FILE", help="write what is shown to FILE as well")
    return parser


def _own_language() -> str:
    """The terminal's language where it is one of ours, else English."""
    told = next(filter(None, (os.environ.get(name) for name in ("LC_ALL", "LC_MESSAGES", "LANG"))), "")
    code = (locale.normalize(told) or "")[:2].lower()
    return code if code in set(Language) else Language.EN.value


def _empty(folder: Path) -> Path:
    folder = folder.expanduser().absolute()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise WrongUse("the folder is not empty", mend="name a new one with --keep")
    return folder


if __name__ == "__main__":
    sys.exit(main())
