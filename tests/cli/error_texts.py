"""The texts that stand in a module's source: of its errors with their mends, and of what a command prints."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import get_args

from bot import errors

ROOT = Path(__file__).parents[2]
HOLE = "{}"
_KINDS = {
    name
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, errors.PliError) and kind is not errors.DeskError
}
# Made of their places and reasons: see :func:`made_texts`.
_MADE = {"Unclear", "Untrusted"}
# Which arguments of a call are read by somebody: positions and names.
_READ: Mapping[str, tuple[tuple[int, ...], tuple[str, ...]]] = {
    **dict.fromkeys(
        {n for n, k in vars(errors).items() if isinstance(k, type) and issubclass(k, errors.PliError)}
        - _MADE,
        ((0,), ("mend", "where", "why")),
    ),
    "_Bad": ((0, 1), ()),
    "Fault": ((), ("why", "mend")),
    "Refusal": ((), ("why", "mend")),
    "_refused": ((0,), ("why", "mend")),
    "_not_by": ((0,), ()),
    "refuse": ((0, 2, 3), ()),
    "own": ((0,), ()),
    "counted": ((0, 1), ()),
    "say": ((0,), ()),
    "say_count": ((0, 1), ()),
    "warn": ((0,), ()),
}
# What has its own text for each language under a symbolic identifier, or is no text of the program.
_SYMBOLIC = re.compile(r"[a-z_.{}]*")


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
        if node.func.id == errors.Unclear.__name__:  # made of its place: see the texts of all places below
            continue
        mend = next((_constant(k.value) for k in node.keywords if k.arg == "mend"), "")
        if text:
            yield text, mend


def unclear_texts() -> Iterator[tuple[str, str]]:
    """Text and mend of each way in which a day or an hour cannot be read."""
    for place in get_args(errors.UnclearPlace):
        error = errors.Unclear(place)
        yield str(error), error.mend


def made_texts() -> Iterator[str]:
    """Of the errors that make their own text."""
    for text, mend in unclear_texts():
        yield from (text, mend)
    for kind in vars(errors).values():
        if isinstance(kind, type) and issubclass(kind, errors.PliError):
            yield (kind.__doc__ or "").strip().split("\n")[0]
    for reason in get_args(errors.UntrustedReason):
        yield str(errors.Untrusted(reason))


def read_texts(file: Path) -> Iterator[str]:
    """Every text of an error, a mend, a refused entry or a finding that is made there, with a hole for each value."""
    module = ".".join(file.relative_to(ROOT).with_suffix("").parts)
    for node in ast.walk(ast.parse(file.read_text())):
        if not isinstance(node, ast.Call):
            continue
        positions, names = _READ.get(_called(node), ((), ()))
        read = [node.args[i] for i in positions if i < len(node.args)]
        read += [k.value for k in node.keywords if k.arg in names]
        for expression in read:
            for text in _shapes(expression, module):
                if text.replace(HOLE, "").strip(" :,.") and not (
                    _called(node) == "say" and _is_symbolic(text)
                ):
                    yield text


def _is_symbolic(text: str) -> bool:
    return "." in text and _SYMBOLIC.fullmatch(text) is not None


def returned_texts(file: Path) -> Iterator[str]:
    """What its functions give back as text."""
    module = ".".join(file.relative_to(ROOT).with_suffix("").parts)
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Return) and node.value is not None:
            yield from (text for text in _shapes(node.value, module) if text.replace(HOLE, "").strip())


def _called(node: ast.Call) -> str:
    if isinstance(node.func, ast.Name):
        return node.func.id
    return node.func.attr if isinstance(node.func, ast.Attribute) else ""


def _shapes(node: ast.expr, module: str) -> Iterator[str]:
    """What the expression can be, as far as the source tells; nothing for what is computed elsewhere."""
    match node:
        case ast.Constant(value=str(text)):
            yield re.sub(r"\{\w+\}", HOLE, text)
        case ast.JoinedStr(values=parts):
            yield "".join(_piece(part, module) for part in parts)
        case ast.IfExp(body=one, orelse=other):
            yield from _shapes(one, module)
            yield from _shapes(other, module)
        case ast.BinOp(left=left, op=ast.Add()):
            for text in _shapes(left, module):
                yield text + HOLE
        case ast.Name(id=name):
            value = getattr(importlib.import_module(module), name, None)
            if isinstance(value, str):
                yield re.sub(r"\{\w+\}", HOLE, value)


def _piece(part: ast.expr, module: str) -> str:
    """Of an f-string: a constant of the module stands in it as it is."""
    if isinstance(part, ast.Constant):
        return str(part.value)
    if isinstance(part, ast.FormattedValue) and isinstance(part.value, ast.Name):
        value = getattr(importlib.import_module(module), part.value.id, None)
        if isinstance(value, str):
            return value
    return HOLE


def _constant(node: ast.expr) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
