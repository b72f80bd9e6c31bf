"""The arithmetic of the benches: what is published must be what was measured."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from tests.bench.figures import Figure, Result, quantile, show, write

RESULT = Result(
    name="import",
    what="two runs",
    figures=(
        Figure(name="rate", unit="appointments/s", runs=(1200.0, 1000.0, 1900.0)),
        Figure(name="ratio", unit="ratio", runs=(0.25, 0.75), goal="alone = 1"),
    ),
)


@pytest.mark.parametrize(
    ("share", "expected"), [(0.0, 1), (0.05, 1), (0.5, 10), (0.51, 11), (0.95, 19), (0.96, 20), (1.0, 20)]
)
def test_quantile_is_the_nearest_rank(share: float, expected: int) -> None:
    assert quantile([float(n) for n in range(20, 0, -1)], share) == expected


def test_quantile_of_one_value() -> None:
    assert quantile([3.0], 0.5) == quantile([3.0], 0.95) == 3.0


def test_the_file_holds_every_run_and_the_machine(tmp_path: Path) -> None:
    write([RESULT], tmp_path / "out.json")
    found = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    rate, ratio = found["benches"][0]["figures"]
    assert (rate["runs"], rate["median"]) == ([1200.0, 1000.0, 1900.0], 1200.0)
    assert (ratio["runs"], ratio["median"], ratio["goal"]) == ([0.25, 0.75], 0.5, "alone = 1")
    assert found["machine"]["cores"] >= 1


def test_the_table_shows_median_and_spread() -> None:
    out = io.StringIO()
    show(RESULT, Console(file=out, width=120))
    line = next(line for line in out.getvalue().splitlines() if "appointments/s" in line)
    assert [cell.strip() for cell in line.strip("│").split("│")][:5] == [
        "rate",
        "1,200",
        "1,000",
        "1,900",
        "appointments/s",
    ]
