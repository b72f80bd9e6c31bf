"""Names and small values that everything else is made of. Pure; secrets have types with a redacted repr."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from enum import StrEnum
from typing import NewType

from bot.errors import WrongUse

RecipientId = NewType("RecipientId", str)
PatientId = NewType("PatientId", str)
AppointmentId = NewType("AppointmentId", str)
KeyId = NewType("KeyId", str)
UserId = NewType("UserId", str)
RoomId = NewType("RoomId", str)
EventId = NewType("EventId", str)
TransactionId = NewType("TransactionId", str)

_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"  # 32 signs: five bits each


def new_id(prefix: str) -> str:
    """A random opaque id: ``prefix``, a hyphen, 80 random bits in a neutral alphabet."""
    return prefix + "-" + "".join(_ALPHABET[byte & 31] for byte in secrets.token_bytes(16))


class Language(StrEnum):
    """Languages with a catalogue in ``config/locale``."""

    FR = "fr"
    EN = "en"


class Secret:
    """Text that must never be printed, logged or compared by accident (a PIN, a code, a typed message)."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return "Secret(…)"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]  # a secret is neither a key of a dict nor a member of a set


class SecretBytes:
    """Key material; its repr is redacted."""

    __slots__ = ("_data",)

    def __init__(self, data: bytes) -> None:
        self._data = data

    def reveal(self) -> bytes:
        return self._data

    def __len__(self) -> int:
        return len(self._data)

    def __repr__(self) -> str:
        return f"SecretBytes({len(self._data)} bytes)"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]  # as above


@dataclass(frozen=True, kw_only=True, slots=True)
class DateRange:
    """Whole days, both included, in the practice's zone."""

    first: str
    last: str

    def __post_init__(self) -> None:
        for day in (self.first, self.last):
            if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", day):
                raise WrongUse("a day is written YYYY-MM-DD")
        if self.last < self.first:
            raise WrongUse("the range ends before it begins")
