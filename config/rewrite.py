"""Put other values into a settings file that people have edited: their comments and everything else stay."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from typing import Any

from bot.errors import Refused


def put_values(text: str, section: str, values: Mapping[str, str]) -> str:
    """``text`` with ``values`` in ``[section]``, which is added where there is none.

    Raises :class:`Refused` where the file is written in a way that this does not understand.
    """
    left = {key: f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in values.items()}
    lines: list[str] = []
    inside = found = False
    for line in text.splitlines():
        heading = line.split("#", 1)[0].strip()
        if heading.startswith("["):
            if inside:
                lines += _drain(left)
            inside = heading == f"[{section}]"
            found = found or inside
        key = line.split("=", 1)[0].strip()
        lines.append(left.pop(key) if inside and key in left else line)
    if left:
        lines += [*([] if found else ["", f"[{section}]"]), *_drain(left)]
    rewritten = "\n".join(lines) + "\n"
    if _read(rewritten) != _expected(_read(text), section, values):
        raise Refused(
            f"[{section}] in pli.toml is written in a way that cannot be changed here",
            mend=f"write it as in the example: a line [{section}], then one setting a line",
        )
    return rewritten


def _drain(left: dict[str, str]) -> list[str]:
    lines = list(left.values())
    left.clear()
    return lines


def _read(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return {"unreadable": text}


def _expected(settings: dict[str, Any], section: str, values: Mapping[str, str]) -> dict[str, Any]:
    before = settings.get(section)
    return {**settings, section: {**(before if isinstance(before, dict) else {}), **values}}
