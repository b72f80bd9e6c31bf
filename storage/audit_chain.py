"""The audit log as an HMAC chain: pure, without storage.

1. Each row's code covers the code before it, its number and all of its fields, under a key outside the
   database.
2. Numbers count up from 1 without a gap, so a removed row is seen where it was.
3. Length and head are anchored in the vault: a log that was cut, or replaced by an older copy, is too short
   or does not have the anchored code at the anchored place.
4. Rows after the anchor must chain as well; they are there when a crash came between the two stores.
5. The first bad row is named.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal

from bot.domain.values import SecretBytes
from bot.errors import InvalidSeal
from storage.framing import frame

START: Final = b""


class Fault(StrEnum):
    """What is wrong with the first bad row."""

    CHANGED = "changed"
    OUT_OF_PLACE = "removed, inserted or out of order"
    CUT = "cut off"
    REPLACED = "not the row that was anchored"


class BrokenChain(InvalidSeal):
    """The audit log was tampered with."""

    def __init__(self, *, number: int, fault: Fault) -> None:
        """``number`` is the number that the first bad row has or should have had."""
        super().__init__(f"audit row {number}: {fault}")
        self.number = number
        self.fault = fault


@dataclass(frozen=True, kw_only=True, slots=True)
class AuditRow:
    """One row as stored; ``fields`` in the order in which they were linked."""

    number: int
    fields: tuple[str, ...]
    mac: bytes


class AuditChain:
    """Links and verifies under one key."""

    def __init__(self, key: SecretBytes) -> None:
        self._key = key

    def link(self, previous: bytes, number: int, fields: Sequence[str]) -> bytes:
        """The code (32 bytes) of row ``number``; ``previous`` is that of the row before, or :data:`START`."""
        message = frame("pli/v1/audit", previous, str(number), *fields)
        return hmac.new(self._key.reveal(), message, hashlib.sha256).digest()

    def verify(self, rows: Iterable[AuditRow], *, length: int, head: bytes) -> Literal[True]:
        """Walk the rows in the order of their numbers. ``length`` and ``head`` are the vault's anchor.

        Raises :class:`BrokenChain`.
        """
        previous, expected = START, 1
        for row in rows:
            if row.number != expected:
                raise BrokenChain(number=expected, fault=Fault.OUT_OF_PLACE)
            if not hmac.compare_digest(self.link(previous, row.number, row.fields), row.mac):
                raise BrokenChain(number=expected, fault=Fault.CHANGED)
            if row.number == length and not hmac.compare_digest(row.mac, head):
                raise BrokenChain(number=expected, fault=Fault.REPLACED)
            previous, expected = row.mac, expected + 1
        if expected <= length:
            raise BrokenChain(number=expected, fault=Fault.CUT)
        return True
