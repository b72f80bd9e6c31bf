"""``python -m tests.safekeeping.mortal MODULE.NAME WHEN ACT FOLDER …``: killed by SIGKILL at a function of the product.

WHEN is ``before`` or ``after`` its first call. ACT is ``backup``, ``restore`` or ``upgrade``. The product has no hooks.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
from pathlib import Path
from typing import Any

from bot.app import Installation
from bot.backup import make_backup
from bot.restore import restore
from bot.upgrade import upgrade
from config.settings import FILE_NAME, load
from storage.wrap import Profile
from tests.safekeeping.scene import PASSPHRASE
from tests.services.kit import HandClock


def doom(place: str, when: str) -> None:
    module, _, path = place.partition(":")
    owner: Any = importlib.import_module(module)
    *holders, name = path.split(".")
    for holder in holders:
        owner = getattr(owner, holder)
    inner = getattr(owner, name)

    def wrapped(*arguments: Any, **named: Any) -> Any:
        if when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        inner(*arguments, **named)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(owner, name, wrapped)


def installation(folder: Path) -> Installation:
    return Installation(load(folder / FILE_NAME), clock=HandClock(), profile=Profile.testing())


def main() -> None:
    place, when, act, first, *rest = sys.argv[1:]
    doom(place, when)
    if act == "backup":
        make_backup(installation(Path(first)), Path(rest[0]), PASSPHRASE, with_vault=True)
    elif act == "restore":
        with Path(first).open("rb") as source:
            restore(source, PASSPHRASE, Path(rest[0]), database="", clock=HandClock())
    else:
        upgrade(installation(Path(first)))


if __name__ == "__main__":
    main()
