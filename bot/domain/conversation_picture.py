"""The table as a picture: ``pli conversation draw``. Text only, for Mermaid or Graphviz. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Literal

from bot.domain.dialogue.table import TABLE
from bot.domain.states import Action, Input, State, Transition

Format = Literal["mermaid", "dot"]

_PER_LINE = 3


def draw(fmt: Format) -> str:
    """Every state, and every way from one to another; a state's own loops are gathered into one.

    ``!`` behind an input: the message is redacted. ``/ action``: what the service does on the way.
    """
    edges = _edges(TABLE)
    return _mermaid(edges) if fmt == "mermaid" else _dot(edges)


Edges = Mapping[tuple[State, State], list[str]]


def _edges(table: Mapping[State, Mapping[Input, Transition]]) -> Edges:
    found: dict[tuple[State, State], list[str]] = defaultdict(list)
    for state, row in table.items():
        for given, entry in row.items():
            if not entry.ignored:
                found[state, entry.state].append(_label(given, entry))
    return found


def _label(given: Input, entry: Transition) -> str:
    mark = "!" if entry.redact else ""
    quiet = {Action.SAY, Action.SAY_OPEN, Action.NOTHING}
    return f"{given.value}{mark}" + ("" if entry.action in quiet else f" / {entry.action.value}")


def _lines(labels: list[str], newline: str) -> str:
    rows = [labels[i : i + _PER_LINE] for i in range(0, len(labels), _PER_LINE)]
    return newline.join(", ".join(row) for row in rows)


def _mermaid(edges: Edges) -> str:
    """State ids have a prefix: "left" is a word of Mermaid's own."""
    lines = ["stateDiagram-v2"]
    lines += [f'    state "{state.value}" as s_{state.value}' for state in State]
    lines += [f"    [*] --> s_{State.STRANGER.value}"]
    lines += [
        f"    s_{a.value} --> s_{b.value} : {_lines(labels, '<br/>')}" for (a, b), labels in edges.items()
    ]
    return "\n".join(lines) + "\n"


def _dot(edges: Edges) -> str:
    lines = [
        "digraph conversation {",
        "    rankdir=LR;",
        '    node [shape=box, style=rounded, fontname="sans"];',
    ]
    lines += [f"    {state.value};" for state in State]
    lines += [
        f'    {a.value} -> {b.value} [label="{_lines(labels, chr(92) + "n")}"];'
        for (a, b), labels in edges.items()
    ]
    return "\n".join([*lines, "}"]) + "\n"
