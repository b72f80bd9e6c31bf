"""The .ics reader: two passes over the file, what stands alone first, series and versions after it.

Memory: positions of all entries, and one group of entries at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import BinaryIO
from zoneinfo import ZoneInfo

from bot.agenda.fault import FILE, Fault
from bot.agenda.ics_entry import EntryReader
from bot.agenda.ics_scan import Block, Scan, scan
from bot.agenda.ics_series import PAST_DAYS, Member, Told, Window, read_group
from bot.agenda.zones import Zones
from bot.domain.appointment import Refusal
from bot.errors import AgendaError
from config.agenda_settings import AgendaSettings

_MAX_GROUPS = 20_000
_MAX_INSTANCES = 500_000


def read_ics(
    handle: BinaryIO,
    settings: AgendaSettings,
    *,
    zone: ZoneInfo,
    now: datetime,
    progress: Callable[[int], None],
) -> Iterator[Told]:
    """Yield what the calendar in ``handle`` says; ``progress`` takes the position in the file.

    Raises :class:`AgendaError` where it is no calendar at all.
    """
    found = scan(handle)
    readers = []
    for calendar in found.calendars:
        if calendar.scale != "GREGORIAN":
            raise AgendaError(
                where=FILE, why="counts days by another calendar", mend="export it as Gregorian"
            )
        readers.append(EntryReader(settings, Zones(zone, calendar.zones), calendar.method))
    window = Window(first=now - timedelta(days=PAST_DAYS), last=now + timedelta(days=settings.horizon_days))
    yield from (refusal for refusal in found.refusals if refusal.field != FILE)
    groups: dict[int, list[int]] = {}
    for index in range(len(found)):
        uid = found.uid(index)
        if uid in found.together:
            groups.setdefault(uid, []).append(index)
            continue
        block = found.block(index)
        progress(block.offset)
        yield from _group(handle, [block], readers, window)
    yield from _groups(handle, found, list(groups.values()), readers, window)
    yield from (refusal for refusal in found.refusals if refusal.field == FILE)


def _groups(
    handle: BinaryIO, found: Scan, groups: list[list[int]], readers: list[EntryReader], window: Window
) -> Iterator[Told]:
    told = 0
    for count, indexes in enumerate(groups):
        for one in _group(handle, [found.block(index) for index in indexes], readers, window):
            told += 1
            yield one
        if told > _MAX_INSTANCES or count >= _MAX_GROUPS:
            yield Refusal(
                where=f"line {found.block(indexes[0]).line}",
                field=FILE,
                why="the series in this file have too many appointments; what follows was not read",
                mend="export a shorter time, or end series that are over",
            )
            return


def _group(
    handle: BinaryIO, blocks: list[Block], readers: list[EntryReader], window: Window
) -> Iterator[Told]:
    members: dict[str, list[Member]] = {}
    for block in blocks:
        handle.seek(block.offset)
        reader = readers[block.calendar]
        try:
            lines = reader.lines(handle.read(block.length))
        except Fault as fault:
            yield fault.at(block.where)
            continue
        uid = lines["UID"][0].value if "UID" in lines else ""
        members.setdefault(uid, []).append(Member(where=block.where, lines=lines, reader=reader))
    for same in members.values():
        yield from read_group(same, window)
