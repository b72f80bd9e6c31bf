"""The listed changes, read and checked."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[1]
_FIELDS = frozenset({"why", "file", "find", "replace", "tests"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """One change of the product's code, and the tests (pytest's node ids) that must notice it."""

    section: str
    why: str
    file: str
    find: str
    replace: str
    tests: tuple[str, ...]

    def applied(self, text: str) -> str:
        """``text`` of :attr:`file` with the change. Raises ``ValueError`` unless it fits exactly once."""
        if text.count(self.find) != 1:
            raise ValueError(
                f"{self.section}: found {text.count(self.find)} times in {self.file}: {self.why}"
            )
        return text.replace(self.find, self.replace)


def all_changes() -> Sequence[Change]:
    """Every change, by section. Raises ``ValueError`` for a malformed one."""
    found = []
    for path in sorted(FOLDER.glob("*.toml")):
        for entry in tomllib.loads(path.read_text(encoding="utf-8")).get("change", []):
            if entry.keys() != _FIELDS or not entry["tests"]:
                raise ValueError(f"{path.name}: a change has exactly {sorted(_FIELDS)}: {entry.get('why')}")
            found.append(Change(**{**entry, "section": path.stem, "tests": tuple(entry["tests"])}))
    return found


def names_a_test(node: str) -> bool:
    """Whether ``path::test`` (or ``path::Class``, with or without ``[case]``) stands in the tree."""
    file, _, rest = node.partition("::")
    path = ROOT / file
    if not path.is_file():
        return False
    name = rest.split("[", 1)[0].split("::")[-1]
    pattern = rf"^\s*(async def|def|class) {re.escape(name)}\b|^{re.escape(name)} = "
    return not name or re.search(pattern, path.read_text(encoding="utf-8"), re.MULTILINE) is not None
