"""What ``pli status`` shows: the running bot as it says of itself on loopback, and the stores as they lie there.

1. Counts, moments and sizes alone: no id and no name is read.
2. What cannot be found out is said to be unknown, and never shown as well.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.request import ProxyHandler, build_opener

from bot.app import Installation
from bot.channels.matrix.session import SEEDS_FILE
from bot.domain.figures import Figures
from bot.instance import last_begun
from bot.metrics import free_bytes
from bot.services.pause_nudges import paused_since

_SECONDS = 5.0
NOT_RUNNING, ANOTHER, READY = "not running", "another", "ready"


@dataclass(frozen=True, kw_only=True, slots=True)
class Status:
    """``bot`` is "ready", "not ready", "not running", or "another" where a stranger has its port; ``checks`` are those
    of ``/readyz``; ``keys`` ages in days.
    """

    at: datetime
    bot: str
    checks: Mapping[str, Any] = field(default_factory=dict)
    figures: Figures
    paused_since: str
    free_bytes: int | None
    keys: Mapping[str, int | None]


def look(home: Installation) -> Status:
    """Raises :class:`bot.errors.PliError`."""
    now = home.clock.now()
    with home.uow() as uow:
        figures, paused = uow.figures.read(now), paused_since(uow)
    bot, checks = running(home)
    return Status(
        at=now,
        bot=bot,
        checks=checks,
        figures=figures,
        paused_since=paused,
        free_bytes=free_bytes(home.settings.folder),
        keys={
            "data key": _age(home, now, "data.key"),
            "bot's identity": _age(home, now, SEEDS_FILE),
            "importer's key": _age(home, now, "importer.pub"),
        },
    )


def running(home: Installation) -> tuple[str, Mapping[str, Any]]:
    """Whether this installation's own bot answers on its port, and the checks it tells."""
    health = home.settings.health
    url = f"http://{health.host}:{health.port}/readyz"
    try:
        with build_opener(ProxyHandler({})).open(
            url, timeout=_SECONDS
        ) as answer:  # loopback: never by a proxy
            read = json.load(answer)
    except HTTPError as refused:
        try:
            read = json.load(refused)
        except ValueError:
            read = {}
    except (HTTPException, ValueError):
        read = {}
    except OSError:
        return NOT_RUNNING, {}
    if not isinstance(read, dict) or not isinstance(read.get("ready"), bool):
        return ANOTHER, {}
    if not read.get("instance") or read["instance"] != last_begun(home.bot_dir):
        return ANOTHER, {}
    return (READY if read["ready"] else "not ready"), read


def _age(home: Installation, now: datetime, name: str) -> int | None:
    """Days since the file was written; None where it is not there."""
    try:
        written = datetime.fromtimestamp((home.bot_dir / name).stat().st_mtime, UTC)
    except OSError:
        return None
    return max(timedelta(), now - written).days
