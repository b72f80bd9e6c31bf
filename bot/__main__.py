"""``python -m bot`` is ``pli``."""

from bot.cli.main import run_and_exit

run_and_exit()
