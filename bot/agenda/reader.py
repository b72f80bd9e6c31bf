"""Open an agenda file, find out what it is, and hand it to the reader of its format."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, Literal
from zoneinfo import ZoneInfo

from bot.agenda.fault import FILE, MAX_REFUSALS
from bot.domain.appointment import Appointment, Refusal, Unmatched
from bot.errors import AgendaError, require_aware
from config.agenda_settings import STANDARD_PROFILE, AgendaSettings

_FOREIGN = (
    (b"PK\x03\x04", "a ZIP or Excel (.xlsx) file"),
    (b"PK\x05\x06", "an empty ZIP file"),
    (b"\xd0\xcf\x11\xe0", "an old Excel or Word file"),
    (b"%PDF", "a PDF file"),
    (b"\x1f\x8b", "a compressed file"),
    (b"{\\rtf", "a text document"),
    (b"SQLite format 3", "a database"),
    (b"\xff\xfe", "UTF-16 text"),
    (b"\xfe\xff", "UTF-16 text"),
)
_HEAD_BYTES = 4096
_PROGRESS_BYTES = 65_536


@dataclass(frozen=True, kw_only=True, slots=True)
class AgendaBytes:
    """A file that is in memory alone; ``suffix`` of its name, with the dot."""

    data: bytes = field(repr=False)
    suffix: str


def read_agenda(
    path: Path | AgendaBytes,
    settings: AgendaSettings,
    *,
    zone: ZoneInfo,
    now: datetime,
    format: Literal["ics", "csv"] | None = None,  # noqa: A002 - the name of the option that the user types
    profile: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[Appointment | Refusal | Unmatched]:
    """Yield each appointment of ``path``, each refused entry, and a marker for each entry without a patient.

    ``zone`` is the practice's, ``now`` aware; ``progress`` is called with (bytes read, bytes in all). The
    file is opened at the first step. A refusal whose field is :data:`~bot.agenda.FILE` says that the file is
    not whole. Raises :class:`AgendaError` where the file as a whole cannot be read, before anything is
    yielded, or where it cannot be read on.
    """
    from bot.agenda.ics import read_ics  # noqa: PLC0415 - only an import waits for the calendar library
    from bot.agenda.table import read_csv  # noqa: PLC0415 - as above

    require_aware(now, "now")
    chosen = settings.profile(profile or STANDARD_PROFILE)
    if chosen is None:
        raise AgendaError(
            where="profile", why="there is no profile of this name", mend="add [agenda.csv.NAME] to pli.toml"
        )
    try:
        if isinstance(path, Path) and not path.is_file():
            raise AgendaError(where=FILE, why="is not there, or is no file", mend="check the path")
        with path.open("rb") if isinstance(path, Path) else BytesIO(path.data) as handle:
            size = _measure(handle, settings.max_bytes)
            kind = _kind(handle, path.suffix.casefold(), format)
            report = _Progress(size, progress)
            if kind == "ics":
                told = read_ics(handle, settings, zone=zone, now=now, progress=report.at)
            else:
                told = read_csv(handle, chosen, zone=zone, progress=report.at)
            yield from _limited(told)
            report.done()
    except OSError:
        raise AgendaError(
            where=FILE, why="cannot be opened or read", mend="check the path and the permissions"
        ) from None


def _measure(handle: BinaryIO, limit: int) -> int:
    size = handle.seek(0, 2)
    handle.seek(0)
    if size == 0:
        raise AgendaError(where=FILE, why="is empty (0 bytes)", mend="export the agenda again")
    if size > limit:
        raise AgendaError(
            where=FILE,
            why=f"has {size} bytes, {limit} are the most",
            mend="export a shorter time, or raise max_bytes under [agenda]",
        )
    return size


def _kind(handle: BinaryIO, suffix: str, wanted: str | None) -> str:
    """What the file is, judged by its beginning; what it should be must agree."""
    head = handle.read(_HEAD_BYTES)
    handle.seek(0)
    foreign = next((name for mark, name in _FOREIGN if head.startswith(mark)), None)
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip().upper()
    if start.startswith((b"<!DOCTYPE", b"<HTML", b"<?XML")):
        foreign = "a web page or XML"
    calendar = start.startswith((b"BEGIN:", b"BEGIN;"))
    expected = wanted or {".ics": "ics", ".ical": "ics", ".csv": "csv", ".txt": "csv", ".tsv": "csv"}.get(
        suffix
    )
    if foreign is None and expected == "csv" and calendar:
        foreign = "a calendar (.ics)"
    if foreign is None and expected is None and not calendar:
        foreign = "of no known kind"
    if foreign is not None:
        raise AgendaError(where=FILE, why=f"is {foreign}", mend="export the agenda as .ics or as .csv")
    return expected or "ics"


class _Progress:
    """Calls back once for each stretch of the file, and never backwards."""

    def __init__(self, total: int, call: Callable[[int, int], None] | None) -> None:
        self._total = total
        self._call = call
        self._next = 0

    def at(self, position: int) -> None:
        if self._call is not None and position >= self._next:
            self._call(position, self._total)
            self._next = position + _PROGRESS_BYTES

    def done(self) -> None:
        if self._call is not None:
            self._call(self._total, self._total)


def _limited(
    told: Iterator[Appointment | Refusal | Unmatched],
) -> Iterator[Appointment | Refusal | Unmatched]:
    refused = 0
    for one in told:
        yield one
        refused += isinstance(one, Refusal)
        if refused >= MAX_REFUSALS:
            yield Refusal(
                where=one.where,
                field=FILE,
                why="too many entries are refused; what follows was not read",
                mend="check the format and the profile",
            )
            return
