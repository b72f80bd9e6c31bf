"""The texts of errors that stand in a module's source, with their mends."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from bot import errors

_KINDS = {
    name
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, errors.PliError) and kind is not errors.DeskError
}


def error_texts(file: Path) -> Iterator[tuple[str, str]]:
    """Text and mend of each error that is made there out of constants."""
    for node in ast.walk(ast.parse(file.read_text())):
        if (
            not isinstance(node, ast.Call)
            or not isinstance(node.func, ast.Name)
            or node.func.id not in _KINDS
        ):
            continue
        text = _constant(node.args[0]) if node.args else ""
        mend = next((_constant(k.value) for k in node.keywords if k.arg == "mend"), "")
        if text:
            yield text, mend


def _constant(node: ast.expr) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
