"""`python -m tests.mutation [--only PART] [--jobs N]`: figures, survivors without a reason, reasons without one.

Fails where a mutant survives that survivors.toml does not name, where one that it names is killed or gone, and where
fewer than 90 % of a module's mutants are killed.
"""

from __future__ import annotations

import argparse
import os
import sys
import tomllib
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from tests.mutation.mutants import Mutant, mutants_of
from tests.mutation.run import Runner
from tests.mutation.targets import LEAST_SHARE, TARGETS

ROOT = Path(__file__).parents[2]
LIST = Path(__file__).parent / "survivors.toml"


class Key(NamedTuple):
    file: str
    where: str
    was: str
    now: str


def listed() -> dict[Key, str]:
    """What may survive, and why."""
    entries = tomllib.loads(LIST.read_text())["survivor"]
    return {Key(e["file"], e["where"], e["was"], e["now"]): e["why"] for e in entries}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation")
    parser.add_argument("--only", default="", help="modules whose path holds this text")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    given = parser.parse_args()
    os.chdir(ROOT)
    reasons, lived, faults = listed(), Counter[Key](), 0
    every, killed_in_all = 0, 0
    for target in TARGETS:
        files = [f for f in target.files if given.only in f]
        if not files:
            continue
        with Runner(target.tests) as runner:
            for file in files:
                made = list(mutants_of(ROOT, file))
                alive = [m for m, lives in runner.survivors(made, given.jobs) if lives]
                killed = len(made) - len(alive)
                share = killed / len(made) if made else 1.0
                every, killed_in_all = every + len(made), killed_in_all + killed
                print(
                    f"{file:42} {len(made):5} mutants {killed:5} killed {len(alive):4} survived {share:7.1%}",
                    flush=True,
                )
                lived.update(_key(m) for m in alive)
                faults += _unexplained(alive, reasons)
                faults += _too_few(share)
                for key in reasons:
                    if key.file == file and not lived[key]:
                        faults += 1
                        print(f"  named in {LIST.name}, but killed or gone: {key}")
    print(
        f"{'in all':42} {every:5} mutants {killed_in_all:5} killed {every - killed_in_all:4} survived "
        f"{killed_in_all / max(every, 1):7.1%}"
    )
    return 1 if faults else 0


def _key(mutant: Mutant) -> Key:
    return Key(mutant.file, mutant.where, mutant.was, mutant.now)


def _unexplained(alive: list[Mutant], reasons: dict[Key, str]) -> int:
    found = [m for m in sorted(alive, key=lambda m: m.line) if _key(m) not in reasons]
    for m in found:
        print(
            f"  survives, and no reason is given: {m.file}:{m.line} {m.where}\n    - {m.was}\n    + {m.now}"
        )
    return len(found)


def _too_few(share: float) -> int:
    if share >= LEAST_SHARE:
        return 0
    print(f"  fewer than {LEAST_SHARE:.0%} are killed")
    return 1


if __name__ == "__main__":
    sys.exit(main())
