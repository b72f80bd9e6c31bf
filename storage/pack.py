"""What lies inside a backup: lines of JSON, so that either database can be filled from either.

::

    {"kind": "pli-backup", "version": 1, "made": …, "schema": …, "audit": {"length": …, "head": …}, "vault": …}
    {"kind": "file", "place": "settings" | "bot" | "import" | "ca", "name": …, "data": …}
    {"kind": "vault", "name": …, "columns": […]}      then one […] a row; only where the vault was asked for
    {"kind": "table", "name": …, "columns": […]}      then one […] a row
    {"kind": "end", "rows": {table: number}}

1. Bytes are ``[base64]``; everything else is a JSON value. A line has eight million characters at most.
2. Nothing after the end, nothing missing before it: a reader that was not told the end has read nothing.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, TypeVar

from bot.errors import Refused

VERSION: Final = 1
_LONGEST: Final = 8_000_000
Cell = str | int | float | bool | bytes | None
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class Manifest:
    """``made`` is ISO 8601 in UTC, ``schema`` a revision, the two audit values are the vault's anchor."""

    made: str
    schema: str
    audit_length: int
    audit_head: bytes
    with_vault: bool

    def line(self) -> bytes:
        audit = {"length": self.audit_length, "head": self.audit_head.hex()}
        return _line(
            {
                "kind": "pli-backup",
                "version": VERSION,
                "made": self.made,
                "schema": self.schema,
                "audit": audit,
                "vault": self.with_vault,
            }
        )


def file_line(place: str, name: str, data: bytes) -> bytes:
    return _line({"kind": "file", "place": place, "name": name, "data": base64.b64encode(data).decode()})


def table_lines(
    kind: str, name: str, columns: Sequence[str], rows: Iterable[Sequence[Cell]]
) -> Iterator[bytes]:
    """``kind``: ``"table"`` or ``"vault"``."""
    yield _line({"kind": kind, "name": name, "columns": list(columns)})
    for row in rows:
        yield _line([_packed(cell) for cell in row])


def end_line(rows: Mapping[str, int]) -> bytes:
    return _line({"kind": "end", "rows": dict(rows)})


class Receiver(Protocol):
    """What a backup is unpacked into. May raise anything; then the rest is not read."""

    def begin(self, manifest: Manifest) -> None: ...
    def file(self, place: str, name: str, data: bytes) -> None: ...
    def table(self, kind: str, name: str, columns: Sequence[str]) -> None: ...
    def row(self, cells: Sequence[Cell]) -> None: ...
    def end(self, rows: Mapping[str, int]) -> None: ...


@dataclass
class Unpacker:
    """Takes the bytes as they come. :meth:`finish` raises :class:`Refused` unless the end was told (rule 2)."""

    receiver: Receiver
    _left: bytearray = field(default_factory=bytearray)
    _begun: bool = False
    _ended: bool = False

    def take(self, data: bytes) -> None:
        """Raises :class:`Refused`."""
        self._left += data
        *lines, rest = self._left.split(b"\n")
        self._left = rest
        if len(rest) > _LONGEST:
            raise _unknown()
        for line in lines:
            self._line(bytes(line))

    def finish(self) -> None:
        if not self._ended or self._left:
            raise Refused("the backup has no end", mend="take another copy of it")

    def _line(self, line: bytes) -> None:
        try:
            read = json.loads(line)
        except (ValueError, RecursionError):
            raise _unknown() from None
        if self._ended:
            raise _unknown()
        if isinstance(read, list) and self._begun:
            self.receiver.row([_unpacked(cell) for cell in read])
        elif isinstance(read, dict) and self._begun:
            self._part(read)
        elif isinstance(read, dict):
            self._begin(read)
        else:
            raise _unknown()

    def _begin(self, read: dict[str, Any]) -> None:
        if read.get("kind") != "pli-backup":
            raise _unknown()
        if read.get("version") != VERSION:
            raise Refused("this backup was made by another version of pli", mend="install that version")
        manifest = _read(
            lambda: Manifest(
                made=str(read["made"]),
                schema=str(read["schema"]),
                audit_length=int(read["audit"]["length"]),
                audit_head=bytes.fromhex(read["audit"]["head"]),
                with_vault=bool(read["vault"]),
            )
        )
        self._begun = True
        self.receiver.begin(manifest)

    def _part(self, read: dict[str, Any]) -> None:
        kind = read.get("kind")
        if kind == "file":
            place, name, data = _read(
                lambda: (str(read["place"]), str(read["name"]), base64.b64decode(read["data"], validate=True))
            )
            self.receiver.file(place, name, data)
        elif kind in ("table", "vault"):
            name, columns = _read(lambda: (str(read["name"]), [str(c) for c in read["columns"]]))
            self.receiver.table(kind, name, columns)
        elif kind == "end":
            rows = _read(lambda: {str(n): int(v) for n, v in read["rows"].items()})
            self.receiver.end(rows)
            self._ended = True
        else:
            raise _unknown()


def _read(make: Callable[[], T]) -> T:
    try:
        return make()
    except (KeyError, TypeError, ValueError, AttributeError):
        raise _unknown() from None


def _line(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _packed(cell: Cell) -> object:
    return [base64.b64encode(cell).decode()] if isinstance(cell, bytes) else cell


def _unpacked(cell: object) -> Cell:
    if isinstance(cell, list):
        return _read(lambda: base64.b64decode(cell[0], validate=True))
    if cell is None or isinstance(cell, str | int | float):
        return cell
    raise _unknown()


def _unknown() -> Refused:
    return Refused(
        "the backup is of a form that this version does not know", mend="install the version that made it"
    )
