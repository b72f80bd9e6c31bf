"""Logs of the bot's process: one JSON line an event, allow-listed fields only.

1. The message is a constant of the code; values are filled in only if all of them are numbers or single plain words.
2. Of a record's extra fields only those of :data:`ALLOWED` are printed, and only numbers, booleans and enum-like words.
3. Of an exception only the type is printed.
4. Everything else is silenced, in every command: nio and peewee log plaintexts and statements, and a warning may quote
   what it warns of.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from datetime import UTC, datetime

ALLOWED = frozenset({"kind", "attempts", "problem", "task", "error", "count", "seconds", "status"})
_WORD = re.compile(r"[A-Za-z_]{1,40}")
_FOREIGN = (
    *("nio", "peewee", "sqlalchemy", "aiohttp", "asyncio", "alembic", "vodozemac", "py.warnings"),
    *("telegram", "httpx", "httpcore"),  # the bot's token is in every address that they log
)


class AllowListed(logging.Formatter):
    """See the module."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "event": _event(record),
        }
        for name in sorted(ALLOWED):
            value = record.__dict__.get(name)
            if _is_plain(value):
                line[name] = value
        if record.exc_info and record.exc_info[0] is not None:
            line["exception"] = record.exc_info[0].__name__
        return json.dumps(line)


def _event(record: logging.LogRecord) -> str:
    values = record.args if isinstance(record.args, tuple) else ()
    if not values or not all(map(_is_plain, values)):
        return str(record.msg)
    try:
        return record.getMessage()
    except (TypeError, ValueError):
        return str(record.msg)


def _is_plain(value: object) -> bool:
    return isinstance(value, (bool, int, float)) or (
        isinstance(value, str) and _WORD.fullmatch(value) is not None
    )


def silence() -> None:
    """Rule 4. What no logger of ours says goes nowhere, not even to standard error by default."""
    logging.captureWarnings(capture=True)
    logging.raiseExceptions = False  # a line that cannot be written is not quoted instead
    root = logging.getLogger()
    if not root.handlers:
        root.addHandler(logging.NullHandler())
    for name in _FOREIGN:
        foreign = logging.getLogger(name)
        foreign.handlers = [logging.NullHandler()]
        foreign.propagate = False
        foreign.setLevel(logging.CRITICAL + 1)


def set_up_logs() -> None:
    """Send Pli's own records to standard error, everything else nowhere."""
    silence()
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(AllowListed())
    root = logging.getLogger("pli")
    root.handlers = [handler]
    root.propagate = False
    root.setLevel(logging.INFO)
