"""``pli`` as it is, but for the operating system's protection: its memory can be read by whoever started it."""

from __future__ import annotations

import sys

from bot.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
