"""The one error tree. The text of every error is safe to show and to log: it never holds a detail.

::

    PliError
    ├─ Refused                 the request is understood and not granted (exit code 1)
    │  ├─ WrongSecret          a counted, wrong PIN
    │  ├─ MustWait             a wait is running; nothing was counted or compared
    │  ├─ KeyDestroyed         ten wrong PINs, or the recipient left
    │  ├─ StaleGeneration      database and vault name different generations; nothing was counted
    │  ├─ Untrusted            a device, a key or a room is in doubt: nothing is released
    │  ├─ InvalidSeal          an envelope, a signature or a wrapped key does not verify
   │  └─ SecondNeeded         touches more people than one member of the staff decides about alone
    ├─ WrongUse                arguments or settings that cannot work (exit code 2)
    │  └─ Unclear              a day or an hour that cannot be read; names the place
    ├─ AgendaError             a whole agenda file cannot be read (exit code 1)
    ├─ StorageError            database or vault unavailable or damaged: refuse
    ├─ DeskError               the import side is away or did not answer: nothing was done, say it again later
    └─ ChannelError            a message did not leave; says whether that is permanent
"""

from __future__ import annotations

from datetime import datetime
from typing import Final, Literal


class PliError(Exception):
    """Something went wrong."""

    def __init__(self, message: str | None = None, *, mend: str = "") -> None:
        """``mend`` says in one sentence what the reader can do about it."""
        super().__init__(message or (self.__doc__ or "").strip().split("\n")[0])
        self.mend = mend


class Refused(PliError):
    """The request was refused."""


class WrongSecret(Refused):
    """The secret is wrong."""

    def __init__(self, *, tries_left: int | None, wait_seconds: float) -> None:
        """``tries_left`` is None for a one-time code, whose tries are not limited by the vault."""
        super().__init__()
        self.tries_left = tries_left
        self.wait_seconds = wait_seconds


class MustWait(Refused):
    """Too early after a wrong secret."""

    def __init__(self, *, wait_seconds: float) -> None:
        super().__init__()
        self.wait_seconds = wait_seconds


class KeyDestroyed(Refused):
    """The key was destroyed."""


class StaleGeneration(Refused):
    """Database and vault do not fit together."""


UntrustedReason = Literal["device", "identity", "room", "membership", "encryption", "own_device", "keys"]


class Untrusted(Refused):
    """A device, a key or a room is in doubt."""

    def __init__(self, reason: UntrustedReason) -> None:
        super().__init__(f"not trusted: {reason}")
        self.reason: UntrustedReason = reason


class InvalidSeal(Refused):
    """A seal, a signature or a wrapped key does not verify."""


class SecondNeeded(Refused):
    """This touches many people: a second member of the staff must approve it."""

    def __init__(self, *, count: int) -> None:
        """``count`` people."""
        super().__init__()
        self.count = count


class WrongUse(PliError):
    """The arguments or settings cannot work."""


UnclearPlace = Literal[
    "day",
    "hour",
    "rest",
    "weekday",
    "which_week",
    "next",
    "far",
    "years",
    "no_such_day",
    "no_such_month",
    "no_such_hour",
    "backwards",
    "long",
]
_UNCLEAR: Final[dict[UnclearPlace, tuple[str, str]]] = {
    "day": ("day: none can be read there", "write it like 3/12 or 2026-12-03"),
    "hour": ("hour: none can be read behind the day", "write it like 14h30 or 14:30"),
    "rest": ("day: something behind it cannot be read", "write the day and the hour alone"),
    "weekday": ("weekday: that day has another name", "check the date"),
    "which_week": ("weekday: today has this name, so that two days could be meant", "write the date"),
    "next": ('weekday: "next" could mean two days', "write the date"),
    "years": ("day: it is more than three years ahead", "check the year"),
    "far": ("day: it is over, or more than eleven months ahead", "write the year too"),
    "no_such_day": ("day: there is no such day", "the day comes before the month: 3/12"),
    "no_such_month": ("month: there is no such month", "the day comes before the month: 3/12"),
    "no_such_hour": ("hour: there is no such hour", "write it like 14h30 or 14:30"),
    "backwards": ("days: the last comes before the first", "write the earlier day first"),
    "long": ("days: they are more than three months", "write a shorter time"),
}


class Unclear(WrongUse):
    """A day or an hour cannot be read."""

    def __init__(self, place: UnclearPlace) -> None:
        """``place`` says what cannot be read, and why."""
        message, mend = _UNCLEAR[place]
        super().__init__(message, mend=mend)
        self.place: UnclearPlace = place


class AgendaError(PliError):
    """The agenda file cannot be read."""

    def __init__(self, *, where: str, why: str, mend: str) -> None:
        super().__init__(f"{where}: {why}", mend=mend)
        self.where = where
        self.why = why


class StorageError(PliError):
    """The storage refused."""


class DeskError(PliError):
    """The import side is away."""


class ChannelError(PliError):
    """A message did not leave."""

    def __init__(
        self, message: str, *, permanent: bool, retry_after: float | None = None, unsure: bool = False
    ) -> None:
        """``retry_after`` in seconds, where the other side named one. ``unsure``: it may have left nevertheless, on a
        channel that cannot be asked.
        """
        super().__init__(message)
        self.permanent = permanent
        self.retry_after = retry_after
        self.unsure = unsure


def require_aware(moment: datetime, name: str) -> datetime:
    """Return ``moment``; raise :class:`WrongUse` if it has no zone."""
    if moment.tzinfo is None or moment.utcoffset() is None:
        raise WrongUse(f"{name} must have a time zone")
    return moment
