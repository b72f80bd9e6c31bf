"""A homeserver without an access log, and a practice's folder with its bot on it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bot.homeserver.embedded import EmbeddedHomeserver
from bot.homeserver.settings import ServerOptions
from tests.journey.practice import Practice, Values
from tests.rig.homeserver import RigHomeserver


@contextmanager
def homeserver_and_practice(
    folder: Path, values: Values | None = None
) -> Iterator[tuple[RigHomeserver, Practice]]:
    """Both in ``folder``; the homeserver ends with the block."""
    options = ServerOptions(generous_limits=True)
    with EmbeddedHomeserver(folder / "homeserver", options=options) as embedded:
        homeserver = RigHomeserver(
            url=embedded.url, server_name=embedded.server_name, folder=embedded.folder, embedded=embedded
        )
        practice = Practice.make(folder / "practice", homeserver, values)
        practice.python = (sys.executable,)
        yield homeserver, practice
