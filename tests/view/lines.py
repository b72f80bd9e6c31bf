"""Every line that the code can log, read from the code itself, and whether a written line is one of them."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import bot
import config
import storage
from bot.logs import ALLOWED

_LEVELS = frozenset({"debug", "info", "warning", "error", "exception", "critical", "log"})
_LOGGERS = frozenset({"log", "_log", "logger", "logging"})
_ALWAYS = frozenset({"at", "level", "logger", "event"})
_PLAIN = {"%s": "[A-Za-z_]{1,40}", "%d": "[0-9]{1,9}"}
_AT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00")
_WORD = re.compile(r"[A-Za-z_]{1,40}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """One place that logs. ``message`` is None where it is no constant, ``fields`` where they are not spelt out."""

    where: str
    logger: str
    message: str | None
    fields: frozenset[str] | None


def calls_in(file: Path) -> Iterator[Call]:
    """Every call of a logger in a file."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    names = [
        node.args[0].value
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "getLogger"
        and node.args
        and isinstance(node.args[0], ast.Constant)
    ]
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        owner = node.func.value
        if node.func.attr in _LEVELS and isinstance(owner, ast.Name) and owner.id in _LOGGERS:
            first = node.args[0] if node.args else None
            constant = isinstance(first, ast.Constant) and isinstance(first.value, str)
            yield Call(
                where=f"{file.name}:{node.lineno}",
                logger=str(names[0]) if names else "",
                message=str(first.value) if constant and isinstance(first, ast.Constant) else None,
                fields=_fields(node),
            )


def _fields(node: ast.Call) -> frozenset[str] | None:
    for keyword in node.keywords:
        if keyword.arg != "extra":
            continue
        if not isinstance(keyword.value, ast.Dict):
            return None
        keys = [key.value for key in keyword.value.keys if isinstance(key, ast.Constant)]
        return frozenset(map(str, keys)) if len(keys) == len(keyword.value.keys) else None
    return frozenset()


@functools.cache
def calls() -> tuple[Call, ...]:
    """Every one in the program; the demo, which logs nothing, included."""
    roots = [Path(package.__path__[0]) for package in (bot, storage, config)]
    return tuple(call for root in roots for file in sorted(root.rglob("*.py")) for call in calls_in(file))


@functools.cache
def _known() -> Mapping[str, re.Pattern[str]]:
    """What each logger may say."""
    said: dict[str, list[str]] = {}
    for call in calls():
        parts = re.split(r"(%[a-z])", call.message or "")
        said.setdefault(call.logger, []).append(
            "".join(_PLAIN.get(part, re.escape(part)) for part in parts) if call.message else "(?!)"
        )
    return {logger: re.compile("|".join(forms)) for logger, forms in said.items()}


def why_not(line: Mapping[str, object]) -> str:
    """Why a line is not on the list; empty for one that is."""
    extra = line.keys() - _ALWAYS
    known = _known().get(str(line.get("logger")))
    if known is None or not known.fullmatch(str(line.get("event"))):
        return "no such event in the code"
    if not extra <= ALLOWED | {"exception"}:
        return "a field that is not on the list"
    if not _AT.fullmatch(str(line.get("at"))) or line.get("level") not in {"INFO", "WARNING", "ERROR"}:
        return "no time or no level"
    plain = all(
        isinstance(line[name], bool | int | float) or _WORD.fullmatch(str(line[name])) for name in extra
    )
    return "" if plain else "a value that is neither a number nor a word"
