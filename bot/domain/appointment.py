"""An appointment with its details. Exists in memory in two places only: between parse and seal, open and release."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Self

from bot.errors import WrongUse, require_aware


class Status(StrEnum):
    """What the agenda says (FHIR R4 ``Appointment.status``, reduced to what Pli acts on)."""

    BOOKED = "booked"
    CANCELLED = "cancelled"


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Detail:
    """What is sealed: everything that a patient may read and the practice needs back with an answer.

    ``start`` and ``end`` are aware; ``zone`` is the IANA name in which they are told. ``patient`` is the agenda's
    patient reference, ``source`` the agenda's own identity of the entry.
    """

    source: str
    patient: str
    start: datetime
    end: datetime
    zone: str
    all_day: bool = False
    practitioner: str = ""
    place: str = ""
    note: str = ""
    given_name: str = ""

    def __post_init__(self) -> None:
        require_aware(self.start, "start")
        require_aware(self.end, "end")
        # In UTC: by the wall, an hour that comes twice would mislead.
        if self.end.astimezone(UTC) < self.start.astimezone(UTC):
            raise WrongUse("an appointment ends before it starts")

    def __repr__(self) -> str:
        return "Detail(…)"

    def encode(self) -> bytes:
        """UTF-8 JSON with sorted keys; times as ISO 8601 in UTC."""
        row = {name: getattr(self, name) for name in _DETAIL_FIELDS}  # flat: nothing to copy deeply
        row["start"], row["end"] = (t.astimezone(UTC).isoformat() for t in (self.start, self.end))
        return json.dumps(row, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Inverse of :meth:`encode`; raises ``ValueError``, and nothing else, for any other bytes."""
        try:
            row = _typed(json.loads(data))
            row["start"], row["end"] = (datetime.fromisoformat(row[k]) for k in ("start", "end"))
            return cls(**row)
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError, WrongUse):
            raise ValueError("not the details of an appointment") from None


def _typed(row: dict[str, Any]) -> dict[str, Any]:
    """``row`` if all of it but ``all_day`` is text that can be encoded again (lone surrogates cannot)."""
    flag, texts = row["all_day"], [value for name, value in row.items() if name != "all_day"]
    if type(flag) is not bool:
        raise TypeError("all_day is yes or no")
    "".join(texts).encode()
    return row


_DETAIL_FIELDS = tuple(f.name for f in fields(Detail))


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Appointment:
    """One entry of an agenda as read: details, status, and what tells a newer version from an older one.

    ``sequence`` and ``modified`` are iCalendar's SEQUENCE and LAST-MODIFIED (0 and None where the format has none).
    ``stable`` is False where the format has no id of its own, so that the identity is patient, practitioner, start.
    ``where`` locates the entry for error messages (line or UID). ``series`` is the UID of an entry that the file gives
    whole, with every instance of it: an instance that was known and is not among them is no more. ``type`` is the
    agenda's kind of appointment: it chooses the rule for its nudges, and goes no further.
    """

    detail: Detail
    status: Status = Status.BOOKED
    sequence: int = 0
    modified: datetime | None = None
    stable: bool = True
    where: str = ""
    series: str = ""
    type: str = ""

    def __repr__(self) -> str:
        return "Appointment(…)"


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Unmatched:
    """An entry without a patient reference: counted, no error.

    ``source`` is its identity (UID, or UID/RECURRENCE-ID; empty where the format has none), so that whoever
    knew it under a patient can see that it is nobody's now; ``series`` as of an appointment.
    """

    where: str
    source: str = ""
    status: Status = Status.BOOKED
    series: str = ""

    def __repr__(self) -> str:
        return "Unmatched(…)"


@dataclass(frozen=True, kw_only=True, slots=True)
class Refusal:
    """An entry that could not be read: where (line or UID), which field, why, and the mend. No content of the entry."""

    where: str
    field: str
    why: str
    mend: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ImportCounts:
    """What an import did or would do."""

    new: int = 0
    changed: int = 0
    moved: int = 0
    cancelled: int = 0
    unchanged: int = 0
    past: int = 0
    unmatched: int = 0
    refused: tuple[Refusal, ...] = field(default=())
