"""`python -m tests.fuzz [--runs N] [--only PART] [--seed S]`: each target under Atheris, guided by what it has reached.

Each runs in a process of its own, as Atheris ends with the process. What a target should not have done is printed with
the bytes, which are kept in build/fuzz; put them, shortened, into a test of the parser.
"""

from __future__ import annotations

import argparse
import logging
import os
import random
import re
import sys
import tempfile
import time
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["bot", "config", "storage"]):
    from tests.fuzz.targets import TARGETS
from tests.fuzz.mutate import LONGEST, mutated

_ROOT = Path(__file__).parents[2]
_FOUND = _ROOT / "build" / "fuzz"
_DONE = re.compile(r"^stat::number_of_executed_units:\s*(\d+)", re.MULTILINE)
_REACHED = re.compile(r"cov: (\d+)")
_LEAST = 2000


def _guided(name: str, runs: int, seed: int) -> None:
    """Never returns: Atheris ends the process."""
    target = TARGETS[name]
    logging.disable(logging.CRITICAL)
    corpus = Path(tempfile.mkdtemp(prefix="pli-fuzz-"))
    for number, data in enumerate(target.seeds()):
        (corpus / str(number)).write_bytes(data)

    def mutate(data: bytes, most: int, chosen: int) -> bytes:
        """Faults that know of JSON and of tokens, as often as those of the engine."""
        chance = random.Random(chosen)  # noqa: S311 - reproducible noise
        if chance.random() < 0.5:
            return bytes(atheris.Mutate(data, most))
        return mutated(data, chance)[:most]

    options = [f"-runs={runs}", f"-seed={seed}", f"-max_len={LONGEST}", "-len_control=0", "-timeout=60"]
    options += ["-rss_limit_mb=4096", "-print_final_stats=1", f"-artifact_prefix={_FOUND}/{name}-"]
    atheris.Setup([sys.argv[0], *options, str(corpus)], target.run, custom_mutator=mutate)
    atheris.Fuzz()


def _in_a_child(name: str, runs: int, seed: int, folder: str) -> tuple[int, str]:
    """Exit code and what was printed. Forked, as the modules took long to prepare."""
    output = Path(folder) / "output"
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        return os.waitstatus_to_exitcode(status), output.read_text(errors="replace")
    handle = os.open(output, os.O_WRONLY | os.O_CREAT, 0o600)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    tempfile.tempdir = folder
    try:
        _guided(name, runs, seed)
    finally:
        os._exit(1)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("--runs", type=int, default=100_000, help="executions of a target whose share is 1")
    parser.add_argument("--only", default="", help="targets whose name holds this text")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    _FOUND.mkdir(parents=True, exist_ok=True)
    every, failed = 0, []
    chosen = {name: target for name, target in TARGETS.items() if given.only in name}
    for name, target in chosen.items():
        runs = max(_LEAST, int(given.runs * target.share))
        begun = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="pli-fuzz-") as folder:
            code, told = _in_a_child(name, runs, given.seed, folder)
        count = int(found[1]) if (found := _DONE.search(told)) else 0
        every += count
        reached = (_REACHED.findall(told) or ["?"])[-1]
        seconds = time.monotonic() - begun
        right = code == 0 and count >= runs
        print(
            f"{name:18} {count:9,} executions {reached:>6} reached {seconds:7.1f} s  {'' if right else 'FAILED'}",
            flush=True,
        )
        if not right:
            failed.append(name)
            print(told[-6000:])
    print(
        f"{'in all':18} {every:9,} executions of {len(chosen)} parsers; failed: {', '.join(failed) or 'none'}"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
