"""The audit log as an HMAC chain: pure, without storage.

1. Each row's code covers the code before it, its number and all of its fields, under a key outside the
   database.
2. Numbers count up from 1 without a gap, so a removed row is seen where it was.
3. Length and head are anchored in the vault: a log that was cut, or replaced by an older copy, is too short
   or does not have the anchored code at the anchored place.
4. Rows after the anchor must chain as well; they are there when a crash came between the two stores.
5. The first bad row is named, and the times of the rows around it.
6. A key that was changed goes on where it was changed: rows up to there are judged by the older key, and the first
   one under the new key covers the last code under the older one. So who holds an older key changes nothing unseen.
7. Rows that were purged by the practice's own setting end in a checkpoint (number and code of the last of them),
   sealed under the newest key: nobody without it says that rows are gone on purpose.
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
    CHECKPOINT = "before the first row kept, and no valid checkpoint says that it was purged"


class BrokenChain(InvalidSeal):
    """The audit log was tampered with."""

    def __init__(self, *, number: int, fault: Fault, after: str = "", before: str = "") -> None:
        """``number`` is the number that the first bad row has or should have had.

        ``after`` and ``before`` are the times, as stored, of the last good row and of the next one that is there.
        """
        between = f" (after {after or 'the beginning'}, before {before or 'the end'})"
        super().__init__(
            f"audit row {number}: {fault}{between}",
            mend="keep this database as it is, and compare it with a copy: pli audit show; pli audit compare HEAD",
        )
        self.number = number
        self.fault = fault
        self.after, self.before = after, before


@dataclass(frozen=True, kw_only=True, slots=True)
class AuditRow:
    """One row as stored; ``fields`` in the order in which they were linked, the time first."""

    number: int
    fields: tuple[str, ...]
    mac: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Checkpoint:
    """Rule 7: everything up to row ``number``, whose code is ``mac``, was purged. ``seal`` is 32 bytes."""

    number: int = 0
    mac: bytes = START
    seal: bytes = b""


NOTHING_PURGED: Final = Checkpoint()


class AuditChain:
    """Links and verifies. ``older`` are the keys before, each with the number of its last row, in that order."""

    def __init__(self, key: SecretBytes, older: Sequence[tuple[int, SecretBytes]] = ()) -> None:
        self._key = key
        self._older = tuple(older)

    def _key_of(self, number: int) -> SecretBytes:
        return next((key for last, key in self._older if number <= last), self._key)

    def link(self, previous: bytes, number: int, fields: Sequence[str]) -> bytes:
        """The code (32 bytes) of row ``number``; ``previous`` is that of the row before, or :data:`START`."""
        message = frame("pli/v1/audit", previous, str(number), *fields)
        return hmac.new(self._key_of(number).reveal(), message, hashlib.sha256).digest()

    def seal(self, number: int, mac: bytes) -> bytes:
        """Rule 7."""
        message = frame("pli/v1/audit-checkpoint", str(number), mac)
        return hmac.new(self._key.reveal(), message, hashlib.sha256).digest()

    def verify(
        self,
        rows: Iterable[AuditRow],
        *,
        length: int,
        head: bytes,
        checkpoint: Checkpoint = NOTHING_PURGED,
    ) -> Literal[True]:
        """Walk the rows in the order of their numbers. ``length`` and ``head`` are the vault's anchor.

        Raises :class:`BrokenChain`.
        """
        there = list(rows)
        previous, expected = checkpoint.mac, checkpoint.number + 1
        if checkpoint != NOTHING_PURGED:
            self._verify_checkpoint(checkpoint, there, length=length, head=head)
        for index, row in enumerate(there):
            fault = self._fault(row, previous, expected, length=length, head=head)
            if fault is not None:
                raise BrokenChain(
                    number=expected,
                    fault=fault,
                    after=_time(there, index - 1),
                    before=_time(there, index if row.number > expected else index + 1),
                )
            previous, expected = row.mac, expected + 1
        if expected <= length:
            raise BrokenChain(number=expected, fault=Fault.CUT, after=_time(there, len(there) - 1))
        return True

    def _verify_checkpoint(
        self, checkpoint: Checkpoint, rows: Sequence[AuditRow], *, length: int, head: bytes
    ) -> None:
        number = checkpoint.number
        if not hmac.compare_digest(self.seal(number, checkpoint.mac), checkpoint.seal):
            raise BrokenChain(number=number, fault=Fault.CHECKPOINT, before=_time(rows, 0))
        if number == length and not hmac.compare_digest(checkpoint.mac, head):
            raise BrokenChain(number=number, fault=Fault.REPLACED, before=_time(rows, 0))

    def _fault(
        self, row: AuditRow, previous: bytes, expected: int, *, length: int, head: bytes
    ) -> Fault | None:
        if row.number != expected:
            return Fault.OUT_OF_PLACE
        if not hmac.compare_digest(self.link(previous, row.number, row.fields), row.mac):
            return Fault.CHANGED
        if row.number == length and not hmac.compare_digest(row.mac, head):
            return Fault.REPLACED
        return None


def _time(rows: Sequence[AuditRow], index: int) -> str:
    return rows[index].fields[0] if 0 <= index < len(rows) and rows[index].fields else ""
