"""``pli`` with every logger at DEBUG and an ordinary formatter, as somebody sets it up who hunts a fault.

Into the folder named by ``LOUD_FOLDER``: ``libraries.log`` has what reaches the root logger, ``own.log`` all of Pli's
own records with their tracebacks, ``raised.log`` the text of every exception that is raised anywhere, caught or not.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Any

import bot.cli.run as command
from bot.cli.main import main
from bot.logs import set_up_logs

CONTROL = "the library loggers are loud"
_FOLDER = Path(os.environ.get("LOUD_FOLDER", "."))
_NO_ERRORS = (
    StopIteration,
    StopAsyncIteration,
    GeneratorExit,
    asyncio.CancelledError,
)  # how values are handed on
_ORDINARY = logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s")


def _handler(name: str) -> logging.Handler:
    handler = logging.FileHandler(_FOLDER / name, encoding="utf-8")
    handler.setFormatter(_ORDINARY)
    return handler


def set_up_loud_logs() -> None:
    """In the place of :func:`bot.logs.set_up_logs`: that, and everything into a file besides."""
    set_up_logs()
    own = logging.getLogger("pli")
    own.addHandler(_handler("own.log"))
    own.setLevel(logging.DEBUG)
    logging.getLogger("control").debug(CONTROL)


def write_raised(file: Path) -> None:
    """From now on, in every thread."""
    out = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def on_event(frame: FrameType, event: str, argument: Any) -> Any:
        frame.f_trace_lines = False
        if event == "exception":
            kind, error, _ = argument
            if not issubclass(kind, _NO_ERRORS) and isinstance(error, BaseException):
                told = f"{kind.__name__} {error!s} {error!r} {error.__cause__!r} {error.__context__!r}"
                os.write(out, told.encode("utf-8", "backslashreplace") + b"\n")
        return on_event

    threading.settrace(on_event)
    sys.settrace(on_event)


if __name__ == "__main__":
    logging.getLogger().addHandler(_handler("libraries.log"))
    logging.getLogger().setLevel(logging.DEBUG)
    command.__dict__["set_up_logs"] = set_up_loud_logs
    write_raised(_FOLDER / "raised.log")
    sys.exit(main())
