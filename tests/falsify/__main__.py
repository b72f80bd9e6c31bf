"""``python -m tests.falsify [--only SECTION] [--like WORD] [--seconds N]``: exit code 0 if every change was noticed."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from tests.falsify.changes import ROOT, Change, all_changes

_FAILED = 1  # pytest's exit code where tests ran and some failed


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.falsify", description=__doc__)
    parser.add_argument("--only", metavar="SECTION", help="the changes of one file alone")
    parser.add_argument("--like", default="", metavar="WORD", help="only changes whose reason has this word")
    parser.add_argument("--seconds", type=int, default=600, help="longest time for the tests of one change")
    options = parser.parse_args()
    chosen = [c for c in all_changes() if options.only in (None, c.section) and options.like in c.why]
    console = Console(soft_wrap=True)
    noticed = 0
    with tempfile.TemporaryDirectory(prefix="pli-falsify-") as folder:
        tree = Path(folder) / "tree"
        _copy(tree)
        for change in chosen:
            verdict = _try(change, tree, options.seconds)
            noticed += verdict is None
            console.print(
                f"{'noticed' if verdict is None else verdict}: {change.section}: {change.why}", markup=False
            )
    console.print(f"{noticed} of {len(chosen)} changes were noticed by their tests")
    return 0 if chosen and noticed == len(chosen) else 1


def _copy(tree: Path) -> None:
    """What git knows or would add, and the second client's modules."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    ).stdout
    for name in filter(None, listed.decode().split("\0")):
        if (ROOT / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tree / name)
    modules = Path("tests/js/node_modules")
    if (ROOT / modules).is_dir():
        (tree / modules).symlink_to(ROOT / modules)


def _try(change: Change, tree: Path, seconds: int) -> str | None:
    """None where the tests noticed; else what happened instead."""
    file = tree / change.file
    before = file.read_text(encoding="utf-8")
    file.write_text(change.applied(before), encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-x", "-rfE", "-p", "no:cacheprovider", *change.tests]
    environment = {**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            command, cwd=tree, env=environment, timeout=seconds, check=False, capture_output=True, text=True
        )
    except subprocess.TimeoutExpired:
        return "NO END"
    finally:
        file.write_text(before, encoding="utf-8")
    if done.returncode == _FAILED and any(word in done.stdout for word in ("FAILED ", "ERROR ")):
        return None
    return "STILL PASSES" if done.returncode == 0 else f"BROKEN (exit code {done.returncode})"


if __name__ == "__main__":
    sys.exit(main())
