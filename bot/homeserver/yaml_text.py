"""YAML with comments, written from a table, and read back. Pure.

Scalars are written as JSON, which every YAML reader takes as it is meant: no word becomes a boolean by accident.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Mapping

from bot.errors import Refused, WrongUse
from bot.homeserver.hardening import Setting

_WIDTH = 100


def comment(text: str) -> str:
    """``text`` as comment lines."""
    return "\n".join(f"# {line}" for line in textwrap.wrap(text, _WIDTH - 2))


def render(title: str, sections: Iterable[tuple[str, Iterable[Setting]]]) -> str:
    """The whole file: ``title`` on top, each section under its heading, each key under its reason."""
    parts = [comment(title)]
    for heading, settings in sections:
        parts.append(f"# ---- {heading} ----")
        for each in settings:
            if each.value is None:
                parts.append(comment(f"{each.key}: left out on purpose. {each.why}"))
            else:
                parts.append(f"{comment(each.why)}\n{_entry(each.key, each.value, 0)}")
    return "\n\n".join(parts) + "\n"


def _entry(key: str, value: object, depth: int) -> str:
    pad = "  " * depth
    match value:
        case dict() if value:
            inner = "\n".join(_entry(str(k), v, depth + 1) for k, v in value.items())
            return f"{pad}{key}:\n{inner}"
        case list() if value:
            return f"{pad}{key}:\n" + "\n".join(_item(v, depth + 1) for v in value)
    return f"{pad}{key}: {json.dumps(value, ensure_ascii=False)}"


def _item(value: object, depth: int) -> str:
    pad = "  " * depth
    if isinstance(value, dict) and value:
        inner = "\n".join(_entry(str(k), v, depth + 1) for k, v in value.items())
        return f"{pad}- {inner.lstrip()}"
    return f"{pad}- {json.dumps(value, ensure_ascii=False)}"


def parse(text: str) -> Mapping[str, object]:
    """Raises :class:`WrongUse` where it is no YAML mapping, :class:`Refused` where no reader is installed."""
    try:
        import yaml  # type: ignore[import-untyped] # noqa: PLC0415 - comes with Synapse, which is an extra
    except ImportError:
        raise Refused(
            "no reader of YAML is installed",
            mend='install the extra "homeserver": pip install "pli[homeserver]"',
        ) from None
    try:
        found = yaml.safe_load(text)
    except yaml.YAMLError:  # its text quotes the line, which may be a secret
        raise WrongUse("the configuration is not readable YAML", mend="mend it, or write a new one") from None
    if not isinstance(found, dict):
        raise WrongUse("the configuration is not a YAML mapping", mend="name Synapse's homeserver.yaml")
    return {str(key): value for key, value in found.items()}
