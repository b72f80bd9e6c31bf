"""Live seeds, and say of one that fails how it is lived again."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.simulation.fate import Crash
from tests.simulation.world import CYCLES, World, world

KEPT = Path(__file__).parent / "seeds.toml"


@dataclass(frozen=True, kw_only=True, slots=True)
class Kept:
    """A seed that once failed, and why."""

    seed: int
    why: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What a history came to. ``digest`` of all that was told: equal for equal histories."""

    seed: int
    cycles: int
    days: float
    nudges: int
    problems: int
    rows: int
    digest: str

    def __str__(self) -> str:
        return (
            f"seed {self.seed}: {self.cycles} crashes in {self.days:.0f} days, {self.nudges} nudges, "
            f"{self.problems} lines for the staff, {self.rows} rows at the end"
        )


class Failed(AssertionError):
    """Its message ends with the command that lives it again."""


def kept() -> Sequence[Kept]:
    return [Kept(**entry) for entry in tomllib.loads(KEPT.read_text(encoding="utf-8"))["kept"]]


def replay(seed: int, *, year: bool = False, steps: int | None = None) -> str:
    """The command."""
    limit = f" --steps {steps}" if steps is not None else ""
    return f"python -m tests.simulation --seed {seed}{' --year' if year else ''}{limit} --trace"


def live(
    seed: int,
    tell: Callable[[str], None] = lambda _: None,
    *,
    year: bool = False,
    steps: int | None = None,
) -> Outcome:
    """Raises :class:`Failed`."""
    digest = hashlib.sha256()

    def told(words: str) -> None:
        digest.update(words.encode() + b"\n")
        tell(words)

    with world(seed, told) as living:
        try:
            living.live_a_year() if year else living.live(CYCLES, steps)
        except (Exception, Crash) as error:  # whatever goes wrong in a history, the seed is what matters
            what = str(error) if isinstance(error, AssertionError) else f"{type(error).__name__}: {error}"
            again = replay(seed, year=year, steps=living.steps)
            raise Failed(f"{what}\nseed {seed}, step {living.steps}; to see it again:\n  {again}") from error
        return _outcome(seed, living, digest.hexdigest())


def _outcome(seed: int, living: World, digest: str) -> Outcome:
    return Outcome(
        seed=seed,
        cycles=living.crashes,
        days=living.time.passed / 86_400,
        nudges=living.nudges,
        problems=living.reported,
        rows=sum(living.desk.sizes().values()),
        digest=digest,
    )


def seeds_for(cycles: int, first: int = 1) -> range:
    """So many seeds that they have at least ``cycles`` crashes and recoveries."""
    return range(first, first + -(-cycles // CYCLES))


def live_all(seeds: Sequence[int]) -> Iterator[Outcome | Failed]:
    for seed in seeds:
        try:
            yield live(seed)
        except Failed as failed:
            yield failed
