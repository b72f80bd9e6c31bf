"""``python -m tests.staffroom.program FOLDER …``: ``pli`` with the tests' own desk."""

from __future__ import annotations

import sys
from pathlib import Path
from unittest import mock

from bot.app import Installation
from bot.cli.main import main
from tests.staffroom.desk import FileDesk

if __name__ == "__main__":
    folder, *rest = sys.argv[1:]
    with mock.patch.object(Installation, "desk", return_value=FileDesk(folder=Path(folder))):
        sys.exit(main(rest))
