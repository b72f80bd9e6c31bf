"""What may survive is still there to be mutated, and has a reason. `make mutation` checks the rest."""

from __future__ import annotations

import tomllib
from pathlib import Path

from tests.mutation.targets import TARGETS

ROOT = Path(__file__).parents[2]


def test_every_survivor_named_is_of_code_that_stands_there() -> None:
    entries = tomllib.loads((Path(__file__).parent / "survivors.toml").read_text())["survivor"]
    files = {file for target in TARGETS for file in target.files}
    assert len({tuple(sorted(entry.items())) for entry in entries}) == len(entries)
    for entry in entries:
        assert entry["file"] in files
        assert len(entry["why"]) > 10
        lines = {line.strip() for line in (ROOT / entry["file"]).read_text().splitlines()}
        assert set(entry["was"].split("\n")) <= lines, entry["was"]


def test_every_module_of_the_domain_is_mutated() -> None:
    """A new one would otherwise be forgotten."""
    files = {file for target in TARGETS for file in target.files}
    domain = {str(path.relative_to(ROOT)) for path in (ROOT / "bot" / "domain").rglob("*.py")}
    assert domain - files == {"bot/domain/__init__.py", "bot/domain/dialogue/__init__.py"}
    for target in TARGETS:
        assert all((ROOT / name).is_file() for name in (*target.files, *target.tests))
