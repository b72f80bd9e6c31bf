"""What a bench gives back: named figures, each measured several times, printed and written as JSON."""

from __future__ import annotations

import json
import math
import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """One value a run, in ``unit``. ``goal`` says what it is held against, where there is something."""

    name: str
    unit: str
    runs: tuple[float, ...]
    goal: str = ""

    @property
    def median(self) -> float:
        return statistics.median(self.runs)


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """One bench: what was measured, in words, and the figures."""

    name: str
    what: str
    figures: tuple[Figure, ...]


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that is not exceeded by ``share`` of ``values`` (nearest rank)."""
    rank = math.ceil(round(share * len(values), 9))
    return sorted(values)[max(rank, 1) - 1]


def show(result: Result, console: Console) -> None:
    """A table: median first, then the lowest and the highest run."""
    table = Table(title=f"{result.name}: {result.what}", title_justify="left")
    table.add_column("figure")
    for heading in ("median", "lowest", "highest"):
        table.add_column(heading, justify="right")
    table.add_column("unit")
    table.add_column("held against")
    for figure in result.figures:
        numbers = (figure.median, min(figure.runs), max(figure.runs))
        table.add_row(figure.name, *(_short(n) for n in numbers), figure.unit, figure.goal)
    console.print(table)


def write(results: Sequence[Result], file: Path) -> None:
    """All runs of all figures, with what they were measured on."""
    machine = {
        "cores": os.cpu_count(),
        "system": platform.system(),
        "machine": platform.machine(),
        "python": platform.python_version(),
        **{name: version(name) for name in ("cryptography", "matrix-nio", "matrix-synapse", "SQLAlchemy")},
    }
    benches = [
        {**asdict(result), "figures": [{**asdict(f), "median": f.median} for f in result.figures]}
        for result in results
    ]
    whole = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "machine": machine, "benches": benches}
    file.write_text(json.dumps(whole, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _short(number: float) -> str:
    return f"{number:,.0f}" if abs(number) >= 100 else f"{number:.3g}"
