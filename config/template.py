"""The commented settings file that ``pli init`` writes: the shipped example with values put in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.resources import files

from bot.errors import WrongUse


def example_text() -> str:
    """``pli.example.toml`` as shipped."""
    return files("config").joinpath("pli.example.toml").read_text(encoding="utf-8")


def fill_template(values: Mapping[tuple[str, str], str | int]) -> str:
    """The example with ``values``, by (section, key). Raises :class:`WrongUse` for one that the example lacks."""
    left = dict(values)
    section = ""
    lines = []
    for line in example_text().splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        key = line.split("=", 1)[0].strip()
        if (section, key) in left:
            # A JSON string or number is a TOML one, as long as it has no control characters.
            line = f"{key} = {json.dumps(left.pop((section, key)), ensure_ascii=False)}"  # noqa: PLW2901 - the line, filled
        lines.append(line)
    if left:
        raise WrongUse("a setting is not in the example")
    return "\n".join(lines) + "\n"
